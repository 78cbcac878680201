"""State of all cameras that share one grid shape, as stacked arrays; colour planes; zone masks."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.place import ImageZone

Plane = NDArray[np.uint8]  # (1.5 H, W): an I420 picture, brightness above, then both colour planes
TILE_PX = 8  # spacing of the samples for exposure and activity: one in 64 pixels, about 900 at 320 x 180
BLOCKS = (6, 8)  # rows and columns of blocks in which fine edges are measured
HISTORY = 48  # marks that turn time in votes back into captured time

STATE = np.dtype(
    [
        ("last_ns", "i8"),  # capture time of the newest frame
        ("slow_ns", "i8"),  # of the last pass in which the models drifted
        ("look_ns", "i8"),  # of the last pass that looked for what is new
        ("mark_ns", "i8"),  # of the last mark in the history
        ("changed_ns", "i8"),  # of the first frame in a row that does not fit the background; 0: fits
        ("crc", "u4"),
        ("changed_frames", "i4"),
        ("taken", "i4"),  # references taken over since a frame last fitted
        ("frames", "i4"),  # frames that voted since the background was begun
        ("next_id", "i8"),  # the next track's number
        ("clock_s", "f8"),  # sum of the capped frame distances: the clock that votes count
        ("pending_s", "f8"),  # captured time not yet turned into a whole vote
        ("gain_log", "f8"),  # slow mean of the log of the exposure gain
        ("shift_u", "f8"),  # slow mean of the colour shifts, levels
        ("shift_v", "f8"),
        ("trained", "?"),  # the background is learned
        ("begun", "?"),  # at least one frame seen
    ]
)

HEALTH = np.dtype(
    [
        ("looks", "i8"),  # frames that were looked at
        ("still_ns", "i8"),  # captured time of the picture in ``anchor``
        ("still_frames", "i4"),  # frames in a row that show the picture in ``anchor`` again, perhaps coded anew
        ("same_frames", "i4"),  # frames in a row that show the one before again
        ("held_frames", "i4"),  # of those the ones without a pixel that changed, but for the rows of clocks
        ("held_crc", "u4"),  # of these pixels
        ("scene", "u1"),  # SceneState of the last frame; other than OK: every measure is taken of the next
        ("lost", "f4"),  # share of the textured blocks without their fine edges, when last measured
        ("tint", "f4"),  # share of samples off grey in the last frame that showed the street
        ("fines", "i4"),  # frames that ``fine`` was learned from
    ]
)


class Arena:
    """Stacked state of the cameras with one grid shape; a camera owns a slot.

    Attributes:
        shape: rows H and columns W of the grid, both even.
        background, candidate, votes: (S, 1.5 H, W) uint8; votes saturate at 255.
        activity: (S, ceil(H / 8 - 3/8), …) float32, 0..1: share of the recent past in which the sampled pixel was busy.
        state: (S,) of STATE.
        anchor: (S, 2, TH, TW) uint8: samples of the picture before, and of one that a frozen camera may still show.
        health: (S,) of HEALTH.
        fine: (S, 2, 6, 8) float32: usual fine edges of each block, and how far they mostly are from that, grey levels.
        history_s, history_ns: (S, 48): vote clock and capture time of the marks, oldest first.
    """

    def __init__(self, shape: tuple[int, int], capacity: int = 4) -> None:
        self.shape = shape
        rows, columns = shape
        planes = (capacity, rows * 3 // 2, columns)
        tiles = (capacity, len(range(TILE_PX // 2, rows, TILE_PX)), len(range(TILE_PX // 2, columns, TILE_PX)))
        self.background = np.zeros(planes, np.uint8)
        self.candidate = np.zeros(planes, np.uint8)
        self.votes = np.zeros(planes, np.uint8)
        self.activity = np.zeros(tiles, np.float32)
        self.anchor = np.zeros((capacity, 2, *tiles[1:]), np.uint8)
        self.state = np.zeros(capacity, STATE)
        self.health = np.zeros(capacity, HEALTH)
        self.fine = np.zeros((capacity, 2, *BLOCKS), np.float32)
        self.history_s = np.zeros((capacity, HISTORY), np.float64)
        self.history_ns = np.zeros((capacity, HISTORY), np.int64)
        self._free = list(range(capacity - 1, -1, -1))

    def take(self) -> int:
        """Return a cleared slot, growing the stacks where none is free."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.clear(slot)
        return slot

    def clear(self, slot: int) -> None:
        """Make a slot one of a camera that has seen nothing."""
        self.state[slot] = np.zeros((), STATE)
        self.activity[slot] = 0
        self.anchor[slot] = 0
        self.health[slot] = np.zeros((), HEALTH)
        self.fine[slot] = 0

    def give(self, slot: int) -> None:
        """Return a slot for another camera."""
        self._free.append(slot)

    def bytes_per_slot(self) -> int:
        """Resident bytes of one camera without its zone mask and tracks."""
        return sum(stack[0].nbytes for stack in self._stacks().values())

    def read(self, slot: int) -> dict[str, NDArray[np.generic]]:
        """Every array of one camera by name: views, not copies."""
        return {name: stack[slot : slot + 1] for name, stack in self._stacks().items()}

    def write(self, slot: int, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take over what ``read`` gave. Raises ValueError where a name, shape or type is another."""
        stacks = self._stacks()
        for name, stack in stacks.items():
            given = arrays.get(name)
            if given is None or given.shape != stack[:1].shape or given.dtype != stack.dtype:
                raise ValueError(f"snapshot: {name} is missing or of another shape")
        for name, stack in stacks.items():
            stack[slot] = arrays[name][0]

    def _stacks(self) -> dict[str, NDArray[np.generic]]:
        pictures = ("background", "candidate", "votes", "activity", "anchor", "fine")
        names = (*pictures, "state", "health", "history_s", "history_ns")
        return {name: getattr(self, name) for name in names}

    def _grow(self) -> None:
        old = len(self.state)
        for name, stack in self._stacks().items():
            bigger = np.zeros((2 * old, *stack.shape[1:]), stack.dtype)
            bigger[:old] = stack
            setattr(self, name, bigger)
        self._free.extend(range(2 * old - 1, old - 1, -1))


def to_i420(pixels: Sequence[NDArray[np.uint8]], out: NDArray[np.uint8]) -> None:
    """Convert N BGR pictures (H, W, 3) to (N, 1.5 H, W) I420, BT.601 limited range, into ``out``."""
    for picture, planes in zip(pixels, out, strict=True):
        cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420, dst=planes)


def luma(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Brightness of an I420 picture, (H, W), a view."""
    return plane[: shape[0]]


def chroma(plane: Plane, shape: tuple[int, int]) -> tuple[Plane, Plane]:
    """Both colour planes of an I420 picture, (H/2, W/2) each, views; the plane must be contiguous."""
    rows, columns = shape
    flat = plane.reshape(-1)[rows * columns :]
    quarter = rows * columns // 4
    half = (rows // 2, columns // 2)
    return flat[:quarter].reshape(half), flat[quarter:].reshape(half)


def zone_mask(zones: Sequence[ImageZone], shape: tuple[int, int], native_px: tuple[int, int]) -> Plane | None:
    """(H, W) uint8, 255 inside any zone; None where the whole picture counts: no zones, or one without corners.

    ``native_px`` is the width and height that the polygons refer to.
    """
    if not zones or any(not zone.polygon for zone in zones):
        return None
    mask = np.zeros(shape, np.uint8)
    scale = np.array([shape[1] / native_px[0], shape[0] / native_px[1]])
    for zone in zones:
        corners = np.asarray(np.rint(np.asarray(zone.polygon, np.float64) * scale), np.int32)
        cv2.fillPoly(mask, [corners], (255,))
    return mask
