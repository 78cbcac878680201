"""A pack that changed holds from one moment on; one with a fault, half written or at a bad time changes nothing."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import curbwatch.database as db
from config.load import load_config
from config.pack import SHIPPED, Pack, load_pack
from curbwatch.build import make_database, make_incidents, prepare
from curbwatch.city_book import CityBook
from curbwatch.endpoints import resolve
from curbwatch.pack_reload import Look, PackWatch, look_at
from curbwatch.pipeline import Pipeline
from curbwatch.telemetry import Telemetry
from schemas.city import City
from schemas.errors import ConfigError, SinkError
from tests.alerts.makers import picture, sighting
from tests.config.small_pack import PackFolder
from tests.curbwatch.test_run_positions import now_ms, stored
from tests.devices import Devices
from tests.fix_service import Service, wait_until
from tests.ingest.jpegs import jpeg

HOUR = 'from = "01:00"'


class Synced:
    """The registry: takes what packs say unless it is away."""

    def __init__(self) -> None:
        self.packs: list[Pack] = []
        self.away = False
        self.then: Callable[[], None] = lambda: None

    def __call__(self, pack: Pack) -> None:
        self.then()
        if self.away:
            raise SinkError("away", retryable=True)
        self.packs.append(pack)


class Watched:
    """A small pack, its book, and who looks at it."""

    def __init__(self, path: Path, direct: tuple[str, ...] = ()) -> None:
        self.folder = PackFolder(path)
        self.cities = CityBook(self.folder.load(), direct)
        self.told: list[City] = []
        self.cities.tell(self.told.append)
        self.synced, self.meter = Synced(), Telemetry()
        self.watch = PackWatch(self.cities, self.synced, self.meter, look_s=0.01)
        self.looks(2)

    def looks(self, times: int) -> list[str]:
        return [self.watch.look() for _ in range(times)]

    def counted(self) -> dict[str, float]:
        return self.meter.split("pack_reloads", "outcome")

    @property
    def opens_min(self) -> int:
        return self.cities.city().permits[0].hours[0].start_min


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_folder_that_does_not_change_is_left_alone(watched: Watched) -> None:
    assert watched.looks(3) == ["", "", ""]
    assert (watched.counted(), watched.told, watched.synced.packs) == ({}, [], [])


def test_a_change_holds_once_the_folder_rests(watched: Watched) -> None:
    before = watched.cities.city()
    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    assert watched.watch.look() == ""
    watched.folder.edit("permits.toml", 'from = "02:00"', 'from = "03:00"')  # still being written
    assert watched.looks(3) == ["", "turned", ""]
    assert (watched.opens_min, before.permits[0].hours[0].start_min) == (180, 60)
    assert watched.told == [watched.cities.city()]
    assert [pack.city for pack in watched.synced.packs] == [watched.cities.city()]
    assert watched.counted() == {"turned": 1}


def test_each_fault_is_logged_and_the_old_pack_holds(watched: Watched) -> None:
    watched.folder.edit("permits.toml", HOUR, 'from = "23:00"')
    watched.folder.edit("vehicles.csv", "gcj02", "gcj2")
    with capture_logs() as said:
        assert watched.looks(4) == ["", "refused", "", ""]  # once, not at every look
    faults = [(entry["file"], entry["key"], entry["value"]) for entry in said if entry["event"] == "pack_fault"]
    assert faults == [("vehicles.csv:2", "crs", "gcj2"), ("permits.toml", "permit[p-1].hours[1]", "23:00 to 08:30")]
    assert (watched.opens_min, watched.told, watched.synced.packs) == (60, [], [])
    watched.folder.edit("permits.toml", 'from = "23:00"', 'from = "02:00"')
    watched.folder.edit("vehicles.csv", "gcj2", "gcj02")
    assert watched.looks(2) == ["", "turned"]
    assert watched.counted() == {"refused": 1, "turned": 1}


def test_a_folder_that_is_gone_changes_nothing(watched: Watched) -> None:
    for path in watched.folder.path.iterdir():
        path.unlink()
    assert watched.looks(3) == ["", "refused", ""]
    assert watched.opens_min == 60


def test_who_asks_is_answered_at_once_and_told_where_nothing_changed(watched: Watched) -> None:
    assert watched.watch.look(asked=True) == "unchanged"
    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    assert watched.watch.look(asked=True) == "turned"
    assert watched.looks(2) == ["", ""]
    assert watched.counted() == {"unchanged": 1, "turned": 1}


def test_a_pack_without_a_class_that_the_configuration_sends_at_once_is_refused(tmp_path: Path) -> None:
    watched = Watched(tmp_path, ("06010",))
    assert watched.cities.city().classes["06010"].mode == "direct"
    watched.folder.edit("classes.csv", "06010", "06011")
    watched.folder.edit("city.toml", "06010", "06011")
    assert watched.looks(2) == ["", "refused"]
    assert (watched.synced.packs, "06010" in watched.cities.city().classes) == ([], True)
    with pytest.raises(ConfigError, match="direct_classes = 06010"):
        watched.cities.turn(watched.folder.load())


def test_while_the_database_is_away_all_of_the_old_pack_holds_and_then_all_of_the_new(watched: Watched) -> None:
    watched.synced.away = True
    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    with capture_logs() as said:
        assert watched.looks(3) == ["", "waits", "waits"]
    assert [entry["event"] for entry in said] == ["pack_waits"]
    assert (watched.opens_min, watched.told) == (60, [])
    watched.synced.away = False
    assert watched.looks(2) == ["turned", ""]
    assert watched.opens_min == 120


def test_a_pack_that_changes_while_it_is_loaded_is_loaded_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C18: what was read is a mixture of two packs, good or bad: it never holds."""

    def mixed(path: Path) -> Pack:
        found = load_pack(path)
        monkeypatch.undo()
        watched.folder.edit("permits.toml", 'from = "02:00"', 'from = "03:00"')
        return found

    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    monkeypatch.setattr("curbwatch.pack_reload.load_pack", mixed)
    assert watched.looks(4) == ["", "", "", "turned"]
    assert (watched.opens_min, len(watched.told)) == (180, 1)


def test_a_mixture_that_has_a_fault_is_not_called_one(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong only because half of it was written is neither logged nor counted."""

    def mixed(path: Path) -> Pack:
        monkeypatch.undo()
        try:
            return load_pack(path)
        finally:
            watched.folder.edit("permits.toml", 'from = "23:00"', 'from = "03:00"')

    watched.folder.edit("permits.toml", HOUR, 'from = "23:00"')
    monkeypatch.setattr("curbwatch.pack_reload.load_pack", mixed)
    assert watched.looks(4) == ["", "", "", "turned"]
    assert watched.counted() == {"turned": 1}


def test_a_pack_that_changes_again_while_it_is_entered_is_followed(watched: Watched) -> None:
    def again() -> None:
        watched.synced.then = lambda: None
        watched.folder.edit("permits.toml", 'from = "02:00"', 'from = "03:00"')

    watched.synced.then = again
    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    assert watched.looks(4) == ["", "turned", "", "turned"]
    assert watched.opens_min == 180


def test_a_reader_that_fails_leaves_no_other_with_the_old_city(watched: Watched) -> None:
    def fails(_city: City) -> None:
        raise ValueError("a defect of ours")

    late: list[City] = []
    watched.cities.tell(fails)
    watched.cities.tell(late.append)
    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    with pytest.raises(ValueError, match="a defect of ours"):
        watched.cities.turn(watched.folder.load())
    assert late == watched.told == [watched.cities.city()]


def test_the_thread_goes_on_after_a_defect_and_ends_when_asked(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def looked(folder: Path) -> Look:
        looks.append(folder)
        return look_at(folder)

    monkeypatch.setattr("curbwatch.pack_reload.look_at", looked)
    monkeypatch.setattr("curbwatch.pack_reload.load_pack", lambda _path: 1 / 0)
    watched.watch.start()
    watched.folder.edit("permits.toml", HOUR, 'from = "02:00"')
    wait_until("the defect", lambda: watched.counted().get("failed", 0) >= 1)
    seen = len(looks)
    wait_until("more looks", lambda: len(looks) > seen + 3)
    assert watched.counted() == {"failed": 1}  # the same is not tried again at each look
    monkeypatch.undo()
    assert watched.watch.alive
    watched.watch.ask()
    wait_until("the new pack", lambda: watched.opens_min == 120)
    watched.watch.stop()
    assert not watched.watch.alive


def copied(folder: Path) -> PackFolder:
    """The shipped pack in a folder of its own."""
    made = PackFolder.__new__(PackFolder)
    made.path = folder
    folder.mkdir()
    for path in (SHIPPED / "yanjiang").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return made


@pytest.mark.servers
def test_a_running_service_takes_a_new_pack_and_refuses_a_bad_one_without_losing_a_message(
    service: Service, tmp_path: Path
) -> None:
    pack = copied(tmp_path / "pack")
    service.configure(site={"site": service.site, "pack": str(pack.path)}, intake={"client_id": service.site})
    service.start()
    assert service.process is not None
    done, sent = threading.Event(), {"positions": 0, "frames": 0}
    with Devices(service.servers, service.site) as devices:

        def publish() -> None:
            picture = jpeg(64, 48)
            while not done.is_set():
                devices.position("yj-car-01", sent["positions"], now_ms())
                devices.send(f"camera/yj-cam-{sent['frames'] % 8 + 1:02d}/frame", picture, ts=str(now_ms()))
                sent["positions"] += 1
                sent["frames"] += 1
                done.wait(0.002)

        load = threading.Thread(target=publish)
        load.start()
        try:
            for number in range(3):
                pack.edit("vehicles.csv", "yj-muck-04,", f"yj-new-{number},洒水车,sanitation,,,,\nyj-muck-04,")
                pack.edit("permits.toml", 'id = "yj-permit-fair"', f'id = "yj-permit-fair"  # {number}')
                os.kill(service.process.pid, signal.SIGHUP)
                wait_until("the pack", lambda n=number: reloads(service, "turned") == n + 1)  # type: ignore[misc]
                devices.position(f"yj-new-{number}", 0, now_ms())
            pack.edit("permits.toml", 'to = "08:30"', 'to = "04:30"')
            os.kill(service.process.pid, signal.SIGHUP)
            wait_until("its refusal", lambda: reloads(service, "refused") == 1)
        finally:
            done.set()
            load.join()
        assert devices.settled()
        wait_until("every position", lambda: stored(service) == sent["positions"] + 3)
        wait_until("every frame", lambda: service.metric("curbwatch_frames_received_total") == sent["frames"])
        wait_until("their outcomes", lambda: outcomes(service) == sent["frames"])
    assert service.metric("curbwatch_positions_rejected_total") == 0
    faults = [event for event in service.events if event["event"] == "pack_fault"]
    assert [(fault["key"], fault["value"]) for fault in faults] == [
        ("permit[yj-permit-morning].hours[1]", "05:30 to 04:30")
    ]
    with db.connect(service.database_url) as conn:
        rows = conn.execute("select device_id from device where device_id like 'yj-new%' order by 1").fetchall()
    assert [row[0] for row in rows] == ["yj-new-0", "yj-new-1", "yj-new-2"]
    assert service.stop() == 0


@pytest.mark.servers
async def test_every_shard_decides_by_the_new_pack(service: Service, tmp_path: Path) -> None:
    pack = copied(tmp_path / "pack")
    service.configure(site={"site": service.site, "pack": str(pack.path)}, engine={"shards": 2})
    config = load_config(service.config)
    site = prepare(config, resolve(config, service.servers))
    database = make_database(site)
    incidents = make_incidents(site, database)
    left = incidents.open_or_refresh(sighting(unit_id="of-an-old-pack"), None, picture())
    pipeline = Pipeline(site, Telemetry())
    await pipeline.start()
    try:
        pack.edit("permits.toml", "yj-permit-fair", "yj-permit-plaza")
        pack.edit("cells.geojson", "104.641227, 30.119608", "104.541227, 30.119608")  # the city reaches further west
        box = pipeline._watch.quality._box
        before = site.cities.city()
        pipeline.reload_pack()
        await asyncio.to_thread(wait_until, "the new pack", lambda: site.cities.city() is not before)
        held = site.cities.city()
        deciders = [shard._tools.decider for shard in pipeline._shards]
        await asyncio.to_thread(wait_until, "the shards", lambda: all(one.city is held for one in deciders))
        assert held.permits[-1].permit_id == "yj-permit-plaza"
        assert pipeline._watch.quality._box != box
        await asyncio.to_thread(
            wait_until, "its new unit", lambda: incidents.show(left.incident_id).unit_id != "of-an-old-pack"
        )
    finally:
        await pipeline.stop()
        database.close()


def reloads(service: Service, outcome: str) -> float:
    return service.metric("curbwatch_pack_reloads_total", outcome=outcome)


def outcomes(service: Service) -> float:
    return sum(service.metric(f"curbwatch_frames_{what}_total") for what in ("processed", "shed", "rejected"))
