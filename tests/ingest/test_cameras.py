"""The frame intake: each frame ends once, is counted once, and its camera is told."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

from config.intake import IntakeKnobs
from ingest.cameras import LETTERS_MAX_BYTES, FrameIntake, FrameOutlets, LetterWriter
from ingest.delivery import Outcome
from ingest.ledger import Ticket
from ingest.slots import FrameSlots
from ingest.store import IntakeStore
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.position import DeadLetter, PositionRows, RawMessage
from tests.ingest.jpegs import jpeg

SCHEME = TopicScheme("city/v1", "test")
S = 1_000_000_000
PICTURE = jpeg(64, 48)


class Tally:
    """A meter that can be asked."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        self.counts[name] += int(amount)
        if "reason" in labels:
            self.counts[f"{name}:{labels['reason']}"] += int(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        pass

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        pass


class Registry:
    rules: Mapping[str, DeviceRule] = {
        "cam": DeviceRule("cam", "camera"),
        "slow": DeviceRule("slow", "camera", rate_per_s=0.01),
        "car": DeviceRule("car", "vehicle"),
    }

    def refresh(self) -> bool:
        return False


class Bench:
    """An intake with a session that notes what it is asked to do."""

    def __init__(self) -> None:
        self.meter = Tally()
        self.told: list[tuple[str, dict[str, object]]] = []
        self.finished: list[Ticket] = []
        slots = FrameSlots(wait_max_s=30, period_s=lambda _camera: 4.0)
        self.intake = FrameIntake(IntakeKnobs(), SCHEME, slots, Registry(), self.meter)
        self.intake.connect(FrameOutlets(self.finished.extend, self._publish))

    def _publish(self, topic: str, payload: bytes) -> None:
        self.told.append((topic, json.loads(payload)))

    def send(self, payload: bytes, seq: int, *, camera: str = "cam", at_s: float = 0, retain: bool = False) -> None:
        properties = (("ts", str(1_770_000_000_000 + round(at_s * 1000))), ("seq", str(seq)), ("boot", "b"))
        topic = SCHEME.of("camera", camera, "frame")
        received_ns = 1_770_000_000 * S + round(at_s * S)
        self.intake.put(RawMessage(topic, payload, received_ns, properties, 1, retain), Ticket(1, seq + 1))

    def outcomes(self) -> list[object]:
        return [body["outcome"] for _, body in self.told]

    def balanced(self) -> bool:
        counts = self.meter.counts
        ended = counts["frames_processed"] + counts["frames_shed"] + counts["frames_rejected"]
        return counts["frames_received"] == ended


@pytest.fixture
def bench() -> Bench:
    return Bench()


def settle_all(bench: Bench, at_s: float = 0, outcome: Outcome = Outcome.DONE, reason: str = "") -> int:
    deliveries = bench.intake.take(10, 1_770_000_000 * S + round(at_s * S))
    for delivery in deliveries:
        delivery.settle(outcome, reason)
    return len(deliveries)


def test_nothing_sent_balances(bench: Bench) -> None:
    assert settle_all(bench) == 0
    assert bench.balanced()


def test_a_processed_frame_is_told_to_its_camera(bench: Bench) -> None:
    bench.send(PICTURE, 7)
    assert bench.finished == [Ticket(1, 8)]
    assert settle_all(bench) == 1
    assert bench.told == [(SCHEME.of("camera", "cam", "ack"), {"boot": "b", "seq": 7, "outcome": "processed"})]
    assert bench.balanced()


def test_the_newest_frame_wins_and_the_older_is_told_so(bench: Bench) -> None:
    bench.send(PICTURE, 0)
    bench.send(PICTURE, 1, at_s=5)
    assert bench.outcomes() == ["shed:newer_frame"]
    settle_all(bench, 5)
    bench.send(PICTURE, 2, at_s=6)
    assert bench.outcomes() == ["shed:newer_frame", "processed", "shed:decimated"]
    assert bench.balanced()


def test_a_frame_that_waited_too_long_is_shed(bench: Bench) -> None:
    bench.send(PICTURE, 0)
    assert settle_all(bench, at_s=31) == 0
    assert bench.outcomes() == ["shed:waited"]
    assert bench.balanced()


@pytest.mark.parametrize(
    ("payload", "camera", "reason"),
    [
        (b"", "cam", "empty"),
        (b"no picture", "cam", "format"),
        (PICTURE[:200], "cam", "truncated"),
        (PICTURE, "nobody", "unknown_device"),
        (PICTURE, "car", "unknown_device"),
    ],
)
def test_a_refused_frame_is_one_dead_letter_and_acknowledged(
    bench: Bench, payload: bytes, camera: str, reason: str
) -> None:
    bench.send(payload, 3, camera=camera)
    assert bench.outcomes() == [f"rejected:{reason}"]
    assert [letter.reason for letter in bench.intake.letters()] == [reason]
    assert bench.finished == [Ticket(1, 4)]
    assert bench.balanced()


def test_a_frame_that_cannot_be_decoded_is_a_dead_letter_too(bench: Bench) -> None:
    bench.send(PICTURE, 0)
    settle_all(bench, outcome=Outcome.REJECT, reason="corrupt")
    assert bench.outcomes() == ["rejected:corrupt"]
    assert [letter.reason for letter in bench.intake.letters()] == ["corrupt"]
    assert bench.balanced()


def test_a_camera_above_its_rate_is_refused_and_others_pass(bench: Bench) -> None:
    for seq in range(4):
        bench.send(PICTURE, seq, camera="slow", at_s=seq * 5)
    bench.send(PICTURE, 9)
    assert "rejected:rate" in bench.outcomes()
    settle_all(bench, 15)
    assert bench.balanced()
    assert bench.told[-1][0] == SCHEME.of("camera", "cam", "ack")


def test_a_retained_frame_is_no_frame(bench: Bench) -> None:
    bench.send(PICTURE, 0, retain=True)
    assert bench.meter.counts["frames_received"] == 0
    assert bench.finished == [Ticket(1, 1)]


def test_refused_frames_cannot_fill_the_memory(bench: Bench) -> None:
    junk = b"\xff\xd8\xff" + b"\0" * 1_900_000
    for seq in range(LETTERS_MAX_BYTES // len(junk) + 3):
        bench.send(junk, seq)
    assert bench.meter.counts["dead_letters_dropped"] == 3
    assert bench.balanced()


def test_what_waits_at_a_stop_is_shed(bench: Bench) -> None:
    bench.send(PICTURE, 0)
    bench.intake.shed_waiting("shutdown")
    assert bench.outcomes() == ["shed:shutdown"]
    assert bench.balanced()


class _Failing(IntakeStore):
    """Keeps letters in memory, the second time it is asked."""

    def __init__(self) -> None:
        super().__init__("", payload_bytes=10)
        self.kept: list[DeadLetter] = []
        self.asked = 0
        self.done = threading.Event()

    def write(self, rows: PositionRows, letters: Sequence[DeadLetter], marks: object = None) -> object:  # type: ignore[override]
        self.asked += 1
        if self.asked == 1:
            raise SinkError("away", retryable=True)
        self.kept += letters
        self.done.set()
        return None


@pytest.fixture
def failing() -> Iterator[_Failing]:
    made = _Failing()
    yield made
    made.close()


def test_dead_letters_wait_for_a_database_that_is_away(bench: Bench, failing: _Failing) -> None:
    bench.send(b"one", 0)
    bench.send(b"two", 1)
    writer = LetterWriter(bench.intake, failing, bench.meter)
    writer.start()
    assert failing.done.wait(10)
    writer.stop()
    assert [letter.payload for letter in failing.kept] == [b"one", b"two"]
