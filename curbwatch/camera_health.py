"""A shard's part in the cameras' health: events to log, evidence and database; and what people ask of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from alerts.health.watch import HealthWatch, begun
from alerts.incidents.evidence import EvidenceFolder
from curbwatch.camera_health_keeper import CameraHealthKeeper
from curbwatch.database import Connection
from detectors.base import Detector
from schemas.detections import Detections, SceneState
from schemas.errors import SinkError
from schemas.frame import Frame, FrameBatch
from schemas.health import HealthEvent, HealthKind, Reading
from schemas.meter import Meter

log = structlog.get_logger()

# Words for a log that a person reads; what to do about each: docs/camera-health.md.
WORDS: dict[HealthKind, str] = {
    HealthKind.FROZEN: "sends the same picture again and again",
    HealthKind.BLACK: "sends black pictures",
    HealthKind.WHITE: "sends white pictures",
    HealthKind.FLAT: "sends pictures of one colour",
    HealthKind.NOISE: "sends snow",
    HealthKind.CARD: "sends a test card or a service picture",
    HealthKind.DARK: "sees too little light",
    HealthKind.BLURRED: "is blurred or has drops on its dome",
    HealthKind.COVERED: "is covered",
    HealthKind.MOVED: "was turned",
    HealthKind.PRESET: "shows a view that its zones are not bound to",
    HealthKind.LIGHT: "sees another light",
    HealthKind.CHANGED: "does not show the street it knows",
    HealthKind.RESOLUTION: "sends another size of picture",
    HealthKind.PROGRESSIVE: "sends progressive JPEG, which takes four times as long to decode",
}
CAMERAS = """
select d.device_id as camera_id, coalesce(h.state, 'unheard') as link, h.last_seen_at, e.kind, e.since, e.value, e.note
from device d
left join device_health h using (device_id)
left join camera_event e on e.camera_id = d.device_id and e.until is null
where d.kind = 'camera' and (%(asked)s::text is null or d.device_id = %(asked)s)
order by d.device_id, e.since
"""
EVENTS = """
select camera_id, kind, since, until, value, note, times, sha256 from camera_event
where %(asked)s::text is null or camera_id = %(asked)s order by since desc, event_id desc limit %(limit)s
"""


class HealthRecorder:
    """Health of one shard's cameras; called in its thread only. Never raises: health is no reason to lose a frame."""

    def __init__(self, keeper: CameraHealthKeeper | None, evidence: EvidenceFolder, meter: Meter) -> None:
        """``keeper`` None: events are logged and counted only."""
        self._keeper = keeper
        self._evidence = evidence
        self._meter = meter
        self._watch = HealthWatch()
        self._asked: set[str] = set()  # cameras whose past is not read yet

    def see(
        self, frames: Sequence[Frame], batch: FrameBatch, detections: Detections, readings: Mapping[str, Reading]
    ) -> None:
        """Take what a step told of each frame; ``frames``: those of the batch, in its order; late ones tell nothing."""
        on_time = [frame for k, frame in enumerate(frames) if detections.scene[k] != SceneState.LATE]
        events: list[HealthEvent] = []
        for frame in on_time:
            events += self._past(frame.camera_id)
        events += self._watch.see(batch, detections, readings)
        for frame in on_time:
            events += self._watch.coding(frame.camera_id, frame.captured_ns, progressive=frame.progressive)
        by_camera = {frame.camera_id: frame for frame in on_time}
        for event in events:
            self._tell(event, by_camera[event.camera_id])

    def forget(self, camera_id: str) -> None:
        """Drop what is known of a camera; what was told of it is still written."""
        self._watch.forget(camera_id)
        self._asked.discard(camera_id)

    def _past(self, camera_id: str) -> list[HealthEvent]:
        """Go on with what is stored of a camera as soon as it is read; what ends by that."""
        if self._keeper is None:
            return []
        if not self._watch.known(camera_id):
            self._keeper.ask(camera_id)
            self._asked.add(camera_id)
        past = self._keeper.answer(camera_id) if camera_id in self._asked else None
        if past is None:
            return []
        self._asked.discard(camera_id)
        return self._watch.resume(camera_id, past)

    def _tell(self, event: HealthEvent, frame: Frame) -> None:
        """Log and count an event, keep the picture that shows its beginning, and let it wait to be written."""
        said = {"camera": event.camera_id, "kind": event.kind.value, "what": WORDS[event.kind]}
        if begun(event):
            event = self._shown(event, frame)
            self._meter.add("camera_events", kind=event.kind.value)
            log.warning("camera_unwell", **said, value=round(event.value, 3), note=event.note)
        elif event.until_ns is not None:
            log.info("camera_well", **said, after_s=round((event.until_ns - event.since_ns) / 1e9), times=event.times)
        if self._keeper is not None:
            self._keeper.tell(event)

    def _shown(self, event: HealthEvent, frame: Frame) -> HealthEvent:
        if event.kind is HealthKind.PROGRESSIVE:
            return event
        try:
            return self._watch.illustrate(event, self._evidence.keep(frame).sha256)
        except SinkError as error:
            log.warning("camera_picture_not_kept", camera=event.camera_id, error=str(error))
            return event


def readings_of(detector: Detector) -> Mapping[str, Reading]:
    """What a detector measured at the frames of its last step; empty for one that does not say."""
    found: Mapping[str, Reading] = getattr(detector, "readings", {})
    return found


def cameras(conn: Connection, asked: str | None) -> list[dict[str, Any]]:
    """Each camera of the registry with what is the matter with it now, a row each; ``kind`` None: nothing."""
    names = ("camera_id", "link", "last_seen_at", "kind", "since", "value", "note")
    return [dict(zip(names, row, strict=True)) for row in conn.execute(CAMERAS, {"asked": asked})]


def events(conn: Connection, asked: str | None, limit: int) -> list[dict[str, Any]]:
    """Health events, newest first; of one camera where ``asked`` names it."""
    names = ("camera_id", "kind", "since", "until", "value", "note", "times", "sha256")
    return [dict(zip(names, row, strict=True)) for row in conn.execute(EVENTS, {"asked": asked, "limit": limit})]
