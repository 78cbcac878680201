"""Mosquitto's files: mosquitto.conf, the access list, the password file. Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

from curbwatch.broker.plan import MEMORY_BYTES, QUEUE_BYTES, QUEUE_MESSAGES, BrokerPlan, Right

CONFIG, ACCESS, PASSWORDS = "mosquitto.conf", "access", "passwords"
ROUNDS = 101  # Mosquitto's own default; made passwords have 192 bits, no number of rounds would add to that

# Each line that is not a default has its reason.
LIMITS = """\
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/access

# Sessions of the intake survive a restart. Still a window after kill -9: the application acknowledgement covers it.
persistence true
persistence_location {data}/
autosave_interval 30

# The default of 1000 drops the newest without a word, although the publisher got its PUBACK.
max_queued_messages {queue_messages}
max_queued_bytes {queue_bytes}
# 0: each client's own MQTT 5 Receive Maximum rules.
max_inflight_messages 0

# Oversize senders are disconnected; without a limit on v3.1.1 a dropped message is acknowledged.
max_packet_size {packet_max}
message_size_limit {message_max}
# No max_keepalive: with it Mosquitto 2.0.21 disconnects clients at random, some at once (its issues 3226 and 3286).
persistent_client_expiration 7d
memory_limit {memory}

log_dest stdout
log_type error
log_type warning
log_type notice
connection_messages {connections}
"""

TLS = """\
# The lowest version that is spoken.
tls_version tlsv1.2
cafile {authority}
certfile {certificate}
keyfile {key}
"""

MUTUAL = """\
# A device is whom its certificate names: common name = device id. It needs no password.
require_certificate true
use_identity_as_username true
"""


def settings(plan: BrokerPlan) -> str:
    """Text of mosquitto.conf."""
    return "\n".join((*_listeners(plan), _limits(plan)))


def access(rights: Iterable[Right]) -> str:
    """Text of the access list. No rights: an empty file would allow everything, so it denies everything."""
    lines: list[str] = []
    listed = tuple(rights)
    for user in dict.fromkeys(right.user for right in listed if right.user):
        lines += [f"user {user}", *(f"topic {right.act} {right.topic}" for right in listed if right.user == user), ""]
    lines += [f"pattern {right.act} {right.topic}" for right in listed if not right.user]
    return "\n".join(lines or ["topic deny #"]) + "\n"


def passwords(secret: Mapping[str, str], before: str = "") -> str:
    """Text of the password file; a line of the one before stays where it still fits, so that nothing changes in vain.

    ``secret`` maps user to password. Nobody: an empty file, as which nobody can log in.
    """
    known = dict(line.split(":", 1) for line in before.splitlines() if ":" in line)
    lines = {
        user: known[user] if user in known and fits(password, known[user]) else hashed(password)
        for user, password in secret.items()
    }
    return "".join(f"{user}:{line}\n" for user, line in lines.items())


def hashed(password: str) -> str:
    """Mosquitto's ``$7$`` form: PBKDF2-HMAC-SHA512."""
    return _form(password, secrets.token_bytes(12), ROUNDS)


def fits(password: str, form: str) -> bool:
    """Whether a ``$7$`` form is this password's; False for any other text."""
    try:
        _, kind, rounds, salt, _ = form.split("$")
        made = _form(password, base64.b64decode(salt, validate=True), int(rounds)) if int(rounds) <= 1e6 else ""
    except (ValueError, OverflowError):
        return False
    return kind == "7" and hmac.compare_digest(made.encode(), form.encode())


def _form(password: str, salt: bytes, rounds: int) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _listeners(plan: BrokerPlan) -> list[str]:
    if plan.tls is None:
        return [_listener(plan.port, plan.host)]
    plain = TLS.format(authority=plan.tls.authority, certificate=plan.tls.certificate, key=plan.tls.key)
    if not plan.tls.mutual:
        return [_listener(plan.port, plan.host) + plain]
    intake = "# The intake logs in with its passwords.\n" + _listener(plan.port + 1, plan.host) + plain
    return [_listener(plan.port, plan.host) + plain + MUTUAL, intake]


def _listener(port: int, host: str) -> str:
    return f"listener {port} {host}".rstrip() + "\n"


def _limits(plan: BrokerPlan) -> str:
    return LIMITS.format(
        folder=plan.folder,
        data=plan.data.rstrip("/"),
        queue_messages=QUEUE_MESSAGES,
        queue_bytes=QUEUE_BYTES,
        packet_max=plan.packet_max_bytes,
        message_max=plan.message_max_bytes,
        memory=MEMORY_BYTES,
        # A city wants to know who came; on loopback it is noise.
        connections="false" if plan.tls is None else "true",
    )
