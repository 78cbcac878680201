"""Health events on a real database: written, read back after a restart, listed; and a shard that tells them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import curbwatch.database as db
from alerts.health.store import HealthStore
from alerts.incidents.evidence import EvidenceFolder
from alerts.store import AlertDatabase
from config.vision import VisionKnobs
from curbwatch import camera_health_keeper
from curbwatch.camera_health import HealthRecorder, readings_of
from curbwatch.camera_health_keeper import CameraHealthKeeper
from curbwatch.registry import register_camera
from curbwatch.telemetry import Telemetry
from detectors.vision import VisionDetector
from schemas.detections import Detections, SceneState
from schemas.errors import SinkError
from schemas.frame import Frame, FrameBatch
from schemas.health import HealthEvent, HealthKind, Reading
from schemas.place import CameraView
from tests.curbwatch.scripted import ScriptedDetector
from tests.fix_verbs import Verbs
from tests.ingest.jpegs import jpeg

S = 10**9
START_NS = 1_700_000_000 * S
EVENT = HealthEvent("cam-1", HealthKind.COVERED, START_NS, None, 0.5, "", 1, "ab" * 32)
PICTURE = jpeg(64, 48)


class AwayStore(HealthStore):
    """Away until told otherwise; remembers what was put."""

    def __init__(self) -> None:
        self.stored: list[HealthEvent] = []
        self.error: SinkError | None = SinkError("away", retryable=True)
        self.put_events: list[HealthEvent] = []
        self.calls = 0

    def put(self, events: list[HealthEvent]) -> None:  # type: ignore[override]
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.put_events += events

    def past(self, camera_id: str) -> list[HealthEvent]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return [event for event in self.stored if event.camera_id == camera_id]


Made = tuple[HealthRecorder, AwayStore, EvidenceFolder, Telemetry, CameraHealthKeeper]


def see(by: HealthRecorder, k: int, state: SceneState, *, progressive: bool = False) -> None:
    frame = Frame("cam-1", START_NS + 6 * k * S, START_NS, PICTURE, 64, 48, progressive=progressive)
    found = Detections.empty(1)
    found.scene[0] = state
    by.see([frame], FrameBatch.of([frame], np.zeros((1, 48, 64, 3), np.uint8)), found, {"cam-1": Reading(state, 0.4)})


@pytest.fixture
def database(office_url: str) -> Iterator[AlertDatabase]:
    with closing(AlertDatabase(office_url)) as one:
        with one.transaction() as conn:
            conn.execute("truncate camera_event")
        yield one


@pytest.fixture
def recorder(tmp_path: Path) -> Made:
    store, evidence, meter = AwayStore(), EvidenceFolder(tmp_path / "evidence"), Telemetry()
    keeper = CameraHealthKeeper(store, meter)
    return HealthRecorder(keeper, evidence, meter), store, evidence, meter, keeper


def test_a_camera_without_events_has_no_past(database: AlertDatabase) -> None:
    assert HealthStore(database).past("cam-1") == []


def test_an_event_is_one_row_however_often_it_is_written_and_comes_back_as_it_was(database: AlertDatabase) -> None:
    store = HealthStore(database)
    ended = replace(EVENT, until_ns=START_NS + 60 * S, times=3)
    store.put([])
    store.put([EVENT, EVENT])
    assert store.past("cam-1") == [EVENT]
    store.put([ended, replace(EVENT, kind=HealthKind.LIGHT)])
    assert [event.kind for event in store.past("cam-1")] == [HealthKind.COVERED, HealthKind.LIGHT]
    assert store.past("cam-1")[0] == ended
    assert store.past("cam-2") == []


def test_the_picture_that_shows_an_event_is_on_disk_and_the_event_waits_for_the_database(recorder: Made) -> None:
    by, store, evidence, meter, keeper = recorder
    for k in range(3):
        see(by, k, SceneState.COVERED)
    with pytest.raises(SinkError):
        keeper.keep()
    assert store.put_events == []
    assert meter.total("camera_events", kind="covered") == 1
    store.error = None
    keeper.keep()
    (event,) = store.put_events
    assert event.kind is HealthKind.COVERED
    assert event.value == pytest.approx(0.4)
    assert evidence.intact(event.sha256)
    for k in range(3, 7):
        see(by, k, SceneState.OK)
    keeper.keep()
    assert [(one.sha256 == event.sha256, one.until_ns) for one in store.put_events[1:]] == [(True, START_NS + 18 * S)]


def test_a_shard_never_waits_for_the_database_nor_does_one_without_a_keeper_fail(recorder: Made) -> None:
    by, store, evidence, meter, _ = recorder
    for k in range(40):
        see(by, k, SceneState.BLACK if k % 10 < 5 else SceneState.OK)
        see(HealthRecorder(None, evidence, meter), k, SceneState.BLACK)
    assert store.calls == 0


def test_what_lasted_before_a_restart_ends_though_the_database_was_away_when_the_camera_came(recorder: Made) -> None:
    by, store, _, _, keeper = recorder
    store.stored = [replace(EVENT, since_ns=START_NS - 900 * S), replace(EVENT, camera_id="cam-2")]
    for k in range(3):
        see(by, k, SceneState.OK)
        with pytest.raises(SinkError):
            keeper.keep()
    store.error = None
    keeper.keep()
    for k in range(3, 8):
        see(by, k, SceneState.OK)
    keeper.keep()
    assert [(one.since_ns, one.until_ns) for one in store.put_events] == [(START_NS - 900 * S, START_NS + 18 * S)]


def test_a_late_frame_says_nothing_of_a_camera(recorder: Made) -> None:
    by, store, _, _, keeper = recorder
    store.error = None
    for k in range(3):
        see(by, k, SceneState.LATE, progressive=True)
    keeper.keep()
    assert store.calls == 0


def test_the_keeper_writes_by_itself_and_at_its_end(recorder: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_health_keeper, "POLL_S", 0.01)
    _, store, _, meter, keeper = recorder
    store.error = None
    keeper.start()
    alive = [keeper.alive]
    keeper.tell(EVENT)
    keeper.stop()
    assert store.put_events == [EVENT]
    assert [*alive, keeper.alive] == [True, False]
    store.error = SinkError("away", retryable=True)
    keeper.tell(EVENT)
    keeper.stop()
    assert meter.total("camera_events_dropped") == 1


def test_progressive_pictures_are_told_without_evidence(recorder: Made) -> None:
    by, store, _, _, keeper = recorder
    store.error = None
    for k in range(3):
        see(by, k, SceneState.OK, progressive=True)
    keeper.keep()
    assert [(event.kind, event.sha256) for event in store.put_events] == [(HealthKind.PROGRESSIVE, "")]


def test_what_the_database_refuses_for_good_is_dropped_and_counted(recorder: Made) -> None:
    by, store, _, meter, keeper = recorder
    store.error = SinkError("no such table", retryable=False)
    for k in range(3):
        see(by, k, SceneState.COVERED)
    keeper.keep()
    assert meter.total("camera_events_dropped") == 1
    store.error = None
    keeper.keep()
    assert store.put_events == []


def test_events_that_wait_are_bounded(recorder: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_health_keeper, "WAITING_MAX", 8)
    by, _, _, meter, _ = recorder
    for k in range(5):
        for step in range(6):
            see(by, 200 * k + step, SceneState.BLACK if step < 3 else SceneState.OK)
    assert meter.total("camera_events_dropped") == 2


def test_the_detector_says_what_it_measured_and_one_that_does_not_is_no_fault() -> None:
    assert readings_of(VisionDetector(VisionKnobs(), {})) == {}
    assert readings_of(ScriptedDetector({})) == {}


def test_cameras_and_what_was_the_matter_with_them_are_listed(
    verbs: Verbs, database: AlertDatabase, office_url: str
) -> None:
    assert verbs.told("camera", "health") == []
    with db.session(office_url) as conn:
        register_camera(conn, CameraView("cam-1"))
        register_camera(conn, CameraView("cam-2"))
    past = replace(EVENT, kind=HealthKind.LIGHT, since_ns=START_NS - 60 * S, until_ns=START_NS + S)
    HealthStore(database).put([past, EVENT])
    rows = verbs.told("camera", "health")
    assert [(row["camera_id"], row["kind"], row["link"]) for row in rows] == [
        ("cam-1", "covered", "unheard"),
        ("cam-2", None, "unheard"),
    ]
    assert [row["kind"] for row in verbs.told("camera", "health", "cam-1", "--events")] == ["covered", "light"]
    assert verbs.told("camera", "health", "cam-2", "--events") == []
    status, out, _ = verbs.run("camera", "health")
    assert status == 0
    assert "covered" in out
    status, _, err = verbs.run("camera", "health", "nobody")
    assert (status, "device list" in err) == (2, True)
