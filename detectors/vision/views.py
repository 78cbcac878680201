"""Which of a camera's views is seen: brought from its shelf when it is turned to, parked when it is turned away."""

import numpy as np
from numpy.typing import NDArray

from detectors.vision import snapshot, structure
from detectors.vision.camera import Camera
from detectors.vision.grid import Plane
from detectors.vision.shelf import UNNAMED, Shelf
from detectors.vision.snapshot_state import bring_back, grid_of, remembered
from detectors.vision.structure import Slopes


def turn(camera: Camera, shelf: Shelf, name: str) -> Camera:
    """Park what is known of the view that was seen, and go on with the view ``name``: from the shelf, or learned anew.

    Returns the camera, in the same slot. Time, and the numbers of tracks, adoptions and orders, go on.
    """
    slot, arena = camera.slot, camera.arena
    last = arena.state[slot].copy()
    ended, camera.leaving = camera.leaving, []
    if last["trained"]:
        shelf.put(camera.preset, snapshot.encode(remembered(camera)), _slopes(camera))
    arena.clear(slot)
    turned = _from(camera, shelf.take(name))
    turned.preset = "" if name.startswith(UNNAMED) else name
    now = arena.state[slot]
    now["last_ns"], now["crc"] = last["last_ns"], last["crc"]
    now["next_id"] = max(int(now["next_id"]), int(last["next_id"]))
    old, new = camera.ledger, turned.ledger
    new.next_id, new.last_order = max(old.next_id, new.next_id), max(old.last_order, new.last_order)
    new.news.extend(old.news)
    turned.leaving = [*turned.leaving, *ended]
    return turned


def like(camera: Camera, shelf: Shelf, frame: Plane) -> tuple[str, float]:
    """The parked view that a frame (1.5 H, W) shows, and how well it agrees; ("", 0.0): none of them."""
    return shelf.like(structure.slopes(frame[None], camera.arena.shape))


def _slopes(camera: Camera) -> Slopes:
    slot: NDArray[np.int64] = np.asarray([camera.slot], np.int64)
    return structure.slopes(camera.arena.background, camera.arena.shape, slot)


def _from(camera: Camera, state: bytes | None) -> Camera:
    """A camera in the place of another with what a parked state says; none, or a broken one: it has seen nothing."""
    if state is not None:
        try:
            arrays = snapshot.decode(state)
            if grid_of(arrays) == (camera.arena.shape, camera.native_px):
                turned = Camera(camera.arena, camera.slot, camera.native_px)
                bring_back(turned, arrays)
                # What was taken away while nobody looked must open nothing: it is told of once it is seen, and without
                # votes the first frame says what is there now.
                turned.planes()[2][:] = 0
                turned.waking, turned.tracks = [*turned.waking, *turned.tracks], []
                for track in turned.waking:
                    track.absent_s = 0.0
                return turned
        except ValueError:  # of a snapshot on disk whose view was damaged
            camera.arena.clear(camera.slot)
    return Camera(camera.arena, camera.slot, camera.native_px)
