import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wire import AHEAD_BYTES, ReadAhead


@pytest.fixture
def pair() -> Iterator[tuple[ReadAhead, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield ReadAhead(near), far


def test_nothing_there_is_said_as_a_socket_says_it(pair: tuple[ReadAhead, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        pair[0].recv(1)
    assert pair[0].pending() == 0


def test_what_was_read_ahead_is_pending(pair: tuple[ReadAhead, socket.socket]) -> None:
    reader, far = pair
    far.sendall(b"abcdef")
    assert reader.recv(1) == b"a"
    assert reader.pending() == 5
    assert reader.recv(2) == b"bc"
    assert reader.recv(100) == b"def"
    assert reader.pending() == 0


def test_the_end_of_the_stream_is_empty_after_the_last_byte(pair: tuple[ReadAhead, socket.socket]) -> None:
    reader, far = pair
    far.sendall(b"ab")
    far.close()
    assert [reader.recv(1), reader.recv(1), reader.recv(1)] == [b"a", b"b", b""]


def test_everything_else_is_the_sockets_own(pair: tuple[ReadAhead, socket.socket]) -> None:
    reader, far = pair
    assert reader.send(b"x") == 1
    assert far.recv(1) == b"x"
    assert reader.fileno() > 0
    assert reader.gettimeout() == 0.0
    reader.close()
    assert reader.fileno() == -1


@given(st.binary(max_size=5000), st.lists(st.integers(1, 700), min_size=1))
def test_bytes_come_out_as_they_went_in(data: bytes, sizes: list[int]) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        reader = ReadAhead(near)
        far.sendall(data)
        far.shutdown(socket.SHUT_WR)
        got, turn = b"", 0
        while part := reader.recv(sizes[turn % len(sizes)]):
            got += part
            turn += 1
        assert got == data
        assert reader.pending() == 0


def test_more_than_one_reading_ahead_holds_comes_out_whole(pair: tuple[ReadAhead, socket.socket]) -> None:
    reader, far = pair
    sent = bytes(range(256)) * (AHEAD_BYTES // 128)
    got = b""
    rest = memoryview(sent)
    far.setblocking(False)
    while len(got) < len(sent):
        if rest:
            with contextlib.suppress(BlockingIOError):
                rest = rest[far.send(rest) :]
        got += reader.recv(1000)
    assert got == sent
