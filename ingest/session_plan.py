"""How one MQTT session is to be held."""

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """How to hold one session.

    Attributes:
        url: mqtt:// or mqtts://host:port.
        client_id: fixed, so that the broker knows the session again; what logs and metrics call it.
        secret: follows ``client_id`` at the broker, where anybody who knows it can take the session; never shown.
        window: Receive Maximum: messages un-acknowledged at once, 1..65535.
        expiry_s: how long the broker keeps the session without us; 0: not at all.
        topics: (filter, whether retained messages are wanted at every subscription).
        optional: filters that the broker may refuse us, as many do with ``$SYS``.
    """

    url: str
    client_id: str
    user: str
    window: int
    expiry_s: int
    topics: tuple[tuple[str, bool], ...]
    keepalive_s: int = 15
    reconnect_max_s: float = 30.0
    ca_file: str = ""
    optional: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)


def secret_of(client_id: str, password: str) -> str:
    """What makes a client id hard to guess, and the same at every start; "" without a password."""
    if not password:
        return ""
    return "-" + hmac.new(password.encode(), client_id.encode(), hashlib.sha256).hexdigest()[:20]


def shown(url: str) -> str:
    """A broker's address without a login, with its port."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.hostname}:{address.port or DEFAULT_PORTS.get(address.scheme, '')}"
