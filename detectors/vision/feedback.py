"""What an operator orders about one camera's background, and what enters it by rule: fixtures and long-known others."""

import cv2
import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import memory, tracks
from detectors.vision.assembly import overlap
from detectors.vision.camera import Camera
from detectors.vision.classify import fuse
from detectors.vision.feedback_ledger import Region, Standing, Why
from detectors.vision.grid import chroma, luma
from detectors.vision.proposals import Box
from detectors.vision.tracks import LOOKS, OVERLAP, Track
from schemas.detections import CLASSES, Phase
from schemas.errors import NotShownError, UsageError
from schemas.feedback import Feedback, Fixture, Ignore, NativeBox, Undo

EVENTS_MOST = 0.05  # probability of stall and waste together above which nothing is taken for other by itself
NO_TRACK = -1  # of an order about a box
AROUND_PX = 2  # around a box that a person drew, or a track's


def apply(camera: Camera, feedback: Feedback, knobs: VisionKnobs, *, others: bool) -> None:
    """Carry an order out; one that was applied does nothing. ``others``: other views of the camera are known too.

    Raises UsageError, with nothing changed; NotShownError where it may be about a view that is not shown now.
    """
    if feedback.order_id in camera.ledger.applied:
        return
    what, shown = feedback.what, camera.preset
    if feedback.preset and feedback.preset != shown:
        raise NotShownError(f"the camera does not show view {feedback.preset!r} now")
    by_box = isinstance(what, Fixture) or (isinstance(what, Ignore) and what.track_id == NO_TRACK)
    if by_box and shown and not feedback.preset:
        raise UsageError(f"this camera names its views, and a box lies in one of them: say which, now it is {shown!r}")
    away = others or bool(camera.dormant) or bool(camera.waking)
    if isinstance(what, Undo):
        if away and camera.ledger.find(what.adoption_id) is None:
            raise NotShownError(f"adoption {what.adoption_id} is not of the view that is shown now")
        _undo(camera, what.adoption_id, knobs)
    elif isinstance(what, Ignore):
        _ignore(camera, what, knobs, away=away)
    else:
        _stand(camera, what, knobs)
    camera.ledger.note_order(feedback.order_id)


def end_fixtures(camera: Camera, knobs: VisionKnobs) -> None:
    """Let what stands longer than it may be a thing again, which came when its time was over."""
    now_ns = _now_ns(camera)
    for fixture in [one for one in camera.ledger.fixtures if 0 < one.until_ns <= now_ns]:
        camera.ledger.fixtures.remove(fixture)
        if camera.ledger.find(fixture.adoption_id) is not None:
            _undo(camera, fixture.adoption_id, knobs, fixture.until_ns)
        elif fixture.adoption_id == 0:  # never adopted: what stands there begins now
            background, candidate, votes = camera.planes()
            memory.forget(candidate, background, votes, fixture.box, camera.arena.shape)


def adopt_others(camera: Camera, knobs: VisionKnobs) -> list[Track]:
    """Adopt what has long stood and is surely neither stall nor waste; returns those tracks, which have ended."""
    now_ns = _now_ns(camera)
    long_ns = (knobs.dwell_s + knobs.other_after_s) * 1e9
    ended: list[Track] = []
    for track in list(camera.tracks):
        if track.phase is not Phase.STANDING or now_ns - track.appeared_ns < long_ns or track.looks < LOOKS:
            continue
        if track.vouched or track.named >= 0 or track.absent_s > 0 or not _surely_other(track, knobs):
            continue
        region = _region(camera, track.box, knobs)
        if region is not None:
            _adopt(camera, region, "other", track.box, track)
            camera.tracks.remove(track)
            track.phase = Phase.GONE
            ended.append(track)
    return ended


def _surely_other(track: Track, knobs: VisionKnobs) -> bool:
    posterior = fuse(track.mean_logs()[None])[0]
    events = float(posterior[: tracks.EVENTS].sum())
    return float(posterior[CLASSES.index("other")]) >= knobs.other_confidence and events <= EVENTS_MOST


def _undo(camera: Camera, adoption_id: int, knobs: VisionKnobs, came_ns: int | None = None) -> None:
    one = camera.ledger.find(adoption_id)
    if one is None:
        raise UsageError(f"adoption {adoption_id}: its pixels are not kept (any more): only the latest can be undone")
    background, _, votes = camera.planes()
    shape = camera.arena.shape
    region = camera.ledger.put_back(background, one, shape)
    # It stood there before: it need not earn its votes again.
    static = np.uint8(min(255, int(knobs.static_s / knobs.quantum_s)))
    whole, half = region.slices
    inside, small = region.mask > 0, region.mask[::2, ::2] > 0
    for plane, part, where in (
        (luma(votes, shape), whole, inside),
        *((plane, half, small) for plane in chroma(votes, shape)),
    ):
        np.maximum(plane[part], static, out=plane[part], where=where)
    camera.ledger.fixtures = [fixture for fixture in camera.ledger.fixtures if fixture.adoption_id != adoption_id]
    camera.tracks.append(_reborn(camera, one.why, came_ns, float(np.count_nonzero(inside))))
    camera.tracks.sort(key=lambda track: track.id)


def _reborn(camera: Camera, why: Why, came_ns: int | None, area: float) -> Track:
    """The thing that was adopted, as a track again: with its own number where it had one."""
    state = camera.arena.state[camera.slot]
    if why.track is not None:
        (track,) = tracks.unpack(why.track)
    else:
        track = Track(0, why.box, area, why.captured_ns, why.captured_ns)
    if track.id == 0 or any(other.id == track.id for other in camera.tracks):
        track.id = int(state["next_id"])
        state["next_id"] += 1
    track.phase, track.doubts, track.absent_s, track.vouched = Phase.MATURING, 0, 0.0, True
    track.appeared_ns = track.appeared_ns if came_ns is None else came_ns
    track.seen_ns, track.look_ns = _now_ns(camera), 0
    return track


def _ignore(camera: Camera, what: Ignore, knobs: VisionKnobs, *, away: bool) -> None:
    named = next((track for track in camera.tracks if track.id == what.track_id), None)
    if named is None and what.track_id != NO_TRACK:
        if away:
            raise NotShownError("the thing is not in the view that is shown now")
        raise UsageError("the thing is not there any more; what stands in its place is ignored by its box")
    box = _on_grid(what.box_px, camera) if named is None else named.box
    region = _region(camera, box, knobs)
    if region is None:
        raise UsageError("nothing stands in this box that differs from the background")
    ended = _there(camera, box)
    _adopt(camera, region, "operator_ignore", box, _oldest(ended))
    _end(camera, ended)


def _stand(camera: Camera, what: Fixture, knobs: VisionKnobs) -> None:
    if what.until_ns is not None and what.until_ns <= _now_ns(camera):
        raise UsageError("the fixture's time is over already, by the camera's clock")
    box = _on_grid(what.box_px, camera)
    region, ended, adoption_id = _region(camera, box, knobs), _there(camera, box), 0
    background, until_ns = camera.planes()[0], what.until_ns or 0
    if region is not None:
        # Where its pixels cannot be kept until its end it is passed over, and not adopted: else it could not end.
        if not until_ns or camera.ledger.can_end(background, region, camera.arena.shape):
            adoption_id = _adopt(camera, region, "fixture", box, _oldest(ended))
        _end(camera, ended)
        box = _tight(box, region)
    camera.ledger.add_fixture(Standing(box, until_ns, adoption_id))


def _tight(box: Box, region: Region) -> Box:
    """The part of a drawn box in which the thing is: by it is told later whether it is there, or its hole."""
    x, y, w, h = cv2.boundingRect(region.mask)
    left, top = max(box[0], region.x + x), max(box[1], region.y + y)
    right, bottom = min(box[0] + box[2], region.x + x + w), min(box[1] + box[3], region.y + y + h)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else box


def _there(camera: Camera, box: Box) -> list[Track]:
    return [track for track in camera.tracks if overlap(track.box, box) >= OVERLAP]


def _oldest(ended: list[Track]) -> Track | None:
    return min(ended, key=lambda track: track.appeared_ns, default=None)


def _end(camera: Camera, ended: list[Track]) -> None:
    """Drop tracks; those that stood are told gone with the next frame."""
    for track in ended:
        camera.tracks.remove(track)
        if track.phase is Phase.STANDING:
            track.phase = Phase.GONE
            camera.leaving.append(track)


def _adopt(camera: Camera, region: Region, reason: str, box: Box, track: Track | None) -> int:
    background, candidate, _ = camera.planes()
    why = Why(reason, _now_ns(camera), box, None if track is None else tracks.pack([track]))
    return camera.ledger.adopt(background, candidate, region, why, camera.arena.shape)


def _region(camera: Camera, box: Box, knobs: VisionKnobs) -> Region | None:
    """What differs from the background in a box and a little around it; None: nothing does."""
    shape = camera.arena.shape
    background, candidate, _ = camera.planes()
    x, y, w, h = box
    left, top = max(0, x - AROUND_PX) & ~1, max(0, y - AROUND_PX) & ~1
    right = min(shape[1], (x + w + AROUND_PX + 1) & ~1)
    bottom = min(shape[0], (y + h + AROUND_PX + 1) & ~1)
    empty = Region(left, top, np.zeros((bottom - top, right - left), np.uint8))
    whole, half = empty.slices
    mask = _apart(luma(candidate, shape)[whole], luma(background, shape)[whole], knobs.differs_grey / 2)
    for new, old in zip(chroma(candidate, shape), chroma(background, shape), strict=True):
        tinted = _apart(new[half], old[half], knobs.differs_chroma / 2)
        mask |= np.asarray(cv2.resize(tinted, mask.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    if cv2.countNonZero(mask) < knobs.area_min_px:
        return None
    return Region(left, top, np.asarray(cv2.dilate(mask, np.ones((5, 5), np.uint8)), np.uint8))


def _apart(new: NDArray[np.uint8], old: NDArray[np.uint8], levels: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.threshold(cv2.absdiff(new, old), levels, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _on_grid(box_px: NativeBox, camera: Camera) -> Box:
    """A native box on the grid, cut to the picture. Raises UsageError where nothing of it is in the picture."""
    rows, columns = camera.arena.shape
    across, down = columns / camera.native_px[0], rows / camera.native_px[1]
    left, top = max(0, round(box_px[0] * across)), max(0, round(box_px[1] * down))
    right = min(columns, round((box_px[0] + box_px[2]) * across))
    bottom = min(rows, round((box_px[1] + box_px[3]) * down))
    if right <= left or bottom <= top:
        width, height = camera.native_px
        raise UsageError(f"the box lies outside the picture, which has {width} x {height} px")
    return left, top, right - left, bottom - top


def _now_ns(camera: Camera) -> int:
    return int(camera.arena.state["last_ns"][camera.slot])
