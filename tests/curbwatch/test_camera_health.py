"""Health events on a real database: written, read back after a restart, listed; and a shard that tells them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import curbwatch.database as db
from alerts.evidence import EvidenceFolder
from alerts.health_store import HealthStore
from alerts.store import AlertDatabase
from config.vision import VisionKnobs
from curbwatch import camera_health
from curbwatch.camera_health import HealthRecorder, readings_of
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
        self.error: SinkError | None = SinkError("away", retryable=True)
        self.put_events: list[HealthEvent] = []

    def put(self, events: list[HealthEvent]) -> None:  # type: ignore[override]
        if self.error is not None:
            raise self.error
        self.put_events += events

    def past(self, camera_id: str) -> list[HealthEvent]:
        if self.error is not None:
            raise self.error
        return []

    def prune(self, days: int) -> None:
        assert days > 0


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
def recorder(tmp_path: Path) -> tuple[HealthRecorder, AwayStore, EvidenceFolder, Telemetry]:
    store, evidence, meter = AwayStore(), EvidenceFolder(tmp_path / "evidence"), Telemetry()
    return HealthRecorder(store, evidence, meter), store, evidence, meter


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


def test_old_events_are_forgotten_and_lasting_ones_never(database: AlertDatabase) -> None:
    store = HealthStore(database)
    old = replace(EVENT, kind=HealthKind.BLACK, until_ns=START_NS + S)
    store.put([old, EVENT])
    store.prune(365)
    assert store.past("cam-1") == [EVENT]


def test_the_picture_that_shows_an_event_is_on_disk_and_the_event_waits_for_the_database(
    recorder: tuple[HealthRecorder, AwayStore, EvidenceFolder, Telemetry],
) -> None:
    by, store, evidence, meter = recorder
    for k in range(3):
        see(by, k, SceneState.COVERED)
    assert store.put_events == []
    assert meter.total("camera_events", kind="covered") == 1
    store.error = None
    by.retry()
    (event,) = store.put_events
    assert event.kind is HealthKind.COVERED
    assert event.value == pytest.approx(0.4)
    assert evidence.intact(event.sha256)
    for k in range(3, 7):
        see(by, k, SceneState.OK)
    assert [(one.sha256 == event.sha256, one.until_ns) for one in store.put_events[1:]] == [(True, START_NS + 18 * S)]


def test_progressive_pictures_are_told_without_evidence(
    recorder: tuple[HealthRecorder, AwayStore, EvidenceFolder, Telemetry],
) -> None:
    by, store, _, _ = recorder
    store.error = None
    for k in range(3):
        see(by, k, SceneState.OK, progressive=True)
    assert [(event.kind, event.sha256) for event in store.put_events] == [(HealthKind.PROGRESSIVE, "")]


def test_what_the_database_refuses_for_good_is_dropped_and_counted(
    recorder: tuple[HealthRecorder, AwayStore, EvidenceFolder, Telemetry],
) -> None:
    by, store, _, meter = recorder
    store.error = SinkError("no such table", retryable=False)
    for k in range(3):
        see(by, k, SceneState.COVERED)
    assert meter.total("camera_events_dropped") == 1
    store.error = None
    by.retry()
    assert store.put_events == []


def test_events_that_wait_are_bounded(
    recorder: tuple[HealthRecorder, AwayStore, EvidenceFolder, Telemetry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_health, "WAITING_MAX", 8)
    by, _, _, meter = recorder
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
