"""A verb of the command line run in this process, on a database that is empty."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

import curbwatch.database as db
from config.pack import load_pack
from curbwatch.__main__ import main
from curbwatch.parts import Servers
from curbwatch.registry import sync_pack
from tests.fix_servers import empty_queue, own_database


@dataclass
class Verbs:
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    config: Path

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Status, standard output, standard error."""
        self.monkeypatch.setattr(sys, "argv", ["curbwatch", *arguments, "--config", str(self.config)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        structlog.reset_defaults()  # it would keep this test's standard error for the next one
        out, err = self.capsys.readouterr()
        return int(caught.value.code or 0), out, err

    def told(self, *arguments: str) -> list[dict[str, Any]]:
        """What a verb that succeeds says as JSON."""
        status, out, err = self.run(*arguments, "--json")
        assert (status, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]

    def refused(self, *arguments: str) -> str:
        """The one line with which a verb refuses."""
        status, _, err = self.run(*arguments)
        assert (status, err.count("\n")) == (2, 1)
        return err


def config_of(folder: Path, servers: Servers, database_url: str) -> Path:
    path = folder / "curbwatch.toml"
    empty_queue(servers, 0)  # it is another database's: each test has its own
    urls = (("broker", servers.broker_url), ("database", database_url), ("redis", servers.redis_url))
    path.write_text("".join(f'[{name}]\nurl = "{url}"\n' for name, url in urls) + '[log]\nlevel = "error"\n')
    return path


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that speaks English where nobody asks for another language."""
    monkeypatch.setenv("CURBWATCH_SITE__LANG", "en")


@pytest.fixture(scope="module")
def made_url(servers: Servers, migrated: str) -> Iterator[str]:
    """A migrated database for all tests of a file: making one takes longer than most of them."""
    with own_database(servers, migrated) as url:
        yield url


@pytest.fixture
def office_url(made_url: str) -> str:
    """The same with nothing in its tables."""
    with db.connect(made_url, autocommit=True) as conn:
        conn.execute("truncate device, zone, device_health, device_stranger, dead_letter, position, device_mark")
    return made_url


@pytest.fixture
def verbs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    office_url: str,
) -> Verbs:
    """Verbs on that database."""
    return Verbs(monkeypatch, capsys, config_of(tmp_path, servers, office_url))


@pytest.fixture
def desk_verbs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    desk_url: str,
) -> Verbs:
    """Verbs on the desk's database with the worked pack's devices, and nobody's token."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CURBWATCH_TOKEN_FILE", raising=False)
    with db.connect(desk_url) as conn:
        sync_pack(conn, load_pack(Path("yanjiang")), past_limit_s=604_800)
    return Verbs(monkeypatch, capsys, config_of(tmp_path, servers, desk_url))


@pytest.fixture
def picture_verbs(desk_verbs: Verbs, tmp_path: Path, desk_url: str) -> Verbs:
    """The same with a folder of pictures, ``evidence``, and no orders about cameras."""
    with desk_verbs.config.open("a") as config:
        config.write(f'[alerts]\nevidence_dir = "{tmp_path}/evidence"\n')
    with db.connect(desk_url) as conn:
        conn.execute("truncate vision_order")
    return desk_verbs
