"""What the demo says at its end is what happened."""

from datetime import UTC, datetime, timedelta

import pytest

from curbwatch.demo.report import Findings, balanced, judge, missing, summary, truth_told
from curbwatch.simulate.truth import Happening, Truth
from curbwatch.telemetry import Telemetry
from schemas.incident import Box, IncidentRow

T0 = datetime(2026, 5, 1, tzinfo=UTC)


def event(number: int = 0, kind: str = "waste", *, appear_s: float = 10, permitted: bool = False) -> Happening:
    box = (100 + 200 * number, 100, 50, 40)
    return Happening("cam", number, kind, "bag", "zone", box, appear_s, 1e9, permitted=permitted)


def incident(
    number: int = 0, family: str = "waste", box: Box = (100, 100, 50, 40), state: str = "dispatched"
) -> IncidentRow:
    return IncidentRow(
        incident_id=str(number),
        family=family,
        class_code="06010",
        state=state,
        camera_id="cam",
        zone="zone",
        cell_id="",
        unit_id="u",
        lon=None,
        lat=None,
        box_px=box,
        appeared_at=T0,
        opened_at=T0 + timedelta(seconds=20),
        last_seen_at=T0,
        closed_at=None,
        sightings=1,
        confidence=0.9,
        before_sha256=None,
        opening_sha256="0" * 64,
        rule_version="r",
        decided_by="",
    )


def test_nothing_happened_and_nothing_was_said() -> None:
    findings = judge(Truth((), ()), [], seconds=90, dwell_s=20)
    assert not any((findings.found, findings.missed, findings.young, findings.wrong_kind, findings.alarms))
    result = summary(Telemetry(), [], {}, [], "/nowhere", {})
    assert balanced(result)
    assert missing(result) == {}
    assert result["latency_ms"] == {"p50": None, "p99": None}
    assert result["incidents"] == {"opened": 0, "closed": 0, "by_kind": {"stall": 0, "waste": 0}}


def test_an_event_is_found_missed_or_too_young_to_be_judged() -> None:
    truth = Truth((event(0), event(1, appear_s=75)), ())
    assert judge(truth, [incident()], seconds=90, dwell_s=20).found == (truth.events[0],)
    nothing = judge(truth, [], seconds=90, dwell_s=20)
    assert nothing.missed == (truth.events[0],)
    assert nothing.young == (truth.events[1],)


def test_a_permitted_stall_need_not_be_found_and_an_incident_about_it_is_an_alarm() -> None:
    truth = Truth((event(0, "stall", permitted=True),), ())
    assert judge(truth, [], seconds=90, dwell_s=20).missed == ()
    assert len(judge(truth, [incident(family="stall")], seconds=90, dwell_s=20).alarms) == 1


def test_an_incident_elsewhere_is_an_alarm_and_one_of_the_other_kind_is_said() -> None:
    truth = Truth((event(),), ())
    assert len(judge(truth, [incident(box=(400, 400, 50, 40))], seconds=90, dwell_s=20).alarms) == 1
    wrong = judge(truth, [incident(family="stall")], seconds=90, dwell_s=20)
    assert wrong.found == wrong.wrong_kind == truth.events


@pytest.mark.parametrize("lost", ["frames_received", "positions_received"])
def test_what_is_not_accounted_for_shows(lost: str) -> None:
    telemetry = Telemetry()
    telemetry.add(lost)
    assert not balanced(summary(telemetry, [], {}, [], "", {}))


def test_what_was_sent_and_never_came_shows_and_what_came_twice_does_not() -> None:
    telemetry = Telemetry()
    telemetry.add("frames_received", 5)
    telemetry.add("positions_received", 8)
    result = summary(telemetry, [], {}, [], "", {"frames": 7, "positions": 6})
    assert result["sent"] == {"frames": 7, "positions": 6}
    assert missing(result) == {"frames": 2}


def test_counters_and_latencies_are_summed_up() -> None:
    telemetry = Telemetry()
    telemetry.add("frames_received", 5)
    telemetry.add("frames_processed", 2)
    telemetry.add("frames_shed", 2, reason="decimated")
    telemetry.add("frames_rejected", 1, reason="format")
    telemetry.add("jobs_queued", 3)
    result = summary(
        telemetry,
        [incident(state="done")],
        {"taken": 1, "done": 1, "queued": 1},
        [10.0, 20.0, 30.0],
        "/e",
        {"frames": 5, "positions": 0},
    )
    assert balanced(result)
    assert result["frames"]["shed_by_reason"] == {"decimated": 2}
    assert result["dispatch"] == {"queued": 3, "taken": 2}
    assert result["incidents"]["closed"] == 1
    assert result["latency_ms"]["p50"] == 20.0


def test_a_run_in_which_nothing_stood_long_enough_is_too_short_to_judge() -> None:
    assert "too short to judge" in truth_told(Findings((), (), (), (), ()), stood_s=40)
