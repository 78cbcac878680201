"""What a camera must keep when its pictures begin to come in another size, or its clock is set back."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors.vision.camera import Camera
from detectors.vision.feedback_ledger import Standing
from detectors.vision.proposals import Box
from detectors.vision.tracks import Track
from schemas.detections import Detections, Phase
from schemas.frame import FrameBatch

SIZE_FRAMES = 3  # in a row of another size: not one picture of a second stream, nor two streams that take turns
BACK_MOST_S = 3600.0  # that a clock is set right by; one that says earlier than that plays something else

Size = tuple[int, int, int, int]  # rows and columns of the grid, width and height of the original


class Sizes:
    """Cameras whose pictures come in another size than before: which, and how many in a row."""

    def __init__(self) -> None:
        self._new: dict[str, tuple[Size, int]] = {}

    def settled(self, camera_id: str, size: Size) -> bool:
        """Whether so many frames of a new size came in a row that it is the camera's size from now on."""
        before, count = self._new.get(camera_id, (size, 0))
        count = count + 1 if before == size else 1
        if count >= SIZE_FRAMES:
            self.forget(camera_id)
            return True
        self._new[camera_id] = size, count
        return False

    def forget(self, camera_id: str) -> None:
        """Begin to count anew: a frame of the known size came, or the camera is forgotten."""
        self._new.pop(camera_id, None)


def size_of(frames: FrameBatch, index: int) -> Size:
    """The size of one frame of a batch."""
    rows, columns = frames.pixels.shape[1:3]
    width, height = frames.native_px[index]
    return int(rows), int(columns), int(width), int(height)


def some(frames: FrameBatch, rows: NDArray[np.int64]) -> FrameBatch:
    """The frames of these rows."""
    names = tuple(frames.camera_ids[row] for row in rows)
    presets = tuple(frames.presets[row] for row in rows) if frames.presets else ()
    times, pixels = frames.captured_ns[rows], frames.pixels[rows]
    return FrameBatch(names, times, pixels, frames.native_px[rows], frames.crc32[rows], presets)


def spread(found: Detections, rows: NDArray[np.int64], scene: NDArray[np.uint8]) -> Detections:
    """What was found of some frames of a batch as that of the batch; ``scene``: (N,) what the others told."""
    whole, wanted = scene.copy(), np.zeros(len(scene), np.bool_)
    whole[rows], wanted[rows] = found.scene, found.wanted_frame
    return replace(found, scene=whole, frame=rows[found.frame].astype(np.int32), wanted_frame=wanted)


def carry(old: Camera, parked: list[Track], new: Camera) -> None:
    """Give a camera that begins anew its numbers, orders and fixtures; what stood has left.

    ``parked``: tracks of its other views.
    """
    across = new.arena.shape[1] / old.arena.shape[1]
    down = new.arena.shape[0] / old.arena.shape[0]
    new.leaving = list(old.leaving)
    new.end([*old.tracks, *old.waking, *old.dormant, *parked])
    for track in new.leaving:
        _move(track, across, down)
    state, before = new.arena.state[new.slot], old.arena.state[old.slot]
    state["next_id"] = max(int(before["next_id"]), int(before["last_ns"]) // 1_000_000)
    new.ledger.next_id, new.ledger.applied = old.ledger.next_id, list(old.ledger.applied)
    new.ledger.news = list(old.ledger.news)
    new.ledger.fixtures = [Standing(_scaled(one.box, across, down), one.until_ns, 0) for one in old.ledger.fixtures]


def set_back(camera: Camera, captured_ns: int) -> bool:
    """Go on, from a frame captured at ``captured_ns``, with all that is known; False: that is too long ago."""
    arena, slot = camera.arena, camera.slot
    state = arena.state[slot]
    back_ns = int(state["last_ns"]) - captured_ns
    if back_ns > BACK_MOST_S * 1e9:
        return False
    for row in (state, arena.health[slot]):
        for name in row.dtype.names or ():
            if name.endswith("_ns"):
                row[name] = min(int(row[name]), captured_ns)
    state["last_ns"] = captured_ns - 1  # so that the frame is not late
    marks = arena.history_ns[slot]
    marks[marks > 0] -= back_ns
    camera.bank.updated_ns = min(camera.bank.updated_ns, captured_ns)
    for track in [*camera.tracks, *camera.dormant, *camera.waking]:
        track.seen_ns, track.look_ns = min(track.seen_ns, captured_ns), min(track.look_ns, captured_ns)
        track.crop_ns = min(track.crop_ns, captured_ns)
        if track.phase is Phase.MATURING:  # of one that stands the time is told already: its incident goes by it
            track.appeared_ns -= back_ns
    return True


def _move(track: Track, across: float, down: float) -> None:
    track.box = _scaled(track.box, across, down)


def _scaled(box: Box, across: float, down: float) -> Box:
    x, y, w, h = box
    return round(x * across), round(y * down), max(1, round(w * across)), max(1, round(h * down))
