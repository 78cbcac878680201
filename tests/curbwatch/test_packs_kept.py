"""A version in a record names rules that can be shown: the packs that were in use come back as files."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from config.load import load_config
from config.pack import Pack, load_pack
from config.pack_read import digest_of
from curbwatch.backup import Places, make_backup, restore
from curbwatch.build import prepare
from curbwatch.endpoints import resolve
from curbwatch.packs_kept import files_of, keep_pack, kept_packs
from curbwatch.parts import Servers
from curbwatch.registry import sync_pack
from schemas.errors import CurbwatchError, UsageError
from tests.alerts.makers import picture, sighting
from tests.config.small_pack import PackFolder
from tests.fix_servers import own_database
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def kept_url(servers: Servers, migrated: str) -> Iterator[str]:
    """A migrated database of this file alone: what it keeps can be deleted by nobody."""
    with own_database(servers, migrated) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    """A pack of this test alone: its name says so."""
    (tmp_path / "pack").mkdir()
    made = PackFolder(tmp_path / "pack")
    made.edit("city.toml", 'name = "T"', f'name = "{tmp_path.name}"')
    return made


@pytest.fixture
def verbs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, servers: Servers, kept_url: str
) -> Verbs:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CURBWATCH_TOKEN_FILE", raising=False)
    path = config_of(tmp_path, servers, kept_url)
    with path.open("a") as config:
        config.write(f'[site]\nlang = "en"\npack = "{tmp_path}/pack"\n')
    return Verbs(monkeypatch, capsys, path)


def used(url: str, *packs: Pack) -> None:
    for pack in packs:
        with db.session(url) as conn:
            sync_pack(conn, pack, past_limit_s=3600)


def versions(url: str) -> list[str]:
    with db.session(url) as conn:
        return [one.version for one in kept_packs(conn)]


def test_nothing_is_listed_before_the_first_pack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, servers: Servers, migrated: str
) -> None:
    with own_database(servers, migrated) as url:
        verbs = Verbs(monkeypatch, capsys, config_of(tmp_path, servers, url))
        assert verbs.run("pack", "list", "--lang", "zh") == (0, "无\n", "")
        fetch = ("pack", "fetch", "00000000", str(tmp_path / "x"), "--lang")
        assert "no city pack is kept under 00000000" in verbs.refused(*fetch, "en")
        assert "没有版本号为 00000000 的城市包" in verbs.refused(*fetch, "zh")


def test_a_pack_that_is_put_to_use_is_kept_and_comes_back_byte_for_byte(
    verbs: Verbs, folder: PackFolder, kept_url: str, tmp_path: Path
) -> None:
    (folder.path / "calendar.toml").write_bytes(b"\xef\xbb\xbf# nothing yet\r\n")
    before = folder.load()
    used(kept_url, before, before)
    files = {name: (folder.path / name).read_bytes() for name in before.files}
    folder.edit("permits.toml", '"08:30"', '"09:30"')
    after = folder.load()
    used(kept_url, after, before)
    assert versions(kept_url)[:2] == [after.city.version, before.city.version], "first used counts"

    status, out, _ = verbs.run("pack", "list")
    assert status == 0
    first, second = out.splitlines()[:2]
    assert (first.split()[0], first.split()[-1]) == (after.city.version, "now")
    assert (second.split()[0], "now" in second) == (before.city.version, False)
    file = tmp_path / "list.json"
    assert verbs.run("pack", "list", "--json", str(file))[0] == 0
    newest = json.loads(file.read_text())["packs"][0]
    assert (newest["version"], newest["now"]) == (after.city.version, True)
    assert datetime.fromisoformat(newest["first_used"]) <= datetime.now(UTC)

    back = tmp_path / "back"
    status, out, _ = verbs.run("pack", "fetch", before.city.version[:12] + "+direct:06010", str(back))
    assert (status, out.splitlines()[0]) == (0, f"{before.city.version}  + direct:06010")
    assert {path.name: path.read_bytes() for path in back.iterdir()} == files
    assert load_pack(back).city == before.city
    assert "is not empty" in verbs.refused("pack", "fetch", before.city.version, str(back))


@pytest.mark.parametrize(
    ("version", "said"),
    [("v1", "is no version of a city pack"), ("ABCDEF01", "is no version"), ("0" * 64, "no city pack is kept under")],
)
def test_a_version_that_is_none_is_one_line(verbs: Verbs, folder: PackFolder, version: str, said: str) -> None:
    assert folder.load().files
    assert said in verbs.refused("pack", "fetch", version, str(folder.path / "x"))
    assert not (folder.path / "x").exists()


def test_two_packs_under_one_beginning_are_told_apart(kept_url: str) -> None:
    with db.session(kept_url) as conn:
        for end in ("00", "11"):
            conn.execute("insert into city_pack (version, files) values (%s, '[]')", ("feedfeed" + end,))
        with pytest.raises(UsageError, match="several city packs are kept under feedfeed"):
            files_of(conn, "feedfeed")
        with pytest.raises(CurbwatchError, match="are not those of its digest") as caught:
            files_of(conn, "feedfeed00")
        assert "与其摘要不符" in caught.value.chinese


def test_a_name_that_leads_out_of_the_folder_is_never_written(kept_url: str) -> None:
    content = b"x"
    version = digest_of({"../city.toml": content})
    with db.session(kept_url) as conn:
        digest = hashlib.sha256(content).hexdigest()
        conn.execute("insert into pack_file values (%s, %s) on conflict do nothing", (digest, content))
        named = json.dumps([["../city.toml", digest]])
        conn.execute("insert into city_pack (version, files) values (%s, %s::jsonb)", (version, named))
        with pytest.raises(CurbwatchError, match="are not those of its digest"):
            files_of(conn, version)


def test_what_is_kept_is_neither_changed_nor_deleted(kept_url: str, folder: PackFolder) -> None:
    with db.session(kept_url) as conn:
        keep_pack(conn, folder.load())
    for change in (
        "delete from city_pack",
        "update city_pack set files = '[]'",
        "truncate pack_file",
        "update pack_file set content = ''",
    ):
        with db.session(kept_url) as conn, pytest.raises(psycopg.Error, match=r"only added to|permission denied"):
            conn.execute(change)
    with db.session(kept_url) as conn, pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("insert into pack_file (sha256, content) values ('abc', 'something else')")


def test_the_start_keeps_its_pack_and_so_do_verbs_that_act_without_it(
    verbs: Verbs, folder: PackFolder, kept_url: str, tmp_path: Path
) -> None:
    config = load_config(verbs.config)
    started = prepare(config, resolve(config)).pack.city.version
    assert started in versions(kept_url)
    report = ("incident", "report", "--kind", "patrol", "--as", "li", "--family", "stall")
    folder.edit("permits.toml", '"08:30"', '"09:30"')
    (told,) = verbs.told(*report, "--ref", tmp_path.name, "--cell", "512002001001001")
    assert told["incident"]["rule_version"] == folder.load().city.version
    assert told["incident"]["rule_version"] in versions(kept_url)
    folder.edit("permits.toml", '"09:30"', '"10:30"')
    incident_id = told["incident"]["incident_id"]
    verbs.told("incident", "downgrade", incident_id, "--urgent", "--reason", "other", "--text", "x", "--as", "li")
    (known,) = verbs.told("incident", "show", incident_id)
    assert known["events"][-1]["detail"]["rule"] == folder.load().city.version
    assert folder.load().city.version in versions(kept_url)
    folder.edit("permits.toml", '"10:30"', '"11:30"')
    assert verbs.run("incident", "list")[0] == 0
    assert folder.load().city.version not in versions(kept_url), "who only looks puts nothing to use"
    assert verbs.run("kpi", "report", "--from", "2026-05-01", "--to", "2026-05-31")[0] == 0
    with db.session(kept_url) as conn:
        (closed,) = conn.execute("select rule_version from kpi_period").fetchall()
    assert closed == (folder.load().city.version,)
    assert folder.load().city.version in versions(kept_url)


def test_a_backup_carries_the_packs(servers: Servers, kept_url: str, folder: PackFolder, tmp_path: Path) -> None:
    used(kept_url, folder.load())
    before = versions(kept_url)

    def places(name: str) -> Places:
        return Places(tmp_path / name / "evidence", tmp_path / name / "snapshots", None, folder.path)

    make_backup(kept_url, tmp_path / "backup", places("one"), lambda _: None)
    with own_database(servers) as url:
        restore(url, tmp_path / "backup", places("two"), lambda _: None)
        assert versions(url) == before
        with db.session(url) as conn:
            assert files_of(conn, folder.load().city.version)[1] == dict(folder.load().files)


def test_the_record_s_version_of_a_sighting_is_one_that_is_kept(desk_url: str, incidents: IncidentStore) -> None:
    pack = load_pack(Path("yanjiang"))
    used(desk_url, pack)
    told = incidents.open_or_refresh(sighting(rule_version=f"{pack.city.version}+direct:06010"), None, picture())
    rule = incidents.show(told.incident_id).rule_version
    with db.session(desk_url) as conn:
        assert files_of(conn, rule)[1] == dict(pack.files)
