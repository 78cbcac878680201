"""`curbwatch broker-config`, as an operator calls it."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import curbwatch.database as db
from config.pack import load_pack
from curbwatch.cli.app import app
from curbwatch.registry import register_vehicle
from schemas.errors import CurbwatchError, UsageError

PACK = load_pack(Path("yanjiang"))
KNOWN = {*PACK.cameras, *PACK.vehicles}


@pytest.fixture
def tls(tmp_path: Path) -> list[str]:
    files = [tmp_path / name for name in ("ca.pem", "broker.pem", "broker.key")]
    for file in files:
        file.touch()
    return ["--tls", *map(str, files)]


def call(*words: str) -> str:
    """Call it in this process; a clean error of ours is raised as such."""
    import_module("curbwatch.cli.broker")
    done = CliRunner().invoke(app, ["broker-config", *words])
    if isinstance(done.exception, CurbwatchError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("make", ["mosquitto", "emqx"])
def test_without_a_database_the_city_packs_devices_get_their_passwords(
    tmp_path: Path, tls: list[str], make: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path / "nothing-runs-here"))
    out, told = tmp_path / "kit", tmp_path / "told.json"
    output = call(make, "--out", str(out), *tls, "--json", str(told))
    found = json.loads(told.read_text())
    assert set(found["devices"]) == KNOWN
    assert found["database"] == "not asked"
    assert set(found["users"]) >= KNOWN | {"intake-positions", "intake-frames", "doctor"}
    assert "none removed" in output
    assert not (tmp_path / "nothing-runs-here").exists()
    secrets = [path.read_text().strip() for path in (out / "credentials").iterdir()]
    assert len(secrets) == len(found["users"])
    assert not [secret for secret in secrets if secret in output + told.read_text()]


@pytest.mark.servers
def test_devices_of_the_database_come_and_go_with_their_passwords(
    tmp_path: Path, tls: list[str], database_url: str
) -> None:
    config = tmp_path / "curbwatch.toml"
    config.write_text(f'[database]\nurl = "{database_url}"\n')
    words = ["mosquitto", "--config", str(config), "--out", str(tmp_path / "kit"), *tls]
    with db.connect(database_url, autocommit=True) as conn:
        register_vehicle(conn, "late-car")
    call(*words)
    assert (tmp_path / "kit" / "credentials" / "late-car").is_file()
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("delete from device")
    assert "1 removed" in call(*words)
    assert not (tmp_path / "kit" / "credentials" / "late-car").exists()
    config.write_text('[database]\nurl = "postgresql://me:secret@127.0.0.1:1/x"\n')
    output = call(*words)
    assert "none removed" in output
    assert "secret" not in output


def test_certificates_that_are_not_there_are_named(tmp_path: Path, tls: list[str]) -> None:
    Path(tls[2]).unlink()
    with pytest.raises(UsageError, match=r"--tls .*broker\.pem: there is no such file"):
        call("mosquitto", "--out", str(tmp_path / "kit"), *tls)
    assert not (tmp_path / "kit").exists()
