"""The pictures of an explanation: what the camera saw, what the memory holds, which tests the place passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.charts import chart_pixels
from curbwatch.tuning.explain import Explained
from curbwatch.tuning.explain_charts import charts
from curbwatch.tuning.report import cut_out
from detectors.vision.inspection import Inspection
from detectors.vision.verify import Verdict
from ingest.decode import decode_full
from schemas.errors import UsageError
from schemas.incident import Box

PANEL_PX = 232  # width of one picture; 4 : 3
COLUMNS = 4
HEAD_PX = 18  # room for a panel's name
GAP_PX = 6
VOTES_S = 127.5  # at which votes saturate
SEEN_GREY = 64.0  # grey levels of difference that are drawn brightest: three times what is asked
VERDICT_BGR = {
    Verdict.OBJECT: (80, 190, 60),
    Verdict.LIGHT: (40, 200, 250),
    Verdict.SHADE: (200, 160, 60),
    Verdict.GHOST: (220, 90, 200),
}
STANDING_BGR, ZONE_BGR = (60, 70, 245), (190, 160, 40)
INK = (36, 31, 27)


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its key in PANEL_WORDS, its (H, W, 3) uint8 BGR pixels, and words that belong to it."""

    key: str
    pixels: NDArray[np.uint8]
    note: str = ""


def panels(told: Explained) -> list[Panel]:
    """Return the pictures of the moment, the place outlined in each; none where no frame was analysed."""
    seen = told.inspection
    if seen is None or told.jpeg is None:
        return []
    whole = decode_full(told.jpeg)
    box = _on_grid(told.box_px, seen)
    found = [Panel("whole", _whole(whole, told.box_px)), Panel("frame", cut_out(whole, told.box_px, PANEL_PX))]
    if told.before is not None:
        found.append(Panel("before", cut_out(decode_full(told.before), told.box_px, PANEL_PX)))
    votes = np.asarray(np.clip(seen.votes_s * (255 / VOTES_S), 0, 255), np.uint8)
    differs = np.asarray(np.clip(seen.differs * (255 / SEEN_GREY), 0, 255), np.uint8)
    grid = {
        "background": seen.background,
        "candidate": seen.candidate,
        "votes": np.asarray(cv2.applyColorMap(votes, cv2.COLORMAP_VIRIDIS), np.uint8),
        "differs": np.asarray(cv2.applyColorMap(differs, cv2.COLORMAP_INFERNO), np.uint8),
        "standing": _tinted(seen.candidate, seen.standing, STANDING_BGR),
        "verified": seen.candidate,
    }
    verdict = seen.place.verdict
    if verdict is not None:
        grid["verified"] = _tinted(seen.candidate, seen.verified, VERDICT_BGR[verdict])
    if seen.zone is not None:
        grid["zone"] = _tinted(seen.candidate, seen.zone, ZONE_BGR)
    notes = {"votes": f"{seen.place.votes_s:.0f} s", "verified": "" if verdict is None else verdict.name.lower()}
    found.extend(Panel(key, cut_out(picture, box, PANEL_PX), notes.get(key, "")) for key, picture in grid.items())
    return found


def strip(told: Explained) -> NDArray[np.uint8]:
    """All panels with their charts below as one (H, W, 3) uint8 BGR picture. Raises UsageError where there are none."""
    found = panels(told)
    if not found:
        raise UsageError("--strip: no frame of this recording was analysed, so there is nothing to draw")
    rows = [side_by_side(found[first : first + COLUMNS]) for first in range(0, len(found), COLUMNS)]
    wide = COLUMNS * PANEL_PX + (COLUMNS - 1) * GAP_PX
    drawn = [chart_pixels(chart) for chart in charts(told, "en")]
    rows += [_pair(drawn[first : first + 2], wide) for first in range(0, len(drawn), 2)]
    return np.concatenate([_widened(row, wide) for row in rows])


def write_png(path: Path, pixels: NDArray[np.uint8], flag: str = "--strip") -> None:
    """Write a picture as PNG, whatever its name ends with. Raises UsageError, naming ``flag``."""
    try:
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _on_grid(box_px: Box, seen: Inspection) -> Box:
    rows, columns = seen.votes_s.shape
    across, down = columns / seen.native_px[0], rows / seen.native_px[1]
    return box_px[0] * across, box_px[1] * down, box_px[2] * across, box_px[3] * down


def _whole(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    share = PANEL_PX / picture.shape[1]
    size = (PANEL_PX, max(1, round(picture.shape[0] * share)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    x, y, w, h = (round(side * share) for side in box)
    cv2.rectangle(small, (x, y), (x + w, y + h), STANDING_BGR, 1)
    return small


def _tinted(picture: NDArray[np.uint8], mask: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    tint = np.full_like(grey, colour)
    mixed = cv2.addWeighted(grey, 0.45, tint, 0.55, 0)
    return np.where(mask[..., None] > 0, mixed, grey).astype(np.uint8)


def side_by_side(found: Sequence[Panel]) -> NDArray[np.uint8]:
    """Panels in one row with their names above; at least one."""
    high = max(panel.pixels.shape[0] for panel in found)
    drawn = []
    for panel in found:
        cell = np.full((HEAD_PX + high + GAP_PX, PANEL_PX + GAP_PX, 3), 255, np.uint8)
        name = f"{panel.key} {panel.note}".strip()
        cv2.putText(cell, name, (1, HEAD_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
        cell[HEAD_PX : HEAD_PX + panel.pixels.shape[0], :PANEL_PX] = panel.pixels
        drawn.append(cell)
    return np.concatenate(drawn, axis=1)


def _pair(drawn: Sequence[NDArray[np.uint8]], wide: int) -> NDArray[np.uint8]:
    return _widened(np.concatenate([_widened(picture, wide // 2) for picture in drawn], axis=1), wide)


def _widened(picture: NDArray[np.uint8], wide: int) -> NDArray[np.uint8]:
    """Cut or fill with white to ``wide`` columns."""
    out = np.full((picture.shape[0], wide, 3), 255, np.uint8)
    columns = min(wide, picture.shape[1])
    out[:, :columns] = picture[:, :columns]
    return out
