"""Entry point: one typer application, errors end as one clean line and an exit code."""

import os
import sys
from importlib import import_module

from alerts import crash
from curbwatch.cli.app import app
from schemas.errors import CurbwatchError

# Files of curbwatch/cli, each of which registers its verbs, in the order of the help text.
VERBS = (
    "demo",
    "run",
    "check",
    "pack",
    "doctor",
    "bench",
    "bench_queries",
    "evaluate",
    "explain",
    "cases",
    "calibrate",
    "compare",
    "sweep",
    "record",
    "parts",
    "broker",
    "codec",
    "publish",
    "dispatch",
    "dispatch_moves",
    "dispatch_board",
    "dispatch_show",
    "incident",
    "incident_acts",
    "incident_stages",
    "incident_export",
    "incident_clocks",
    "incident_report",
    "kpi",
    "outlet",
    "device",
    "device_track",
    "camera",
    "camera_memory",
    "camera_health",
    "dlq",
    "audit",
    "staff",
    "keep",
    "backup",
)


def files_of(word: str) -> tuple[str, ...]:
    """Files that register the verbs of a first word; all where none bears its name: help, and what does not exist.

    The others would take as long to load as all that a verb has to do.
    """
    named = tuple(name for name in VERBS if name == word or name.startswith(f"{word}_"))
    return named or VERBS


def main() -> None:
    """Run the command line."""
    for name in files_of(sys.argv[1] if len(sys.argv) > 1 else ""):
        import_module(f"curbwatch.cli.{name}")
    try:
        crash.arm(os.environ.get(crash.VARIABLE, ""))
        app()
    except CurbwatchError as error:
        sys.stderr.write(f"curbwatch: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
