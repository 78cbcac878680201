"""A camera and its bank of references: kept up to date, brought back after a loss, taken over in another light."""

import numpy as np

from config.vision import VisionKnobs
from detectors.vision import bank
from detectors.vision.assembly import overlap
from detectors.vision.bank import REFRESH_S, Reference
from detectors.vision.camera import Camera, begin
from detectors.vision.feedback_ledger import Why
from detectors.vision.grid import Plane
from detectors.vision.tracks import OVERLAP, Track

DORMANT = 32  # tracks of a view that is not to be seen


def keep(camera: Camera, knobs: VisionKnobs) -> None:
    """Let the bank follow the background where it is due."""
    now_ns = int(camera.arena.state["last_ns"][camera.slot])
    if camera.bank.due(now_ns, REFRESH_S * knobs.scale):
        camera.bank.update(camera.planes()[0], [track.box for track in camera.tracks], now_ns)


def recall(camera: Camera, knobs: VisionKnobs) -> None:
    """After a background was learned: what its view's reference does not show came, and is a candidate.

    Things that stood when the view was lost are tracks again; whether they still stand is seen by the next frames.
    """
    background = camera.planes()[0]
    known = camera.bank.match(background)
    if known is not None and _stand_apart(camera, known, background.copy(), knobs):
        camera.tracks = _awake(camera)


def take_over(camera: Camera, frame: Plane, known: Reference, knobs: VisionKnobs) -> None:
    """Put a reference's view in the place of the background at once; tracks go on, and those of that view come back."""
    put_to_sleep(camera)
    begin(camera, frame)
    _stand_apart(camera, known, frame, knobs)
    camera.tracks = _awake(camera)
    state = camera.arena.state[camera.slot]
    state["trained"] = True
    state["slow_ns"] = state["look_ns"] = state["last_ns"]
    rows, columns = camera.arena.shape
    camera.ledger.note(Why("recalled", int(state["last_ns"]), (0, 0, columns, rows)))


def put_to_sleep(camera: Camera) -> None:
    """Remember the tracks of a view that is lost, until it is there again."""
    camera.dormant = _together(camera.dormant, camera.tracks)


def _stand_apart(camera: Camera, known: Reference, picture: Plane, knobs: VisionKnobs) -> bool:
    """Background = picture, but the reference where they differ and no fixture stands; False: not comparable."""
    shape = camera.arena.shape
    background = camera.planes()[0]
    empty = camera.bank.plane(known)
    bank.align(empty, picture, shape)
    mask = bank.parted(empty, picture, knobs.differs_grey, knobs.differs_chroma, shape)
    if mask is None:
        return False
    for fixture in camera.ledger.fixtures:
        x, y, w, h = fixture.box
        mask[y : y + h, x : x + w] = 0
    np.copyto(background, picture)
    bank.fill(background, empty, mask, shape)
    return True


def _awake(camera: Camera) -> list[Track]:
    """The dormant tracks, awake: as if just seen, so that only new frames say that they are gone."""
    now_ns = int(camera.arena.state["last_ns"][camera.slot])
    awake, camera.dormant = _together(camera.dormant, camera.tracks), []
    for track in awake:
        track.absent_s, track.seen_ns = 0.0, now_ns
    return awake


def _together(old: list[Track], new: list[Track]) -> list[Track]:
    """Both, by number, each once, and one thing by its older number; the newest of too many are left out."""
    known = {track.id for track in old}
    others = [
        track for track in new if track.id not in known and all(overlap(track.box, one.box) < OVERLAP for one in old)
    ]
    return sorted([*old, *others], key=lambda track: track.id)[:DORMANT]
