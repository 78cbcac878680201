"""Which of a camera's views is seen: brought from its shelf when it is turned to, parked when it is turned away."""

import numpy as np
from numpy.typing import NDArray

from detectors.vision import snapshot, structure, tracks
from detectors.vision.camera import Camera
from detectors.vision.feedback_ledger import Why
from detectors.vision.grid import Plane
from detectors.vision.shelf import UNNAMED, Parked, Shelf
from detectors.vision.snapshot_state import bring_back, grid_of, remembered
from detectors.vision.structure import Slopes
from detectors.vision.tracks import Track
from schemas.detections import Phase

LOST_NS = 86_400 * 10**9  # captured time after which nobody knows whether a thing in a view not seen still stands
TRACKS = ("tracks", "dormant", "waking")  # of a state, where they are


def turn(camera: Camera, shelf: Shelf, name: str) -> Camera:
    """Park what is known of the view that was seen, and go on with the view ``name``: from the shelf, or learned anew.

    Returns the camera, in the same slot. Time, and the numbers of tracks, adoptions and orders, go on.
    """
    slot, arena = camera.slot, camera.arena
    last = arena.state[slot].copy()
    ended, camera.leaving = camera.leaving, []
    coming = shelf.take(name)  # first: what is put there may push out the view not seen for longest
    given_up = _park(camera, shelf)
    arena.clear(slot)
    turned = _from(camera, coming)
    turned.preset = "" if name.startswith(UNNAMED) else name
    now = arena.state[slot]
    now["last_ns"], now["crc"] = last["last_ns"], last["crc"]
    now["next_id"] = max(int(now["next_id"]), int(last["next_id"]))
    old, new = camera.ledger, turned.ledger
    new.next_id = max(old.next_id, new.next_id)
    new.note_order(*old.applied)
    new.news.extend(old.news)
    turned.leaving = [*turned.leaving, *ended]
    for one in given_up:
        rows, columns = arena.shape
        new.note(Why("forgotten", int(last["last_ns"]), (0, 0, columns, rows)))
        turned.end(_tracks_in(one.state))
    return turned


def parked(shelf: Shelf) -> list[Track]:
    """The tracks of every view on a shelf."""
    return [track for one in shelf.views.values() for track in _tracks_in(one.state)]


def expire(camera: Camera, shelf: Shelf) -> None:
    """Tell the end of what stood in a view or a light that was not to be seen for a day: it is not known any more."""
    before_ns = int(camera.arena.state["last_ns"][camera.slot]) - LOST_NS
    lost = [track for track in camera.dormant if track.seen_ns <= before_ns]
    if lost:
        camera.dormant = [track for track in camera.dormant if track.seen_ns > before_ns]
        camera.end(lost)

    def empty(state: bytes) -> bytes:
        camera.end(_tracks_in(state))
        return _without_tracks(state)

    shelf.emptied(before_ns, empty)


def _park(camera: Camera, shelf: Shelf) -> list[Parked]:
    """Put away what is known of a view, if anything is; returns the views that are given up for it.

    What it had not learned to the end it learns from its beginning when it is seen again.
    """
    state = camera.arena.state[camera.slot]
    known = [*camera.tracks, *camera.waking, *camera.dormant]
    held = known or camera.ledger.kept or camera.ledger.fixtures or camera.bank.references
    if not state["begun"] or not (state["trained"] or held):
        return []
    state["begun"] = state["trained"]
    _, candidate, votes = camera.planes()
    candidate[:] = votes[:] = 0  # of no use after a pause: they are most of a state's bytes
    stands = any(track.phase is Phase.STANDING for track in known)
    since_ns = int(state["last_ns"]) if stands else 0
    return shelf.put(camera.preset, snapshot.encode(remembered(camera)), _slopes(camera), since_ns)


def _tracks_in(state: bytes) -> list[Track]:
    """Tracks of a parked view; none where it is damaged."""
    try:
        arrays = snapshot.decode(state)
        return [track for name in TRACKS for track in tracks.unpack(np.asarray(arrays[name]))]
    except (KeyError, ValueError):
        return []


def _without_tracks(state: bytes) -> bytes:
    try:
        return snapshot.encode(snapshot.decode(state) | {name: tracks.pack([]) for name in TRACKS})
    except ValueError:
        return state


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
                background, candidate, votes = turned.planes()
                candidate[:], votes[:] = background, 0
                turned.waking, turned.tracks = [*turned.waking, *turned.tracks], []
                for track in turned.waking:
                    track.absent_s = 0.0
                return turned
        except ValueError:  # of a snapshot on disk whose view was damaged
            camera.arena.clear(camera.slot)
    return Camera(camera.arena, camera.slot, camera.native_px)
