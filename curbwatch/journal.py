"""Decisions on disk: what a stop found no database for must survive until the next start."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from alerts.durable import sync_folder, write_whole
from schemas.incident import Departure, EvidenceRecord, Sighting

log = structlog.get_logger()

NAME = "decisions.jsonl"  # beside the snapshots; no camera's file ends so


@dataclass(frozen=True, slots=True)
class Claim:
    """A sighting whose evidence is on disk and whose incident is not in the database yet."""

    sighting: Sighting
    before: EvidenceRecord | None
    opening: EvidenceRecord


Decision = Claim | Departure


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One decision: exactly one of the two."""

    claim: Claim | None = None
    departure: Departure | None = None


_LINE = msgspec.json.Decoder(_Line)


class DecisionJournal:
    """The decisions of all shards that wait for a database, in one file that only its owner may read.

    Written as temporary file, fsync, rename; gone when nothing waits. Called from any thread; never raises.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        self._lock = threading.Lock()
        self._kept: dict[object, tuple[Decision, ...]] = {}
        self._given = False

    def take(self, owner: object) -> list[Decision]:
        """What the last stop left, in order: to the first who asks, who then answers for it; empty for all others.

        It stays on disk until its new owner calls ``keep``. What cannot be read is logged and passed over.
        """
        with self._lock:
            if self._given:
                return []
            self._given = True
            try:
                data = self.file.read_bytes()
            except FileNotFoundError:
                return []
            except OSError as error:
                log.error("decisions_unreadable", file=str(self.file), error=error.strerror)  # noqa: TRY400
                return []
            found, refused = decode(data)
            for line in refused:
                log.error("decision_unusable", file=str(self.file), line=line[:200].decode("utf-8", "replace"))
            if found:
                log.info("decisions_found", count=len(found), effect="the last stop left them; they are stored now")
            self._kept[owner] = tuple(found)
            return found

    def keep(self, owner: object, decisions: Iterable[Decision]) -> bool:
        """Put what still waits at ``owner`` on disk, in place of what it had there; False where that failed."""
        waiting = tuple(decisions)
        with self._lock:
            if waiting:
                self._kept[owner] = waiting
            elif self._kept.pop(owner, None) is None:
                return True
            everything = [one for kept in self._kept.values() for one in kept]
            try:
                if everything:
                    write_whole(self.file, encode(everything))
                    sync_folder(self.file.parent)
                else:
                    self.file.unlink(missing_ok=True)
            except OSError as error:
                remedy = "free space, or set engine.snapshot_dir"
                log.error("decisions_not_kept", file=str(self.file), error=error.strerror, remedy=remedy)  # noqa: TRY400
                return False
            return True


def encode(decisions: Sequence[Decision]) -> bytes:
    """One JSON object a line; no decisions are no bytes."""
    lines = (_Line(departure=one) if isinstance(one, Departure) else _Line(claim=one) for one in decisions)
    return msgspec.json.Encoder().encode_lines(lines)


def decode(data: bytes) -> tuple[list[Decision], list[bytes]]:
    """Decisions in their order, and lines that are none. Never raises; empty bytes hold nothing."""
    found: list[Decision] = []
    refused: list[bytes] = []
    for line in filter(bytes.strip, data.split(b"\n")):
        try:
            one = _LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            refused.append(line)
            continue
        if one.claim is not None and one.departure is None:
            found.append(one.claim)
        elif one.departure is not None and one.claim is None:
            found.append(one.departure)
        else:
            refused.append(line)
    return found, refused
