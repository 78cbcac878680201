"""The outbox on disk: append-only segments, each record with its length and checksum, synced before it counts.

A record is ``length, crc32`` (two little-endian 32-bit numbers) and then ``length`` bytes: ``seq`` (64 bits), the
length of ``boot`` (8 bits), ``boot``, and the position's JSON. What an acknowledgement lets go of is forgotten in
memory; a segment's file goes when nothing in it is needed any more. So a new start may send again what was acknowledged
already, at most one segment of it, and never misses what was not.
"""

import errno
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from alerts.durable import sync_folder
from curbwatch.device.messages import Entry
from curbwatch.device.outbox import Held, Index
from curbwatch.parts.paths import locked, make_folder
from schemas.errors import SetupError, UsageError

HEADER = struct.Struct("<II")
INNER = struct.Struct("<qB")
SEGMENTS = 16  # parts of the whole; when full one of them goes
NAME = re.compile(r"\d{10}\.seg")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
BOOT_MAX = 255


@dataclass(slots=True)
class _Segment:
    """One file; ``live`` entries of it are still held."""

    path: Path
    size: int = 0
    live: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    segment: _Segment
    offset: int
    length: int


class DiskOutbox:
    """Positions on flash, in a folder of their own, at most ``max_bytes``; about 300 bytes of memory for each as well.

    Attributes:
        lost: entries dropped unacknowledged because there was no room, since ``open``.
        cut_bytes: what ``open`` cut off: the last write before a power loss, or damage.
    """

    durable = True

    def __init__(self, folder: Path | str, *, max_bytes: int = 16_000_000) -> None:
        self.lost = self.cut_bytes = 0
        self._folder, self._max_bytes = Path(folder), max_bytes
        self._segment_bytes = max(1, max_bytes // SEGMENTS)
        self._index: Index[_Place] = Index()
        self._segments: dict[Path, _Segment] = {}  # the oldest first
        self._current: _Segment | None = None
        self._descriptor = -1
        self._number = 0
        self._open = ExitStack()

    def open(self) -> None:
        """Take the folder, make it where it is missing, and read what an earlier start left.

        Raises SetupError where another process uses it or it cannot be read.
        """
        make_folder(self._folder, 0o700)
        self._open.enter_context(
            locked(self._folder / "lock", busy=f"{self._folder}: another device uses this outbox; give each its own")
        )
        try:
            names = sorted(path for path in self._folder.iterdir() if NAME.fullmatch(path.name))
            for path in names:
                self._read(path)
        except OSError as error:
            self._open.close()
            raise self._trouble(error) from error
        self._number = int(names[-1].stem) + 1 if names else 0

    def close(self) -> None:
        """End; what is held stays in the folder."""
        self._leave_segment()
        self._open.close()

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Keep entries: they are on disk when this returns. When full the oldest segment is dropped.

        Raises UsageError for what can never be kept, SetupError where the disk does not take it; then nothing is kept.
        """
        self._index.refuse_backwards(entries)
        records = [_record(entry) for entry in entries]
        data = b"".join(records)
        if len(data) > self._segment_bytes:
            raise UsageError(
                f"{len(entries)} positions of {len(data)} bytes: at most a {SEGMENTS}th of the outbox at once "
                f"({self._segment_bytes} bytes)"
            )
        if not records:
            return []
        segment, offset = self._write(data)
        numbers: list[int] = []
        for entry, record in zip(entries, records, strict=True):
            numbers.append(self._index.add(entry, _Place(segment, offset, len(record))))
            segment.live += 1
            offset += len(record)
        return numbers

    def acknowledge(self, boot: str, seq: int) -> int:
        """Let go of everything of ``boot`` up to ``seq``; return how many that were."""
        gone = self._index.acknowledge(boot, seq)
        for held in gone:
            self._release(held.place.segment)
        return len(gone)

    def get(self, number: int) -> Entry | None:
        """Return one entry; None where it is no longer held, or the disk no longer has it."""
        held = self._index.get(number)
        if held is None:
            return None
        try:
            with held.place.segment.path.open("rb") as file:
                file.seek(held.place.offset)
                return next(_entries(file.read(held.place.length)), (None, 0))[0]
        except OSError:
            return None

    def held(self) -> list[Held[object]]:
        """Return what is held, the oldest first."""
        return [Held(held.number, held.boot, held.seq, held.size, None) for held in self._index.held()]

    def oldest(self, boot: str) -> int | None:
        """Return the lowest ``seq`` held of one boot; None where nothing of it is."""
        return self._index.oldest(boot)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments.values())

    def _read(self, path: Path) -> None:
        """Take over one file of an earlier start; cut off where it cannot be read."""
        data = path.read_bytes()
        segment = _Segment(path)
        for entry, length in _entries(data):
            self._index.add(entry, _Place(segment, segment.size, length))
            segment.size += length
            segment.live += 1
        if not segment.live:
            path.unlink()
        elif segment.size < len(data):
            with path.open("r+b") as file:
                file.truncate(segment.size)
                os.fsync(file.fileno())
        self.cut_bytes += len(data) - segment.size
        if segment.live:
            self._segments[path] = segment

    def _write(self, data: bytes) -> tuple[_Segment, int]:
        """Write and sync; return where. A full disk costs the oldest segment, once."""
        try:
            return self._try(data)
        except OSError as error:
            self._leave_segment(cut=True)
            if error.errno not in FULL or not self._segments:
                raise self._trouble(error) from error
        self._drop_oldest()
        try:
            return self._try(data)
        except OSError as error:
            self._leave_segment(cut=True)
            raise self._trouble(error) from error

    def _try(self, data: bytes) -> tuple[_Segment, int]:
        if self._current is not None and self._current.size + len(data) > self._segment_bytes:
            self._leave_segment()
        while self._segments and self.size_bytes + len(data) > self._max_bytes:
            self._drop_oldest()
        segment = self._current or self._begin_segment()
        at, offset = 0, segment.size
        while at < len(data):
            at += os.write(self._descriptor, data[at:])
        os.fsync(self._descriptor)
        segment.size += len(data)
        return segment, offset

    def _begin_segment(self) -> _Segment:
        path = self._folder / f"{self._number:010d}.seg"
        self._number += 1
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._current = self._segments[path] = _Segment(path)
        sync_folder(self._folder)
        return self._current

    def _leave_segment(self, *, cut: bool = False) -> None:
        """Write no more to the present one; ``cut`` takes back what was half written."""
        if self._current is None:
            return
        with suppress(OSError):  # what stays is cut off at the next start
            if cut:
                os.ftruncate(self._descriptor, self._current.size)
        os.close(self._descriptor)
        left, self._current = self._current, None
        if not left.live:
            self._remove(left)

    def _drop_oldest(self) -> None:
        segment = next(iter(self._segments.values()))
        while (first := self._index.first()) is not None and first.place.segment is segment:
            self._index.remove_first(first.boot)
            self.lost += 1
        segment.live = 0
        if segment is self._current:
            self._leave_segment()
        else:
            self._remove(segment)

    def _release(self, segment: _Segment) -> None:
        """One entry of it is no longer needed."""
        segment.live -= 1
        if segment.live:
            return
        if segment is not self._current:
            self._remove(segment)
            return
        # Emptied, not removed: names cost a sync of the folder, and a slow device is acknowledged after each position.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            segment.size = 0

    def _remove(self, segment: _Segment) -> None:
        del self._segments[segment.path]
        segment.path.unlink(missing_ok=True)

    def _trouble(self, error: OSError) -> SetupError:
        return SetupError(f"outbox {self._folder}: {error.strerror or error}: is there room, and is it ours?")


def _record(entry: Entry) -> bytes:
    boot = entry.boot.encode()
    if len(boot) > BOOT_MAX:
        raise UsageError(f"boot {entry.boot[:20]}…: more than {BOOT_MAX} bytes")
    inner = INNER.pack(entry.seq, len(boot)) + boot + entry.body
    return HEADER.pack(len(inner), zlib.crc32(inner)) + inner


def _entries(data: bytes) -> Iterator[tuple[Entry, int]]:
    """Yield each whole record's entry and length in bytes, up to the first that is not whole."""
    at = 0
    while at + HEADER.size <= len(data):
        length, checksum = HEADER.unpack_from(data, at)
        inner = data[at + HEADER.size : at + HEADER.size + length]
        # A file that grew without its data is full of zeros, and the checksum of nothing is zero.
        if length < INNER.size or len(inner) < length or zlib.crc32(inner) != checksum:
            return
        seq, boot_bytes = INNER.unpack_from(inner)
        boot = inner[INNER.size : INNER.size + boot_bytes].decode()
        yield Entry(boot, seq, inner[INNER.size + boot_bytes :]), HEADER.size + length
        at += HEADER.size + length
