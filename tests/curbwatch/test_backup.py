"""A backup is whole or says that it is not; a restore brings back every row and picture, and the record verifies."""

import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import curbwatch.database as db
from alerts.keeping.pictures import Pictures
from alerts.record.seals import Sealer
from alerts.record.steps import record
from alerts.store import AlertDatabase
from curbwatch import backup as backups
from curbwatch.backup import Places, make_backup, restore
from curbwatch.backup_files import INCOMPLETE, MANIFEST, faults_of, read_manifest, take_picture
from curbwatch.backup_prune import BATCH, prune_backups, settle_backups
from curbwatch.backup_tables import tables_of
from curbwatch.doctor.database import look_at_database
from curbwatch.parts import Servers
from schemas.errors import SetupError, UsageError
from schemas.record import Actor, What
from tests.alerts.keeping.world import DAY, NOW, World
from tests.fix_servers import own_database

pytestmark = pytest.mark.servers


def quiet(_line: str) -> None:
    """Say nothing."""


def places(folder: Path) -> Places:
    return Places(folder / "evidence", folder / "snapshots", folder / "curbwatch.toml", folder / "pack")


@pytest.fixture(scope="module")
def site_url(servers: Servers, migrated: str) -> Iterator[str]:
    """A migrated database for all tests of this file."""
    with own_database(servers, migrated) as url:
        yield url


@pytest.fixture(scope="module")
def nothing_url(servers: Servers) -> Iterator[str]:
    """An empty database that no test writes to."""
    with own_database(servers) as url:
        yield url


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's folder."""
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def world(site_url: str, site: Path) -> Iterator[World]:
    """A site with rows in many tables, pictures, backgrounds, a configuration and a pack."""
    database = AlertDatabase(site_url)
    made = World(database, site / "evidence")
    made.device("cam-1")
    for number in range(3):
        made.position("car", NOW - number * DAY)
        incident = made.incident(number * DAY, made.picture(f"picture {number}", number * DAY))
        made.sighting(incident, NOW - number * DAY)
        for note in ("tab\tline\nback\\slash", "中文 \x01", None):
            with database.transaction() as conn:
                conn.execute("select 1 from incident where incident_id = %s for no key update", (incident,))
                record(conn, incident, Actor("李雷", "dispatcher"), What.URGED, {"note": note})
    made.event(made.file("covered", DAY), DAY)
    made.letter(b"\x00\xff\\\n", DAY)
    Sealer(database).seal(datetime.now(UTC))
    made.rows("update relay_state set epoch = 'of the queue'")
    for name, text in (("snapshots/cam-1.state", "s"), ("curbwatch.toml", "[site]\n"), ("pack/city.toml", "c")):
        path = site / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    yield made
    database.close()


@pytest.fixture(scope="module")
def whole(world: World, site_url: str, site: Path) -> Path:
    """A backup of it."""
    told: list[str] = []
    make_backup(site_url, site / "backup", places(site), told.append)
    assert world.count("backup_made") == 1
    assert [line for line in told if line.endswith(" rows")] == [], "small tables are not told one by one"
    return site / "backup"


@pytest.fixture
def made(whole: Path, tmp_path: Path) -> Path:
    """A copy of the backup that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "backup"))


def test_what_is_edited_in_place_afterwards_spoils_no_backup(world: World, site_url: str, tmp_path: Path) -> None:
    site, config = places(tmp_path), tmp_path / "curbwatch.toml"
    for path, text in ((config, "[site]\n"), (site.pack / "duty.toml", "d"), (site.snapshots / "c.state", "s")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    made = tmp_path / "backup"
    body = make_backup(site_url, made, site, quiet)
    for path in (config, site.pack / "duty.toml", site.snapshots / "c.state"):
        with path.open("a") as file:  # as an editor or `>>` does
            file.write("# a note\n")
    assert list(faults_of(made, body, quiet)) == []
    assert (made / "config" / "curbwatch.toml").stat().st_mode & 0o777 == 0o600
    world.rows("delete from backup_made where folder = %s", (str(made),))


def test_a_source_that_is_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take_picture(tmp_path / "gone", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def full(*_: object) -> None:
    """As a disk does on which nothing is left."""
    raise OSError(28, "No space left on device")


def contents(url: str) -> dict[str, list[Any]]:
    """Every row of every table as text, but what is counted, which backups there are, and how the queue stands."""
    with db.connect(url) as conn:
        return {
            name: sorted(row[0] for row in conn.execute(f'select t::text from "{name}" t'))  # noqa: S608
            for name in tables_of(conn)
            if name not in {"rollup_dirty", "backup_made", "relay_state"}
        }


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_restore_brings_back_every_row_and_file_and_the_record_verifies(
    world: World, site_url: str, site: Path, whole: Path, empty_database_url: str, tmp_path: Path
) -> None:
    before = contents(site_url)
    new = places(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curbwatch.backup.backup_tables.load", full)
        with pytest.raises(SetupError, match="No space left"):
            restore(empty_database_url, whole, new, quiet)
    body, audit = restore(empty_database_url, whole, new, quiet)  # begun again where it was interrupted
    assert contents(empty_database_url) == before
    assert (audit.rows, audit.seals, audit.findings, body["missing"]) == (9, 1, [], [])
    with db.connect(empty_database_url) as conn:  # the queue is built anew: it may know what came after the backup
        assert conn.execute("select epoch from relay_state").fetchall() == [("",)]
    assert files(new.evidence) == files(site / "evidence")
    assert files(new.snapshots) == {"cam-1.state": b"s"}
    assert (whole / "config" / "curbwatch.toml").is_file()
    assert (whole / "pack" / "city.toml").is_file()
    again = World(AlertDatabase(empty_database_url), new.evidence)
    again.picture("after", DAY)  # numbers go on where they were
    again.database.close()
    with pytest.raises(UsageError, match="the database is not empty"):
        restore(empty_database_url, whole, new, quiet)


def test_a_backup_of_timescaledb_goes_into_plain_postgresql(
    world: World, site_url: str, whole: Path, empty_database_url: str, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "_extension", lambda _conn: None)
        restore(empty_database_url, whole, places(tmp_path), quiet)
    assert contents(empty_database_url) == contents(site_url)
    with db.connect(empty_database_url) as conn:
        assert db.edition(conn) is db.Edition.NONE


def test_an_empty_site_is_backed_up_and_a_nameless_folder_is_no_backup(database_url: str, tmp_path: Path) -> None:
    body = make_backup(database_url, tmp_path / "backup", places(tmp_path / "site"), quiet)
    assert all(facts["rows"] == ("only_row" in facts["columns"]) for facts in body["tables"].values())
    assert list(faults_of(tmp_path / "backup", read_manifest(tmp_path / "backup"), quiet)) == []
    with pytest.raises(UsageError, match="there is no backup here"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["database/incident.tsv.gz", "evidence", "snapshots/cam-1.state", MANIFEST])
def test_a_changed_or_missing_file_is_found_before_anything_is_written(
    made: Path, nothing_url: str, tmp_path: Path, name: str
) -> None:
    path = made / name
    path = next(path.rglob("*.jpg")) if path.is_dir() else path
    data = path.read_bytes()
    path.write_bytes(data[:-3] + b"X" + data[-2:])
    with pytest.raises(UsageError, match=r"changed|cannot be read"):
        restore(nothing_url, made, places(tmp_path / "new"), quiet)
    path.unlink()
    with pytest.raises(UsageError, match=r"No such file|is missing"):
        restore(nothing_url, made, places(tmp_path / "new"), quiet)
    with db.connect(nothing_url) as conn:
        assert tables_of(conn) == []
    assert not (tmp_path / "new").exists()


def test_a_database_without_tables_is_told_before_the_folder_is_touched(nothing_url: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="start `curbwatch run` once"):
        make_backup(nothing_url, tmp_path / "backup", places(tmp_path), quiet)
    assert not (tmp_path / "backup").exists()


def test_a_file_that_is_not_of_the_backup_is_refused(made: Path, nothing_url: str, tmp_path: Path) -> None:
    (made / "database" / "more.tsv.gz").write_bytes(b"")
    with pytest.raises(UsageError, match=r"more\.tsv\.gz: is not of this backup"):
        restore(nothing_url, made, places(tmp_path / "new"), quiet)


@pytest.mark.parametrize("name", ["evidence/ab/cd/other.jpg", "snapshots/cam-9.state"])
def test_a_folder_in_which_something_else_is_is_refused(
    whole: Path, nothing_url: str, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    with pytest.raises(UsageError, match="is not empty"):
        restore(nothing_url, whole, places(tmp_path), quiet)


def test_an_interrupted_backup_says_so(
    world: World, site_url: str, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_take_pictures", full)
    with pytest.raises(SetupError, match="No space left"):
        make_backup(site_url, tmp_path / "backup", places(site), quiet)
    assert (tmp_path / "backup" / INCOMPLETE).exists()
    with pytest.raises(UsageError, match="interrupted"):
        read_manifest(tmp_path / "backup")
    with pytest.raises(UsageError, match="interrupted backup in this folder"):
        make_backup(site_url, tmp_path / "backup", places(site), quiet)


def test_what_was_deleted_is_in_no_backup_and_does_not_come_back(
    world: World, whole: Path, site_url: str, site: Path, empty_database_url: str, tmp_path: Path
) -> None:
    """Runs after the others: it changes the site."""
    ending = threading.Event()

    def write() -> None:
        other = World(AlertDatabase(site_url), site / "evidence")
        for number in itertools.count(100):
            if ending.is_set():
                break
            other.incident(DAY, other.picture(f"picture {number}", DAY))
        other.database.close()

    old, lost = world.picture("old", 40 * DAY), world.picture("lost", DAY)
    world.incident(40 * DAY, old)
    world.incident(DAY, lost)
    world.evidence.path(lost).unlink()
    folder, writer = tmp_path / "backup", threading.Thread(target=write)
    writer.start()
    try:
        body = make_backup(site_url, folder, places(site), quiet)
    finally:
        ending.set()
        writer.join()
    assert body["missing"] == [lost]  # and of what others wrote meanwhile none
    keeper = Pictures(world.database, world.evidence, days=30, prune=lambda gone: prune_backups(world.database, gone))
    assert keeper.do(NOW) == 1
    assert old not in json.dumps(read_manifest(folder))
    assert not list(folder.rglob(f"*{old}*"))
    restore(empty_database_url, folder, places(tmp_path / "new"), quiet)
    with db.connect(empty_database_url) as conn:
        kept = {f"{row[0]}.jpg" for row in conn.execute("select sha256 from evidence")}
        assert conn.execute("select count(*) from incident where evidence_gone_at is not null").fetchone() == (2,)
        named = "select count(*) from incident where opening_id is null and evidence_gone_at is null"
        assert conn.execute(named).fetchone() == (0,)
    assert kept == {path.name for path in (tmp_path / "new").rglob("*.jpg")} - {f"{covered(world)}.jpg"}
    assert {old, lost}.isdisjoint(name.removesuffix(".jpg") for name in kept)


def test_a_backup_that_cannot_be_changed_holds_no_deletion_up_and_lets_go_once_it_can(
    world: World, site_url: str, site: Path, tmp_path: Path
) -> None:
    """Runs last: it changes the site. Root may write anywhere, so the list is damaged instead of read-only."""
    picture = world.picture("owed", 40 * DAY)
    world.incident(40 * DAY, picture)
    folders = [tmp_path / name for name in ("damaged", "sound")]
    for folder in folders:
        make_backup(site_url, folder, places(site), quiet)
    manifest = folders[0] / MANIFEST
    sound = manifest.read_bytes()
    manifest.write_bytes(sound.replace(b'"schema"', b'"Schema"'))
    keeper = Pictures(world.database, world.evidence, days=30, prune=lambda gone: prune_backups(world.database, gone))
    assert keeper.do(NOW) == 1
    assert (keeper.do(NOW), world.count("evidence_expiring")) == (0, 0)
    assert [len(list(path.rglob(f"{picture}.jpg"))) for path in (world.evidence.path(picture).parent, *folders)] == [
        0,
        1,
        0,
    ]
    assert settle_backups(world.database) == 0
    told = [one for one in look_at_database(site_url) if one.area == "backup"]
    assert [(one.name, one.seen.startswith("still holds 1 deleted")) for one in told] == [(str(folders[0]), True)]
    manifest.write_bytes(sound)
    world.rows(
        "insert into backup_owing (folder, sha256) select %s, 'long gone ' || n from generate_series(1, %s) as n",
        (str(folders[0]), 2 * BATCH),
    )
    assert (settle_backups(world.database), settle_backups(world.database)) == (2 * BATCH + 1, 0)
    assert not list(folders[0].rglob(f"{picture}.jpg"))
    assert list(faults_of(folders[0], read_manifest(folders[0]), quiet)) == []
    assert [one for one in look_at_database(site_url) if one.area == "backup"] == []


def covered(world: World) -> str:
    """Digest of the camera event's picture, which has no row of its own."""
    return str(world.rows("select sha256 from camera_event")[0][0])
