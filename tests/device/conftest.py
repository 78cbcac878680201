"""A broker of these tests' own, which they may kill."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from curbwatch.parts import Servers, process
from curbwatch.parts.mosquitto import Mosquitto
from curbwatch.parts.paths import home, identity


@dataclass
class Fragile:
    """One Mosquitto beside the run's own, with the same users and passwords."""

    server: Mosquitto
    folder: Path
    port: int
    passwords: dict[str, str]

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server.start(self.port, self.passwords)

    def kill(self) -> None:
        """kill -9: what it had not written is gone."""
        process.stop(self.folder / "mosquitto.conf", signal.SIGKILL)


@pytest.fixture
def fragile(servers: Servers) -> Iterator[Fragile]:
    """Running; stopped and removed at the end."""
    folder = home() / f"fragile-{os.getpid()}"
    passwords = {user: path.read_text().strip() for user, path in servers.password_files.items()}
    made = Fragile(Mosquitto(folder, home() / "packages" / "root", identity()), folder, process.free_port(0), passwords)
    made.start()
    yield made
    made.kill()
    shutil.rmtree(folder)
