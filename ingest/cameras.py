"""Frames in: gate, stamp, newest-wins slot; each frame ends as processed, shed or rejected, and its camera is told."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from config.intake import IntakeKnobs
from ingest.delivery import Delivery, Outcome
from ingest.devices import KnownDevices
from ingest.frames import read_frame
from ingest.ledger import Ticket
from ingest.rates import TokenBuckets
from ingest.slots import FrameSlots
from ingest.stamps import digits
from ingest.store import IntakeStore
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.errors import FrameError, SinkError
from schemas.frame import Frame
from schemas.meter import Meter
from schemas.position import DeadLetter, PositionRows, RawMessage

log = structlog.get_logger()

LETTERS_MAX_BYTES = 32_000_000  # refused frames that wait to be written as dead letters; more are counted and dropped
LETTER_BYTES = 1000  # of a letter beside its payload: without them empty frames would fill the memory
LETTERS_BATCH = 50


@dataclass(frozen=True, slots=True)
class FrameOutlets:
    """What the frame intake needs of its session: ``finish(tickets)`` and ``publish(topic, payload)``."""

    finish: Callable[[Sequence[Ticket]], None]
    publish: Callable[[str, bytes], None]


class FrameIntake:
    """Takes frame messages in the network thread; the pipeline draws deliveries from its slots.

    ``received = processed + shed(reason) + rejected(reason)`` holds as soon as no frame is on its way.
    """

    def __init__(
        self, knobs: IntakeKnobs, scheme: TopicScheme, slots: FrameSlots, devices: KnownDevices, meter: Meter
    ) -> None:
        self._knobs = knobs
        self._scheme = scheme
        self._slots = slots
        self._devices = devices
        self._meter = meter
        self._rates = TokenBuckets()
        self._letters: deque[DeadLetter] = deque()
        self._letter_bytes = 0
        self._lock = threading.Lock()  # of the letters: network thread, shards and letter writer meet there
        self._outlets = FrameOutlets(lambda _tickets: None, lambda _topic, _payload: None)

    def connect(self, outlets: FrameOutlets) -> None:
        """Say which session takes acknowledgements; before the first message."""
        self._outlets = outlets

    def put(self, message: RawMessage, ticket: Ticket | None) -> None:
        """Take one message and acknowledge it to the broker: in its slot, shed, or refused."""
        try:
            self._take(message)
        finally:
            if ticket is not None:
                self._outlets.finish([ticket])

    def take(self, count: int, now_ns: int) -> list[Delivery[Frame]]:
        """Draw up to ``count`` waiting frames in turn, each with the duty to say how it ended."""
        frames, shed = self._slots.take(count, now_ns)
        self._shed(shed)
        return [Delivery(frame, partial(self._settled, frame)) for frame in frames]

    def shed_waiting(self, reason: str) -> None:
        """Shed everything that still waits, as at a stop."""
        frames, shed = self._slots.take(1_000_000, 0)
        self._shed([*shed, *((frame, reason) for frame in frames)])

    def letters(self) -> list[DeadLetter]:
        """Draw up to a batch of dead letters that wait to be written."""
        with self._lock:
            drawn = [self._letters.popleft() for _ in range(min(LETTERS_BATCH, len(self._letters)))]
            self._letter_bytes -= sum(map(_weight, drawn))
        return drawn

    def give_back(self, letters: Sequence[DeadLetter]) -> None:
        """Put letters that could not be written back in front."""
        with self._lock:
            self._letters.extendleft(reversed(letters))
            self._letter_bytes += sum(map(_weight, letters))

    def _take(self, message: RawMessage) -> None:
        if message.retain:
            self._meter.add("messages_ignored", kind="frame", reason="retained")
            return
        self._meter.add("messages_received", kind="frame")
        self._meter.add("frames_received")
        topic = self._scheme.parse(message.topic)
        if topic is None or topic.kind != "camera" or topic.leaf != "frame":
            self._refuse(message, "", FrameError("topic"))
            return
        try:
            self._slot(message, self._rule(topic.device_id))
        except FrameError as error:
            self._refuse(message, topic.device_id, error)

    def _rule(self, camera_id: str) -> DeviceRule:
        rule = self._devices.rules.get(camera_id)
        if rule is None:
            try:
                self._devices.refresh()
            except SinkError as error:
                log.warning("registry_unread", error=str(error))
            rule = self._devices.rules.get(camera_id)
        if rule is None or rule.kind != "camera":
            raise FrameError("unknown_device")
        return rule

    def _slot(self, message: RawMessage, rule: DeviceRule) -> None:
        if not self._rates.allow(rule.device_id, rule.rate_per_s, time.monotonic()):
            raise FrameError("rate", f"more than {rule.rate_per_s:g} frames/s")
        frame = read_frame(
            message,
            rule,
            max_bytes=self._knobs.frame_max_bytes,
            max_pixels=self._knobs.frame_max_pixels,
            future_s=self._knobs.future_limit_s,
        )
        if not frame.stamped:
            self._meter.add("frames_without_time")
        if frame.grey:
            self._meter.add("frames_flagged", flag="grey")
        if self._slots.newer_known(frame):
            self._meter.add("frames_flagged", flag="replay")
        self._shed(self._slots.put(frame))

    def _settled(self, frame: Frame, outcome: Outcome, reason: str) -> None:
        if outcome is Outcome.DONE:
            self._meter.add("frames_processed")
            self._tell(frame.camera_id, frame.boot, frame.seq, "processed")
        elif outcome is Outcome.RETRY:
            # Newest wins: the next frame says it again; what the frame was evidence of is kept by the shard.
            self._shed([(frame, reason)])
        else:
            self._reject(frame.camera_id, reason)
            topic = self._scheme.of("camera", frame.camera_id, "frame")
            self._post(DeadLetter(frame.received_ns, topic, frame.camera_id, reason, "", frame.jpeg))
            self._tell(frame.camera_id, frame.boot, frame.seq, f"rejected:{reason}")

    def _shed(self, shed: Sequence[tuple[Frame, str]]) -> None:
        for frame, reason in shed:
            self._meter.add("frames_shed", reason=reason)
            self._tell(frame.camera_id, frame.boot, frame.seq, f"shed:{reason}")

    def _refuse(self, message: RawMessage, camera_id: str, error: FrameError) -> None:
        self._reject(camera_id, error.reason)
        self._post(
            DeadLetter(message.received_ns, message.topic, camera_id, error.reason, error.detail, message.payload)
        )
        properties = dict(message.properties)
        if camera_id:
            number = digits(properties.get("seq", ""))
            boot = properties.get("boot", "")[:64]
            self._tell(camera_id, boot, -1 if number is None else number, f"rejected:{error.reason}")

    def _reject(self, camera_id: str, reason: str) -> None:
        self._meter.add("frames_rejected", reason=reason)
        log.debug("frame_rejected", camera=camera_id, reason=reason)

    def _post(self, letter: DeadLetter) -> None:
        """Let a letter wait to be written: its beginning, because a picture nobody can use is not worth its memory."""
        letter = letter.cut(self._knobs.dead_letter_payload_bytes)
        with self._lock:
            full = self._letter_bytes + _weight(letter) > LETTERS_MAX_BYTES
            if not full:
                self._letters.append(letter)
                self._letter_bytes += _weight(letter)
        if full:
            self._meter.add("dead_letters_dropped", reason="queue_full")

    def _tell(self, camera_id: str, boot: str, seq: int, outcome: str) -> None:
        body = json.dumps({"boot": boot, "seq": seq, "outcome": outcome}).encode()
        self._outlets.publish(self._scheme.of("camera", camera_id, "ack"), body)


class LetterWriter:
    """Writes the dead letters of frames in a thread of its own, so that no camera waits for the database."""

    def __init__(self, intake: FrameIntake, store: IntakeStore, meter: Meter) -> None:
        self._intake = intake
        self._store = store
        self._meter = meter
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="letter-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write what waits, once, and end; what the database does not take then is counted and dropped."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        while letters := self._intake.letters():
            self._drop(letters, "shutdown")
        self._store.close()

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while letters := self._intake.letters():
            try:
                stored = self._store.write(PositionRows(), letters)
            except SinkError as error:
                if error.retryable:
                    self._intake.give_back(letters)
                    log.warning("dead_letters_wait", error=str(error), waiting=len(letters))
                    return
                log.warning("dead_letters_refused", error=str(error))
                self._drop(letters, "refused")
                continue
            stored.count_dropped(self._meter)
            self._meter.add("dead_letters_written", len(letters) - stored.letters_capped - stored.letters_refused)

    def _drop(self, letters: Sequence[DeadLetter], reason: str) -> None:
        self._meter.add("dead_letters_dropped", len(letters), reason=reason)
        log.error("dead_letters_dropped", count=len(letters), reason=reason)


def _weight(letter: DeadLetter) -> int:
    return LETTER_BYTES + len(letter.payload) + len(letter.topic)
