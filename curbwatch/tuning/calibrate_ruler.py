"""A ruler on the frame: marks a metre apart by row, horizon, zones; and the smallest thing each zone can show."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.calibrate import Fit, Length
from detectors.vision.classify import CLASSED_PX
from ingest.decode import grid_shape
from schemas.place import ImageZone

AREA_PX = 18.0  # grid px: the smallest thing (vision.md 4)
RECALL_PX = 14.0  # grid px of width below which fewer are found (vision.md 5)
SHRINK = 0.78  # from one bar's distance to the horizon to the next
BARS, METRES_MAX = 9, 5
LEAST_PX = 5.0  # of a metre: below it marks run into one another
BAR_BGR, HORIZON_BGR, ZONE_BGR, LENGTH_BGR = (60, 70, 245), (210, 150, 40), (80, 190, 60), (230, 60, 190)
LABEL_PX = 36.0  # height of a label's box at font scale 1, and a little room
DARK = (20, 20, 20)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a zone can show at its farthest ground.

    Attributes:
        zone: its name.
        row: farthest row of it below the horizon; None: all of it lies above.
        px_per_m, grid_px_per_m: of the picture and of the detector's grid, there.
        smallest_m: side of a thing of 18 grid px there.
        limit: what a heap of 1 m meets there: ``unseen``, ``unclassed``, ``doubtful`` or ``fine``.
    """

    zone: str
    row: float | None
    px_per_m: float
    grid_px_per_m: float
    smallest_m: float
    limit: str


def reaches(fit: Fit, zones: Sequence[ImageZone], size: tuple[int, int]) -> list[Reach]:
    """Each zone's reach; no zones: that of the picture from a tenth below the horizon, since it has no far end."""
    if not zones:
        row = fit.horizon_row + (size[1] - fit.horizon_row) / 10
        return [_reach("picture", max(row, 0.0), fit, size)]
    found = []
    for zone in zones:
        rows = [y for _, y in zone.polygon] or [0.0]
        below = max(min(rows), fit.horizon_row + 1)
        found.append(_reach(zone.name, below if below < max(rows) else None, fit, size))
    return found


def draw(
    picture: NDArray[np.uint8], fit: Fit, zones: Sequence[ImageZone], lengths: Sequence[Length]
) -> NDArray[np.uint8]:
    """Return a copy of (H, W, 3) BGR with ruler, horizon, zones and lengths, () for none; the font knows ASCII only."""
    shown = picture.copy()
    for zone in zones:
        if zone.polygon:
            corners = np.asarray(np.rint(zone.polygon), np.int32)
            cv2.polylines(
                shown, [corners], isClosed=True, color=ZONE_BGR, thickness=_thick(shown), lineType=cv2.LINE_AA
            )
            x, y = corners[corners[:, 1].argmin()]
            _write(shown, zone.name, int(x) + 4, int(y) + 18, ZONE_BGR)
    _horizon(shown, fit)
    below, labelled = shown.shape[0] - 4 - fit.horizon_row, float("inf")
    for _ in range(BARS):
        row = fit.horizon_row + below
        apart = labelled - row >= LABEL_PX * _scale(shown) and row - max(fit.horizon_row, 0) >= LABEL_PX * _scale(shown)
        _bar(shown, fit, row, named=apart)
        labelled = row if apart else labelled
        below *= SHRINK
    for length, share in zip(lengths, fit.residuals, strict=False):
        ends = [(round(x), round(y)) for x, y in (length.one, length.other)]
        cv2.line(shown, ends[0], ends[1], DARK, _thick(shown) + 2, cv2.LINE_AA)
        cv2.line(shown, ends[0], ends[1], LENGTH_BGR, _thick(shown), cv2.LINE_AA)
        _write(
            shown,
            f"{length.metres:g} m, fit {length.metres * (1 + share):.2f} m",
            ends[1][0] + 6,
            ends[1][1] - 6,
            LENGTH_BGR,
        )
    return shown


def _reach(name: str, row: float | None, fit: Fit, size: tuple[int, int]) -> Reach:
    if row is None:
        return Reach(name, None, 0.0, 0.0, 0.0, "unseen")
    columns = grid_shape(*size)[1]
    scale = fit.px_per_m(row)
    on_grid = scale * columns / size[0]
    if on_grid * on_grid < AREA_PX:
        limit = "unseen"
    elif on_grid < CLASSED_PX * columns / 320:
        limit = "unclassed"
    else:
        limit = "doubtful" if on_grid < RECALL_PX * columns / 320 else "fine"
    return Reach(name, row, scale, on_grid, sqrt(AREA_PX) / on_grid if on_grid > 0 else 0.0, limit)


def _horizon(shown: NDArray[np.uint8], fit: Fit) -> None:
    row = round(fit.horizon_row)
    if not 0 <= row < shown.shape[0]:
        _write(shown, f"horizon at row {row}, {'above' if row < 0 else 'below'} the picture", 8, 18, HORIZON_BGR)
        return
    for x in range(0, shown.shape[1], 24):
        cv2.line(shown, (x, row), (x + 12, row), HORIZON_BGR, _thick(shown))
    _write(shown, f"horizon, row {row}", 8, max(14, row - 6), HORIZON_BGR)


def _bar(shown: NDArray[np.uint8], fit: Fit, row: float, *, named: bool) -> None:
    """One bar of whole metres around the middle, its marks a metre apart; named where its label has room."""
    scale, y = fit.px_per_m(row), round(row)
    if scale < LEAST_PX or not 0 <= y < shown.shape[0]:
        return
    metres = max(1, min(METRES_MAX, int(0.6 * shown.shape[1] / scale)))
    left = shown.shape[1] / 2 - metres * scale / 2
    tall = max(3, round(scale / 12))
    ends = round(left), round(left + metres * scale)
    for colour, thick in ((DARK, _thick(shown) + 2), (BAR_BGR, _thick(shown))):
        cv2.line(shown, (ends[0], y), (ends[1], y), colour, thick)
        for k in range(metres + 1):
            x = round(left + k * scale)
            cv2.line(shown, (x, y - tall), (x, y), colour, thick)
    if named:
        _write(shown, f"1 m = {scale:.0f} px", ends[1] + 6, y, BAR_BGR)


def _thick(shown: NDArray[np.uint8]) -> int:
    return max(1, int(shown.shape[1] / 800 + 0.5))


def _scale(shown: NDArray[np.uint8]) -> float:
    """Of the font."""
    return max(0.4, int(shown.shape[1]) / 2200)


def _write(shown: NDArray[np.uint8], text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    scale = _scale(shown)
    (wide, tall), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y = max(0, min(x, shown.shape[1] - wide)), max(tall, y)
    cv2.rectangle(shown, (x - 2, y - tall - 2), (x + wide + 2, y + base), DARK, cv2.FILLED)
    cv2.putText(shown, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
