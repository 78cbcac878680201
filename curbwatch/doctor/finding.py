"""What was found, and how bad it is. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """A fault breaks a promise; a warning may, or costs something else."""

    OK = "ok"
    WARN = "warn"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: "broker", "database", "queue" or "here".
        name: what was looked at, in a word or two.
        level: how bad it is.
        seen: what was seen, in words; never a secret.
        remedy: what to do; empty where all is well.
    """

    area: str
    name: str
    level: Level
    seen: str
    remedy: str = ""


def ok(area: str, name: str, seen: str) -> Finding:
    """All is well."""
    return Finding(area, name, Level.OK, seen)


def warn(area: str, name: str, seen: str, remedy: str) -> Finding:
    """Something that costs, or may come to break a promise."""
    return Finding(area, name, Level.WARN, seen, remedy)


def fault(area: str, name: str, seen: str, remedy: str) -> Finding:
    """A promise is broken."""
    return Finding(area, name, Level.FAULT, seen, remedy)


def judged(area: str, name: str, level: Level, seen: str, remedy: str) -> Finding:
    """As bad as ``level`` says; where all is well the remedy is left out."""
    return Finding(area, name, level, seen, "" if level is Level.OK else remedy)


def count(findings: Iterable[Finding], level: Level) -> int:
    """How many are of a level."""
    return sum(finding.level is level for finding in findings)


def report(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the findings for a program; none: nothing was looked at, and nothing is wrong."""
    listed = tuple(findings)
    return {
        "ok": count(listed, Level.FAULT) == 0,
        "faults": count(listed, Level.FAULT),
        "warnings": count(listed, Level.WARN),
        "findings": [
            {"area": each.area, "name": each.name, "level": each.level.value, "seen": each.seen, "remedy": each.remedy}
            for each in listed
        ],
    }
