"""The road of a picture as far as it goes without a server: gate, slot, decoder process, detector, decision."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from alerts.deciding.decide import Decider
from alerts.incidents.before import BeforeRing
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from config.alerts import AlertKnobs
from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from config.pack import apply_modes, load_pack
from config.vision import VisionKnobs
from curbwatch.journal import DecisionJournal
from curbwatch.shard import Shard, Tools
from curbwatch.snapshots import SnapshotFolder
from curbwatch.telemetry import Telemetry
from detectors.vision import VisionDetector
from ingest.cameras import FrameIntake, FrameOutlets
from ingest.decode_process import DecoderProcess
from ingest.ledger import Ticket
from ingest.pictures import PictureForms
from ingest.slots import FrameSlots
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.incident import Departure, EvidenceRecord, Opened, Sighting
from schemas.place import CameraView, ImageZone
from schemas.position import RawMessage

SCHEME = TopicScheme("city/v1", "test")
S = 1_000_000_000
START_S = 1_770_000_000
PERIOD_S = 4.0
CAMERA, OTHER, SLOW = "cam", "other", "slow"
# As an operator draws it: the street, without the camera's own clock at the top.
ZONE = ImageZone("street", ((0, 40), (639, 40), (639, 383), (0, 383)))


@dataclass(frozen=True, slots=True)
class Shot:
    """One message of a camera: its payload, when it was captured, which camera, and its further properties."""

    payload: bytes
    at_s: float
    camera: str = CAMERA
    properties: tuple[tuple[str, str], ...] = ()


class _Cameras:
    rules: Mapping[str, DeviceRule] = {
        CAMERA: DeviceRule(CAMERA, "camera"),
        OTHER: DeviceRule(OTHER, "camera"),
        SLOW: DeviceRule(SLOW, "camera", rate_per_s=1.0),
    }

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


class _NoIncidents:
    """An incident store that notes what it is asked to open, and opens nothing."""

    def __init__(self) -> None:
        self.asked: list[Sighting] = []

    def refresh(self, _sighting: Sighting) -> None:
        return None

    def open_or_refresh(self, sighting: Sighting, *_evidence: EvidenceRecord | None) -> Opened:
        self.asked.append(sighting)
        return Opened("none", opened=False, sighting=sighting)

    def awaits(self, _departure: Departure) -> bool:
        return False


class Road:
    """Takes shots, one at a time, and tells what became of each."""

    def __init__(self, decoder: DecoderProcess, folder: Path) -> None:
        self.meter = Telemetry()
        self.told: list[tuple[str, str]] = []
        self.finished = 0
        self.sent = 0
        self.scenes: list[str] = []
        self._incidents = _NoIncidents()
        slots = FrameSlots(wait_max_s=30, period_s=lambda _camera: PERIOD_S, max_bytes=20_000_000)
        self.intake = FrameIntake(IntakeKnobs(), SCHEME, PictureForms(CodecKnobs()), slots, _Cameras(), self.meter)
        self.intake.connect(FrameOutlets(self._finish, self._publish))
        views = {camera: CameraView(camera, (ZONE,)) for camera in _Cameras.rules}
        city = apply_modes(load_pack(Path("yanjiang")).city, ["06010", "09006"])
        self._shard = Shard(
            Tools(
                decoder=decoder,
                detector=VisionDetector(VisionKnobs(), views),
                decider=Decider(city, AlertKnobs()),
                ring=BeforeRing(8, 1.0, 4.0, 10_000_000),
                evidence=EvidenceFolder(folder / "evidence"),
                store=cast("IncidentStore", self._incidents),
                snapshots=SnapshotFolder(folder / "snapshots", every_s=1e9, monotonic_s=lambda: 0.0),
                journal=DecisionJournal(folder / "snapshots"),
                views=views,
                meter=self.meter,
            )
        )

    def send(self, shot: Shot) -> str:
        """Send one shot through everything; what its camera was told of it."""
        now_ns = round((START_S + shot.at_s) * S)
        properties = (("ts", str(now_ns // 1_000_000)), ("seq", str(self.sent)), ("boot", "b"), *shot.properties)
        topic = SCHEME.of("camera", shot.camera, "frame")
        self.intake.put(RawMessage(topic, shot.payload, now_ns, properties, 1, retain=False), Ticket(1, self.sent + 1))
        self.sent += 1
        deliveries = self.intake.take(16, now_ns)
        self._shard.handle(deliveries)
        if deliveries and shot.camera in self._shard.scenes:
            self.scenes.append(self._shard.scenes[shot.camera].name.lower())
        return self.told[-1][1]

    def play(self, shots: Sequence[Shot]) -> Counter[str]:
        """Send shots in order; how often each outcome was told."""
        return Counter(self.send(shot) for shot in shots)

    @property
    def standing(self) -> int:
        """How often a thing was seen standing for its dwell, whatever was decided about it."""
        return int(self.meter.total("tracks_passed_over")) + self.alerts

    @property
    def alerts(self) -> int:
        """How often anything was asked of the incident store."""
        return len(self._incidents.asked)

    @property
    def balanced(self) -> bool:
        """Whether every shot was acknowledged and has ended exactly once."""
        ended = sum(self.meter.total(f"frames_{how}") for how in ("processed", "shed", "rejected"))
        return self.meter.total("frames_received") == ended == self.sent == len(self.told) == self.finished

    def _finish(self, tickets: Sequence[Ticket]) -> None:
        self.finished += len(tickets)

    def _publish(self, topic: str, payload: bytes) -> None:
        self.told.append((topic, str(json.loads(payload)["outcome"])))
