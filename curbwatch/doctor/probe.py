"""Tries what a broker promises: who hears whom, what is kept for one who is away, how much is sent at once.

The probe plays a device, as user ``doctor``, and speaks on topics that a running intake does not read, except for one
position in the name of ``doctor-other``: where the broker lets it through, the intake counts an unknown device.
"""

import secrets
from dataclasses import dataclass

from config.model import Config
from curbwatch.broker.plan import PROBE_USER
from curbwatch.doctor.broker import address, login
from curbwatch.doctor.finding import Finding, Level, fault, judged, ok, warn
from curbwatch.doctor.guest import Guest
from curbwatch.doctor.limits import AREA
from curbwatch.endpoints import Endpoints
from curbwatch.packets import Login
from ingest.publish_packet import Publish
from schemas.errors import CurbwatchError, FeedError

WINDOW = 10
QUEUE_MIN = 2000  # messages: more than a broker's usual default of 1000, which is a second of a city
OTHER = f"{PROBE_USER}-other"
REFUSED = 0x80  # and above, as a reason code
SLOW_S = 5.0  # for a large message on its way
ACCESS_REMEDY = "use the access list that curbwatch broker-config writes"


@dataclass(frozen=True, slots=True)
class _Bench:
    """Who takes part: the intake says, the played device hears; both on topics of the device ``doctor``."""

    config: Config
    endpoints: Endpoints

    @property
    def base(self) -> str:
        return f"{self.config.site.topic_prefix}/{self.config.site.site}/vehicle"

    @property
    def topic(self) -> str:
        """What the intake may write and the played device may read."""
        return f"{self.base}/{PROBE_USER}/ack"

    def intake(self) -> Guest:
        return self._guest(login(self.config, self.endpoints, self.config.broker.positions_user, "probe"), expiry_s=0)

    def device(self, *, expiry_s: int = 0, clean: bool = True, receive_max: int = 65_535) -> Guest:
        made = login(self.config, self.endpoints, PROBE_USER, "probe")
        return self._guest(made, expiry_s=expiry_s, clean=clean, receive_max=receive_max)

    def _guest(self, made: Login, *, expiry_s: int, clean: bool = True, receive_max: int = 65_535) -> Guest:
        wanted = Login(made.user, made.password, made.client_id, expiry_s, clean, receive_max, made.keepalive_s)
        return Guest(address(self.config, self.endpoints), wanted)


def probe(config: Config, endpoints: Endpoints) -> list[Finding]:
    """Try it; some seconds. What cannot be tried is a warning."""
    if not endpoints.broker_url:
        return []
    bench = _Bench(config, endpoints)
    try:
        bench.device().leave()
        bench.intake().leave()
    except FeedError as error:
        remedy = (
            f"give the broker a user {PROBE_USER} (curbwatch broker-config) and set broker.doctor_password_file; a"
            " private broker that was started before there was one: curbwatch parts down, curbwatch parts up"
        )
        return [warn(AREA, "probe", f"not tried: {error}", remedy)]
    found: list[Finding] = []
    for name, attempt in (
        ("access", _access),
        ("queue", _queue),
        ("window", _window),
        ("message size", _size),
    ):
        try:
            found += attempt(bench)
        except CurbwatchError as error:
            found.append(fault(AREA, name, str(error), "look into the broker's log"))
    return found


def _access(bench: _Bench) -> list[Finding]:
    """A device hears what is said to itself and nothing else; nobody speaks in another's name."""
    mark = secrets.token_hex(8).encode()
    position = f"{bench.base}/{OTHER}/position"
    with bench.device() as device, bench.intake() as intake:
        intake.subscribe(f"{bench.base}/+/position")
        for topic in ("#", bench.topic, f"{bench.base}/+/ack"):
            device.subscribe(topic)
        device.publish(position, mark)
        heard = _has(intake.settle(), position, mark)
        intake.publish(position, b"intake " + mark)
        spoke = _has(intake.settle(), position, b"intake " + mark)
        intake.publish(f"{bench.base}/{OTHER}/ack", mark)
        intake.publish(bench.topic, mark)
        device.publish(bench.topic, b"forged " + mark)
        said = device.settle()
    foreign = sorted({message.topic or "" for message in said if not _own(message, bench)})
    forged = _has(said, bench.topic, b"forged " + mark)
    return [
        _right("hears others", f"a device hears {foreign[0]}" if foreign else "", "a device hears what is said to it"),
        _right(
            "speaks as others",
            "a device can publish as another" if heard else "",
            "no device can publish as another",
        ),
        _right(
            "forged answers",
            "a device can write acknowledgements, which make another drop what was never stored" if forged else "",
            "no device can write acknowledgements",
        ),
        _right(
            "intake's rights",
            "the intake can publish positions" if spoke else "",
            "the intake cannot publish as a device",
            Level.WARN,
        ),
        _answers(said, bench, mark),
    ]


def _right(name: str, wrong: str, right: str, level: Level = Level.FAULT) -> Finding:
    """One right that somebody has too much; ``wrong`` empty: nobody."""
    return judged(AREA, name, level if wrong else Level.OK, wrong or right, ACCESS_REMEDY)


def _answers(said: list[Publish], bench: _Bench, mark: bytes) -> Finding:
    if _has(said, bench.topic, mark):
        return ok(AREA, "answers", "what the intake says to a device arrives")
    return fault(AREA, "answers", "what the intake says to a device does not arrive", ACCESS_REMEDY)


def _queue(bench: _Bench) -> list[Finding]:
    """What comes while a persistent session is away must be there when it comes back."""
    wanted = max(QUEUE_MIN, 2 * bench.config.intake.positions_window)
    away = bench.device(expiry_s=300)
    away.subscribe(bench.topic)
    away.leave()
    with bench.intake() as intake:
        intake.publish_many(bench.topic, [b"%d" % number for number in range(wanted)])
    back = bench.device(expiry_s=300, clean=False)
    try:
        kept = back.welcome.session_present
        got = len({message.payload for message in _drained(back)}) if kept else 0
    finally:
        back.leave(for_ever=True)
    if not kept:
        return [fault(AREA, "queue", "the session of a client that was away is gone", "allow persistent sessions")]
    remedy = (
        "raise max_queued_messages and max_queued_bytes (Mosquitto), mqtt.max_mqueue_len (EMQX): the broker"
        " acknowledges what it then drops"
    )
    level = Level.OK if got == wanted else Level.FAULT
    return [judged(AREA, "queue", level, f"{got} of {wanted} messages kept for a client that was away", remedy)]


def _window(bench: _Bench) -> list[Finding]:
    """No more than Receive Maximum un-acknowledged at once, and one more for one acknowledgement."""
    with bench.device(receive_max=WINDOW) as device:
        device.subscribe(bench.topic)
        with bench.intake() as intake:
            intake.publish_many(bench.topic, [b"%d" % number for number in range(3 * WINDOW)])
        first = len(device.settle())
        if first:
            device.acknowledge(device.inbox[0])
        more = len(device.settle()) - first
    return [judge_window(first, more)]


def judge_window(first: int, more: int) -> Finding:
    """Judge how many messages came un-acknowledged, and how many more after one acknowledgement. Pure."""
    seen = f"{first} messages un-acknowledged at a Receive Maximum of {WINDOW}, {more} more after one acknowledgement"
    level = Level.OK if 0 < first <= WINDOW and more <= 1 else Level.FAULT
    return judged(AREA, "window", level, seen, "use Mosquitto >= 2.0.21, or another broker that keeps MQTT 5")


def _size(bench: _Bench) -> list[Finding]:
    """The largest message that the intake takes passes the broker."""
    intake_knobs = bench.config.intake
    largest = max(intake_knobs.frame_max_bytes, intake_knobs.positions_max_bytes)
    passed = False
    with bench.device() as device:
        device.subscribe(bench.topic)
        try:
            with bench.intake() as intake:
                taken = intake.publish(bench.topic, bytes(largest)) < REFUSED
            said = device.settle(wanted=1, wait_s=SLOW_S) if taken else []
            passed = any(len(message.payload) == largest for message in said)
        except FeedError:
            passed = False
    remedy = f"raise message_size_limit and max_packet_size above {largest}, or lower intake.frame_max_bytes"
    seen = f"a message of {largest} bytes {'arrives' if passed else 'does not arrive'}"
    return [judged(AREA, "message size", Level.OK if passed else Level.FAULT, seen, remedy)]


def _drained(guest: Guest) -> list[Publish]:
    """Acknowledge what comes until nothing more does."""
    done = 0
    while True:
        guest.settle(wanted=done + 1, wait_s=1.0)
        if len(guest.inbox) == done:
            return guest.inbox
        for message in guest.inbox[done:]:
            guest.acknowledge(message)
        done = len(guest.inbox)


def _has(messages: list[Publish], topic: str, payload: bytes) -> bool:
    return any(message.topic == topic and message.payload == payload for message in messages)


def _own(message: Publish, bench: _Bench) -> bool:
    return (message.topic or "").startswith(f"{bench.base}/{PROBE_USER}/")
