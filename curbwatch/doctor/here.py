"""Looks at this machine: open files, disks, clock."""

import ctypes
import resource
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from config.model import Config
from curbwatch.doctor.finding import Finding, Level, fault, judged, ok, warn
from curbwatch.parts.paths import home

AREA = "here"
FILES_MIN = 1024
FREE_WARN_BYTES = 5_000_000_000
FREE_FAULT_BYTES = 500_000_000
UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
TIMEX_BYTES = 512  # struct timex has 208; zero in its first word asks and sets nothing
EARLIEST_S = 1_767_225_600  # 2026-01-01: a clock before that was never set


def look_here(config: Config) -> list[Finding]:
    """Look at the process's limits, at the disks it writes to, and at the clock."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    disks = [look_at_disk(name, path) for name, path in folders(config).items()]
    return [judge_files(files), *disks, judge_clock(time.time(), synchronised=synchronised())]


def folders(config: Config) -> Mapping[str, Path]:
    """Folders that `run` writes to, by what they hold."""
    found = {
        "evidence": Path(config.alerts.evidence_dir or home() / "evidence"),
        "snapshots": Path(config.engine.snapshot_dir or home() / "snapshots"),
    }
    if config.intake.spool_max_bytes:
        found["spool"] = Path(config.intake.spool_dir or home() / "spool")
    return found


def look_at_disk(name: str, folder: Path) -> Finding:
    """Judge the disk that ``folder`` is on, or will be on once it is made."""
    wrong = unusable(folder)
    if wrong:
        return fault(AREA, f"{name} folder", wrong, "give it to the user that `run` runs as")
    free = shutil.disk_usage(_standing(folder)).free
    level = Level.OK if free >= FREE_WARN_BYTES else Level.WARN if free >= FREE_FAULT_BYTES else Level.FAULT
    remedy = "free space or move the folder: without room no incident is opened and positions are no longer taken"
    return judged(AREA, f"{name} folder", level, f"{folder}: {free / 1e9:.1f} GB free", remedy)


def unusable(folder: Path) -> str:
    """Why nothing can be written to a folder, or where it would be made; empty where it can. Leaves nothing there."""
    place = _standing(folder)
    try:
        # Asking is not enough: nobody, not even root, can make a folder in /proc, whatever its mode says.
        Path(tempfile.mkdtemp(prefix=".curbwatch-", dir=place)).rmdir()
    except OSError as error:
        return f"{place} cannot be written: {error.strerror or error}"
    return ""


def _standing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def judge_files(limit: int) -> Finding:
    """Judge how many files and connections may be open at once. Pure; -1 is no limit."""
    level = Level.OK if limit >= FILES_MIN or limit < 0 else Level.WARN
    seen = "no limit" if limit < 0 else f"{limit} may be open at once"
    return judged(AREA, "open files", level, seen, f"ulimit -n {FILES_MIN} or LimitNOFILE={FILES_MIN} in the unit")


def judge_clock(now_s: float, *, synchronised: bool | None) -> Finding:
    """Judge our own clock; ``synchronised`` None: the kernel does not say. Pure."""
    if now_s < EARLIEST_S:
        remedy = "set the clock: every device's time would lie in the future and be refused"
        return fault(AREA, "clock", f"stands at {time.strftime('%Y-%m-%d', time.gmtime(now_s))}", remedy)
    if synchronised is False:
        remedy = "run chrony or systemd-timesyncd: deadlines and the age of messages run on it"
        return warn(AREA, "clock", "follows no time server, says the kernel", remedy)
    return ok(AREA, "clock", "set" if synchronised is None else "follows a time server")


def synchronised() -> bool | None:
    """Whether the kernel's clock follows a time server; None where it cannot be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    return None if state < 0 else state != UNSYNCHRONISED
