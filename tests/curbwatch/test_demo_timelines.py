"""The two timelines that the demo prints."""

from datetime import UTC, datetime

from curbwatch.demo.timelines import farthest, way_json, way_lines
from schemas.incident import IncidentEvent
from tests.alerts.makers import city
from tests.curbwatch.test_demo_report import incident

AT = datetime(2026, 5, 4, 2, 59, tzinfo=UTC)
OPENED = IncidentEvent(AT, "detector", "opened", {"class": "06010"})
DONE = IncidentEvent(AT, "detector", "done", {"how": "camera"})


def test_no_incident_has_no_timeline() -> None:
    assert farthest([], "stall") is None
    assert farthest([(incident(family="waste"), [OPENED])], "stall") is None


def test_what_ended_is_shown_rather_than_what_goes_on() -> None:
    going, ended = incident(state="handling"), incident(state="done")
    found = farthest([(going, [OPENED] * 5), (ended, [OPENED, DONE])], going.family)
    assert found is not None
    assert found[0].state == "done"


def test_each_step_stands_there_with_the_citys_clock_in_both_languages() -> None:
    way = (incident(state="done"), [OPENED, DONE])
    lines = way_lines(city(), {}, way)
    assert len(lines) == 3
    assert lines[2].split()[:2] == ["10:59:00", "detector"]
    assert "结案" in lines[2]
    assert "checked by the camera" in lines[2]
    assert [step["what"] for step in way_json(way)] == ["opened", "done"]
