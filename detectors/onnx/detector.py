"""A detector with the operator's own model beside it: the model's opinion is pooled into each row's class.

The model sees the pieces of tracks that may be a stall or waste, and where ``every_s`` is set whole pictures, in which
it may also find what the other detector did not. Who carried a row's class is in its ``evidence``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.own_model import ModelKnobs
from config.vision import VisionKnobs
from detectors.base import Detector, restart
from detectors.onnx import opinion
from detectors.onnx.model import Finder, Finds
from detectors.onnx.spots import (
    OVERLAP,
    Spot,
    SpotRules,
    age,
    corners_of,
    look_at,
    mute,
    overlaps,
    silenced,
    tracks_of,
)
from detectors.onnx.views import Place, Seen, View, decode, encode
from schemas.crops import WHOLE, CropBatch
from schemas.detections import CLASSES, Detections, Evidence, Phase, SceneState
from schemas.errors import NotShownError, UsageError
from schemas.feedback import Adoption, Feedback, Fixture, Ignore, Undo
from schemas.frame import FrameBatch
from schemas.health import Reading

EVER_NS = 1 << 62  # captured time beyond all captured times
FINDS_MAX = 100  # of one whole picture, the best: no street has more stalls and bags

Own = tuple[int, int, Spot]  # frame, captured ns, what is to be told of


class OwnModelDetector:
    """Implements ``detectors.base.Detector`` around ``inner``. Pure as far as ``inner`` and ``model`` are."""

    def __init__(
        self,
        inner: Detector,
        model: Finder,
        knobs: ModelKnobs,
        vision: VisionKnobs,
        looks_most: int | None = None,
    ) -> None:
        """``looks_most``: looks of the model after one step, 1 or more; the others wait. None: all that are due."""
        self.inner = inner
        self._model = model
        self._knobs = knobs
        self._looks_most = looks_most
        known = np.zeros(len(CLASSES), np.bool_)
        known[list(model.families)] = True
        self._rules = SpotRules(
            knobs.seen_min, knobs.seen_of, vision.dwell_s, vision.gone_s, known=known, silence=knobs.silence
        )
        self._seen: dict[str, Seen] = {}
        self._last = Detections.empty()  # rows of the last step as the inner detector has them
        self._cameras: tuple[str, ...] = ()  # of the frames of the last step
        self._times_ns: list[int] = []  # and when they were captured
        self._asked: frozenset[tuple[int, int]] = frozenset()  # pieces of the last step that the inner detector wanted
        self._ours: frozenset[tuple[int, int]] = frozenset()  # those that the model is to see

    def step(self, frames: FrameBatch) -> Detections:
        """Advance each camera by its frame; rows are the inner detector's, then what only the model sees."""
        found = self.inner.step(frames)
        self._last, self._cameras, self._times_ns = found, frames.camera_ids, frames.captured_ns.tolist()
        self._asked = frozenset(_keys(found.where(found.wanted))) | {
            (int(row), WHOLE) for row in np.flatnonzero(found.wanted_frame)
        }
        due: list[tuple[int, int, int]] = []
        left: list[Own] = []
        judged = np.flatnonzero(found.scene == SceneState.OK)
        for index in judged.tolist():
            seen = self._seen.setdefault(frames.camera_ids[index], Seen())
            now_ns = int(frames.captured_ns[index])
            left_here = seen.turn(frames.preset(index))
            rows = np.flatnonzero(found.frame == index)
            self._hand_names(index, seen, now_ns)
            due += self._due(rows, index, seen, now_ns)
            left_here += silenced(seen.spots) + _leave(found, rows[found.phase[rows] == Phase.GONE], seen)
            left += [(index, now_ns, spot) for spot in left_here]
        self._ours = self._granted(due, frames)
        told = self._pooled(found)
        own = [one for index in judged.tolist() for one in self._own(told, index, int(frames.captured_ns[index]))]
        for index in judged.tolist():
            here, gone = found.frame == index, found.phase == Phase.GONE
            present, ended = found.track_id[here & ~gone].tolist(), found.track_id[here & gone].tolist()
            self._seen[frames.camera_ids[index]].see(present, ended, int(frames.captured_ns[index]))
        ours = np.asarray([key in self._ours for key in _keys(found)], np.bool_)
        whole = np.asarray([(index, WHOLE) in self._ours for index in range(len(frames))], np.bool_)
        return _with(told, own + left, found.wanted | ours, found.wanted_frame | whole)

    def classify(self, crops: CropBatch) -> Detections:
        """Show the pieces to whoever wanted them; returns the rows that changed by it."""
        keys = list(zip(crops.frame.tolist(), crops.track_id.tolist(), strict=True))
        theirs = self.inner.classify(crops.where(np.asarray([key in self._asked for key in keys], np.bool_)))
        self._last = self._last.replaced(theirs)
        changed = set(_keys(theirs))
        left: list[Own] = []
        looked: list[tuple[int, int]] = []
        for row in [row for row, key in enumerate(keys) if key in self._ours]:
            seen, now_ns = self._seen.setdefault(crops.camera_ids[row], Seen()), int(crops.captured_ns[row])
            if keys[row][1] != WHOLE:
                changed |= self._look(crops, row, seen)
                continue
            index = keys[row][0]
            changed |= self._look_at_all(crops, row, seen)
            left += [
                (index, now_ns, spot) for spot in age(seen.here.spots, self._held(index, seen), now_ns, self._rules)
            ]
            looked.append((index, now_ns))
            self._hand_names(index, seen, now_ns)
        told = self._pooled(self._last)
        own = [one for index, now_ns in looked for one in self._own(told, index, now_ns)]
        told = told.where(np.asarray([key in changed for key in _keys(told)], np.bool_))
        return _with(told, own + left, np.zeros(len(told), np.bool_), np.zeros(len(told.scene), np.bool_))

    def forget(self, camera_id: str) -> None:
        """Drop one camera's state. Unknown cameras are ignored."""
        self._seen.pop(camera_id, None)
        self.inner.forget(camera_id)

    def restart(self, camera_id: str, captured_ns: int) -> None:
        """Go on with a camera whose clock was set back, as the inner detector does; nothing waits for the old clock."""
        if camera_id in self._seen:
            self._seen[camera_id].set_back(captured_ns)
        restart(self.inner, camera_id, captured_ns)

    def apply(self, order: Feedback) -> None:
        """Carry out an order on both: what only the model sees is not told of any more while it stands there.

        Raises UsageError, with nothing changed, where neither has anything there; NotShownError where the inner
        detector may have once the camera shows the view.
        """
        seen = self._seen.setdefault(order.camera_id, Seen())
        meant, by_id = ([], False) if order.order_id in seen.applied else _meant(seen, order)
        try:
            self.inner.apply(order)
        except UsageError as error:
            if not meant or (isinstance(error, NotShownError) and not by_id):
                raise
        until_ns = order.what.until_ns if isinstance(order.what, Fixture) else None
        mute(meant, EVER_NS if until_ns is None else until_ns)
        seen.note_order(order.order_id)

    @property
    def readings(self) -> Mapping[str, Reading]:
        """What the other detector measured at the frames of the last step; empty where it does not say."""
        found: Mapping[str, Reading] = getattr(self.inner, "readings", {})
        return found

    def drain(self) -> list[Adoption]:
        """What entered the inner detector's background since the last call, oldest first."""
        return self.inner.drain()

    def snapshot(self, camera_id: str) -> bytes:
        """State of one camera; empty bytes for one that the inner detector does not know."""
        state = self.inner.snapshot(camera_id)
        return encode(self._seen.get(camera_id, Seen()), state) if state else b""

    def restore(self, camera_id: str, state: bytes) -> None:
        """Take over a snapshot, one without a model too. Raises ValueError if it is not one of ours."""
        seen, inner = decode(state)
        self.inner.restore(camera_id, inner)
        self._seen[camera_id] = seen

    def _due(self, rows: NDArray[np.int64], index: int, seen: Seen, now_ns: int) -> list[tuple[int, int, int]]:
        """Looks at one frame that the model should have: since when, the frame, the track; ``WHOLE``: all of it."""
        due = []
        last = self._last
        if self._knobs.every_s and now_ns - seen.here.whole_ns >= self._knobs.every_s * 1e9:
            due.append((seen.here.whole_ns + int(self._knobs.every_s * 1e9), index, WHOLE))
        for row in rows[last.phase[rows] != Phase.GONE] if self._knobs.on_tracks else ():
            if last.posterior[row, : opinion.EVENTS].sum() < self._knobs.likely_min:
                continue
            view = seen.views.get(int(last.track_id[row]))
            since_ns = min(int(last.appeared_ns[row]), now_ns)
            if view is not None and view.look_ns:
                since_ns = view.look_ns + int(self._knobs.look_s * 1e9)
            if since_ns <= now_ns and (view is None or view.looks < self._knobs.looks_max):
                due.append((since_ns, index, int(last.track_id[row])))
        return due

    def _granted(self, due: list[tuple[int, int, int]], frames: FrameBatch) -> frozenset[tuple[int, int]]:
        """Pieces that the model sees after this step, those that wait longest first; notes that they were asked for."""
        granted = [(index, track_id) for _, index, track_id in sorted(due)[: self._looks_most]]
        for index, track_id in granted:
            seen, now_ns = self._seen[frames.camera_ids[index]], int(frames.captured_ns[index])
            if track_id == WHOLE:
                seen.here.whole_ns = now_ns
            else:
                seen.view(track_id, now_ns).look_ns = now_ns
        return frozenset(granted)

    def _look(self, crops: CropBatch, row: int, seen: Seen) -> set[tuple[int, int]]:
        """Show the model one track's piece; the row that changed."""
        key = int(crops.frame[row]), int(crops.track_id[row])
        view = seen.view(key[1], int(crops.captured_ns[row]))
        view.looks += 1
        finds = _native(self._model.find(crops.pieces[row]), crops, row)
        corners = _corners(crops.box_px[row : row + 1])
        view.add(self._told(finds, overlaps(finds.corners, corners)[:, 0] >= OVERLAP))
        return {key}

    def _look_at_all(self, crops: CropBatch, row: int, seen: Seen) -> set[tuple[int, int]]:
        """Show the model a whole picture: what it finds at a track is a look at that, the rest becomes spots."""
        finds = _native(self._model.find(crops.pieces[row]).first(FINDS_MAX), crops, row)
        index, now_ns = int(crops.frame[row]), int(crops.captured_ns[row])
        tracks = np.flatnonzero((self._last.frame == index) & (self._last.phase != Phase.GONE))
        hits = overlaps(finds.corners, _corners(self._last.box_px[tracks])) >= OVERLAP
        changed = set()
        for number, track in enumerate(tracks):
            # In a whole picture a small thing is easily missed: there only what is found counts.
            if hits[:, number].any():
                track_id = int(self._last.track_id[track])
                seen.view(track_id, now_ns).add(self._told(finds, hits[:, number]))
                changed.add((index, track_id))
        here = seen.here
        here.look_times = [now_ns, *here.look_times][: self._knobs.seen_of]
        look_at(here.spots, finds, np.asarray(hits.any(axis=1)), here.look_times, self._rules)
        for spot in here.spots:
            if spot.id == 0:
                # Below every number given before, as for the tracks of detectors/vision/camera.py.
                seen.next_id = min(seen.next_id, -(now_ns // 1_000_000)) - 1
                spot.id = seen.next_id
        return changed

    def _told(self, finds: Finds, hit: NDArray[np.bool_]) -> NDArray[np.float64]:
        scores = opinion.best_scores(finds.classes[hit], finds.scores[hit])
        return opinion.opinion(scores, self._rules.known, self._rules.silence)

    def _standing_at(self, index: int, spots: Sequence[Spot]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(T,) rows of the inner detector's standing tracks in a frame, and (S, T) which of them hold which spot."""
        rows = np.flatnonzero((self._last.frame == index) & (self._last.phase == Phase.STANDING))
        return rows, overlaps(corners_of(spots), _corners(self._last.box_px[rows])) >= OVERLAP

    def _held(self, index: int, seen: Seen) -> set[int]:
        """Ids of spots where the inner detector's own track stands in this frame."""
        _, holds = self._standing_at(index, seen.here.spots)
        return {spot.id for spot, held in zip(seen.here.spots, np.asarray(holds.any(axis=1)), strict=True) if held}

    def _hand_names(self, index: int, seen: Seen, now_ns: int) -> None:
        """Let the inner detector's tracks be called as the standing spots that they hold: one thing is one incident.

        What the model saw of such a spot counts for a track of which it has seen nothing yet.
        """
        spots = [spot for spot in seen.here.spots if spot.phase is Phase.STANDING and not spot.until_ns]
        rows, holds = self._standing_at(index, spots)
        for spot, held in zip(spots, holds, strict=True):
            family = opinion.named_by(spot.posterior())
            for row in rows[held] if family >= 0 else ():
                track_id = int(self._last.track_id[row])
                view = seen.view(track_id, now_ns)
                if view.weight == 0:
                    view.logs, view.weight = spot.logs.copy(), spot.weight
                self._name(index, track_id, family)

    def _own(self, told: Detections, index: int, now_ns: int) -> list[Own]:
        """What only the model sees in a frame.

        Not what a standing track holds that is called stall or waste, or once was called what the spot is not.
        """
        seen = self._seen[self._cameras[index]]
        spots = tracks_of(seen.here.spots, self._knobs.seen_min)
        rows, holds = self._standing_at(index, spots)
        events = told.posterior[rows].argmax(axis=1) < opinion.EVENTS
        names = np.asarray([seen.views.get(track, View()).named for track in told.track_id[rows].tolist()], np.int64)
        own = []
        for spot, held in zip(spots, holds, strict=True):
            others = (names >= 0) & (names != spot.posterior().argmax())
            if not (held & (events | others)).any():
                own.append((index, now_ns, spot))
        return own

    def _pooled(self, found: Detections) -> Detections:
        """Rows of the inner detector in the last step with the model's opinion in them."""
        logs = np.zeros((len(found), len(CLASSES)), np.float64)
        keys = _keys(found)
        seen = [self._seen.setdefault(self._cameras[index], Seen()) for index, _ in keys]
        views = [one.views.get(track_id, View()) for one, (_, track_id) in zip(seen, keys, strict=True)]
        for row, view in enumerate(views):
            logs[row] = view.mean_logs()
        posterior = opinion.pool(found.posterior, logs, self._knobs.weight)
        heard = np.asarray([view.weight > 0 for view in views], np.bool_)
        posterior[~heard] = found.posterior[~heard]
        for row, view in enumerate(views):
            posterior[row] = opinion.steady(posterior[row], view.named)
            if found.phase[row] == Phase.STANDING:
                self._name(*keys[row], opinion.named_by(posterior[row]))
        by_model = heard & opinion.carried(found.posterior, logs, self._knobs.weight)
        evidence = np.where(by_model, np.uint8(Evidence.MODEL), found.evidence)
        return replace(found, posterior=posterior, evidence=np.asarray(evidence, np.uint8))

    def _name(self, index: int, track_id: int, family: int) -> None:
        """Note what a standing track is surely called, once, and let the inner detector know where it listens."""
        camera_id = self._cameras[index]
        if family < 0 or self._seen[camera_id].views.get(track_id, View()).named >= 0:
            return
        self._seen[camera_id].view(track_id, self._times_ns[index]).named = family
        hear = getattr(self.inner, "hear_name", None)
        if callable(hear):
            hear(camera_id, track_id, family)


def _with(
    told: Detections,
    own: Sequence[Own],
    wanted: NDArray[np.bool_],
    wanted_frame: NDArray[np.bool_],
) -> Detections:
    """Rows, then those of spots (frame, now, spot), and what is wanted; a spot's piece never is."""
    spots = [spot for _, _, spot in own]
    boxes = [[*spot.corners[:2], *(spot.corners[2:] - spot.corners[:2])] for spot in spots]
    dwell = [(now_ns - spot.appeared_ns) / 1e9 for _, now_ns, spot in own]
    posterior = [spot.posterior() for spot in spots]
    count = len(own)
    return Detections(
        scene=told.scene,
        frame=_joined(told.frame, [index for index, _, _ in own]),
        track_id=_joined(told.track_id, [spot.id for spot in spots]),
        phase=_joined(told.phase, [spot.phase for spot in spots]),
        box_px=np.concatenate([told.box_px, np.asarray(boxes, np.float32).reshape(-1, 4)]),
        appeared_ns=_joined(told.appeared_ns, [spot.appeared_ns for spot in spots]),
        dwell_s=_joined(told.dwell_s, dwell),
        posterior=np.concatenate([told.posterior, np.asarray(posterior, np.float32).reshape(-1, len(CLASSES))]),
        evidence=_joined(told.evidence, [Evidence.MODEL] * count),
        wanted=_joined(wanted, [False] * count),
        wanted_frame=wanted_frame,
    )


def _leave(found: Detections, gone: NDArray[np.int64], seen: Seen) -> list[Spot]:
    """Drop the spots where the inner detector's track has left: both are one incident; returns those that stood.

    What left another view, and is told of only now, takes nothing with it.
    """
    here = seen.here
    rows = [row for row in gone.tolist() if seen.was_here(int(found.track_id[row]))]
    shares = overlaps(corners_of(here.spots), _corners(found.box_px[rows]))
    there = np.asarray((shares >= OVERLAP).any(axis=1))
    left = [spot for spot, gone_too in zip(here.spots, there, strict=True) if gone_too]
    here.spots = [spot for spot, gone_too in zip(here.spots, there, strict=True) if not gone_too]
    left = [spot for spot in left if spot.phase is Phase.STANDING]
    for spot in left:
        spot.phase = Phase.GONE
    return left


def _meant(seen: Seen, order: Feedback) -> tuple[list[Spot], bool]:
    """Spots that an order is about, and whether it names one; taking back an adoption is about none."""
    if isinstance(order.what, Undo):
        return [], False
    track_id = order.what.track_id if isinstance(order.what, Ignore) else WHOLE
    named = [spot for spot in seen.spots if spot.id == track_id]
    if named:
        return named, True
    place = seen.places.get(order.preset or seen.preset, Place())
    at = overlaps(corners_of(place.spots), _corners(np.asarray([order.what.box_px], np.float32)))[:, 0]
    return [spot for spot, share in zip(place.spots, at, strict=True) if share >= OVERLAP], False


def _joined(column: NDArray[Any], values: Sequence[float]) -> NDArray[Any]:
    return np.concatenate([column, np.asarray(values, column.dtype)])


def _keys(detections: Detections) -> list[tuple[int, int]]:
    return list(zip(detections.frame.tolist(), detections.track_id.tolist(), strict=True))


def _corners(boxes_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 4) x, y, w, h to x1, y1, x2, y2."""
    return np.concatenate([boxes_px[:, :2], boxes_px[:, :2] + boxes_px[:, 2:]], axis=1)


def _native(finds: Finds, crops: CropBatch, row: int) -> Finds:
    """Finds in a piece to finds in the original picture."""
    x, y, w, h = (float(side) for side in crops.piece_px[row])
    rows, columns = crops.pieces[row].shape[:2]
    scale = np.asarray([w / columns, h / rows] * 2, np.float64)
    corners = finds.corners * scale + np.asarray([x, y, x, y], np.float64)
    return Finds(np.asarray(corners, np.float32), finds.scores, finds.classes)
