"""The frame intake: each frame ends once, is counted once, and its camera is told."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence

import pytest

from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from ingest.cameras import LETTERS_BATCH, FrameIntake, FrameOutlets, LetterWriter
from ingest.delivery import Outcome
from ingest.ledger import Ticket
from ingest.pictures import PictureForms
from ingest.slots import FrameSlots
from ingest.store import IntakeStore, Stored
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.position import DeadLetter, PositionRows, RawMessage
from tests.ingest.jpegs import jpeg
from tests.ingest.tally import Tally

SCHEME = TopicScheme("city/v1", "test")
S = 1_000_000_000
PICTURE = jpeg(64, 48)


class Registry:
    rules: Mapping[str, DeviceRule] = {
        "cam": DeviceRule("cam", "camera"),
        "slow": DeviceRule("slow", "camera", rate_per_s=0.01),
        "car": DeviceRule("car", "vehicle"),
    }

    def __init__(self) -> None:
        self.asked = 0

    def refresh(self) -> bool:
        raise AssertionError("the network thread waits for nobody")

    def ask(self) -> None:
        self.asked += 1


class Bench:
    """An intake with a session that notes what it is asked to do."""

    def __init__(self) -> None:
        self.meter = Tally()
        self.told: list[tuple[str, dict[str, object]]] = []
        self.finished: list[Ticket] = []
        slots = FrameSlots(wait_max_s=30, period_s=lambda _camera: 4.0)
        self.registry = Registry()
        self.intake = FrameIntake(IntakeKnobs(), SCHEME, PictureForms(CodecKnobs()), slots, self.registry, self.meter)
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


def test_for_a_camera_nobody_knows_the_registry_is_read_again_and_the_picture_does_not_wait(bench: Bench) -> None:
    bench.send(PICTURE, 0)
    assert bench.registry.asked == 0
    bench.send(PICTURE, 1, camera="new")
    assert (bench.registry.asked, bench.outcomes()) == (1, ["rejected:unknown_device"])
    bench.registry.rules = {**bench.registry.rules, "new": DeviceRule("new", "camera")}
    bench.send(PICTURE, 2, camera="new")
    assert (bench.registry.asked, settle_all(bench)) == (1, 2)
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


def test_of_a_refused_frame_waits_only_the_beginning_with_size_and_digest_of_all(bench: Bench) -> None:
    junk = b"\xff\xd8\xff" + b"\0" * 1_900_000
    bench.send(junk, 0)
    bench.send(PICTURE + b"\0" * 9000, 1)
    (cut, trailing) = bench.intake.letters()
    assert (cut.payload, cut.size_bytes, cut.sha256) == (junk[:4096], len(junk), hashlib.sha256(junk).digest())
    assert (trailing.reason, len(trailing.payload)) == ("trailing", 4096)


@pytest.mark.parametrize("junk", [b"", b"\xff\xd8\xff" + b"\0" * 9000])
def test_refused_frames_cannot_fill_the_memory(bench: Bench, junk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.cameras.LETTERS_MAX_BYTES", 60_000)
    for seq in range(100):
        bench.send(junk, seq)
    dropped = bench.meter.counts["dead_letters_dropped:queue_full"]
    assert dropped >= 40
    assert bench.balanced()
    waiting = [letter for _ in range(3) for letter in bench.intake.letters()]
    assert len(waiting) == 100 - dropped
    bench.send(junk, 0)
    assert len(bench.intake.letters()) == 1


def test_what_waits_at_a_stop_is_shed(bench: Bench) -> None:
    bench.send(PICTURE, 0)
    bench.intake.shed_waiting("shutdown")
    assert bench.outcomes() == ["shed:shutdown"]
    assert bench.balanced()


class _Failing(IntakeStore):
    """Keeps letters in memory, once it has failed as it is told: once for each error, or for ever where ``stuck``."""

    def __init__(self, *errors: SinkError, stuck: bool = False) -> None:
        super().__init__("", payload_bytes=10)
        self.kept: list[DeadLetter] = []
        self.errors, self.stuck = list(errors), stuck
        self.asked, self.done = threading.Event(), threading.Event()

    def write(self, rows: PositionRows, letters: Sequence[DeadLetter], marks: object = None, **_more: object) -> Stored:
        self.asked.set()
        if self.errors:
            raise self.errors[0] if self.stuck else self.errors.pop(0)
        self.kept += letters
        self.done.set()
        return Stored(letters_capped=1)


def test_no_letters_are_written_and_none_is_dropped(bench: Bench) -> None:
    store = _Failing()
    writer = LetterWriter(bench.intake, store, bench.meter)
    writer.start()
    writer.stop()
    assert (store.asked.is_set(), dict(bench.meter.counts)) == (False, {})


def test_dead_letters_wait_for_a_database_that_is_away(bench: Bench) -> None:
    store = _Failing(SinkError("away", retryable=True))
    bench.send(b"one", 0)
    bench.send(b"two", 1)
    writer = LetterWriter(bench.intake, store, bench.meter)
    writer.start()
    assert store.done.wait(10)
    writer.stop()
    assert [letter.payload for letter in store.kept] == [b"one", b"two"]
    assert bench.meter.counts["dead_letters_written"] == 1
    assert bench.meter.counts["dead_letters_dropped:cap"] == 1


def test_dead_letters_that_the_database_will_never_have_do_not_hold_up_the_others(bench: Bench) -> None:
    store = _Failing(SinkError("refused", retryable=False))
    for seq in range(LETTERS_BATCH + 1):
        bench.send(b"no picture", seq)
    writer = LetterWriter(bench.intake, store, bench.meter)
    writer.start()
    assert store.done.wait(10)
    writer.stop()
    assert len(store.kept) == 1
    assert bench.meter.counts["dead_letters_dropped:refused"] == LETTERS_BATCH


def test_dead_letters_that_no_database_took_at_a_stop_are_counted(bench: Bench) -> None:
    store = _Failing(SinkError("away", retryable=True), stuck=True)
    for seq in range(2 * LETTERS_BATCH):
        bench.send(b"no picture", seq)
    writer = LetterWriter(bench.intake, store, bench.meter)
    writer.start()
    assert store.asked.wait(10)
    writer.stop()
    assert bench.meter.counts["dead_letters_dropped:shutdown"] == 2 * LETTERS_BATCH
    assert bench.intake.letters() == []
