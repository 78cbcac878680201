from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbwatch.tuning.recording import Distractor, Event
from curbwatch.tuning.replay import Alert, Notes, Played, Sites, Stood
from curbwatch.tuning.score import Match, Result, faults, match, noted, summary, wilson
from curbwatch.tuning.verdicts import Rules, Truth, alert_row, judged
from schemas.incident import Sighting

S = 10**9
DWELL_S, TOLERANCE_S = 90.0, 8.0
WASTE = Event("waste", "bag", 10, 200, (100, 100, 40, 40))
ON_IT = (102.0, 98.0, 40.0, 44.0)
ELSEWHERE = (400.0, 300.0, 30.0, 30.0)


def alert(box: tuple[float, float, float, float], at_s: float, family: str = "waste") -> Alert:
    return Alert(family, box, round(at_s * S), round((at_s - 90) * S), 0.8)


def truth(*spans_s: tuple[float, float], standing: tuple[tuple[float, float, float, float], ...] = ()) -> Truth:
    return Truth(
        (WASTE,) * len(spans_s), tuple((round(a * S), round(b * S)) for a, b in spans_s), standing, grid_share=0.5
    )


def verdicts(what: Truth, *alerts: Alert) -> list[str]:
    return [one.verdict for one in judged(what, alerts, Rules(DWELL_S, TOLERANCE_S))]


def result(what: Truth, alerts: tuple[Alert, ...], name: str = "seq") -> Result:
    unwanted, standing = faults(what, alerts, tolerance_s=TOLERANCE_S)
    played = Played({"curbwatch": alerts}, 3600.0, 900, 880, 15, 5, 4.0)
    found = match(what, alerts, dwell_s=DWELL_S, tolerance_s=TOLERANCE_S)
    return Result(name, f"/data/{name}", "recorded", 1.0, found, unwanted, standing, played)


def test_nothing_that_happened_and_no_alert_is_an_empty_score() -> None:
    found = summary([])
    assert (found["hours"], found["events"], found["false_alarms"]) == (0, 0, 0)
    assert found["unwanted_per_hour"] is None
    assert found["delay_s"] == {"median": None, "p90": None}
    assert found["recordings"] == []


def test_an_alert_on_the_thing_while_it_stands_finds_it_and_says_how_late() -> None:
    (one,) = match(truth((40, 800)), [alert(ON_IT, 142)], dwell_s=DWELL_S, tolerance_s=TOLERANCE_S)
    assert one.alert is not None
    assert one.delay_s == pytest.approx(12)
    assert one.width_px == 20
    assert one.duplicates == 0


def test_a_second_alert_on_the_same_thing_is_doubled_and_not_false() -> None:
    alerts = (alert(ON_IT, 142), alert((100, 110, 20, 20), 300))
    found = summary([result(truth((40, 800)), alerts)])
    assert (found["found"], found["duplicates"], found["false_alarms"]) == (1, 1, 0)


@pytest.mark.parametrize("at_s", [30.0, 809.0])
def test_an_alert_before_it_came_or_after_it_left_is_false(at_s: float) -> None:
    found = summary([result(truth((40, 800)), (alert(ON_IT, at_s),))])
    assert (found["found"], found["false_alarms"]) == (0, 1)


def test_an_alert_just_after_it_left_still_counts() -> None:
    assert summary([result(truth((40, 800)), (alert(ON_IT, 807.0),))])["found"] == 1


def test_an_alert_elsewhere_is_false() -> None:
    found = summary([result(truth((40, 800)), (alert(ELSEWHERE, 200),))])
    assert (found["found"], found["false_alarms"], found["unwanted_per_hour"]) == (0, 1, 1.0)


def test_what_stays_shorter_than_the_dwell_is_neither_missed_nor_false() -> None:
    found = summary([result(truth((40, 120)), (alert(ON_IT, 110),))])
    assert (found["events"], found["found"], found["false_alarms"]) == (0, 0, 0)


def test_an_alert_on_what_stood_there_from_the_start_is_counted_apart() -> None:
    found = summary([result(truth(standing=(ELSEWHERE,)), (alert(ELSEWHERE, 200),))])
    assert (found["standing_found"], found["false_alarms"]) == (1, 0)


def test_a_wrong_class_is_found_but_not_right() -> None:
    found = summary([result(truth((40, 800)), (alert(ON_IT, 150, "stall"),))])
    assert found["by_kind"]["waste"].items() >= {"events": 1, "found": 1, "right_class": 0}.items()
    assert found["confusion"]["alerts"]["waste"] == {"stall": 1}


def test_listed_recordings_count_for_nothing_but_are_listed() -> None:
    listed = replace(result(truth(), (alert(ELSEWHERE, 200),)), counted=False)
    found = summary([listed])
    assert (found["hours"], found["false_alarms"]) == (0, 0)
    assert found["recordings"][0]["false_alarms"] == 1


def test_widths_and_conditions_add_up() -> None:
    found = summary([result(truth((40, 800)), (alert(ON_IT, 150),)), result(truth((40, 800)), ())])
    assert sum(row["events"] for row in found["by_width_px"].values()) == 2
    assert found["by_width_px"]["14-28"].items() >= {"events": 2, "found": 1, "right_class": 1}.items()
    row = {"hours": 2.0, "events": 2, "found": 1, "false_alarms": 0, "unwanted_per_hour": 0.0}
    assert found["by_condition"]["recorded"].items() >= row.items()
    assert found["frames"] == {"frames": 1800, "analysed": 1760, "decimated": 30, "undecodable": 10}


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(0, 0) is None
    assert wilson(9, 10) == pytest.approx([0.5958, 0.9821], abs=1e-3)
    assert wilson(0, 4) == pytest.approx([0.0, 0.4899], abs=1e-3)


def test_no_alerts_have_no_verdicts() -> None:
    assert verdicts(truth((40, 800))) == []


def test_every_alert_has_a_verdict_of_its_own() -> None:
    what = truth((40, 800), standing=(ELSEWHERE,))
    later, first = alert(ON_IT, 300), alert(ON_IT, 150)
    assert verdicts(what, later, first, alert(ELSEWHERE, 200), alert((0, 0, 9, 9), 200)) == [
        *("duplicate", "found", "standing", "false")
    ]
    assert verdicts(truth((40, 100)), alert(ON_IT, 90)) == ["short"]


@pytest.mark.parametrize(("at_s", "verdict"), [(200.0, "standing"), (407.0, "standing"), (500.0, "false")])
def test_an_alert_where_a_standing_thing_has_left_is_false(at_s: float, verdict: str) -> None:
    what = replace(truth(standing=(ELSEWHERE,)), standing_until_ns=(400 * S,))
    assert verdicts(what, alert(ELSEWHERE, at_s)) == [verdict]


@pytest.mark.parametrize(("at_s", "named"), [(200.0, {"car": 1}), (900.0, {})])
def test_a_false_alert_on_a_distractor_is_false_and_named(at_s: float, named: dict[str, int]) -> None:
    cars = (Distractor("car", 0, 99, (395, 300, 40, 30)), Distractor("anything", 0, 99, None))
    what = replace(truth(), distractors=cars, distractor_spans_ns=((100 * S, 400 * S), (0, 9999 * S)))
    alerts = (alert(ELSEWHERE, at_s),)
    one = replace(result(what, alerts), alerts=judged(what, alerts, Rules(DWELL_S, TOLERANCE_S)))
    found = summary([one])
    assert found["false_alarms"] == 1
    assert found["on_distractors"] == named


def closed_after(end_s: float, closed_s: float | None) -> dict[str, float | None]:
    what, opened = truth((40, 800)), alert(ON_IT, 150)
    when = None if closed_s is None else round(closed_s * S)
    matches = (Match(WASTE, opened, 0, 0.0, 20.0, closed_s=None if when is None else (when - 800 * S) / 1e9),)
    played = Played({}, end_s, 2, 2, 0, 0, 4.0, (0, round(end_s * S)))
    full = noted(matches, what, played, Notes(), TOLERANCE_S)
    found: dict[str, float | None] = summary([replace(result(what, ()), matches=full)])["close_s"]
    return found


def test_how_soon_an_alert_closes_counts_from_the_leaving_of_its_thing() -> None:
    assert closed_after(2000, 845) == {"ended": 1, "closed": 1, "early": 0, "median": 45.0, "p90": 45.0}
    assert closed_after(2000, 500) == {"ended": 1, "closed": 1, "early": 1, "median": None, "p90": None}
    assert closed_after(2000, None) == {"ended": 1, "closed": 0, "early": 0, "median": None, "p90": None}
    assert closed_after(803, None) == {"ended": 0, "closed": 0, "early": 0, "median": None, "p90": None}


def test_a_missed_event_says_as_what_it_was_seen() -> None:
    what = truth((40, 800), (40, 800))
    stood = {
        1: Stood(ON_IT, 100 * S, 700 * S, "bike", 0.6),
        2: Stood(ON_IT, 720 * S, 760 * S, "waste", 0.5),
        3: Stood(ELSEWHERE, 100 * S, 700 * S, "stall", 0.9),
    }
    played = Played({}, 3600.0, 2, 2, 0, 0, 4.0, (0, 3600 * S))
    missed = match(what, [], dwell_s=DWELL_S, tolerance_s=TOLERANCE_S)
    found = summary([replace(result(what, ()), matches=noted(missed, what, played, Notes(stood=stood), TOLERANCE_S))])
    assert found["confusion"]["classes"]["waste"] == {"bike": 2}
    assert found["confusion"]["alerts"]["waste"] == {"missed": 2}
    assert [row["seen_as"] for row in found["missed"]] == ["bike", "bike"]
    assert found["track_switches"] == 2


def test_an_alert_in_the_result_says_where_when_and_what_it_was_worth() -> None:
    (one,) = judged(truth((40, 800)), [alert(ON_IT, 150)], Rules(DWELL_S, TOLERANCE_S))
    row = alert_row("seq", one, WASTE)
    assert row.keys() >= {"recording", "family", "box_px", "opened_at", "appeared_at", "frame", "confidence", "verdict"}
    assert (row["opened_at"], row["appeared_at"]) == ("1970-01-01T00:02:30+00:00", "1970-01-01T00:01:00+00:00")
    assert row["event"] == {"number": 0, "kind": "waste", "label": "bag"}


BOXES = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(5, 60), st.integers(5, 60))


@given(
    st.lists(st.tuples(BOXES, st.integers(0, 900), st.integers(90, 500)), max_size=4),
    st.lists(st.tuples(BOXES, st.integers(0, 1500)), max_size=8),
)
@settings(max_examples=120, deadline=None)
def test_every_alert_is_found_doubled_or_false_once(
    events: list[tuple[tuple[int, int, int, int], int, int]], alerts: list[tuple[tuple[int, int, int, int], int]]
) -> None:
    what = Truth(
        tuple(Event("waste", "", 0, 1, box) for box, _, _ in events),
        tuple((start * S, (start + long) * S) for _, start, long in events),
        (),
        1.0,
    )
    opened = tuple(alert((float(x), float(y), float(w), float(h)), at) for (x, y, w, h), at in alerts)
    found = match(what, opened, dwell_s=DWELL_S, tolerance_s=TOLERANCE_S)
    unwanted, _ = faults(what, opened, tolerance_s=TOLERANCE_S)
    hits = sum(one.alert is not None for one in found) + sum(one.duplicates for one in found)
    assert hits + len(unwanted) == len(opened)
    assert len(found) == len(events)


def sighting(track: int, box: tuple[float, float, float, float], at_s: int, family: str = "waste") -> Sighting:
    return Sighting(
        "c", track, family, "", "", "", "", None, box, at_s * S, (at_s - 90) * S, 90.0, 0.9,
        direct=False, urgent=False, rule_version="",
    )  # fmt: skip


def test_one_thing_opens_one_incident_however_often_and_by_whichever_track_it_is_seen() -> None:
    sites = Sites(0.3)
    assert sites.opens(sighting(1, ON_IT, 100))
    assert not sites.opens(sighting(1, ON_IT, 160))
    assert not sites.opens(sighting(2, (110, 105, 20, 20), 170))
    assert sites.opens(sighting(3, ELSEWHERE, 180))
    assert sites.opens(sighting(1, ON_IT, 190, "stall"))  # another family is another incident


def test_after_it_left_the_same_place_may_open_again() -> None:
    sites = Sites(0.3)
    assert sites.opens(sighting(1, ON_IT, 100))
    assert sites.depart(1) == 0  # the number of the incident that is closed
    assert sites.depart(1) is None
    assert not sites.opens(sighting(1, ON_IT, 150))  # the same track is still the same thing
    assert sites.opens(sighting(2, ON_IT, 400))
