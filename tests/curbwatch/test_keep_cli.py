"""`curbwatch keep`, `backup` and `restore` from the command line; and afterwards nothing names a deleted picture."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.store import AlertDatabase
from curbwatch.chores import CHORES_LOCK
from curbwatch.keeping import waiting_digests
from curbwatch.parts import Servers
from tests.alerts.keeping.test_pictures import naming
from tests.alerts.keeping.world import DAY, World
from tests.fix_servers import own_database
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers


@pytest.fixture
def verbs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    database_url: str,
) -> Verbs:
    """The command line on a site of this test's own."""
    config = config_of(tmp_path, servers, database_url)
    with config.open("a", encoding="utf-8") as file:
        file.write('[alerts]\nevidence_dir = "evidence"\n[engine]\nsnapshot_dir = "snapshots"\n')
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path / "home"))
    return Verbs(monkeypatch, capsys, config)


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    database = AlertDatabase(database_url)
    yield World(database, tmp_path / "evidence")
    database.close()


def files_that_name(folder: Path, digest: str) -> list[str]:
    """Files below a folder with a digest in their name or content, compressed or not."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            data += gzip.decompress(data) if path.suffix == ".gz" else b""
            if digest in path.name or digest.encode() in data or bytes.fromhex(digest) in data:
                found.append(path.relative_to(folder).as_posix())
    return found


def test_nothing_kept_nothing_due(verbs: Verbs) -> None:
    (told,) = verbs.told("keep", "show")
    assert told["terms_days"]["positions"] == 90
    assert set(told["waiting"].values()) == {0}
    assert told["holds"] == []
    (dry,) = verbs.told("keep", "run", "--dry-run")
    assert dry.pop("dry_run") is True
    assert set(dry.values()) == {0}


def test_what_is_due_is_told_held_released_and_deleted_and_then_nothing_names_it(
    verbs: Verbs, world: World, tmp_path: Path
) -> None:
    old = 60 * DAY
    digest = world.picture("old", old)
    incident = world.incident(old, digest)
    world.letter(world.evidence.path(digest).read_bytes(), DAY)
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "home" / "spool").mkdir(parents=True)
    assert verbs.run("backup", str(tmp_path / "backup"))[0] == 0
    (told,) = verbs.told("keep", "run", "--dry-run")
    assert told["evidence"] == 1
    (held,) = verbs.told("keep", "hold", "--incident", incident, "--as", "韩梅梅", "--reason", "the court asks")
    assert verbs.told("keep", "show")[0]["waiting"]["evidence"] == 0
    assert "the court asks" in verbs.run("keep", "show")[1]
    (released,) = verbs.told("keep", "release", str(held["hold"]), "--as", "韩梅梅", "--reason", "over")
    assert released == {"released": held["hold"]}
    status, out, _ = verbs.run("keep", "run")
    assert (status, re.search(r"pictures 删除的图片 +1\n", out) is not None) == (0, True)
    assert naming(world, digest) == []
    # The rows in a backup are as they were then; its list and its pictures are not.
    assert files_that_name(tmp_path, digest) == [
        "backup/database/dead_letter.tsv.gz",
        "backup/database/evidence.tsv.gz",
    ]


def test_what_a_run_does_is_not_done_beside_it(verbs: Verbs, database_url: str) -> None:
    running = AlertDatabase(database_url)
    assert running.leads(CHORES_LOCK)
    status, _, err = verbs.run("keep", "run", "--lang", "en")
    assert (status, "a `curbwatch run` does this just now" in err) == (1, True)
    running.close()


def test_a_hold_of_nothing_or_of_two_things_is_refused(verbs: Verbs) -> None:
    who = ("--as", "李雷", "--reason", "why")
    two = ("--incident", "x", "--device", "y", "--from", "1d")
    for more in ((), ("--device", "cam-1"), two, ("--incident", "x", "--from", "1d")):
        assert "say --incident ID, or --device ID" in verbs.refused("keep", "hold", *more, *who, "--lang", "en")
    assert "no device 'cam-9'" in verbs.refused(
        "keep", "hold", "--device", "cam-9", "--from", "1d", *who, "--lang", "en"
    )
    assert "there is no hold 7" in verbs.refused("keep", "release", "7", *who, "--lang", "en")


def test_a_backup_is_restored_from_the_command_line(
    verbs: Verbs, world: World, servers: Servers, tmp_path: Path
) -> None:
    world.incident(DAY, world.picture("kept", DAY))
    status, out, err = verbs.run("backup", str(tmp_path / "backup"), "--json")
    assert (status, '"pictures": 1' in out, "1 of 1 pictures" in err) == (0, True, True)
    assert "there is something in this folder" in verbs.refused("backup", str(tmp_path / "backup"))
    with own_database(servers) as url:
        (tmp_path / "new").mkdir()
        other = Verbs(verbs.monkeypatch, verbs.capsys, config_of(tmp_path / "new", servers, url))
        status, out, _ = other.run("restore", str(tmp_path / "backup"))
        assert (status, "restored; the record of 0 steps verifies" in out) == (0, True)


def test_decisions_that_wait_name_their_pictures(tmp_path: Path) -> None:
    assert waiting_digests(tmp_path) == set()
    (tmp_path / "decisions.jsonl").write_text(f'{{"claim": {{"opening": {{"sha256": "{"ab" * 32}"}}}}}}\nnot json\n')
    assert waiting_digests(tmp_path) == {"ab" * 32}
