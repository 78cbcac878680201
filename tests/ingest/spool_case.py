"""A spool, and messages to keep in it."""

from pathlib import Path

from ingest.spool import Spool
from schemas.position import RawMessage
from tests.ingest.writer_case import spool_in


def message(number: int, size: int = 10) -> RawMessage:
    return RawMessage(f"city/{number}", b"x" * size, number, (("seq", str(number)),), number % 2, number % 3 == 0)


def opened(folder: Path, *, max_bytes: int = 1_000_000) -> Spool:
    made = spool_in(folder, max_bytes)
    made.open()
    return made


def emptied(made: Spool, count: int = 7) -> list[RawMessage]:
    found = []
    while chunk := made.head(count):
        found += chunk.messages
        made.drop(chunk)
    return found
