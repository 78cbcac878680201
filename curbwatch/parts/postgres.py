"""The private TimescaleDB: PostgreSQL 17, durable, loopback only, scram passwords."""

import signal
import subprocess
from pathlib import Path

import curbwatch.database as db
from curbwatch.parts import process
from curbwatch.parts.packages import POSTGRES_BIN
from curbwatch.parts.paths import Identity, make_folder, write_private
from schemas.errors import CurbwatchError, SetupError

ROLE = "curbwatch"
DATABASE = "curbwatch"

# Durable on purpose: what was acknowledged must survive power loss, so fsync and synchronous_commit stay on.
# jit=off: no LLVM was fetched. Telemetry off: nothing leaves the machine.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
password_encryption = 'scram-sha-256'
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
fsync = on
synchronous_commit = on
full_page_writes = on
jit = off
shared_buffers = '128MB'
max_wal_size = '1GB'
max_connections = 60
max_worker_processes = 16
logging_collector = off
log_min_messages = warning
timezone = 'UTC'
"""


class Postgres:
    """One private PostgreSQL in ``folder``."""

    def __init__(self, folder: Path, root: Path, owner: Identity) -> None:
        self._bin = root / POSTGRES_BIN
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._folder = folder
        self._owner = owner

    def running(self, port: int) -> bool:
        """Whether it runs and listens."""
        return bool(process.find(self._data)) and process.is_open(port)

    def start(self, wanted: int, admin_password: str, password: str) -> int:
        """Start it, made anew where there is no complete data folder; wait until it takes connections.

        Returns its port: ``wanted``, or another one where that is taken. Chosen last, because the folder takes seconds.
        """
        process.stop(self._data, signal.SIGQUIT)  # half-started or on another port
        # No process of this instance is left, so its lock file is stale; the pid in it may be a stranger's by now.
        make_folder(self._folder, 0o700, self._owner)
        self._run("rm", "-f", str(self._data / "postmaster.pid"))
        fresh = not (self._folder / "complete").is_file()
        if fresh:
            self._initialise(admin_password)
        port = process.free_port(wanted)
        settings = self._data / "curbwatch.conf"
        write_private(settings, SETTINGS.format(port=port), self._owner)
        argv = [str(self._bin / "postgres"), "-D", str(self._data)]
        process.launch(argv, self._log, self._owner)
        url = f"postgresql://postgres:{admin_password}@{process.LOOPBACK}:{port}/postgres"
        process.wait_ready("PostgreSQL", lambda: process.is_open(port) and _answers(url), self._log, self._data)
        if fresh:
            with db.connect(url, autocommit=True) as conn:
                db.make_role(conn, ROLE, password)
                db.make_database(conn, DATABASE, ROLE)
            write_private(self._folder / "complete", "", self._owner)
        return port

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        process.stop(self._data, signal.SIGINT)

    def _initialise(self, admin_password: str) -> None:
        if self._data.exists():
            self._run("rm", "-rf", str(self._data))
        secret = write_private(self._folder / "admin", admin_password + "\n", self._owner)
        self._run(
            str(self._bin / "initdb"),
            *("-D", str(self._data), "-U", "postgres", "--pwfile", str(secret), "-A", "scram-sha-256"),
            *("--locale=C.UTF-8", "-E", "UTF8"),
        )
        secret.unlink()
        append = 'echo "include \'curbwatch.conf\'" >> "$0"'
        self._run("sh", "-c", append, str(self._data / "postgresql.conf"))

    def _run(self, *argv: str) -> None:
        """Run as the servers' user: what root did in a folder of theirs, a link there could turn on other files."""
        done = subprocess.run(
            argv,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=self._owner.uid,
            group=self._owner.gid,
            extra_groups=[] if self._owner.uid is not None else None,
        )
        if done.returncode != 0:
            raise SetupError(f"{Path(argv[0]).name} failed in {self._folder}:\n{done.stderr.strip()[-800:]}")


def _answers(url: str) -> bool:
    try:
        db.connect(url).close()
    except CurbwatchError:
        return False
    return True
