"""Frames in: gate, stamp, newest-wins slot; each frame ends as processed, shed or rejected, and its camera is told."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from config.intake import LETTERS_MAX_BYTES, IntakeKnobs
from ingest.codecs.base import Passed, PictureItem, PositionItem, StatusItem
from ingest.delivery import Delivery, Outcome
from ingest.devices import KnownDevices
from ingest.frames import WRAPPED, read_frame
from ingest.ledger import Ticket
from ingest.owners import resolve
from ingest.pictures import PictureForms, Read
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

LETTER_BYTES = 1000  # of a letter beside its payload: without them empty frames would fill the memory
LETTERS_BATCH = 50


@dataclass(frozen=True, slots=True)
class FrameOutlets:
    """What the frame intake needs of others.

    Of its session ``finish(tickets)`` and ``publish(topic, payload)``; ``present(device_id, online, received_ns)``
    takes what foreign forms say of a known camera. Of the book of devices ``note(camera_id, captured_ns, received_ns,
    outcome)``, which takes how each picture ended, and ``refused(letter)``, which takes those that were none.
    """

    finish: Callable[[Sequence[Ticket]], None]
    publish: Callable[[str, bytes], None]
    present: Callable[[str, bool, int], None] = lambda _device_id, _online, _received_ns: None
    note: Callable[[str, int, int, str], None] = lambda _device_id, _captured_ns, _received_ns, _outcome: None
    refused: Callable[[DeadLetter], None] = lambda _letter: None


class FrameIntake:
    """Takes frame messages in the network thread; the pipeline draws deliveries from its slots.

    ``received = processed + shed(reason) + rejected(reason)`` holds as soon as no frame is on its way.
    """

    def __init__(
        self,
        knobs: IntakeKnobs,
        scheme: TopicScheme,
        forms: PictureForms,
        slots: FrameSlots,
        devices: KnownDevices,
        meter: Meter,
    ) -> None:
        self._knobs = knobs
        self._scheme = scheme
        self._forms = forms
        self._slots = slots
        self._devices = devices
        self._meter = meter
        self._rates = TokenBuckets()
        self._taking = threading.Lock()  # network thread and letter writer: one message at a time
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
            with self._taking:
                self._take(message)
        finally:
            if ticket is not None:
                self._outlets.finish([ticket])

    def take(self, count: int, now_ns: int) -> list[Delivery[Frame]]:
        """Draw up to ``count`` waiting frames in turn, each with the duty to say how it ended."""
        frames, shed = self._slots.take(count, now_ns)
        self._shed(shed)
        return [Delivery(frame, partial(self._settled, frame)) for frame in frames]

    def expire(self, now_ns: int, *, stopping: bool = False) -> None:
        """Give up pictures whose rest did not come in time; ``stopping``: all that are not whole."""
        with self._taking:
            for read in self._forms.expire(now_ns, stopping=stopping):
                self._read(read)

    def shed_waiting(self, reason: str) -> None:
        """Shed everything that still waits, as at a stop."""
        self.expire(time.time_ns(), stopping=True)
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
        topic = self._scheme.parse(message.topic)
        if topic is not None and topic.kind == "camera" and topic.leaf == "frame":
            self._frame(message, "", topic.device_id)
            return
        large = len(message.payload) > WRAPPED * self._knobs.frame_max_bytes
        found = None if large else self._forms.read(message)
        if found is None:
            self._meter.add("frames_received")
            self._refuse(
                message, "", FrameError("size", f"{len(message.payload)} bytes") if large else FrameError("topic")
            )
        for read in found or ():
            self._read(read)

    def _read(self, read: Read) -> None:
        """Take one item of a foreign form."""
        item, message = self._forms.judged(read, self._devices.rules), read.message
        if isinstance(item, Passed):
            self._meter.add("messages_ignored", kind="frame", reason=item.reason)
        elif isinstance(item, PictureItem):
            picture = RawMessage(message.topic, item.jpeg, message.received_ns, item.properties, message.qos)
            self._frame(picture, read.codec, item.device)
        elif isinstance(item, StatusItem):
            rule = resolve(self._devices.rules, read.codec, item.device)[1]
            if rule is not None and rule.kind == "camera":
                self._outlets.present(rule.device_id, item.online, message.received_ns)
            else:
                self._meter.add("messages_ignored", kind="status", reason="unknown_device")
        else:
            shown = resolve(self._devices.rules, read.codec, item.device)[0]
            self._meter.add("frames_received")
            if isinstance(item, PositionItem):
                self._refuse(message, shown, FrameError("topic", "a position where pictures are expected"))
            else:
                part = message if item.payload is None else replace(message, payload=item.payload)
                self._refuse(part, shown, FrameError(item.reason, item.detail))

    def _frame(self, message: RawMessage, codec: str, device: str) -> None:
        """Take one picture of a device, by its foreign id where it came in a foreign form."""
        self._meter.add("frames_received")
        shown, rule = self._known(codec, device)
        if rule is None or rule.kind != "camera":
            self._refuse(message, shown, FrameError("unknown_device", f"{codec}:{device}" if codec else ""))
            return
        try:
            self._slot(message, rule)
        except FrameError as error:
            self._refuse(message, shown, error)

    def _known(self, codec: str, device: str) -> tuple[str, DeviceRule | None]:
        """The id to show, and the rule; for a stranger the registry is read again, but the network does not wait."""
        found = resolve(self._devices.rules, codec, device)
        if found[1] is None:
            self._devices.ask()
        return found

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
            self._note(frame, "processed")
            self._tell(frame.camera_id, frame.boot, frame.seq, "processed")
        elif outcome is Outcome.RETRY:
            # Newest wins: the next frame says it again; what the frame was evidence of is kept by the shard.
            self._shed([(frame, reason)])
        else:
            self._reject(frame.camera_id, reason)
            self._note(frame, f"rejected:{reason}")
            topic = self._scheme.of("camera", frame.camera_id, "frame")
            self._post(DeadLetter(frame.received_ns, topic, frame.camera_id, reason, "", frame.jpeg))
            self._tell(frame.camera_id, frame.boot, frame.seq, f"rejected:{reason}")

    def _shed(self, shed: Sequence[tuple[Frame, str]]) -> None:
        for frame, reason in shed:
            self._meter.add("frames_shed", reason=reason)
            self._note(frame, f"shed:{reason}")
            self._tell(frame.camera_id, frame.boot, frame.seq, f"shed:{reason}")

    def _refuse(self, message: RawMessage, camera_id: str, error: FrameError) -> None:
        self._reject(camera_id, error.reason)
        letter = DeadLetter(message.received_ns, message.topic, camera_id, error.reason, error.detail, message.payload)
        self._outlets.refused(letter)
        self._post(letter)
        properties = dict(message.properties)
        if camera_id:
            number = digits(properties.get("seq", ""))
            boot = properties.get("boot", "")[:64]
            self._tell(camera_id, boot, -1 if number is None else number, f"rejected:{error.reason}")

    def _note(self, frame: Frame, outcome: str) -> None:
        captured_ns = frame.captured_ns if frame.stamped else 0
        self._outlets.note(frame.camera_id, captured_ns, frame.received_ns, outcome)

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
            self._intake.expire(time.time_ns())
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
