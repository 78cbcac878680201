"""The private queue: Valkey, loopback only, with a password and an append-only file."""

import signal
from pathlib import Path

from curbwatch.parts import process
from curbwatch.parts.paths import Identity, make_folder, write_private

SETTINGS = """
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
daemonize no
# Distribution defaults keep only snapshots: kill -9 lost every entry. The file below loses at most a second, and
# PostgreSQL rebuilds the rest.
appendonly yes
appendfsync everysec
save ""
# Any eviction policy may throw away a whole stream.
maxmemory-policy noeviction
databases 64
# Our own way to find the process is its command line, which Valkey would rewrite.
set-proc-title no
"""


class Valkey:
    """One private Valkey in ``folder``."""

    def __init__(self, folder: Path, root: Path, owner: Identity) -> None:
        self._program = root / "usr/bin/valkey-server"
        self._folder = folder
        self._config = folder / "valkey.conf"
        self._log = folder / "valkey.log"
        self._owner = owner

    def running(self, port: int) -> bool:
        """Whether it runs and listens."""
        return bool(process.find(self._config)) and process.is_open(port)

    def start(self, port: int, password: str) -> None:
        """Write its configuration and start it; wait until it listens."""
        self.stop()
        make_folder(self._folder, 0o700, self._owner)
        write_private(self._config, SETTINGS.format(port=port, password=password, folder=self._folder), self._owner)
        process.launch([str(self._program), str(self._config)], self._log, self._owner)
        process.wait_ready("Valkey", lambda: process.is_open(port), self._log, self._config)

    def stop(self) -> None:
        """SIGTERM: the append-only file is flushed."""
        process.stop(self._config, signal.SIGTERM)
