"""Small line charts over time, as SVG for a page and as pixels for a picture; words of the picture are ASCII."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.report import Html

WIDE, HIGH = 460, 190  # px of the plotted area and its margins
LEFT, RIGHT, TOP, FOOT = 44, 10, 26, 40
BAND = 7  # px height of the band below the plot
INK, SOFT = (36, 31, 27), (112, 100, 91)  # BGR
GROUND = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, colour as ``#rrggbb``, and values over the chart's times; NaN breaks it."""

    name: str
    colour: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one row of times.

    Attributes:
        title: with the unit of the upright axis.
        minutes: (N,) float64, ascending; 0 is the moment asked about, which gets an upright mark.
        lines: each with N values.
        top: greatest value shown.
        levels: (value, name) of thresholds.
        band: colour per time below the plot, empty where nothing is said; () for no band.
    """

    title: str
    minutes: NDArray[np.float64]
    lines: tuple[Line, ...]
    top: float
    levels: tuple[tuple[float, str], ...] = ()
    band: tuple[str, ...] = ()


def chart_svg(chart: Chart) -> Html:
    """Draw a chart as inline SVG in the page's own ink; the title and names may be in any language."""
    parts = [
        f'<svg viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" height="{HIGH}" font-size="11" fill="currentColor">',
        f"<title>{escape(chart.title)}</title>",
        f'<text x="{LEFT}" y="12" font-weight="600">{escape(chart.title)}</text>',
    ]
    for value in (0.0, chart.top):
        y = _y(chart, value)
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.0f}" text-anchor="end">{value:g}</text>')
        parts.append(_stroke(f"M{LEFT} {y:.1f}H{WIDE - RIGHT}", "currentColor", "opacity=.25"))
    for value, name in chart.levels:
        y = _y(chart, value)
        parts.append(_stroke(f"M{LEFT} {y:.1f}H{WIDE - RIGHT}", "currentColor", "opacity=.6 stroke-dasharray=4,3"))
        parts.append(f'<text x="{LEFT + 4}" y="{y - 3:.0f}" opacity=".8">{escape(name)}</text>')
    if len(chart.minutes):
        x = _x(chart, 0.0)
        parts.append(_stroke(f"M{x:.1f} {TOP}V{HIGH - FOOT}", "currentColor", "opacity=.7 stroke-dasharray=2,2"))
    for line in chart.lines:
        path = "".join(f"M{_points(run)}" for run in _runs(chart, line))
        parts.append(_stroke(path, line.colour, "stroke-width=1.8 fill=none"))
    parts.extend(_band_svg(chart))
    x = float(LEFT)
    for line in chart.lines:
        parts.append(f'<rect x="{x:.0f}" y="{HIGH - 12}" width="10" height="10" fill="{line.colour}"/>')
        parts.append(f'<text x="{x + 13:.0f}" y="{HIGH - 3}">{escape(line.name)}</text>')
        x += 24 + sum(12 if ord(mark) > 0x2E00 else 6.4 for mark in line.name)
    for minutes, anchor in _ticks(chart):
        parts.append(
            f'<text x="{_x(chart, minutes):.0f}" y="{HIGH - 18}" text-anchor="{anchor}" opacity=".8">'
            f"{minutes:+.1f} min</text>"
        )
    return Html("".join(parts) + "</svg>")


def chart_pixels(chart: Chart) -> NDArray[np.uint8]:
    """Draw a chart as (190, 460, 3) uint8 BGR on white; what the font cannot write becomes question marks."""
    picture = np.full((HIGH, WIDE, 3), GROUND, np.uint8)
    _write(picture, chart.title, LEFT, 14, INK)
    for value in (0.0, chart.top):
        y = round(_y(chart, value))
        cv2.line(picture, (LEFT, y), (WIDE - RIGHT, y), (220, 220, 220), 1)
        _write(picture, f"{value:g}", 4, y + 4, SOFT)
    for value, name in chart.levels:
        y = round(_y(chart, value))
        cv2.line(picture, (LEFT, y), (WIDE - RIGHT, y), (150, 150, 150), 1)
        _write(picture, name, LEFT + 4, y - 3, SOFT)
    if len(chart.minutes):
        x = round(_x(chart, 0.0))
        cv2.line(picture, (x, TOP), (x, HIGH - FOOT), (120, 120, 120), 1)
    for line in chart.lines:
        for run in _runs(chart, line):
            corners = np.asarray(np.rint(run), np.int32)
            cv2.polylines(
                picture, [corners], isClosed=False, color=_bgr(line.colour), thickness=2, lineType=cv2.LINE_AA
            )
    for x0, x1, colour in _band(chart):
        cv2.rectangle(picture, (round(x0), HIGH - FOOT + 3), (round(x1), HIGH - FOOT + 3 + BAND), _bgr(colour), -1)
    x = LEFT
    for line in chart.lines:
        cv2.rectangle(picture, (x, HIGH - 12), (x + 9, HIGH - 3), _bgr(line.colour), -1)
        _write(picture, line.name, x + 13, HIGH - 3, INK)
        x += 24 + 7 * len(line.name)
    for minutes, anchor in _ticks(chart):
        text = f"{minutes:+.1f} min"
        back = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * 7 * len(text)
        _write(picture, text, round(_x(chart, minutes) - back), HIGH - 17, SOFT)
    return picture


def _x(chart: Chart, minutes: float) -> float:
    first, last = float(chart.minutes[0]), float(chart.minutes[-1])
    share = (minutes - first) / (last - first) if last > first else 0.5
    return LEFT + min(1.0, max(0.0, share)) * (WIDE - LEFT - RIGHT)


def _y(chart: Chart, value: float) -> float:
    share = min(1.0, max(0.0, value / chart.top)) if chart.top > 0 else 0.0
    return HIGH - FOOT - share * (HIGH - FOOT - TOP)


def _runs(chart: Chart, line: Line) -> list[NDArray[np.float64]]:
    """Unbroken parts of a line as (n, 2) px; a single value is a short dash."""
    runs: list[list[tuple[float, float]]] = [[]]
    for minutes, value in zip(chart.minutes, line.values, strict=True):
        if np.isnan(value):
            runs.append([])
        else:
            runs[-1].append((_x(chart, float(minutes)), _y(chart, float(value))))
    return [np.asarray(run if len(run) > 1 else [run[0], (run[0][0] + 2, run[0][1])]) for run in runs if run]


def _band(chart: Chart) -> list[tuple[float, float, str]]:
    """Stretches of one colour: left, right, colour; each time reaches to the next one."""
    found: list[tuple[float, float, str]] = []
    for index, colour in enumerate(chart.band):
        if not colour:
            continue
        x0 = _x(chart, float(chart.minutes[index]))
        x1 = _x(chart, float(chart.minutes[min(index + 1, len(chart.minutes) - 1)]))
        if found and found[-1][2] == colour and abs(found[-1][1] - x0) < 1e-6:
            found[-1] = (found[-1][0], x1, colour)
        else:
            found.append((x0, x1, colour))
    return found


def _band_svg(chart: Chart) -> list[str]:
    return [
        f'<rect x="{x0:.1f}" y="{HIGH - FOOT + 3}" width="{max(1.0, x1 - x0):.1f}" height="{BAND}" fill="{colour}"/>'
        for x0, x1, colour in _band(chart)
    ]


def _ticks(chart: Chart) -> Sequence[tuple[float, str]]:
    if len(chart.minutes) == 0:
        return ()
    return (float(chart.minutes[0]), "start"), (float(chart.minutes[-1]), "end")


def _points(run: NDArray[np.float64]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in run)


def _stroke(path: str, colour: str, more: str) -> str:
    attributes = " ".join('{}="{}"'.format(*pair.split("=", 1)) for pair in more.split())
    return f'<path d="{path}" stroke="{colour}" {attributes}/>'


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return blue, green, red


def _write(picture: NDArray[np.uint8], text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, 1, cv2.LINE_AA)
