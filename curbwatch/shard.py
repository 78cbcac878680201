"""A shard: decodes, detects, decides and stores for the cameras it owns, from one thread at a time."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from alerts.deciding.decide import Decider, FrameTimes
from alerts.incidents.before import BeforeRing
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from curbwatch.camera_health import HealthRecorder, readings_of
from curbwatch.camera_health_keeper import CameraHealthKeeper
from curbwatch.closer import FailedLooks, look_closer
from curbwatch.feedback import FeedbackBook
from curbwatch.journal import DecisionJournal
from curbwatch.obey import Obedience
from curbwatch.snapshots import SnapshotFolder
from curbwatch.teller import Teller
from detectors.base import Detector, restart
from ingest.decode_process import DecoderProcess
from ingest.delivery import Delivery, Outcome
from schemas.city import City
from schemas.crops import Piece
from schemas.detections import Detections, Phase, SceneState
from schemas.errors import FrameError, SetupError
from schemas.feedback import Feedback
from schemas.frame import Frame, FrameBatch
from schemas.meter import Meter
from schemas.place import CameraView

log = structlog.get_logger()

UNCHANGED = frozenset({SceneState.FROZEN, SceneState.LATE})  # frames that leave a camera's state as it was


@dataclass(frozen=True, slots=True)
class Tools:
    """What a shard works with; store, journal and meter are shared by all shards, everything else is its own."""

    decoder: DecoderProcess
    detector: Detector
    decider: Decider
    ring: BeforeRing
    evidence: EvidenceFolder
    store: IncidentStore
    snapshots: SnapshotFolder
    journal: DecisionJournal
    views: Mapping[str, CameraView]
    meter: Meter
    book: FeedbackBook = field(default_factory=FeedbackBook)
    health: CameraHealthKeeper | None = None


class Shard:
    """Implements ``curbwatch.engine.base.ShardLike``."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._boots: dict[str, str] = {}  # cameras known, each with the boot of its last frame
        self._maturing: set[str] = set()
        self._health = HealthRecorder(tools.health, tools.evidence, tools.meter)
        self._failed_looks = FailedLooks(tools.meter)
        self.scenes: dict[str, SceneState] = {}  # what each camera's last frame told; for whoever looks on
        self._obedience = Obedience(tools.detector, tools.snapshots, tools.book)
        self._teller = Teller(tools.store, tools.decider, tools.ring, tools.evidence, tools.journal, tools.meter)

    def start(self) -> None:
        """Start what runs beside this process. Raises SetupError."""
        self._tools.decoder.start()

    @property
    def alive(self) -> bool:
        """Whether pictures can still be decoded. From any thread."""
        return self._tools.decoder.alive

    def handle(self, deliveries: list[Delivery[Frame]]) -> None:
        """Process and settle every delivery; frames of one camera come in order, one a step."""
        self.retry()
        rest = list(deliveries)
        while rest:
            # A batch holds at most one frame per camera.
            first: dict[str, Delivery[Frame]] = {}
            later: list[Delivery[Frame]] = []
            for delivery in rest:
                camera_id = delivery.payload.camera_id
                later.append(delivery) if camera_id in first else first.setdefault(camera_id, delivery)
            self._step(list(first.values()))
            rest = later

    def maturing(self, camera_id: str) -> bool:
        """Whether something new is coming to stand there, so that its frames are worth more. From any thread."""
        return camera_id in self._maturing

    def review(self, camera_ids: Iterable[str]) -> None:
        """Look with other zones or calibration from now on; what is known of the street stays known.

        A camera that the registry no longer has is forgotten, but for its last state on disk: it may be entered again.
        """
        detector = self._tools.detector
        for camera_id in camera_ids:
            known = camera_id in self._tools.views
            state = detector.snapshot(camera_id) if known else b""
            detector.forget(camera_id)
            if state:
                detector.restore(camera_id, state)
            if not known:
                self._forget(camera_id)

    def _forget(self, camera_id: str) -> None:
        tools = self._tools
        self._boots.pop(camera_id, None)
        self.scenes.pop(camera_id, None)
        self._maturing.discard(camera_id)
        for part in (self._health, tools.snapshots, tools.decider, tools.ring):
            part.forget(camera_id)

    def adopt(self, city: City) -> None:
        """Decide by another city pack from the next frame on."""
        self._tools.decider.adopt(city)

    def take_orders(self, orders: Iterable[Feedback]) -> None:
        """Take over what people ordered: each is carried out after its camera's next frame, if the camera is ours."""
        self._obedience.take(orders)

    def retry(self) -> None:
        """Store decisions that the database did not take before; it may still be away. Write snapshots that are due.

        Never raises.

        One that it refuses for good is dropped, counted and logged, so that those behind it get their turn.
        """
        self._tools.snapshots.keep_due(self._tools.detector)
        self._teller.retry()

    def close(self) -> None:
        """Keep every camera's state, and the decisions that still wait: the next start stores them.

        What cannot be kept either is counted and logged.
        """
        self.retry()
        self._teller.close()
        self._tools.snapshots.keep_all(self._tools.detector)
        self._tools.decoder.close()

    def _step(self, deliveries: Sequence[Delivery[Frame]]) -> None:
        by_shape: dict[tuple[int, int], list[tuple[Delivery[Frame], NDArray[np.uint8]]]] = {}
        started_s = time.perf_counter()
        try:
            grids = self._tools.decoder.decode([delivery.payload for delivery in deliveries])
        except SetupError as error:
            log.error("frames_not_decoded", count=len(deliveries), error=str(error))  # noqa: TRY400
            for delivery in deliveries:
                delivery.settle(Outcome.RETRY, "decoder")
            return
        took_s = (time.perf_counter() - started_s) / len(deliveries)
        for delivery, grid in zip(deliveries, grids, strict=True):
            self._tools.meter.observe("decode", took_s)
            if isinstance(grid, FrameError):
                delivery.settle(Outcome.REJECT, grid.reason)
            else:
                by_shape.setdefault((grid.shape[0], grid.shape[1]), []).append((delivery, grid))
        for pairs in by_shape.values():
            self._batch([delivery for delivery, _ in pairs], np.stack([grid for _, grid in pairs]))

    def _batch(self, deliveries: Sequence[Delivery[Frame]], pixels: NDArray[np.uint8]) -> None:
        tools = self._tools
        frames = [delivery.payload for delivery in deliveries]
        new = [frame.camera_id for frame in frames if frame.camera_id not in self._boots]
        restored = {camera_id for camera_id in new if tools.snapshots.restore(tools.detector, camera_id)}
        batch = FrameBatch.of(frames, pixels)
        started_s = time.perf_counter()
        detections = tools.detector.step(batch)
        tools.meter.observe("detect", (time.perf_counter() - started_s) / len(frames))
        detections = look_closer(tools.detector, detections, batch, frames, self._cut, self._failed_looks)
        restarted = self._restarted(detections, frames)
        self._health.see(frames, batch, detections, readings_of(tools.detector))
        opened = self._decide(detections, batch, frames)
        for index, delivery in enumerate(deliveries):
            frame = delivery.payload
            self._boots[frame.camera_id] = frame.boot
            if index in restarted:
                continue
            state = SceneState(int(detections.scene[index]))
            self.scenes[frame.camera_id] = state
            if frame.camera_id in restored:
                _compare(frame.camera_id, state)
            if state is not SceneState.OK:
                tools.meter.add("frames_unfit", state=state.name.lower())
            if state in {SceneState.OK, SceneState.WARMING}:
                tools.ring.add(frame)
            delivery.settle(Outcome.DONE)
            if state not in UNCHANGED:
                tools.snapshots.keep(tools.detector, frame.camera_id, at_once=frame.camera_id in opened)
        self._obedience.obey([frame.camera_id for index, frame in enumerate(frames) if index not in restarted])
        self._obedience.listen()
        if restarted:
            again = sorted(restarted)
            self._batch([deliveries[index] for index in again], pixels[again])

    def _cut(self, wanted: Sequence[tuple[Frame, Piece]]) -> Sequence[NDArray[np.uint8] | FrameError]:
        """Pieces of original pictures; without a decoder there are none, and the class is that of the grid."""
        started_s = time.perf_counter()
        try:
            pieces = self._tools.decoder.cut(wanted)
        except SetupError as error:
            log.warning("pieces_not_cut", count=len(wanted), error=str(error))
            return [FrameError("decoder_crash", str(error)) for _ in wanted]
        self._tools.meter.observe("cut", (time.perf_counter() - started_s) / len(wanted))
        return pieces

    def _restarted(self, detections: Detections, frames: Sequence[Frame]) -> frozenset[int]:
        """Rows of frames that are late only because their camera started anew with an earlier clock.

        A camera whose clock is set right does so, and keeps what it knows; so does a recording played again, whose
        street is learned anew. Within one boot a late frame stays late.
        """
        found = []
        for index, frame in enumerate(frames):
            late = detections.scene[index] == SceneState.LATE
            if late and frame.boot != self._boots.get(frame.camera_id, ""):
                log.info(
                    "camera_restarted", camera=frame.camera_id, effect="its clock is earlier; it goes on from there"
                )
                restart(self._tools.detector, frame.camera_id, frame.captured_ns)
                found.append(index)
        return frozenset(found)

    def _decide(self, detections: Detections, batch: FrameBatch, frames: Sequence[Frame]) -> set[str]:
        """Store what a step means; the cameras at which something opened."""
        tools = self._tools
        rising = detections.frame[detections.phase == Phase.MATURING]
        self._maturing -= set(batch.camera_ids)
        self._maturing |= {batch.camera_ids[int(index)] for index in rising}
        times = FrameTimes(batch.camera_ids, batch.captured_ns, batch.native_px, batch.presets)
        decisions = tools.decider.decide(detections, times, tools.views)
        for reason, count in decisions.passed_over.items():
            tools.meter.add("tracks_passed_over", count, reason=reason)
        tools.meter.add("sightings_unrouted", decisions.unrouted)
        by_camera = {frame.camera_id: frame for frame in frames}
        opened = set()
        for sighting in decisions.sightings:
            told = self._teller.say(sighting, by_camera[sighting.camera_id])
            if told is not None and (told.opened or told.reopened):
                opened.add(sighting.camera_id)
        for departure in decisions.departures:
            self._teller.leave(departure, by_camera[departure.camera_id])
        return opened


def _compare(camera_id: str, state: SceneState) -> None:
    """Say where a snapshot is of another view than the first new frame; the detector reports nothing meanwhile."""
    if state not in {SceneState.OK, SceneState.WARMING} | UNCHANGED:
        log.warning(
            "snapshot_of_another_view",
            camera=camera_id,
            scene=state.name.lower(),
            effect="nothing is reported there until the picture fits again or is learned anew",
        )
