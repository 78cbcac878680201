"""What a snapshot holds of a camera: planes, tracks, the bank of references, the ledger of adoptions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.vision import tracks
from detectors.vision.bank import Bank
from detectors.vision.camera import Camera
from detectors.vision.feedback_ledger import unpack_ledger
from schemas.detections import Phase

SIDE_MAX = 4096  # of a grid, px: a snapshot that says more is not ours

Arrays = dict[str, NDArray[np.generic]]


def remembered(camera: Camera) -> Arrays:
    """Every array of a camera's state, by name."""
    shape = np.asarray([*camera.arena.shape, *camera.native_px], np.int64)
    rows = {
        "tracks": tracks.pack([*camera.tracks, *camera.leaving]),
        "dormant": tracks.pack(camera.dormant),
        "waking": tracks.pack(camera.waking),
    }
    kept = {"preset": np.frombuffer(camera.preset.encode(), np.uint8), **camera.bank.pack(), **camera.ledger.pack()}
    return {**camera.arena.read(camera.slot), "shape": shape, **rows, **kept}


def grid_of(arrays: Arrays) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the grid, width and height of the original picture. Raises ValueError."""
    sizes: NDArray[Any] | None = arrays.get("shape")
    if sizes is None or sizes.shape != (4,) or not np.issubdtype(sizes.dtype, np.integer):
        raise ValueError("snapshot: the shape is missing")
    height, width, native_w, native_h = (int(side) for side in sizes)
    if not (0 < height <= SIDE_MAX and 0 < width <= SIDE_MAX and min(native_w, native_h) > 0):
        raise ValueError(f"snapshot: a grid of {width}x{height} px")
    return (height, width), (native_w, native_h)


def bring_back(camera: Camera, arrays: Arrays) -> None:
    """Give a fresh camera what ``remembered`` said. Raises ValueError where anything is missing or of another kind."""
    shape = camera.arena.shape
    named = {name: arrays.get(name) for name in ("tracks", "dormant", "waking")}
    found = {name: [] if rows is None else tracks.unpack(np.asarray(rows)) for name, rows in named.items()}
    if any(rows is None for rows in named.values()):
        raise ValueError("snapshot: tracks are missing")
    camera.ledger = unpack_ledger(arrays, shape)
    camera.bank = Bank.unpack(arrays, shape)
    camera.arena.write(camera.slot, arrays)
    camera.tracks = [track for track in found["tracks"] if track.phase is not Phase.GONE]
    camera.leaving = [track for track in found["tracks"] if track.phase is Phase.GONE]
    camera.dormant, camera.waking = found["dormant"], found["waking"]
    camera.preset = _name(arrays)


def _name(arrays: Arrays) -> str:
    """The view that a state is of."""
    name = arrays.get("preset")
    if name is None or name.dtype != np.uint8:
        raise ValueError("snapshot: the name of the view is missing")
    return name.tobytes().decode()
