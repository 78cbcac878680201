"""A sweep as a picture: recall against false alarms per camera-hour, with its Pareto front. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from alerts.messages import Lang
from curbwatch.tuning.sweep_run import Outcome

WIDE, HIGH = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 44, 58
TICKS = 6  # about so many on each axis
NAMED_MAX = 12  # configurations named at one dot
RADIUS, RADIUS_FRONT = 5, 7
ROOM = 0.06  # of an axis beyond its outermost dot
SPAN_MIN = 0.04  # least height of the recall axis: otherwise one event of a hundred would fill the picture

STYLE = """
.sweep{--ink:#1b1f24;--soft:#5b6470;--line:#d7dce2;--ground:#fff;--dot:#8a97a6;--front:#2f6fb5;--base:#c77700;
max-width:100%;height:auto;background:var(--ground);font:13px system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
@media(prefers-color-scheme:dark){.sweep{--ink:#e4e7eb;--soft:#9aa4b0;--line:#39414b;--ground:#15181c;--dot:#6f7b88;
--front:#7db3ea;--base:#f0b45a}}
.sweep text{fill:var(--soft)}.sweep .name{fill:var(--ink)}.sweep .grid{stroke:var(--line);stroke-width:1}
.sweep .line{fill:none;stroke:var(--front);stroke-width:2;stroke-dasharray:5 4}
.sweep .dot{fill:var(--dot);fill-opacity:.75;stroke:var(--ground)}.sweep .front{fill:var(--front);fill-opacity:1}
.sweep .base{fill:var(--base);fill-opacity:1}.sweep a:hover .dot,.sweep a:focus .dot{stroke:var(--ink);stroke-width:2}
"""
WORDS = {
    "x": ("每摄像机小时误报数", "false alarms per camera-hour"),
    "recall": ("召回率(已发现事件占比)", "recall (share of events found)"),
    "none": ("无事件,召回率未知", "no events: recall is unknown"),
    "front": ("帕累托前沿", "Pareto front"),
    "base": ("基准配置", "the base"),
    "other": ("其他组合", "dominated"),
    "more": ("另有 {} 个", "and {} more"),
    "empty": ("没有可画的结果", "nothing to draw"),
    "title": ("召回率与误报", "Recall against false alarms"),
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to px, along one axis."""

    low: float
    high: float
    start_px: float
    end_px: float

    def px(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start_px + share * (self.end_px - self.start_px), 1)

    def ticks(self) -> Iterator[float]:
        """Round values within the axis, evenly spaced."""
        step = _round_step((self.high - self.low) / TICKS)
        for k in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1):
            yield k * step


def plot(outcomes: Sequence[Outcome], lang: Lang = "en", *, link: str = "") -> str:
    """An SVG, complete in itself. Hovering a dot names its configurations; ``link`` leads to ``#{link}{number}``.

    Recall upwards, false alarms per camera-hour to the right; configurations with the same result share a dot. Those
    without hours have no place; without events all stand on one line.
    """
    here = WORDS_AT[lang]
    placed = [(number, one) for number, one in enumerate(outcomes) if one.unwanted_per_hour is not None]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sweep" viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" '
        f'height="{HIGH}" role="img" aria-label="{escape(_word("title", here))}"><style>{STYLE}</style>'
    )
    if not placed:
        return f'{head}<text x="{WIDE // 2}" y="{HIGH // 2}" text-anchor="middle">{_word("empty", here)}</text></svg>'
    across = _axis([one.unwanted_per_hour or 0.0 for _, one in placed], LEFT, WIDE - RIGHT, least=0.0)
    known = [one.recall for _, one in placed if one.recall is not None]
    upward = _axis(known or [0.0], HIGH - BOTTOM, TOP, least=0.0, most=1.0)
    parts = [head, *_grid(across, upward, here, known=bool(known)), *_front(placed, across, upward)]
    parts += _dots(placed, (across, upward), here, link)
    return "".join([*parts, *_legend(here), "</svg>"])


WORDS_AT: dict[Lang, int] = {"zh": 0, "en": 1}


def _word(name: str, at: int) -> str:
    return WORDS[name][at]


def _axis(
    values: Sequence[float], start_px: float, end_px: float, *, least: float, most: float | None = None
) -> _Scale:
    low, high = min(values), max(values)
    span = max(high - low, SPAN_MIN if most is not None else 0.1 * high, 0.01)
    low, high = max(least, low - ROOM * span), high + ROOM * span
    if high - low < span:
        low = max(least, high - span)
    if most is not None:
        high = min(high, most + ROOM * span)
    if most is None:
        low = -ROOM * (high or span)  # none is the aim: it is always on the axis, and not on its edge
    return _Scale(low, high, start_px, end_px)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(one * power for one in (1, 2, 5, 10) if step <= one * power * (1 + 1e-9))


def _grid(across: _Scale, upward: _Scale, here: int, *, known: bool) -> Iterator[str]:
    foot, end = HIGH - BOTTOM, WIDE - RIGHT
    for value in across.ticks():
        x = across.px(value)
        yield f'<path class="grid" d="M{x} {TOP}V{foot}"/>'
        yield f'<text x="{x}" y="{foot + 18}" text-anchor="middle">{value:.4g}</text>'
    for value in upward.ticks() if known else ():
        if value <= 1 + 1e-9:
            y = upward.px(value)
            yield f'<path class="grid" d="M{LEFT} {y}H{end}"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.4g}</text>'
    yield f'<text class="name" x="{(LEFT + end) / 2}" y="{foot + 40}" text-anchor="middle">{_word("x", here)}</text>'
    middle = (TOP + foot) / 2
    name = _word("recall" if known else "none", here)
    yield f'<text class="name" transform="translate(20 {middle}) rotate(-90)" text-anchor="middle">{name}</text>'


def _front(placed: Sequence[tuple[int, Outcome]], across: _Scale, upward: _Scale) -> Iterator[str]:
    corners = sorted({(one.unwanted_per_hour or 0.0, one.recall or 0.0) for _, one in placed if one.front})
    if len(corners) > 1:
        # Stairs: between two of them nothing was tried.
        steps = f"M{across.px(corners[0][0])} {upward.px(corners[0][1])}"
        steps += "".join(f"H{across.px(x)}V{upward.px(y)}" for x, y in corners[1:])
        yield f'<path class="line" d="{steps}"/>'


def _dots(placed: Sequence[tuple[int, Outcome]], scales: tuple[_Scale, _Scale], here: int, link: str) -> Iterator[str]:
    places: dict[tuple[float, float], list[tuple[int, Outcome]]] = {}
    for number, one in placed:
        x, y = scales[0].px(one.unwanted_per_hour or 0.0), scales[1].px(one.recall or 0.0)
        places.setdefault((x, y), []).append((number, one))
    # What matters lies on top.
    for (x, y), own in sorted(places.items(), key=lambda item: _rank(item[1])):
        front, base = any(one.front for _, one in own), any(not one.point.settings for _, one in own)
        size = RADIUS_FRONT if front or base else RADIUS
        kind = "dot" + " front" * front + " base" * base
        shape = (
            f'<path class="{kind}" d="M{x} {y - size}L{x + size} {y}L{x} {y + size}L{x - size} {y}Z"/>'
            if base
            else f'<circle class="{kind}" cx="{x}" cy="{y}" r="{size}"/>'
        )
        inside = f"<g>{shape}<title>{escape(_title(own, here))}</title></g>"
        yield f'<a href="#{link}{own[0][0]}">{inside}</a>' if link else inside


def _rank(own: Sequence[tuple[int, Outcome]]) -> tuple[bool, bool]:
    return any(one.front for _, one in own), any(not one.point.settings for _, one in own)


def _title(own: Sequence[tuple[int, Outcome]], here: int) -> str:
    """What hovering says: the result, then each configuration that gave it."""
    one = own[0][1]
    found, rate = one.found, one.unwanted_per_hour or 0.0
    lines = [f"{found['found']}/{found['events']}, {found['false_alarms']} ({rate:.3g}/h)"]
    lines += [f"#{number} {own_one.point.label}" for number, own_one in own[:NAMED_MAX]]
    if len(own) > NAMED_MAX:
        lines.append(_word("more", here).format(len(own) - NAMED_MAX))
    return "\n".join(lines)


def _legend(here: int) -> Iterator[str]:
    x, y = LEFT + 8, TOP - 16
    yield f'<circle class="dot front" cx="{x}" cy="{y - 4}" r="{RADIUS_FRONT}"/>'
    yield f'<text x="{x + 12}" y="{y}">{_word("front", here)}</text>'
    x += 120
    yield f'<path class="dot base" d="M{x} {y - 11}L{x + 7} {y - 4}L{x} {y + 3}L{x - 7} {y - 4}Z"/>'
    yield f'<text x="{x + 12}" y="{y}">{_word("base", here)}</text>'
    x += 110
    yield f'<circle class="dot" cx="{x}" cy="{y - 4}" r="{RADIUS}"/>'
    yield f'<text x="{x + 12}" y="{y}">{_word("other", here)}</text>'
