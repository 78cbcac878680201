"""A pack that drops a class or a camera with open cases says which, before it is put to use and after."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from config.load import load_config
from curbwatch.build import make_pack_watch, prepare
from curbwatch.endpoints import resolve
from curbwatch.pack_left import left_by, left_words
from curbwatch.parts import Servers
from curbwatch.registry import register_camera, sync_pack
from curbwatch.telemetry import Telemetry
from schemas.alarms import SOS
from schemas.place import CameraView
from tests.alerts.deskwork import LEI
from tests.alerts.makers import city, picture, sighting
from tests.config.small_pack import PackFolder
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    (tmp_path / "pack").mkdir()
    return PackFolder(tmp_path / "pack")


def opened(incidents: IncidentStore, camera_id: str, track_id: int, **changes: Any) -> str:  # noqa: ANN401
    whole: dict[str, Any] = {"box_px": (100.0 * track_id, 400.0, 50.0, 50.0), "track_id": track_id} | changes
    return incidents.open_or_refresh(
        sighting(camera_id=camera_id, **whole), None, picture(f"{camera_id} {track_id}")
    ).incident_id


@pytest.fixture
def waste(incidents: IncidentStore, database: AlertDatabase, desk_url: str, folder: PackFolder) -> list[str]:
    """Ids of six open cases of waste seen by cam-2, after what is nothing to be told: a case that ended, a stall of a
    camera that the pack keeps, one of a camera that the pack never had, and a call for help.
    """
    with db.session(desk_url) as conn:
        sync_pack(conn, folder.load(), past_limit_s=3600)
        register_camera(conn, CameraView("published"))
    ended = opened(incidents, "cam-2", 0)
    CaseActions(database, city).act(ended, Wish(Act.VOID, reason="permitted"), LEI)
    stall = {"family": "stall", "class_code": "09006"}
    opened(incidents, "cam-1", 1, **stall)
    opened(incidents, "published", 2, **stall)
    call = opened(incidents, "cam-2", 9, **stall)
    with database.transaction() as conn:
        conn.execute("update incident set family = %s, class_code = '99001' where incident_id = %s", (SOS, call))
    return [opened(incidents, "cam-2", number) for number in range(3, 9)]


def drop(folder: PackFolder) -> None:
    """Let the pack have another class of waste, and another camera."""
    folder.edit("classes.csv", "06010", "06011")
    folder.edit("city.toml", "06010", "06011")
    folder.edit("cameras.toml", 'id = "cam-2"', 'id = "cam-3"')


def test_a_pack_that_has_all_leaves_nothing(desk_url: str, folder: PackFolder) -> None:
    with db.session(desk_url) as conn:
        assert left_by(conn, folder.load()) == []
    assert left_words([], "zh") == []


def test_a_start_and_a_reload_count_and_name_what_the_new_pack_leaves(
    waste: list[str], folder: PackFolder, desk_url: str, servers: Servers, tmp_path: Path
) -> None:
    path = config_of(tmp_path, servers, desk_url)
    with path.open("a") as file:
        file.write(f'[site]\npack = "{folder.path}"\n')
    config = load_config(path)
    with capture_logs() as said:
        site = prepare(config, resolve(config))
    assert [entry["event"] for entry in said if entry["event"] == "pack_leaves_cases"] == []
    watch = make_pack_watch(site, Telemetry())
    drop(folder)
    with capture_logs() as said:
        assert watch.look(asked=True) == "turned"
    told = [entry for entry in said if entry["event"] == "pack_leaves_cases"]
    assert [(one["table"], one["key"], one["cases"]) for one in told] == [("class", "06010", 6), ("camera", "cam-2", 6)]
    assert all(len(one["incidents"]) == 5 and set(one["incidents"]) < set(waste) for one in told)
    with capture_logs() as said:
        prepare(config, resolve(config))
    assert sum(entry["event"] == "pack_leaves_cases" for entry in said) == 2


def test_a_comparison_of_packs_names_the_open_cases_of_a_site(
    waste: list[str],
    folder: PackFolder,
    desk_url: str,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "new").mkdir()
    new, file = PackFolder(tmp_path / "new"), tmp_path / "found.json"
    drop(new)
    verbs = Verbs(monkeypatch, capsys, config_of(tmp_path, servers, desk_url))
    diff = ("pack", "diff", str(folder.path), str(new.path), "--json", str(file), "--lang")
    status, out, _ = verbs.run(*diff, "en")
    assert status == 0
    by_class, by_camera = out.splitlines()[-2:]
    assert by_class.startswith(f"class 06010, which the pack lacks: 6 open cases ({min(waste)[:8]}, ")
    assert " and 1 more) by its last limit and without its name" in by_class
    assert by_camera.startswith("camera cam-2, which the pack lacks: 6 open cases (")
    left = json.loads(file.read_text(encoding="utf-8"))["left"]
    assert [(one["table"], one["key"], one["cases"], len(one["incidents"])) for one in left] == [
        ("class", "06010", 6, 5),
        ("camera", "cam-2", 6, 5),
    ]
    out = verbs.run(*diff, "zh")[1]
    assert "新包中没有类别 06010:6 件在办案件(" in out
    assert "新包中没有相机 cam-2:6 件在办案件(" in out
    status, out, _ = verbs.run("pack", "diff", str(new.path), str(folder.path), "--lang", "en")
    assert (status, "open case" in out) == (0, False)
