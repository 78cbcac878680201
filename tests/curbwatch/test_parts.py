"""The private servers, as a newcomer and as a careful operator meet them."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

import curbwatch.database as db
from config.faults import masked
from curbwatch.broker.mosquitto import hashed
from curbwatch.parts import Servers, addresses, down, paths, process, servers, status, up
from curbwatch.parts.postgres import Postgres
from schemas.errors import SetupError
from tests.fix_service import wait_until

pytestmark = pytest.mark.servers
MARKERS = ("postgres/data", "mosquitto/mosquitto.conf", "valkey/valkey.conf")


@pytest.fixture(scope="module")
def instance(servers: Servers) -> Iterator[Path]:
    """A second instance beside the run's own, for all tests of this file; the packages are there already.

    Each test begins with ``up``, whatever the one before left. Nothing may stay behind.
    """
    folder = paths.home() / f"test-{os.getpid()}-second"
    yield folder
    down(folder)
    assert [process.find(folder / marker) for marker in MARKERS] == [[], [], []]
    shutil.rmtree(folder, ignore_errors=True)


def test_up_twice_is_one_set_of_servers(instance: Path) -> None:
    first = up(instance)
    pids = process.find(instance / "mosquitto/mosquitto.conf")
    assert up(instance) == first == addresses(instance)
    assert process.find(instance / "mosquitto/mosquitto.conf") == pids
    assert all(status(instance).values())


def test_down_leaves_no_process_and_no_lock_and_keeps_data_and_ports(instance: Path) -> None:
    first = up(instance)
    with db.connect(first.database_url, autocommit=True) as conn:
        conn.execute("create table kept as select 1 as one")
    down(instance)
    assert not any(status(instance).values())
    assert process.find(instance / "postgres/data") == []
    assert not (instance / "lock").exists()
    down(instance)
    again = up(instance)
    assert again == first
    with db.connect(again.database_url) as conn:
        assert conn.execute("select one from kept").fetchone() == (1,)


def test_killed_servers_are_repaired_by_the_next_up(instance: Path) -> None:
    first = up(instance)
    for marker in MARKERS:
        for pid in process.find(instance / marker):
            os.kill(pid, signal.SIGKILL)
    wait_until("them to be gone", lambda: not any(process.find(instance / marker) for marker in MARKERS))
    again = up(instance)
    assert all(status(instance).values())
    assert again.database_url.split(":")[2] == first.database_url.split(":")[2]


def test_a_first_up_killed_half_way_is_made_anew_also_where_its_port_is_taken_meanwhile(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(up(instance).database_url).port
    down(instance)
    (instance / "postgres/complete").unlink()
    make, taken = Postgres._initialise, ExitStack()

    def slowly(postgres: Postgres, password: str) -> None:
        make(postgres, password)
        taken.enter_context(socket.create_server(("127.0.0.1", port or 0)))

    monkeypatch.setattr(Postgres, "_initialise", slowly)
    with taken:
        assert urlsplit(up(instance).database_url).port != port
        assert all(status(instance).values())


def test_nobody_gets_in_without_the_password(instance: Path) -> None:
    running = up(instance)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(running.database_url.replace("curbwatch:", "curbwatch:wrong", 1), connect_timeout=5)
    stranger = redis.Redis.from_url(running.redis_url.replace("redis://:", "redis://:wrong"))
    with stranger as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    for path in running.password_files.values():
        assert path.stat().st_mode & 0o077 == 0


def test_servers_listen_on_loopback_only_and_never_run_as_root(instance: Path) -> None:
    running = up(instance)
    for url in (running.database_url, running.broker_url, running.redis_url):
        assert "@127.0.0.1:" in url or "//127.0.0.1:" in url
    for marker in MARKERS:
        for pid in process.find(instance / marker):
            assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_a_taken_port_is_stepped_around(instance: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert process.free_port(port) not in {0, port}
    assert process.free_port(port) == port


def test_the_settings_that_keep_the_promise_are_in_force(instance: Path) -> None:
    running = up(instance)
    with db.connect(running.database_url) as conn:
        for name, wanted in {"fsync": "on", "synchronous_commit": "on", "timescaledb.telemetry_level": "off"}.items():
            row = conn.execute("select current_setting(%s)", (name,)).fetchone()
            assert row == (wanted,)
    with redis.Redis.from_url(running.redis_url) as client:
        told = client.config_get("*")
        assert (told["appendonly"], told["maxmemory-policy"]) == ("yes", "noeviction")


def test_missing_servers_and_spoiled_state_say_what_to_do(tmp_path: Path) -> None:
    assert status(tmp_path) == {"postgres": False, "mosquitto": False, "valkey": False}
    with pytest.raises(SetupError, match="parts up"):
        addresses(tmp_path)
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(SetupError, match=r"state\.json.*remove the folder"):
        addresses(tmp_path)


def test_addresses_hide_their_passwords() -> None:
    shown = repr(servers.Servers("postgresql://a:secret@h/d", "mqtt://h", "redis://:secret@h", {}))
    assert "secret" not in shown
    assert masked("postgresql://a:secret@h/d") == "postgresql://a:***@h/d"
    assert masked("redis://:secret@h/0") == "redis://:***@h/0"
    assert json.dumps(hashed("secret")).count("secret") == 0
