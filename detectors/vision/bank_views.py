"""A camera and its bank of references: kept up to date, brought back after a loss, taken over in another light."""

import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import bank
from detectors.vision.assembly import overlap
from detectors.vision.bank import REFRESH_S, Reference
from detectors.vision.camera import Camera, begin
from detectors.vision.feedback_ledger import Why
from detectors.vision.grid import Plane
from detectors.vision.tracks import OVERLAP, Track, presence
from schemas.detections import Phase

DORMANT = 32  # tracks of a view that is not to be seen, the oldest of them


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
    apart = None if known is None else _apart(camera, known, background, knobs)
    if apart is not None:
        bank.fill(background, *apart, camera.arena.shape)
        _rouse(camera)
        _note(camera)


def take_over(camera: Camera, frame: Plane, knobs: VisionKnobs) -> bool:
    """Where a reference shows this frame's view, put it in the background's place at once; False: none does.

    Tracks go on, and those of that view come back.
    """
    known = camera.bank.match(frame)
    apart = None if known is None else _apart(camera, known, frame, knobs)
    if apart is None:
        return False
    put_to_sleep(camera)
    begin(camera, frame)
    bank.fill(camera.planes()[0], *apart, camera.arena.shape)
    _rouse(camera)
    state = camera.arena.state[camera.slot]
    state["trained"] = True
    state["slow_ns"] = state["look_ns"] = state["last_ns"]
    _note(camera)
    return True


def put_to_sleep(camera: Camera) -> None:
    """Remember the tracks of a view that is lost, until it is there again."""
    before = [*camera.dormant, *camera.waking, *camera.tracks]
    camera.dormant = _together(camera.dormant, [*camera.waking, *camera.tracks])[:DORMANT]
    camera.waking, camera.tracks = [], []
    camera.end(_without(before, camera.dormant))


def wake(camera: Camera, frame: Plane, dt_s: float, knobs: VisionKnobs) -> list[Track]:
    """See which tracks of a view that came back are there: those go on. Returns those that stood and have left.

    None is told of before it was seen: a thing that was taken away while nobody looked must open nothing.
    """
    background, candidate, _ = camera.planes()
    left: list[Track] = []
    for track in list(camera.waking):
        seen = presence(track, frame, background, candidate, camera.arena.shape, knobs.match_grey)
        if seen == "present":
            track.absent_s, track.seen_ns = 0.0, int(camera.arena.state["last_ns"][camera.slot])
            camera.waking.remove(track)
            before, camera.tracks = camera.tracks, _together([track], camera.tracks)
            camera.end(_without(before, camera.tracks))
        elif seen == "absent":
            track.absent_s += min(dt_s, knobs.gap_s)
            if track.absent_s >= knobs.gone_s:
                camera.waking.remove(track)
                left += [track] if track.phase is Phase.STANDING else []
    for track in left:
        track.phase = Phase.GONE
    return left


def _apart(
    camera: Camera, known: Reference, picture: Plane, knobs: VisionKnobs
) -> tuple[Plane, NDArray[np.uint8]] | None:
    """The reference in a picture's exposure, and a mask of where they differ and no fixture stands.

    None where too much differs: another view, or another sun.
    """
    shape = camera.arena.shape
    empty = camera.bank.plane(known)
    bank.align(empty, picture, shape)
    mask = bank.parted(empty, picture, knobs.differs_grey, knobs.differs_chroma, shape)
    if mask is None:
        return None
    for fixture in camera.ledger.fixtures:
        x, y, w, h = fixture.box
        mask[y : y + h, x : x + w] = 0
    return empty, mask


def _note(camera: Camera) -> None:
    rows, columns = camera.arena.shape
    now_ns = int(camera.arena.state["last_ns"][camera.slot])
    camera.ledger.note(Why("recalled", now_ns, (0, 0, columns, rows)))


def _rouse(camera: Camera) -> None:
    """Let the tracks of a view that came back be looked for."""
    camera.waking, camera.dormant = camera.dormant, []
    for track in camera.waking:
        track.absent_s = 0.0


def _without(tracks: list[Track], kept: list[Track]) -> list[Track]:
    known = {track.id for track in kept}
    return [track for track in tracks if track.id not in known]


def _together(old: list[Track], new: list[Track]) -> list[Track]:
    """Both, by number, each once, and one thing by its older number."""
    known = {track.id for track in old}
    others = [
        track for track in new if track.id not in known and all(overlap(track.box, one.box) < OVERLAP for one in old)
    ]
    return sorted([*old, *others], key=lambda track: track.id)
