"""A small log on disk for positions while the database is away: synced before the broker is told to forget them.

Segments of records, each record ``mark, length, crc32, msgpack of one message`` (both numbers 4 bytes, big-endian). The
mark is 8 random bytes, in the name of the segment too: behind bytes that do not read, the next record is found by it,
and nobody can put one into a payload. A record that is cut off at the end of the newest segment was never acknowledged:
it is cut away when the spool is opened. Damage elsewhere costs the records it touches, which is said and counted, and
their segment stays beside the others, ``.bad`` instead of ``.spool``.
"""

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from ingest.buffer import BATCH_BYTES
from schemas.errors import SetupError, SinkError
from schemas.position import RawMessage

log = structlog.get_logger()

MARK_BYTES = 8
HEAD = struct.Struct(f"!{MARK_BYTES}sII")
SEGMENT_BYTES = 4_000_000  # a segment is the least that is given back to the disk
BLOCK_BYTES = 4096  # the least that a disk loses
ENDING, BAD = ".spool", ".bad"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The oldest messages of the spool, one at least, and where the next ones begin."""

    messages: list[RawMessage]
    segment: int
    end: int


@dataclass(slots=True)
class _Segment:
    path: Path
    mark: bytes
    size_bytes: int
    count: int  # messages not dropped
    damaged: bool = False


class Spool:
    """Keeps messages in order; used from one thread. ``sync_folder`` makes names in a folder durable.

    What was not dropped is still there after a crash, so a chunk may be seen twice, and never not at all.
    """

    def __init__(self, folder: Path, *, max_bytes: int, sync_folder: Callable[[Path], None]) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sync_folder = sync_folder
        self._mark = os.urandom(MARK_BYTES)  # of the segments written here
        self._segments: dict[int, _Segment] = {}  # by number, ascending
        self._at = 0  # where the oldest segment is read next
        self._number = 0  # of the segment that is written; 0: none
        self._damaged = 0
        self._lock = -1  # descriptor

    def open(self) -> int:
        """Take over what an earlier process left; how many messages that is. Raises SetupError, SinkError."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            paths = sorted(self._folder.glob(f"*{ENDING}"))
            for path in paths:
                number, mark = _named(path)  # before anything is done to the file
                segment = _found(path, mark, newest=path == paths[-1])
                if segment.size_bytes:
                    self._segments[number] = segment
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
        data = b"".join([_record(self._mark, message) for message in messages])
        if self.size_bytes + len(data) > self._max_bytes:
            raise SinkError(
                f"spool {self._folder} is full ({self.size_bytes} of {self._max_bytes} bytes): bring the database back",
                retryable=True,
            )
        number, segment = self._number, self._segments.get(self._number)
        if segment is None or segment.size_bytes >= SEGMENT_BYTES:
            number = max(self._segments, default=number) + 1
            path = self._folder / f"{number:012}-{self._mark.hex()}{ENDING}"
            segment = _Segment(path, self._mark, size_bytes=0, count=0)
        before = segment.size_bytes
        try:
            descriptor = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                _write(descriptor, data, before)
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
        segment.size_bytes += len(data)
        segment.count += len(messages)
        self._number, self._segments[number] = number, segment

    def head(self, count: int) -> Chunk | None:
        """Return up to ``count`` of the oldest messages, or BATCH_BYTES of them; None where there are none.

        Passes over what does not read. Raises SinkError.
        """
        while self._segments:
            number, segment = next(iter(self._segments.items()))
            try:
                data, _ = _read(segment.path, self._at)
            except FileNotFoundError:
                data = b""
            except OSError as error:
                raise SinkError(f"spool {segment.path}: {error.strerror or error}", retryable=True) from error
            data = data[: segment.size_bytes - self._at]  # behind it lies what could not be written whole
            messages, end = [], 0
            for message, end in _records(segment.mark, data, 0):
                messages.append(message)
                if len(messages) == count or end >= BATCH_BYTES:
                    break
            if messages:
                return Chunk(messages, number, self._at + end)
            if self._at < segment.size_bytes:
                self._pass_over(segment, data)
            else:
                self._finish(number)
        return None

    def drop(self, chunk: Chunk) -> None:
        """Forget a chunk that ``head`` gave: its messages are stored. Raises SinkError."""
        segment = self._segments[chunk.segment]
        self._at = chunk.end
        segment.count -= len(chunk.messages)
        if chunk.end >= segment.size_bytes:
            self._finish(chunk.segment)

    def close(self) -> None:
        """Let another process use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def size_bytes(self) -> int:
        """Bytes on disk, without those set aside."""
        return sum([segment.size_bytes for segment in self._segments.values()])

    @property
    def damaged(self) -> int:
        """How often bytes were met that did not read, since it was opened."""
        return self._damaged

    def __len__(self) -> int:
        """Number of messages kept."""
        return sum([segment.count for segment in self._segments.values()])

    def __bool__(self) -> bool:
        """Whether ``head`` has something to look at: messages, or damage to be passed over."""
        return bool(self._segments)

    def _pass_over(self, segment: _Segment, data: bytes) -> None:
        """Go on behind what does not read; ``data`` begins with it."""
        at = _next_record(segment.mark, data, 0)
        end = segment.size_bytes if at is None else self._at + at
        self._damaged += 1
        log.error(
            "spool_damaged",
            file=str(segment.path),
            at=self._at,
            bytes=end - self._at,
            effect=f"devices that keep what they were not told of send it again; the file is kept as {BAD}",
            remedy="look after this disk",
        )
        segment.damaged = True
        self._at = end

    def _finish(self, number: int) -> None:
        """Give the oldest segment back to the disk, or set it aside."""
        segment = self._segments[number]
        try:
            with contextlib.suppress(FileNotFoundError):
                if segment.damaged:
                    segment.path.replace(segment.path.with_suffix(BAD))
                else:
                    segment.path.unlink()
        except OSError as error:
            raise SinkError(f"spool {segment.path}: {error.strerror or error}", retryable=True) from error
        del self._segments[number]
        self._at = 0


class _Kept(msgspec.Struct, array_like=True):
    topic: str
    payload: bytes
    received_ns: int
    properties: tuple[tuple[str, str], ...]
    qos: int
    retain: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def _record(mark: bytes, message: RawMessage) -> bytes:
    m = message
    body = _encode(_Kept(m.topic, m.payload, m.received_ns, m.properties, m.qos, m.retain))
    return HEAD.pack(mark, len(body), zlib.crc32(body)) + body


def _records(mark: bytes, data: bytes, at: int) -> Iterator[tuple[RawMessage, int]]:
    """Yield (message, end of its record), up to the first that does not read."""
    while at + HEAD.size <= len(data):
        found, length, crc = HEAD.unpack_from(data, at)
        end = at + HEAD.size + length
        body = data[at + HEAD.size : end]
        if found != mark or len(body) < length or zlib.crc32(body) != crc:
            return
        try:
            kept = _decode(body)
        except msgspec.DecodeError:
            return
        yield RawMessage(kept.topic, kept.payload, kept.received_ns, kept.properties, kept.qos, kept.retain), end
        at = end


def _next_record(mark: bytes, data: bytes, at: int) -> int | None:
    """Where the next record behind ``at`` begins that reads; None: there is none."""
    while (at := data.find(mark, at + 1)) >= 0:
        if next(_records(mark, data, at), None) is not None:
            return at
    return None


def _named(path: Path) -> tuple[int, bytes]:
    """Return the number and the mark in a segment's name. Raises ValueError for a name of somebody else."""
    number, mark = path.stem.split("-")
    if len(mark) != 2 * MARK_BYTES:
        raise ValueError(path.name)
    return int(number), bytes.fromhex(mark)


def _found(path: Path, mark: bytes, *, newest: bool) -> _Segment:
    """Look through a segment of an earlier process; of the newest, an end that does not read is cut off."""
    data, whole = _read(path, 0)
    count, end = 0, 0
    at: int | None = 0
    while at is not None:
        for _, end in _records(mark, data, at):  # noqa: B007  # the last end counts
            count += 1
        at = _next_record(mark, data, max(at, end))
    if newest and whole and end < len(data):
        log.warning("spool_tail_cut", file=str(path), bytes=len(data) - end)
        os.truncate(path, end)
        data = data[:end]
    return _Segment(path, mark, len(data), count)


def _read(path: Path, at: int) -> tuple[bytes, bool]:
    """Return a file from ``at`` to its end, and whether that is all: zeros stand for what the disk has lost."""
    data, whole = b"", True
    with path.open("rb", buffering=0) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        while at < size_bytes:
            try:
                part = os.pread(file.fileno(), size_bytes - at, at)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                part, whole = bytes(min(BLOCK_BYTES - at % BLOCK_BYTES, size_bytes - at)), False
            data += part
            at += len(part)
    return data, whole


def _write(descriptor: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written
