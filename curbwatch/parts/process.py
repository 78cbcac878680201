"""Starting, finding and stopping one server's process.

A server is found by its configuration path on its command line, in /proc: no pid file can be stale, and a killed
``up`` leaves nothing that the next one does not see.
"""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from curbwatch.parts.paths import Identity
from schemas.errors import SetupError

LOOPBACK = "127.0.0.1"


def find(marker: Path) -> list[int]:
    """Pids of processes that carry ``marker`` on their command line, ourselves excluded."""
    wanted = os.fsencode(marker)
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word == wanted for word in words):
            found.append(int(entry.name))
    return sorted(found)


def launch(argv: list[str], log: Path, owner: Identity) -> None:
    """Start a server that outlives us; its output goes to ``log``.

    setsid forks, so that the server is nobody's child of ours: a killed one would else stay behind as a zombie,
    whose pid PostgreSQL takes for a running server. Raises SetupError where ``log`` is not a file of its own.
    """
    with os.fdopen(_opened(log), "ab") as output:
        owner.own(output.fileno())
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
            cwd="/",
            user=owner.uid,
            group=owner.gid,
            extra_groups=[] if owner.uid is not None else None,
        )


def wait_ready(name: str, ready: Callable[[], bool], log: Path, marker: Path) -> None:
    """Wait up to 30 s until ``ready`` is True.

    Raises SetupError with the end of the server's log, at once when its process is gone: not seen for a second,
    because a process between fork and exec shows no command line.
    """
    started_s = seen_s = time.monotonic()
    while not ready():
        now_s = time.monotonic()
        if find(marker):
            seen_s = now_s
        if now_s > started_s + 30 or now_s > seen_s + 1:
            said = log.read_text(errors="replace")[-800:] if log.is_file() else ""
            raise SetupError(f"{name} did not start. Its log {log} ends with:\n{said}")
        time.sleep(0.02)


def stop(marker: Path, first_signal: signal.Signals, patience_s: float = 15.0) -> None:
    """Ask the processes with ``marker`` to end, insist after ``patience_s``; return when none is left."""
    for pid in find(marker):
        _signal(pid, first_signal)
    deadline_s = time.monotonic() + patience_s
    while find(marker):
        if time.monotonic() > deadline_s:
            for pid in find(marker):
                _signal(pid, signal.SIGKILL)
        time.sleep(0.02)


def is_open(port: int) -> bool:
    """Whether something listens on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port(wanted: int) -> int:
    """Return ``wanted`` if it is free (0: no wish), else a free loopback port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SetupError("no free port on 127.0.0.1")


def _opened(log: Path) -> int:
    """Open a log in the server's own folder, whose user could put a link to another's file there."""
    try:
        # Without O_NONBLOCK a pipe of that name would hold us for ever.
        descriptor = os.open(
            log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise SetupError(f"log {log} cannot be opened: {error.strerror}; remove it and try again") from error
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1:
        os.close(descriptor)
        raise SetupError(f"log {log} is not a file of its own: remove it and try again")
    return descriptor


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
