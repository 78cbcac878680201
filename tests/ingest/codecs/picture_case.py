"""A frame intake that reads foreign forms, and what becomes of what it is sent."""

import json
from collections.abc import Mapping

from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from ingest.cameras import FrameIntake, FrameOutlets
from ingest.delivery import Outcome
from ingest.ledger import Ticket
from ingest.pictures import PictureForms
from ingest.slots import FrameSlots
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.frame import Frame
from schemas.position import DeadLetter, RawMessage
from tests.ingest.jpegs import jpeg
from tests.ingest.tally import Tally

S = 1_000_000_000
NOW_NS = 1_770_000_000 * S
PICTURE = jpeg(64, 48)
GATE = DeviceRule("gate", "camera")


class Cameras:
    """``gate`` under its own id and, in each form, under the name ``cam one``; a truck that is no camera."""

    rules: Mapping[str, DeviceRule] = {
        "gate": GATE,
        **{f"{form}:north": GATE for form in ("home_assistant", "data_uri", "frigate", "chunked")},
        "truck": DeviceRule("truck", "vehicle"),
    }

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


class Bench:
    """An intake, its session and its presence, which note what they are asked to do."""

    def __init__(self, knobs: CodecKnobs | None = None) -> None:
        self.meter = Tally()
        self.told: list[str] = []
        self.finished: list[Ticket] = []
        self.present: list[tuple[str, bool]] = []
        slots = FrameSlots(wait_max_s=30, period_s=lambda _camera: 0.0)
        forms = PictureForms(CodecKnobs() if knobs is None else knobs)
        self.intake = FrameIntake(IntakeKnobs(), TopicScheme("city/v1", "test"), forms, slots, Cameras(), self.meter)
        self.intake.connect(FrameOutlets(self.finished.extend, self._publish, self._say))

    def _publish(self, _topic: str, payload: bytes) -> None:
        self.told.append(json.loads(payload)["outcome"])

    def _say(self, device_id: str, online: bool, _received_ns: int) -> None:
        self.present.append((device_id, online))

    def send(self, topic: str, payload: bytes, at_s: float = 0.0, **properties: str) -> None:
        ticket = Ticket(1, len(self.finished) + 1)
        self.intake.put(RawMessage(topic, payload, at_ns(at_s), tuple(properties.items())), ticket)
        assert self.finished[-1] == ticket

    def frames(self, at_s: float = 0.0) -> list[Frame]:
        """Draw and settle what waits in the slots."""
        deliveries = self.intake.take(10, at_ns(at_s))
        for delivery in deliveries:
            delivery.settle(Outcome.DONE)
        return [delivery.payload for delivery in deliveries]

    def letters(self) -> list[DeadLetter]:
        return self.intake.letters()

    def balanced(self) -> bool:
        counts = self.meter.counts
        ended = counts["frames_processed"] + counts["frames_shed"] + counts["frames_rejected"]
        return counts["frames_received"] == ended


def at_ns(at_s: float) -> int:
    """A time on the bench's clock."""
    return NOW_NS + round(at_s * S)
