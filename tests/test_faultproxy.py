"""The proxy spoils what it is told to spoil, and nothing else."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faultproxy import FaultProxy


class Echo:
    """A server that sends back what it gets, and says ``end`` when its client has no more."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sizes: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        with wire:
            try:
                while data := wire.recv(65_536):
                    self.sizes.append(len(data))
                    wire.sendall(data)
                wire.sendall(b"end")
            except OSError:
                pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", echo.port) as made:
        yield made


@pytest.fixture
def wire(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as made:
        yield made


def said_back(wire: socket.socket, data: bytes) -> bytes:
    wire.sendall(data)
    found = b""
    while len(found) < len(data):
        found += wire.recv(65_536)
    return found


def over(wire: socket.socket) -> bool:
    """Whether the other side has ended this connection."""
    try:
        return wire.recv(10) == b""
    except ConnectionError:
        return True


def test_nothing_spoiled_passes_everything(proxy: FaultProxy, wire: socket.socket) -> None:
    data = bytes(range(256)) * 4000
    sender = threading.Thread(target=wire.sendall, args=(data,))
    sender.start()
    found = b""
    while len(found) < len(data):
        found += wire.recv(65_536)
    sender.join()
    assert found == data
    assert proxy.connections == 1


def test_a_url_leads_through_it_with_its_login(proxy: FaultProxy) -> None:
    assert proxy.instead("mqtt://127.0.0.1:1883") == f"mqtt://127.0.0.1:{proxy.port}"
    assert proxy.instead("postgresql://u:p@127.0.0.1:5/d") == f"postgresql://u:p@127.0.0.1:{proxy.port}/d"


def test_a_cut_is_seen_at_once_and_the_next_connection_passes(proxy: FaultProxy, wire: socket.socket) -> None:
    assert said_back(wire, b"a") == b"a"
    proxy.cut()
    assert over(wire)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert said_back(again, b"c") == b"c"


def test_a_black_hole_passes_nothing_until_it_is_healed(proxy: FaultProxy, wire: socket.socket) -> None:
    assert said_back(wire, b"a") == b"a"
    proxy.swallow()
    wire.sendall(b"b")
    wire.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.recv(10)
    proxy.heal()
    wire.settimeout(5)
    assert wire.recv(10) == b"b"


def test_a_refused_connection_ends_at_once(proxy: FaultProxy) -> None:
    proxy.refusing = True
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as wire:
        assert over(wire)


def test_half_closed_the_server_hears_the_end_and_can_still_answer(proxy: FaultProxy, wire: socket.socket) -> None:
    assert said_back(wire, b"a") == b"a"
    proxy.half_close()
    assert wire.recv(10) == b"end"


def test_bytes_come_late_or_in_slices(proxy: FaultProxy, wire: socket.socket, echo: Echo) -> None:
    proxy.latency_s = 0.1
    started_s = time.monotonic()
    assert said_back(wire, b"abc") == b"abc"
    assert time.monotonic() - started_s >= 0.2
    proxy.heal()
    proxy.slice_bytes = 1
    assert said_back(wire, b"abcdef") == b"abcdef"
    assert sum(echo.sizes) == 9


def test_a_server_that_is_away_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with (
        FaultProxy("127.0.0.1", free) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as wire,
    ):
        assert over(wire)
