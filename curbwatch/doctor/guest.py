"""A client that does what a probe asks and nothing by itself: one socket, nothing acknowledged unless told to.

It has its own few packets instead of paho, because a probe must see what paho hides (limits of CONNACK, the order of
packets) and do what paho refuses (hold an acknowledgement, publish to a filter).
"""

import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from curbwatch import packets
from curbwatch.packets import Connack, Login
from ingest.publish_packet import MalformedError, Publish, read_publish
from ingest.session_plan import DEFAULT_PORTS
from schemas.errors import FeedError

WAIT_S = 10.0  # a broker that takes longer for one answer is as good as away
QUIET_S = 0.3  # nothing came for this long behind an answered ping: nothing more will come
AT_ONCE = 100  # messages sent before their acknowledgements are awaited


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is. ``identity``: (certificate, key) files that a guest shows; empty: none."""

    url: str
    ca_file: str = ""
    identity: tuple[str, str] | None = None


class Guest:
    """One connection. ``inbox`` holds what came; ``welcome`` is the broker's answer to CONNECT.

    Every method raises FeedError where the broker refuses, is silent for too long, or ends the connection.
    """

    def __init__(self, address: Address, login: Login) -> None:
        self.inbox: list[Publish] = []
        self._rest = b""
        self._mid = 0
        self._socket = _opened(address)
        try:
            self._send(packets.connect(login))
            self.welcome: Connack = packets.read_connack(self._await(packets.CONNACK))
        except MalformedError as error:
            self._socket.close()
            raise FeedError(f"the broker's answer cannot be read: {error}") from error
        except FeedError:
            self._socket.close()
            raise
        if self.welcome.code:
            self._socket.close()
            raise FeedError(f"the broker refuses user {login.user or '(none)'}: reason 0x{self.welcome.code:02x}")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; a session that was asked for is kept."""
        self.leave()

    def subscribe(self, topic: str) -> int:
        """Subscribe at QoS 1 and return the reason code: 0x80 and above is a refusal."""
        self._send(packets.subscribe((topic,), self._next()))
        return self._await(packets.SUBACK)[-1]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Publish at QoS 1 and return the reason code of its PUBACK: 0x80 and above is a refusal."""
        self._send(packets.publish(topic, payload, self._next(), retain=retain))
        return packets.reason(self._await(packets.PUBACK))

    def publish_many(self, topic: str, payloads: list[bytes]) -> None:
        """Publish all at QoS 1, as many at once as the broker allows, and wait for every PUBACK."""
        step = min(AT_ONCE, self.welcome.limits.get("receive_max", AT_ONCE))
        for start in range(0, len(payloads), step):
            part = payloads[start : start + step]
            self._send(b"".join(packets.publish(topic, payload, self._next()) for payload in part))
            for _ in part:
                self._await(packets.PUBACK)

    def acknowledge(self, message: Publish) -> None:
        """Send the PUBACK of one message."""
        self._send(packets.puback(message.mid))

    def settle(self, *, wanted: int = 0, wait_s: float = 0.0, quiet_s: float = QUIET_S) -> list[Publish]:
        """Return the inbox when ``wanted`` messages are there, or nothing comes for ``quiet_s`` and ``wait_s`` is over.

        A ping goes round first: what the broker had for us before is ahead of its answer.
        """
        self._send(packets.PINGREQ)
        self._await(packets.PINGRESP)
        give_up_s = time.monotonic() + wait_s
        while not wanted or len(self.inbox) < wanted:
            if self._packet(quiet_s) is None and time.monotonic() >= give_up_s:
                break
        return self.inbox

    def leave(self, *, for_ever: bool = False) -> None:
        """Disconnect; ``for_ever`` ends the session too. A connection that is gone already is fine."""
        try:
            self._socket.sendall(packets.GOODBYE_FOR_EVER if for_ever else packets.GOODBYE)
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            self._socket.close()

    def vanish(self) -> None:
        """Cut the connection without a word, as a device that lost its power."""
        self._socket.close()

    def _next(self) -> int:
        self._mid = self._mid % 65_535 + 1
        return self._mid

    def _await(self, kind: int) -> bytes:
        """Read until a packet of this kind comes; PUBLISH goes to the inbox."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            packet = self._packet(deadline_s - time.monotonic())
            if packet is not None and packet[0] == kind:
                return packet[1]
        raise FeedError(f"the broker does not answer within {WAIT_S:.0f} s")

    def _packet(self, wait_s: float) -> tuple[int, bytes] | None:
        """Return the next packet as (kind, body), or None where none came in ``wait_s``."""
        while True:
            try:
                length, at = packets.read_length(self._rest, 1)
                if len(self._rest) >= at + length:
                    break
            except packets.CutError:
                pass
            except MalformedError as error:
                raise FeedError(f"the broker sends no MQTT: {error}") from error
            if not self._more(wait_s):
                return None
        first, body = self._rest[0], self._rest[at : at + length]
        self._rest = self._rest[at + length :]
        kind = first >> 4
        if kind == packets.DISCONNECT:
            raise FeedError(f"the broker ends the connection: reason 0x{body[0] if body else 0:02x}")
        if kind == 3:
            self.inbox.append(_read(first, body))
        return kind, body

    def _more(self, wait_s: float) -> bool:
        try:
            self._socket.settimeout(max(wait_s, 0.001))
            # Mosquitto holds a small packet back until the last is confirmed; the kernel would wait 40 ms with that.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            data = self._socket.recv(262_144)
        except TimeoutError:
            return False
        except OSError as error:
            raise FeedError(f"the connection to the broker broke: {error}") from error
        if not data:
            raise FeedError("the broker closed the connection")
        self._rest += data
        return True

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(WAIT_S)
            self._socket.sendall(data)
        except OSError as error:
            raise FeedError(f"the connection to the broker broke: {error}") from error


def _read(first: int, body: bytes) -> Publish:
    try:
        return read_publish(first, body)
    except MalformedError as error:
        raise FeedError(f"the broker sends a message that cannot be read: {error}") from error


def _opened(address: Address) -> socket.socket:
    parts = urlsplit(address.url)
    host = parts.hostname or "127.0.0.1"
    try:
        plain = socket.create_connection((host, parts.port or DEFAULT_PORTS[parts.scheme]), timeout=WAIT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme != "mqtts":
            return plain
        context = ssl.create_default_context(cafile=address.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if address.identity is not None:
            context.load_cert_chain(*address.identity)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise
    except (OSError, ValueError, KeyError) as error:
        raise FeedError(f"the broker does not answer: {error}") from error
