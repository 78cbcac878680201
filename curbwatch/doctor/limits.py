"""What a broker says of itself, beside what the intake needs. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from config.model import Config
from curbwatch.doctor.finding import Finding, Level, fault, judged, ok, warn
from ingest.broker_version import trustworthy

AREA = "broker"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
IN_FLIGHT_MIN = 20  # messages at once: what the clients of common devices send without waiting


def judge_transport(url: str) -> Finding:
    """Whether passwords and positions go over a network in plain text."""
    parts = urlsplit(url)
    if parts.scheme == "mqtts":
        return ok(AREA, "transport", "TLS")
    if parts.hostname in LOOPBACK:
        return ok(AREA, "transport", "plain text, on this machine only")
    remedy = "give the broker a TLS listener (curbwatch broker-config) and write mqtts:// in broker.url"
    return warn(AREA, "transport", f"plain text to {parts.hostname}: passwords can be read on the way", remedy)


def judge_version(version: str | None) -> Finding:
    """Whether a broker of this version keeps the window; None: it does not say."""
    if version is None:
        remedy = "let the intake read $SYS/broker/version; where the broker has none, `doctor --probe` tries the window"
        return warn(AREA, "version", "the broker does not say", remedy)
    level = Level.OK if trustworthy(version) else Level.FAULT
    seen = version if level is Level.OK else f"{version}: sends beyond the window (Receive Maximum)"
    return judged(AREA, "version", level, seen, "use Mosquitto >= 2.0.21: `run` refuses this one")


def judge_dropped(dropped: str | None) -> Finding:
    """Whether the broker has dropped messages, by its own count; None: it does not say."""
    if dropped is None:
        remedy = "let the intake read $SYS/broker/publish/messages/dropped: else a full queue goes unnoticed"
        return warn(AREA, "dropped", "the broker does not say", remedy)
    number = int(dropped) if dropped.isdigit() else 0
    if number == 0:
        return ok(AREA, "dropped", "no message dropped since the broker's start")
    remedy = "some queue was full: raise max_queued_messages and max_queued_bytes, or find the client that is away"
    return warn(AREA, "dropped", f"{number} messages dropped since the broker's start, though acknowledged", remedy)


def judge_limits(limits: Mapping[str, int], config: Config) -> list[Finding]:
    """Judge what CONNACK limits, by name as in ``packets.NUMBERS``; what is absent is not limited."""
    intake = config.intake
    largest = max(intake.frame_max_bytes, intake.positions_max_bytes)
    packet = limits.get("packet_max_bytes")
    qos = limits.get("qos_max", 2)
    expiry_s = limits.get("session_expiry_s", intake.session_expiry_s)
    level = Level.OK if packet is None or packet > largest else Level.FAULT
    found = [
        _window(limits.get("receive_max"), intake.positions_window),
        judged(
            AREA,
            "packet size",
            level,
            "no limit told" if packet is None else f"up to {packet} bytes; the intake takes {largest}",
            f"raise max_packet_size (Mosquitto) or mqtt.max_packet_size (EMQX) above {largest}, or lower"
            " intake.frame_max_bytes: devices lose larger messages",
        ),
        judged(
            AREA,
            "QoS",
            Level.OK if qos >= 1 else Level.FAULT,
            f"up to QoS {qos}",
            "allow QoS 1 (max_qos): at QoS 0 nothing is kept for us",
        ),
        judged(
            AREA,
            "session expiry",
            Level.OK if expiry_s >= intake.session_expiry_s else Level.FAULT,
            f"keeps our session for {expiry_s} s; intake.session_expiry_s is {intake.session_expiry_s}",
            "raise persistent_client_expiration (Mosquitto) or the limit of session expiry: positions that come while"
            " we are away longer are dropped",
        ),
        judged(
            AREA,
            "retained messages",
            Level.OK if limits.get("retain", 1) else Level.WARN,
            "available" if limits.get("retain", 1) else "not available",
            "allow them (retain_available): without them nobody knows which devices are online",
        ),
        judged(
            AREA,
            "wildcards",
            Level.OK if limits.get("wildcards", 1) else Level.FAULT,
            "available" if limits.get("wildcards", 1) else "not available",
            "allow wildcard subscriptions: the intake subscribes to all devices of a kind",
        ),
    ]
    return [*found, _keepalive(limits.get("keepalive_s"), config.broker.keepalive_s)]


def _window(receive_max: int | None, wanted: int) -> Finding:
    remedy = "max_inflight_messages 0 (Mosquitto), mqtt.max_inflight = 65535 (EMQX)"
    if receive_max is not None and receive_max < IN_FLIGHT_MIN:
        seen = f"{receive_max} messages at once from a device: one that sends more is disconnected"
        return fault(AREA, "receive maximum", seen, remedy)
    if receive_max is not None and receive_max < wanted:
        seen = f"{receive_max} messages at once; intake.positions_window is {wanted}, so the intake is slower"
        return warn(AREA, "receive maximum", seen, remedy)
    return ok(AREA, "receive maximum", "no limit told" if receive_max is None else f"{receive_max} messages at once")


def _keepalive(told_s: int | None, wanted_s: int) -> Finding:
    if told_s is None or told_s == wanted_s:
        return ok(AREA, "keep alive", f"ours: {wanted_s} s")
    remedy = "remove max_keepalive; with it Mosquitto 2.0.21 disconnects clients at random"
    return warn(AREA, "keep alive", f"the broker wants {told_s} s instead of broker.keepalive_s {wanted_s}", remedy)
