"""One message to one webhook: signed, to the address that was checked, within a time, without following anybody."""

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from alerts.outlets.guard import BlockedError, Resolve, Target, resolved, target_of

RECEIPT_MAX = 200  # characters kept of the other side's own number
RECEIPT_HEADERS = ("Receipt-Id", "X-Receipt-Id")
RECEIPT_KEYS = ("receipt", "receipt_id")
AGENT = "curbwatch"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far webhooks may go: ``timeout_s`` s from the first packet to the last, so many bytes of an answer."""

    timeout_s: float
    answer_max_bytes: int
    allow_hosts: tuple[str, ...] = ()
    allow_http: bool = False
    resolve: Resolve = resolved
    context: ssl.SSLContext | None = None  # None: the system's authorities


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one try. ``status`` None: no answer came. ``error`` empty: it counts as told."""

    status: int | None
    receipt: str = ""
    error: str = ""


def sign(secret: bytes, at_s: int, body: bytes) -> str:
    """Value of ``Curbwatch-Signature``: HMAC-SHA256 over the time (s since 1970), a dot and the body, RFC 2104."""
    digest = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def post(url: str, body: bytes, delivery: str, reach: Reach, *, secret: bytes = b"", receipt: bool = False) -> Answer:
    """Try once to tell a webhook. Never raises for what the other side, the network or the address does.

    ``delivery`` names this message, the same at every try, so that the other side can tell a repeat. ``receipt``: an
    answer without the other side's own number does not count. Redirects are not followed.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Curbwatch-Delivery": delivery,
        "Connection": "close",
    }
    if secret:
        headers["Curbwatch-Signature"] = sign(secret, int(time.time()), body)
    try:
        target = target_of(url, allow_hosts=reach.allow_hosts, allow_http=reach.allow_http, resolve=reach.resolve)
        status, told, own = _exchange(target, body, headers, reach)
    except (OSError, http.client.HTTPException, ValueError, BlockedError) as error:
        return Answer(None, error=_short(error))
    number = own or _number(told)
    if not 200 <= status < 300:
        return Answer(status, number, f"answered {status}")
    if receipt and not number:
        return Answer(status, "", "answered without a receipt")
    return Answer(status, number)


def _exchange(target: Target, body: bytes, headers: dict[str, str], reach: Reach) -> tuple[int, bytes, str]:
    """Status, the answer's beginning, and the number in its head."""
    link = _Pinned(target, reach)
    try:
        link.connect()
        link.request("POST", target.path, body, headers)
        answer = link.getresponse()
        told = answer.read(reach.answer_max_bytes)
        if link.late:  # a read up to a limit takes the cut for the end
            raise TimeoutError
        own = next((value for name in RECEIPT_HEADERS if (value := answer.getheader(name))), "")
        return answer.status, told, _clean(own)
    except (OSError, http.client.HTTPException, ValueError):
        if link.late:  # whatever a cut connection looks like from within
            raise TimeoutError(f"no whole answer in {reach.timeout_s:g} s") from None
        raise
    finally:
        link.finish()


class _Pinned(http.client.HTTPConnection):
    """A connection to checked addresses only; cut when its time is over, however slowly the other side drips."""

    def __init__(self, target: Target, reach: Reach) -> None:
        super().__init__(target.host, target.port, timeout=reach.timeout_s)
        self._target = target
        self._context = reach.context or ssl.create_default_context()
        self._timer = threading.Timer(reach.timeout_s, self._cut)
        self._timer.daemon = True
        self._link: socket.socket | None = None
        self.late = False

    def connect(self) -> None:
        self._timer.start()
        failed: OSError | None = None
        for address in self._target.addresses:
            try:
                self.sock = self._link = socket.create_connection((address, self._target.port), self.timeout)
                break
            except OSError as error:
                failed = error
            if self.late:
                break
        if self.sock is None or self.late:
            raise failed or TimeoutError("connecting took too long")
        if self._target.tls:
            self.sock = self._link = self._context.wrap_socket(
                self.sock, server_hostname=self._target.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def finish(self) -> None:
        """End it, and its time. Not ``close``: the library calls that as soon as an answer's head is read."""
        self._timer.cancel()
        self.close()

    def _cut(self) -> None:
        self.late = True
        link = self._link
        if link is not None:
            with suppress(OSError):  # it ended at this moment
                # Not SSLSocket's own, which takes the connection apart under the thread that reads from it.
                socket.socket.shutdown(link, socket.SHUT_RDWR)


def _number(told: bytes) -> str:
    """The other side's own number in a JSON answer; empty where there is none."""
    try:
        found = json.loads(told)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    values = (found.get(key) for key in RECEIPT_KEYS)
    return next((_clean(str(value)) for value in values if isinstance(value, str | int) and value != ""), "")


def _clean(text: str) -> str:
    """A text of the other side as it is kept: printable and short."""
    return "".join(mark for mark in text if mark.isprintable())[:RECEIPT_MAX]


def _short(error: Exception) -> str:
    return _clean(str(error) or type(error).__name__)
