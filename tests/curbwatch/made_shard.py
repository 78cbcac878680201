"""A shard under test: what stands in for its database, and the frames that are handed to it."""

from dataclasses import dataclass, field, replace

from alerts.incidents.evidence import EvidenceFolder
from curbwatch.shard import Shard
from curbwatch.telemetry import Telemetry
from ingest.delivery import Delivery, Outcome
from schemas.errors import SinkError
from schemas.frame import Frame
from schemas.incident import Departure, EvidenceRecord, Opened, Sighting
from schemas.place import CameraView
from tests.curbwatch.scripted import ScriptedDetector
from tests.ingest.jpegs import jpeg

S = 1_000_000_000
PICTURE = jpeg(64, 48)


@dataclass
class FakeStore:
    """Away while ``away``; refuses cameras for good; notes calls, and whether the evidence lay on disk by then."""

    evidence: EvidenceFolder
    away: bool = False
    faults: dict[str, Exception] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    befores: list[EvidenceRecord | None] = field(default_factory=list)
    presets: list[str] = field(default_factory=list)
    afters: list[EvidenceRecord | None] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)  # cameras of whose departures no incident waits
    told: Opened | None = None  # what a refresh says beside its incident

    def open_or_refresh(self, sighting: Sighting, before: EvidenceRecord | None, opening: EvidenceRecord) -> Opened:
        self.answer(sighting.camera_id)
        assert self.evidence.intact(opening.sha256)
        assert before is None or self.evidence.intact(before.sha256)
        self.befores.append(before)
        self.presets.append(sighting.preset)
        self.calls.append(f"open {sighting.camera_id}")
        return Opened("i-1", opened=True, sighting=sighting)

    def refresh(self, sighting: Sighting) -> Opened | None:
        self.answer(sighting.camera_id)
        if f"open {sighting.camera_id}" not in self.calls:
            return None
        self.calls.append(f"refresh {sighting.camera_id}")
        return replace(self.told or Opened("i-1", opened=False, sighting=sighting), sighting=sighting)

    def stands(self, told: Opened, picture: EvidenceRecord) -> None:
        self.answer(told.sighting.camera_id)
        assert self.evidence.intact(picture.sha256)
        self.calls.append(f"stands {told.sighting.camera_id}")

    def awaits(self, departure: Departure) -> bool:
        self.answer(departure.camera_id)
        return departure.camera_id not in self.strangers

    def depart(self, departure: Departure) -> str | None:
        self.answer(departure.camera_id)
        assert departure.after is None or self.evidence.intact(departure.after.sha256)
        self.afters.append(departure.after)
        self.calls.append(f"depart {departure.camera_id}")
        return "i-1"

    def answer(self, camera_id: str) -> None:
        if self.away:
            raise SinkError("away", retryable=True)
        if camera_id in self.faults:
            raise self.faults[camera_id]


@dataclass
class Made:
    shard: Shard
    detector: ScriptedDetector
    store: FakeStore
    meter: Telemetry
    views: dict[str, CameraView]
    outcomes: list[tuple[Outcome, str]] = field(default_factory=list)

    def frame(self, second: int, camera: str = "cam", payload: bytes = PICTURE, boot: str = "b") -> Delivery[Frame]:
        frame = Frame(camera, second * S, second * S, payload, 64, 48, seq=second, boot=boot, preset="east")
        return Delivery(frame, lambda outcome, reason: self.outcomes.append((outcome, reason)))
