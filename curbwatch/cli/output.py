"""What several verbs do with ``--json FILE``, and with texts that devices sent."""

import json
from pathlib import Path
from typing import Any

from schemas.errors import UsageError


def write_json(path: Path | None, found: dict[str, Any]) -> None:
    """Write a result as JSON; None: nowhere. Raises UsageError where the file cannot be written."""
    if path is None:
        return
    try:
        path.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--json {path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def refuse_unwritable(**paths: Path | None) -> None:
    """Raise UsageError, before any work, for a file that cannot be written; keys are options, as ``json``."""
    for name, path in paths.items():
        if path is None:
            continue
        try:
            there = path.exists()
            path.open("ab").close()
            if not there:
                path.unlink()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"--{name} {path}: cannot be written: {reason}") from None


def escaped(text: str) -> str:
    """Text of a device so that it changes nothing on a terminal: what is not printable becomes its number."""
    return "".join(
        mark if mark.isprintable() else f"\\x{ord(mark):02x}" if ord(mark) < 256 else f"\\u{ord(mark):04x}"
        for mark in text
    )
