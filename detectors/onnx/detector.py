"""A detector with the operator's own model beside it: the model's opinion is pooled into each row's class.

The model sees the pieces of tracks that may be a stall or waste, and where ``every_s`` is set whole pictures, in which
it may also find what the other detector did not. Who carried a row's class is in its ``evidence``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.own_model import ModelKnobs
from config.vision import VisionKnobs
from detectors.base import Detector, restart
from detectors.onnx import opinion
from detectors.onnx.model import Finder, Finds
from detectors.onnx.spots import OVERLAP, Spot, SpotRules, age, look_at, mute, overlap, silenced, tracks_of
from detectors.onnx.views import Seen, View, decode, encode
from schemas.crops import WHOLE, CropBatch
from schemas.detections import CLASSES, Detections, Evidence, Phase, SceneState
from schemas.errors import UsageError
from schemas.feedback import Adoption, Feedback, Fixture, Ignore, Undo
from schemas.frame import FrameBatch
from schemas.health import Reading

EVER_NS = 1 << 62  # captured time beyond all captured times


class OwnModelDetector:
    """Implements ``detectors.base.Detector`` around ``inner``. Pure as far as ``inner`` and ``model`` are."""

    def __init__(self, inner: Detector, model: Finder, knobs: ModelKnobs, vision: VisionKnobs) -> None:
        self.inner = inner
        self._model = model
        self._knobs = knobs
        known = np.zeros(len(CLASSES), np.bool_)
        known[list(model.families)] = True
        self._rules = SpotRules(
            knobs.seen_min, knobs.seen_of, vision.dwell_s, vision.gone_s, known=known, silence=knobs.silence
        )
        self._seen: dict[str, Seen] = {}
        self._last = Detections.empty()  # rows of the last step as the inner detector has them
        self._asked: frozenset[tuple[int, int]] = frozenset()  # pieces of the last step that the inner detector wanted

    def step(self, frames: FrameBatch) -> Detections:
        """Advance each camera by its frame; rows are the inner detector's, then what only the model sees."""
        found = self.inner.step(frames)
        self._last = found
        self._asked = frozenset(_keys(found.where(found.wanted))) | {
            (int(row), WHOLE) for row in np.flatnonzero(found.wanted_frame)
        }
        wanted, wanted_frame = found.wanted.copy(), found.wanted_frame.copy()
        own: list[tuple[int, int, Spot]] = []
        for index in np.flatnonzero(found.scene == SceneState.OK):
            seen = self._seen.setdefault(frames.camera_ids[index], Seen())
            now_ns = int(frames.captured_ns[index])
            rows = np.flatnonzero(found.frame == index)
            present = {int(found.track_id[row]) for row in rows}
            seen.views = {track: view for track, view in seen.views.items() if track in present}
            for row in rows:
                wanted[row] |= self._due(found, int(row), seen, now_ns)
            if self._knobs.every_s and now_ns - seen.whole_ns >= self._knobs.every_s * 1e9:
                wanted_frame[index], seen.whole_ns = True, now_ns
            left = silenced(seen.spots) + self._leave(found, rows[found.phase[rows] == Phase.GONE], seen)
            own += [(int(index), now_ns, spot) for spot in [*tracks_of(seen.spots, self._knobs.seen_min), *left]]
        told = self._pooled(found, frames.camera_ids)
        return _with(told, own, wanted, wanted_frame)

    def classify(self, crops: CropBatch) -> Detections:
        """Show the pieces to whoever wanted them; returns the rows that changed by it."""
        asked = [key in self._asked for key in zip(crops.frame.tolist(), crops.track_id.tolist(), strict=True)]
        theirs = self.inner.classify(crops.where(np.asarray(asked, np.bool_)))
        self._last = self._last.replaced(theirs)
        changed = set(_keys(theirs))
        cameras = [""] * len(self._last.scene)
        own: list[tuple[int, int, Spot]] = []
        for row, camera_id in enumerate(crops.camera_ids):
            index, now_ns = int(crops.frame[row]), int(crops.captured_ns[row])
            seen = self._seen.setdefault(camera_id, Seen())
            cameras[index] = camera_id
            if int(crops.track_id[row]) != WHOLE:
                changed |= self._look(crops, row, seen, now_ns)
            elif self._knobs.every_s and seen.whole_ns == now_ns:
                changed |= self._look_at_all(crops, row, seen)
                left = age(seen.spots, self._held(index, seen), now_ns, self._rules)
                own += [(index, now_ns, spot) for spot in [*tracks_of(seen.spots, self._knobs.seen_min), *left]]
        mask = np.asarray([key in changed for key in _keys(self._last)], np.bool_)
        told = self._pooled(self._last.where(mask), cameras)
        return _with(told, own, np.zeros(len(told), np.bool_), np.zeros(len(told.scene), np.bool_))

    def forget(self, camera_id: str) -> None:
        """Drop one camera's state. Unknown cameras are ignored."""
        self._seen.pop(camera_id, None)
        self.inner.forget(camera_id)

    def restart(self, camera_id: str, captured_ns: int) -> None:
        """Go on with a camera whose clock was set back, as the inner detector does."""
        restart(self.inner, camera_id, captured_ns)

    def apply(self, order: Feedback) -> None:
        """Carry out an order on both: what only the model sees is not told of any more while it stands there.

        Raises UsageError, with nothing changed, where neither has anything there.
        """
        seen = self._seen.setdefault(order.camera_id, Seen())
        meant = [] if order.order_id <= seen.last_order else _meant(seen.spots, order)
        try:
            self.inner.apply(order)
        except UsageError:
            if not meant:
                raise
        until_ns = order.what.until_ns if isinstance(order.what, Fixture) else None
        mute(meant, EVER_NS if until_ns is None else until_ns)
        seen.last_order = max(seen.last_order, order.order_id)

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

    def _due(self, found: Detections, row: int, seen: Seen, now_ns: int) -> bool:
        """Whether the model should see a row's piece: not gone, likely enough, its last look long enough ago."""
        if not self._knobs.on_tracks or found.phase[row] == Phase.GONE:
            return False
        if found.posterior[row, : opinion.EVENTS].sum() < self._knobs.likely_min:
            return False
        view = seen.views.get(int(found.track_id[row]))
        if view is None or view.looks == 0:
            return True
        return view.looks < self._knobs.looks_max and now_ns - view.look_ns >= self._knobs.look_s * 1e9

    def _look(self, crops: CropBatch, row: int, seen: Seen, now_ns: int) -> set[tuple[int, int]]:
        """Show the model one track's piece, unless only the inner detector wanted it; the row that changed."""
        key = int(crops.frame[row]), int(crops.track_id[row])
        rows = np.flatnonzero((self._last.frame == key[0]) & (self._last.track_id == key[1]))
        if not len(rows) or not self._due(self._last, int(rows[0]), seen, now_ns):
            return set()
        view = seen.views.setdefault(key[1], View())
        view.looks, view.look_ns = view.looks + 1, now_ns
        finds = _native(self._model.find(crops.pieces[row]), crops, row)
        view.add(self._told(finds, _corners(crops.box_px[row])))
        return {key}

    def _look_at_all(self, crops: CropBatch, row: int, seen: Seen) -> set[tuple[int, int]]:
        """Show the model a whole picture: what it finds at a track is a look at that, the rest becomes spots."""
        finds = _native(self._model.find(crops.pieces[row]), crops, row)
        index, now_ns = int(crops.frame[row]), int(crops.captured_ns[row])
        covered = np.zeros(len(finds), np.bool_)
        changed = set()
        for track in np.flatnonzero((self._last.frame == index) & (self._last.phase != Phase.GONE)):
            corners = _corners(self._last.box_px[track])
            hit = _hits(finds, corners)
            covered |= hit
            # In a whole picture a small thing is easily missed: there only what is found counts.
            if hit.any():
                track_id = int(self._last.track_id[track])
                seen.views.setdefault(track_id, View()).add(self._told(finds, corners))
                changed.add((index, track_id))
        seen.look_times = [now_ns, *seen.look_times][: self._knobs.seen_of]
        look_at(seen.spots, finds, covered, seen.look_times, self._rules)
        for spot in seen.spots:
            if spot.id == 0:
                # Below every number given before, as for the tracks of detectors/vision/camera.py.
                seen.next_id = min(seen.next_id, -(now_ns // 1_000_000)) - 1
                spot.id = seen.next_id
        return changed

    def _leave(self, found: Detections, gone: NDArray[np.int64], seen: Seen) -> list[Spot]:
        """Drop the spots where the inner detector's track has left: both are one incident; returns those that stood."""
        boxes = [_corners(found.box_px[row]) for row in gone]
        there = [spot for spot in seen.spots if any(overlap(spot.corners, box) >= OVERLAP for box in boxes)]
        seen.spots = [spot for spot in seen.spots if not any(spot is one for one in there)]
        left = [spot for spot in there if spot.phase is Phase.STANDING]
        for spot in left:
            spot.phase = Phase.GONE
        return left

    def _told(self, finds: Finds, corners: NDArray[np.float32]) -> NDArray[np.float64]:
        hit = _hits(finds, corners)
        scores = opinion.best_scores(finds.classes[hit], finds.scores[hit])
        return opinion.opinion(scores, self._rules.known, self._rules.silence)

    def _held(self, index: int, seen: Seen) -> set[int]:
        """Ids of spots where the inner detector's own track stands in this frame."""
        there = np.flatnonzero((self._last.frame == index) & (self._last.phase == Phase.STANDING))
        boxes = [_corners(self._last.box_px[row]) for row in there]
        return {spot.id for spot in seen.spots if any(overlap(spot.corners, box) >= OVERLAP for box in boxes)}

    def _pooled(self, found: Detections, camera_ids: Iterable[str]) -> Detections:
        """Rows of the inner detector with the model's opinion in them; ``camera_ids`` are those of the frames."""
        names = list(camera_ids)
        logs = np.zeros((len(found), len(CLASSES)), np.float64)
        views = [self._view(names[int(found.frame[row])], int(found.track_id[row])) for row in range(len(found))]
        for row, view in enumerate(views):
            logs[row] = view.mean_logs()
        posterior = opinion.pool(found.posterior, logs, self._knobs.weight)
        heard = np.asarray([view.weight > 0 for view in views], np.bool_)
        posterior[~heard] = found.posterior[~heard]
        for row, view in enumerate(views):
            posterior[row] = opinion.steady(posterior[row], view.named)
            if view.named < 0 and found.phase[row] == Phase.STANDING:
                view.named = opinion.named_by(posterior[row])
        by_model = heard & opinion.carried(found.posterior, logs, self._knobs.weight)
        evidence = np.where(by_model, np.uint8(Evidence.MODEL), found.evidence)
        return replace(found, posterior=posterior, evidence=np.asarray(evidence, np.uint8))

    def _view(self, camera_id: str, track_id: int) -> View:
        return self._seen.setdefault(camera_id, Seen()).views.setdefault(track_id, View())


def _with(
    told: Detections,
    own: Sequence[tuple[int, int, Spot]],
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


def _meant(spots: Sequence[Spot], order: Feedback) -> list[Spot]:
    """Spots that an order is about; taking back an adoption is about none."""
    if isinstance(order.what, Undo):
        return []
    corners = _corners(np.asarray(order.what.box_px, np.float32))
    track_id = order.what.track_id if isinstance(order.what, Ignore) else WHOLE
    return [spot for spot in spots if spot.id == track_id or overlap(spot.corners, corners) >= OVERLAP]


def _joined(column: NDArray[Any], values: Sequence[float]) -> NDArray[Any]:
    return np.concatenate([column, np.asarray(values, column.dtype)])


def _keys(detections: Detections) -> list[tuple[int, int]]:
    return list(zip(detections.frame.tolist(), detections.track_id.tolist(), strict=True))


def _corners(box_px: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray([*box_px[:2], *(box_px[:2] + box_px[2:])], np.float32)


def _hits(finds: Finds, corners: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(M,) finds that are the thing in a box."""
    return np.asarray([overlap(one, corners) >= OVERLAP for one in finds.corners], np.bool_)


def _native(finds: Finds, crops: CropBatch, row: int) -> Finds:
    """Finds in a piece to finds in the original picture."""
    x, y, w, h = (float(side) for side in crops.piece_px[row])
    rows, columns = crops.pieces[row].shape[:2]
    scale = np.asarray([w / columns, h / rows] * 2, np.float64)
    corners = finds.corners * scale + np.asarray([x, y, x, y], np.float64)
    return Finds(np.asarray(corners, np.float32), finds.scores, finds.classes)
