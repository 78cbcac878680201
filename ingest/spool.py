"""A small log on disk for positions while the database is away: synced before the broker is told to forget them.

Segments of records, each record ``length, crc32, msgpack of one message`` (both numbers 4 bytes, big-endian). A record
that is cut off at the end of a segment was never acknowledged: it is cut away when the spool is opened.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from schemas.errors import SetupError, SinkError
from schemas.position import RawMessage

log = structlog.get_logger()

HEAD = struct.Struct("!II")
SEGMENT_BYTES = 4_000_000  # a segment is the least that is given back to the disk
RECORD_MAX = 64_000_000  # a length beyond it is no length
ENDING = ".spool"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The oldest messages of the spool, and where the next ones begin."""

    messages: list[RawMessage]
    segment: int
    end: int


class Spool:
    """Keeps messages in order; used from one thread. ``sync_folder`` makes names in a folder durable.

    What was not dropped is still there after a crash, so a chunk may be seen twice, and never not at all.
    """

    def __init__(self, folder: Path, *, max_bytes: int, sync_folder: Callable[[Path], None]) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sync_folder = sync_folder
        self._sizes: dict[int, int] = {}  # segment -> bytes, ascending
        self._counts: dict[int, int] = {}  # segment -> messages not dropped
        self._at = 0  # where the oldest segment is read next
        self._number = 0  # of the segment that is written; 0: none
        self._lock = -1  # descriptor

    def open(self) -> int:
        """Take over what an earlier process left; how many messages that is. Raises SetupError, SinkError."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in sorted(self._folder.glob(f"*{ENDING}")):
                number, data = int(path.stem), path.read_bytes()
                end, count = 0, 0
                for _, end in _records(data, 0):  # noqa: B007  # the last end counts
                    count += 1
                if end < len(data):
                    log.warning("spool_tail_cut", file=str(path), bytes=len(data) - end)
                    os.truncate(path, end)
                if count:
                    self._sizes[number], self._counts[number] = end, count
                else:
                    path.unlink()
        except BlockingIOError:
            raise SetupError(
                f"intake.spool_dir {self._folder}: another `curbwatch run` uses it: end that one"
            ) from None
        except ValueError:
            raise SetupError(f"intake.spool_dir {self._folder}: {path.name} is not ours: move it away") from None
        except OSError as error:
            raise SetupError(f"intake.spool_dir {self._folder}: cannot be used: {error.strerror or error}") from error
        return len(self)

    def append(self, messages: Sequence[RawMessage]) -> None:
        """Keep messages, durably when it returns; all of them or none. Raises SinkError where they do not fit."""
        data = b"".join(map(_record, messages))
        if self.size_bytes + len(data) > self._max_bytes:
            raise SinkError(
                f"spool {self._folder} is full ({self.size_bytes} of {self._max_bytes} bytes): bring the database back",
                retryable=True,
            )
        if self._number not in self._sizes or self._sizes[self._number] >= SEGMENT_BYTES:
            self._number = max(self._sizes, default=self._number) + 1
        path, before = self._path(self._number), self._sizes.get(self._number, 0)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                _write(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
            finally:
                os.close(descriptor)
            if not before:
                self._sync_folder(self._folder)
        except OSError as error:
            said = f"spool {self._folder}: {error.strerror or error}: make room on this disk"
            raise SinkError(said, retryable=True) from error
        self._sizes[self._number] = before + len(data)
        self._counts[self._number] = self._counts.get(self._number, 0) + len(messages)

    def head(self, count: int) -> Chunk | None:
        """Return up to ``count`` of the oldest messages; None where there are none. Raises SinkError."""
        if not self._sizes:
            return None
        number = next(iter(self._sizes))
        try:
            with self._path(number).open("rb") as file:
                file.seek(self._at)
                data = file.read(self._sizes[number] - self._at)
        except OSError as error:
            raise SinkError(f"spool {self._path(number)}: {error.strerror or error}", retryable=True) from error
        messages, end = [], 0
        for message, end in _records(data, 0):  # noqa: B007  # the last end counts
            messages.append(message)
            if len(messages) == count:
                break
        return Chunk(messages, number, self._at + end)

    def drop(self, chunk: Chunk) -> None:
        """Forget a chunk that ``head`` gave: its messages are stored. Raises SinkError."""
        self._at = chunk.end
        self._counts[chunk.segment] -= len(chunk.messages)
        if chunk.end < self._sizes[chunk.segment]:
            return
        try:
            self._path(chunk.segment).unlink(missing_ok=True)
        except OSError as error:
            raise SinkError(f"spool {self._path(chunk.segment)}: {error.strerror or error}", retryable=True) from error
        del self._sizes[chunk.segment], self._counts[chunk.segment]
        self._at = 0

    def close(self) -> None:
        """Let another process use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values())

    def __len__(self) -> int:
        """Number of messages kept."""
        return sum(self._counts.values())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012}{ENDING}"


class _Kept(msgspec.Struct, array_like=True):
    topic: str
    payload: bytes
    received_ns: int
    properties: tuple[tuple[str, str], ...]
    qos: int
    retain: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def _record(message: RawMessage) -> bytes:
    m = message
    body = _encode(_Kept(m.topic, m.payload, m.received_ns, m.properties, m.qos, m.retain))
    return HEAD.pack(len(body), zlib.crc32(body)) + body


def _records(data: bytes, at: int) -> Iterator[tuple[RawMessage, int]]:
    """Yield (message, end of its record), up to the first that is not whole."""
    while at + HEAD.size <= len(data):
        length, crc = HEAD.unpack_from(data, at)
        end = at + HEAD.size + length
        body = data[at + HEAD.size : end]
        if length > RECORD_MAX or len(body) < length or zlib.crc32(body) != crc:
            return
        try:
            kept = _decode(body)
        except msgspec.DecodeError:
            return
        yield RawMessage(kept.topic, kept.payload, kept.received_ns, kept.properties, kept.qos, kept.retain), end
        at = end


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
