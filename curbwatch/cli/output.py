"""What several verbs do with ``--json FILE``."""

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
