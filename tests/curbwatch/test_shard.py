"""A shard: evidence before the incident, decisions that outlive an absent database, every delivery settled once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alerts.deciding.decide import Decider
from alerts.incidents.before import BeforeRing
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from config.alerts import AlertKnobs
from config.pack import apply_modes, load_pack
from curbwatch.journal import DecisionJournal
from curbwatch.shard import Shard, Tools
from curbwatch.snapshots import SnapshotFolder
from curbwatch.telemetry import Telemetry
from curbwatch.teller import WAITING_MAX
from ingest.decode_process import DecoderProcess
from ingest.delivery import Delivery, Outcome
from schemas.detections import Phase, SceneState
from schemas.errors import SinkError
from schemas.feedback import Feedback, Undo
from schemas.frame import Frame
from schemas.place import CameraView
from tests.curbwatch.made_shard import FakeStore, Made, S
from tests.curbwatch.scripted import ScriptedDetector
from tests.ingest.jpegs import jpeg


@pytest.fixture
def make(tmp_path: Path, decoder: DecoderProcess) -> Callable[[dict[int, Phase]], Made]:
    city = apply_modes(load_pack(Path("yanjiang")).city, ["06010"])

    def made(phases: dict[int, Phase]) -> Made:
        detector, evidence = ScriptedDetector(phases), EvidenceFolder(tmp_path / "evidence")
        store, meter = FakeStore(evidence), Telemetry()
        views = {name: CameraView(name) for name in ("cam", "other")}
        tools = Tools(
            decoder=decoder,
            detector=detector,
            decider=Decider(city, AlertKnobs()),
            ring=BeforeRing(8, 1.0, 4.0, 10_000_000),
            evidence=evidence,
            store=store,  # type: ignore[arg-type]
            snapshots=SnapshotFolder(tmp_path / "snapshots", every_s=60, monotonic_s=lambda: 0.0),
            journal=DecisionJournal(tmp_path / "snapshots"),
            views=views,
            meter=meter,
        )
        return Made(Shard(tools), detector, store, meter, views)

    return made


def test_no_deliveries_do_nothing(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({})
    made.shard.handle([])
    assert made.detector.seen == []


def test_an_incident_has_the_picture_before_the_thing_came_and_the_opening_one(
    make: Callable[[dict[int, Phase]], Made],
) -> None:
    made = make({10: Phase.STANDING})
    for second in (3, 4, 6, 10):
        made.shard.handle([made.frame(second)])
    assert made.store.calls == ["open cam"]
    (before,) = made.store.befores
    assert before is not None
    assert before.captured_ns == 3 * S  # one spacing of the ring before it appeared at 5 s
    assert made.meter.total("before_missing") == 0
    assert made.outcomes == [(Outcome.DONE, "")] * 4


def test_a_thing_that_goes_on_standing_costs_no_more_pictures(
    make: Callable[[dict[int, Phase]], Made], tmp_path: Path
) -> None:
    made = make({10: Phase.STANDING, 80: Phase.STANDING})
    made.shard.handle([made.frame(10)])
    made.shard.handle([made.frame(80, payload=jpeg(64, 48, grey=True))])
    assert made.store.calls == ["open cam", "refresh cam"]
    assert len(list((tmp_path / "evidence").rglob("*.jpg"))) == 1
    assert made.meter.total("before_missing") == 1  # its camera was new; counted once


def test_a_decision_waits_for_an_absent_database_and_its_departure_behind_it(
    make: Callable[[dict[int, Phase]], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({10: Phase.STANDING, 12: Phase.GONE})
    made.store.away = True
    made.shard.handle([made.frame(10)])
    with monkeypatch.context() as moment:
        # The database comes back between the shard's own try and the departure, which must not overtake its opening.
        moment.setattr(made.shard, "retry", lambda: setattr(made.store, "away", False))
        made.shard.handle([made.frame(12)])
    assert made.outcomes == [(Outcome.DONE, "")] * 2
    assert made.store.calls == []
    made.shard.retry()  # no further frame is needed
    assert made.store.calls == ["open cam", "depart cam"]
    made.shard.retry()
    assert made.store.calls == ["open cam", "depart cam"]


REFUSED = SinkError("database refused: value out of range", retryable=False)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(REFUSED, "refused"), (RuntimeError("a defect"), "failed"), (OverflowError("year 10000"), "failed")],
)
def test_a_decision_that_can_never_be_stored_holds_up_no_other(
    make: Callable[[dict[int, Phase]], Made], fault: Exception, reason: str
) -> None:
    made = make({10: Phase.STANDING, 12: Phase.GONE})
    made.store.away = True
    made.shard.handle([made.frame(10), made.frame(10, "other")])
    made.shard.handle([made.frame(12), made.frame(12, "other")])
    made.store.away, made.store.faults = False, {"cam": fault}
    made.shard.retry()
    assert made.store.calls == ["open other", "depart other"]
    assert made.meter.split("decisions_dropped", "reason") == {reason: 2}
    made.store.faults = {}
    made.shard.retry()
    assert made.store.calls == ["open other", "depart other"]


def test_what_the_database_refuses_is_counted_and_said_again_in_its_turn(
    make: Callable[[dict[int, Phase]], Made],
) -> None:
    made = make({10: Phase.STANDING, 11: Phase.STANDING, 12: Phase.GONE, 75: Phase.STANDING})
    made.store.faults = {"cam": REFUSED}
    for second in (10, 11):
        made.shard.handle([made.frame(second)])
    assert made.meter.split("decisions_dropped", "reason") == {"refused": 1}  # the second frame came within refresh_s
    made.shard.handle([made.frame(12)])
    assert made.meter.split("decisions_dropped", "reason") == {"refused": 2}
    assert made.outcomes == [(Outcome.DONE, "")] * 3
    made.store.faults = {}
    made.shard.handle([made.frame(75)])
    assert made.store.calls == ["open cam"]


def test_no_more_decisions_wait_than_have_room_and_the_oldest_goes(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({10: Phase.GONE})
    made.store.away = True
    made.shard.handle([made.frame(10, f"cam-{index}") for index in range(WAITING_MAX + 2)])
    assert made.meter.split("decisions_dropped", "reason") == {"full": 2}
    made.store.away = False
    made.shard.retry()
    assert made.store.calls == [f"depart cam-{index}" for index in range(2, WAITING_MAX + 2)]


def test_what_waits_at_a_stop_is_stored_by_the_next_start(
    make: Callable[[dict[int, Phase]], Made], tmp_path: Path
) -> None:
    first = make({10: Phase.STANDING, 12: Phase.GONE})
    first.store.away = True
    for at_s in (3, 10, 12):
        first.shard.handle([first.frame(at_s)])
    first.shard.close()
    assert first.meter.total("decisions_kept") == 2
    assert first.meter.total("decisions_dropped") == 0
    second = make({})
    second.store.away = True
    second.shard.retry()
    second.shard.close()  # once more nothing came of it
    third = make({})
    third.shard.retry()  # no frame is needed
    assert third.store.calls == ["open cam", "depart cam"]
    assert third.store.befores[0] is not None
    assert [file.name for file in (tmp_path / "snapshots").iterdir()] == ["cam.state"]
    fourth = make({})
    fourth.shard.retry()
    assert fourth.store.calls == []


@pytest.mark.servers
def test_a_thing_that_came_and_left_while_the_database_was_away_is_on_record_after_the_next_start(
    make: Callable[[dict[int, Phase]], Made], incidents: IncidentStore, tmp_path: Path
) -> None:
    def shard(store: IncidentStore, phases: dict[int, Phase]) -> tuple[Made, Shard]:
        made = make(phases)
        journal = DecisionJournal(tmp_path / "snapshots")
        return made, Shard(replace(made.shard._tools, store=store, journal=journal))

    nowhere = IncidentStore(AlertDatabase("postgresql://127.0.0.1:1/none"), merge_m=3.0, merge_iou=0.3)
    made, away = shard(nowhere, {10: Phase.STANDING, 12: Phase.GONE})
    for at_s in (3, 10, 12):
        away.handle([made.frame(at_s)])
    away.close()
    _, back = shard(incidents, {})
    back.retry()
    (found,) = incidents.recent()
    assert (found.state, found.camera_id) == ("gone", "cam")
    assert found.before_sha256 is not None
    assert [event.what for event in incidents.events(found.incident_id)] == ["opened", "left", "gone"]


def test_a_stop_that_leaves_nothing_behind_writes_no_file(
    make: Callable[[dict[int, Phase]], Made], tmp_path: Path
) -> None:
    made = make({10: Phase.STANDING})
    made.shard.handle([made.frame(10)])
    made.shard.close()
    assert [file.name for file in (tmp_path / "snapshots").iterdir()] == ["cam.state"]
    assert made.meter.total("decisions_kept") == 0


def test_what_neither_database_nor_disk_took_is_said(make: Callable[[dict[int, Phase]], Made], tmp_path: Path) -> None:
    made = make({10: Phase.STANDING})
    made.store.away = True
    made.shard.handle([made.frame(10)])
    (tmp_path / "snapshots").rmdir()
    (tmp_path / "snapshots").write_text("no folder")
    made.shard.close()
    assert made.meter.split("decisions_dropped", "reason") == {"shutdown": 1}
    assert made.meter.total("decisions_kept") == 0


def test_decisions_of_the_last_stop_do_not_take_the_room_of_new_ones(
    make: Callable[[dict[int, Phase]], Made],
) -> None:
    first = make({10: Phase.GONE})
    first.store.away = True
    first.shard.handle([first.frame(10, f"old-{index}") for index in range(WAITING_MAX)])
    first.shard.close()
    second = make({10: Phase.GONE})
    second.store.away = True
    second.shard.handle([second.frame(10, f"new-{index}") for index in range(WAITING_MAX)])
    assert second.meter.total("decisions_dropped") == 0
    second.store.away = False
    second.shard.retry()
    assert len(second.store.calls) == 2 * WAITING_MAX


def test_a_broken_picture_costs_itself_only(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({})
    made.shard.handle([made.frame(1, payload=b"\xff\xd8\xff junk"), made.frame(1, "other")])
    assert sorted(made.outcomes) == [(Outcome.DONE, ""), (Outcome.REJECT, "corrupt")]
    assert made.detector.seen == [(("other",), [1])]


def test_frames_of_one_camera_stay_in_order_one_a_step(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({})
    made.shard.handle([made.frame(1), made.frame(1, "other"), made.frame(2), made.frame(3)])
    assert made.detector.seen == [(("cam", "other"), [1, 1]), (("cam",), [2]), (("cam",), [3])]


def test_frames_of_different_sizes_do_not_share_a_batch(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({})
    small = Frame("small", S, S, jpeg(32, 32), 32, 32)
    ended: list[Outcome] = []
    made.shard.handle([made.frame(1), Delivery(small, lambda outcome, _reason: ended.append(outcome))])
    assert [cameras for cameras, _ in made.detector.seen] == [("cam",), ("small",)]
    assert ended == [Outcome.DONE]


def test_what_a_camera_knew_is_kept_at_the_end_and_comes_back(make: Callable[[dict[int, Phase]], Made]) -> None:
    first = make({})
    first.shard.handle([first.frame(1)])
    first.shard.close()
    second = make({})
    second.shard.handle([second.frame(2)])
    assert second.detector.restored == ["cam: state of cam"]


def test_a_recording_played_again_is_not_late_and_hides_no_other_camera_s_health(
    make: Callable[[dict[int, Phase]], Made],
) -> None:
    made = make({})
    made.detector.changed = {101, 112}
    made.shard.handle([made.frame(100), made.frame(101, "other")])
    made.shard.handle([made.frame(50, boot="again"), made.frame(112, "other")])
    assert made.detector.forgotten == ["cam"]
    made.shard.handle([made.frame(51, boot="again")])
    assert made.shard.scenes == {"cam": SceneState.OK, "other": SceneState.CHANGED}
    assert made.meter.total("camera_events", kind="changed") == 1
    assert made.outcomes == [(Outcome.DONE, "")] * 5


def test_a_late_frame_of_the_same_boot_stays_late(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({})
    made.shard.handle([made.frame(100)])
    made.shard.handle([made.frame(50)])
    assert made.detector.forgotten == []
    assert made.shard.scenes == {"cam": SceneState.LATE}
    assert made.outcomes == [(Outcome.DONE, "")] * 2


def test_a_maturing_thing_is_told_while_it_matures(make: Callable[[dict[int, Phase]], Made]) -> None:
    made = make({1: Phase.MATURING})
    made.shard.handle([made.frame(1)])
    assert made.shard.maturing("cam")
    made.shard.handle([made.frame(2)])
    assert not made.shard.maturing("cam")


def test_a_camera_with_other_zones_keeps_what_it_knows_and_one_that_is_removed_does_not(
    make: Callable[[dict[int, Phase]], Made],
) -> None:
    made = make({})
    made.shard.review([])
    assert made.detector.forgotten == []
    made.shard.review(["cam", "removed"])
    assert made.detector.forgotten == ["cam", "removed"]
    assert made.detector.restored == ["cam: state of cam"]


def test_nothing_is_kept_of_a_removed_camera_and_one_that_is_entered_again_goes_on_from_its_last_state(
    make: Callable[[dict[int, Phase]], Made],
) -> None:
    made = make({1: Phase.MATURING})
    made.shard.handle([made.frame(1)])
    made.shard._tools.snapshots.keep_all(made.detector)
    assert made.shard.maturing("cam")
    view = made.views.pop("cam")
    made.shard.review(["cam"])
    assert not made.shard.maturing("cam")
    assert made.shard.scenes == {}
    made.views["cam"] = view
    made.shard.review(["cam"])
    made.detector.restored.clear()
    made.shard.handle([made.frame(2)])
    assert made.detector.restored == ["cam: state of cam"]


def test_a_snapshot_of_another_view_is_said_once_at_the_first_frame(make: Callable[[dict[int, Phase]], Made]) -> None:
    first = make({})
    first.shard.handle([first.frame(1)])
    first.shard.close()
    second = make({})
    second.detector.changed = {2, 3}
    with capture_logs() as said:
        second.shard.handle([second.frame(2)])
        second.shard.handle([second.frame(3)])
    told = [event for event in said if event["event"] == "snapshot_of_another_view"]
    assert [(event["camera"], event["scene"]) for event in told] == [("cam", "changed")]


def test_an_order_is_carried_out_after_the_next_frame_and_survives_a_kill(
    make: Callable[[dict[int, Phase]], Made], tmp_path: Path
) -> None:
    made = make({})
    made.shard.take_orders([Feedback(1, "cam", "li", Undo(1)), Feedback(2, "other", "li", Undo(1))])
    assert made.detector.orders == []
    made.shard.handle([made.frame(1)])
    assert made.detector.orders == [1]
    assert (tmp_path / "snapshots" / "cam.state").exists()


def test_late_frames_are_no_reason_for_a_snapshot(make: Callable[[dict[int, Phase]], Made], tmp_path: Path) -> None:
    made = make({10: Phase.STANDING})
    made.shard.handle([made.frame(10)])  # something opens: written at once
    (tmp_path / "snapshots" / "cam.state").unlink()
    made.shard.handle([made.frame(5)])
    made.shard.close()
    assert list((tmp_path / "snapshots").iterdir()) == []
