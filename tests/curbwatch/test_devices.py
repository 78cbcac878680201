"""The registry as the running system sees it, over a real database that goes and comes."""

import threading
from collections.abc import Iterable, Iterator

import pytest
from structlog.testing import capture_logs

import curbwatch.database as db
from curbwatch.devices import LiveRegistry, LiveViews
from curbwatch.registry import register_camera, register_vehicle
from schemas.errors import SinkError
from schemas.place import CameraView, ImageZone
from tests.fix_service import wait_until

pytestmark = pytest.mark.servers


class Seen:
    def __init__(self, url: str) -> None:
        self.changed: list[str] = []
        self.registry = LiveRegistry(url, self._views)

    def _views(self, camera_ids: Iterable[str]) -> None:
        self.changed += camera_ids


@pytest.fixture
def seen(database_url: str) -> Iterator[Seen]:
    made = Seen(database_url)
    made.registry.start()
    yield made
    made.registry.stop()


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read for strangers once, and not again for hours."""
    monkeypatch.setattr("curbwatch.devices.READS_PER_S", 0.0001)


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """No notice arrives."""

    def silence(_url: str, _channel: str, *, poll_s: float) -> Iterator[bool]:
        while not threading.Event().wait(poll_s):
            yield False

    monkeypatch.setattr("curbwatch.database.notices", silence)


def enter(url: str, device_id: str) -> None:
    with db.session(url) as conn:
        register_vehicle(conn, device_id, name="\u8f66")


def test_an_empty_registry_knows_nobody(seen: Seen) -> None:
    assert dict(seen.registry.rules) == {}
    assert seen.registry.refresh() is False
    assert len(LiveViews(seen.registry)) == 0
    assert seen.registry.alive


@pytest.mark.usefixtures("deaf")
def test_news_is_read_when_somebody_asks(seen: Seen, database_url: str) -> None:
    enter(database_url, "car")
    assert seen.registry.refresh() is True
    assert seen.registry.refresh() is False
    assert seen.registry.rules["car"].kind == "vehicle"
    assert seen.registry.names["car"] == "\u8f66"


@pytest.mark.usefixtures("seldom", "deaf")
def test_strangers_do_not_have_it_read_all_the_time(seen: Seen, database_url: str) -> None:
    assert seen.registry.refresh() is False
    enter(database_url, "car")
    for _ in range(100):
        assert seen.registry.refresh() is False
        seen.registry.ask()
    assert "car" not in seen.registry.rules


@pytest.mark.usefixtures("deaf")
def test_who_only_asks_does_not_wait(seen: Seen, database_url: str) -> None:
    with db.connect(database_url) as conn:
        conn.execute("lock table device in access exclusive mode")
        asked = threading.Thread(target=seen.registry.ask, daemon=True)
        asked.start()
        asked.join(0.5)
        assert not asked.is_alive()
        register_vehicle(conn, "car")
        conn.commit()
    wait_until("the car", lambda: "car" in seen.registry.rules)


def test_a_device_is_known_by_its_ids_in_other_forms_too(seen: Seen, database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        register_vehicle(conn, "car")
        conn.execute("update device set aliases = '{owntracks:jane}'")
    wait_until("the alias", lambda: "owntracks:jane" in seen.registry.rules)
    assert seen.registry.rules["owntracks:jane"] == seen.registry.rules["car"]


def test_a_notice_is_enough(seen: Seen, database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        register_camera(conn, CameraView("cam"))
    wait_until("the camera", lambda: "cam" in seen.registry.views)
    assert seen.changed == []


def test_a_camera_with_other_zones_is_told(seen: Seen, database_url: str) -> None:
    zone = ImageZone("kerb", ((0, 0), (9, 0), (9, 9)))
    with db.connect(database_url, autocommit=True) as conn:
        register_camera(conn, CameraView("cam"))
        wait_until("the camera", lambda: "cam" in seen.registry.views)
        register_camera(conn, CameraView("cam", zones=(zone,)))
    wait_until("the zone", lambda: seen.changed == ["cam"])
    assert LiveViews(seen.registry)["cam"].zones == (zone,)


def test_what_somebody_changes_by_hand_is_noticed_too(seen: Seen, database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        register_vehicle(conn, "car")
        wait_until("the car", lambda: "car" in seen.registry.rules)
        conn.execute("update device set crs = 'gcj02' where device_id = 'car'")
    wait_until("its coordinates", lambda: seen.registry.rules["car"].crs == "gcj02")


def test_a_change_while_the_connections_were_lost_is_read(seen: Seen, database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        register_vehicle(conn, "car")
    wait_until("the car", lambda: "car" in seen.registry.rules)
    assert seen.registry.alive


@pytest.mark.usefixtures("deaf")
def test_a_database_that_does_not_answer_holds_nobody_up_for_long(
    seen: Seen, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.connect(database_url) as conn:
        conn.execute("lock table device in access exclusive mode")
        with pytest.raises(SinkError, match="did not answer"):
            seen.registry.refresh()
        with pytest.raises(SinkError, match="did not answer"):
            seen.registry.refresh()
        monkeypatch.setattr("curbwatch.devices.UNREAD_S", 0.0)
        told: list[bool] = []
        asking = threading.Thread(target=lambda: told.append(seen.registry.refresh()), daemon=True)
        asking.start()
        asking.join(0.5)  # not even for the second that the first one waited
        assert told == [False]
        conn.rollback()
    enter(database_url, "car")
    wait_until("the car", lambda: seen.registry.refresh() or "car" in seen.registry.rules)
    assert seen.registry.refresh() is False


def test_a_registry_that_goes_unheard_is_said_once_and_so_is_its_return(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def now_and_then(_url: str, _channel: str, *, poll_s: float) -> Iterator[bool]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise SinkError("away", retryable=True)
        while not threading.Event().wait(poll_s):
            yield False

    monkeypatch.setattr("curbwatch.database.notices", now_and_then)
    monkeypatch.setattr("curbwatch.devices.AGAIN_S", 0.01)
    with capture_logs() as said:
        registry = LiveRegistry(database_url)
        registry.start()
        wait_until("it to be heard again", lambda: any(one["event"] == "registry_heard_again" for one in said))
        registry.stop()
    assert tries == 3
    heard = [one for one in said if "heard" in one["event"]]
    assert [one["event"] for one in heard] == ["registry_unheard", "registry_heard_again"]
    assert heard[0]["error"] == "away"
