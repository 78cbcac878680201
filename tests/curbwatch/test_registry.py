"""The registry holds what the pack and `publish` said, on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.pack import Pack, load_pack
from curbwatch.database import Connection, connect
from curbwatch.registry import load_registry, register_camera, register_vehicle, sync_pack
from schemas.device import DeviceRule
from schemas.place import CameraView, ImageZone
from tests.config.small_pack import PackFolder

pytestmark = pytest.mark.servers

WEEK_S = 604_800.0
WHOLE = CameraView("seq-x-01", (ImageZone("all", ()),), None, "512002001001001", "u-1")


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return PackFolder(tmp_path).load()


def test_an_empty_registry(conn: Connection) -> None:
    registry = load_registry(conn)
    assert (registry.views, registry.rules, registry.names, registry.aliases) == ({}, {}, {}, {})


def test_a_pack_comes_back_as_it_was(conn: Connection) -> None:
    pack = load_pack(Path("yanjiang"))
    sync_pack(conn, pack, past_limit_s=WEEK_S)
    sync_pack(conn, pack, past_limit_s=WEEK_S)
    registry = load_registry(conn)
    assert registry.views == {name: camera.view for name, camera in pack.cameras.items()}
    assert set(registry.rules) == {*pack.cameras, *pack.vehicles}
    assert registry.rules["yj-muck-03"] == DeviceRule("yj-muck-03", "vehicle", "gcj02", 604_800, 20)
    assert registry.rules["yj-cam-01"] == DeviceRule("yj-cam-01", "camera", "wgs84", 604_800, None)
    assert registry.names["yj-cam-08"] == "书台广场"


def test_a_device_to_which_the_pack_gives_no_age_limit_gets_the_intakes(conn: Connection, tmp_path: Path) -> None:
    folder = PackFolder(tmp_path)
    folder.edit("vehicles.csv", "crs\ncar-1,enforcement,u-1,gcj02\n", "max_age_s\ncar-1,muck,,\ncar-2,muck,,5e6\n")
    folder.edit("cameras.toml", 'id = "cam-2"', 'id = "cam-2"\nmax_age_s = 3600')
    sync_pack(conn, folder.load(), past_limit_s=60.0)
    ages_s = {name: rule.max_age_s for name, rule in load_registry(conn).rules.items()}
    assert ages_s == {"car-1": 60.0, "car-2": 5e6, "cam-1": 60.0, "cam-2": 3600.0}


def test_what_the_pack_no_longer_names_goes_and_what_was_published_stays(conn: Connection, pack: Pack) -> None:
    sync_pack(conn, load_pack(Path("yanjiang")), past_limit_s=WEEK_S)
    register_camera(conn, WHOLE, name="clip")
    sync_pack(conn, pack, past_limit_s=WEEK_S)
    assert set(load_registry(conn).rules) == {"cam-1", "cam-2", "car-1", "seq-x-01"}


def test_the_pack_wins_over_a_published_device_of_the_same_id(conn: Connection, pack: Pack) -> None:
    register_camera(conn, CameraView("cam-1", (ImageZone("mine", ((0, 0), (9, 0), (9, 9))),)))
    sync_pack(conn, pack, past_limit_s=WEEK_S)
    assert load_registry(conn).views["cam-1"] == pack.cameras["cam-1"].view


def test_published_devices_have_no_limits(conn: Connection) -> None:
    register_camera(conn, WHOLE, name="clip")
    register_camera(conn, WHOLE, name="clip again")
    register_vehicle(conn, "gps-x-001", name="track", unit_id="u-1", crs="gcj02")
    registry = load_registry(conn)
    assert registry.views == {"seq-x-01": WHOLE}
    assert registry.rules == {
        "gps-x-001": DeviceRule("gps-x-001", "vehicle", "gcj02", None, None),
        "seq-x-01": DeviceRule("seq-x-01", "camera", "wgs84", None, None),
    }
    assert registry.names == {"gps-x-001": "track", "seq-x-01": "clip again"}


def test_what_the_pack_says_of_a_device_reaches_the_intake(conn: Connection, tmp_path: Path) -> None:
    folder = PackFolder(tmp_path)
    columns = "id,kind,unit,crs,period_s,max_bytes,aliases\ncar-1,muck,,,5,4000,owntracks:jane | jt808:0139\n"
    folder.edit("vehicles.csv", "id,kind,unit,crs\ncar-1,enforcement,u-1,gcj02\n", columns)
    folder.edit("cameras.toml", 'id = "cam-2"', 'id = "cam-2"\nperiod_s = 10\naliases = ["frigate:plaza"]')
    sync_pack(conn, folder.load(), past_limit_s=60.0)
    registry = load_registry(conn)
    assert registry.rules["car-1"] == DeviceRule("car-1", "vehicle", "wgs84", 60.0, 20.0, 5.0, 4000)
    assert registry.rules["cam-2"].period_s == 10.0
    assert registry.aliases == {"owntracks:jane": "car-1", "jt808:0139": "car-1", "frigate:plaza": "cam-2"}


def test_a_running_intake_hears_of_a_change(conn: Connection, database_url: str, pack: Pack) -> None:
    with connect(database_url) as listener:
        listener.execute("listen curbwatch_registry")
        listener.commit()
        sync_pack(conn, pack, past_limit_s=WEEK_S)
        heard = list(listener.notifies(timeout=10, stop_after=1))
    assert [notice.channel for notice in heard] == ["curbwatch_registry"]
