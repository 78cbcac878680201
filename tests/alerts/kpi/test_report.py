"""Every indicator of May by hand, groups that add up, and bytes that come out the same."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.kpi.period import Period, month_before
from alerts.kpi.report import (
    Facts,
    Group,
    Report,
    as_csv,
    as_json,
    digest_of,
    facts_from,
    facts_text,
    in_order,
    line_of,
    report_of,
)
from alerts.kpi.sample import sample_of
from config.kpi import load_formulas
from schemas.errors import UsageError
from schemas.kpi import COUNTS, Fact
from tests.alerts.kpi.may import MAY, all_facts, elsewhere

FORMULAS = load_formulas()
# version, numerator, denominator, value: counted over the twenty-two cases of may.py.
BY_HAND: dict[str, tuple[int, int, int, float]] = {
    "handling_rate": (2, 10, 13, 0.769231),
    "handling_on_time_rate": (2, 8, 13, 0.615385),
    "overdue_rate": (2, 1, 13, 0.076923),
    "extension_rate": (2, 1, 13, 0.076923),
    "rework_rate": (2, 2, 10, 0.2),
    "closing_rate": (2, 10, 10, 1.0),
    "closing_on_time_rate": (2, 8, 10, 0.8),
    "filing_on_time_rate": (1, 16, 17, 0.941176),
    "filing_accuracy_rate": (1, 15, 17, 0.882353),
    "dispatch_on_time_rate": (2, 15, 16, 0.9375),
    "dispatch_accuracy_rate": (2, 14, 16, 0.875),
    "valid_report_rate": (1, 17, 18, 0.944444),
    "verification_on_time_rate": (1, 12, 13, 0.923077),
    "check_on_time_rate": (1, 9, 9, 1.0),
    "self_handling_rate": (1, 1, 10, 0.1),
    "mean_handling_time": (2, 721_800, 9, 22.277778),  # 200.5 h
    "gone_overdue_rate": (1, 1, 2, 0.5),
    "camera_uptime": (1, 2_592_000, 2_635_200, 0.983607),
    "camera_mean_gap": (1, 43_200, 3, 4.0),  # 12 h in three gaps
    "camera_precision": (2, 14, 16, 0.875),
}


def report(by: Group = "unit", facts: Facts | None = None) -> Report:
    return report_of(all_facts() if facts is None else facts, FORMULAS, MAY, by, closed=True)


def values(found: Report, key: str) -> dict[str, float | None]:
    (line,) = [line for line in found.lines if line.key == key]
    return {value.kpi_id: value.value for value in line.values}


def test_nothing_gives_zeros_and_no_value_at_all() -> None:
    found = report(facts=Facts())
    assert (found.cases, found.lines, found.packs) == (0, (), ())
    assert set(found.total.counts.values()) == {0}
    assert {value.value for value in found.total.values} == {None}
    assert set(found.total.scores.values()) == {None}


def test_every_indicator_is_what_the_hand_says() -> None:
    found = {value.kpi_id: (value.numerator, value.denominator, value.value) for value in report().total.values}
    assert found == {name: by_hand[1:] for name, by_hand in BY_HAND.items()}


def test_scores_are_weighted_points_of_a_hundred() -> None:
    # 30 x 10/13 + 20 x 8/13 + 20 x (1 - 0.2) + 20 x (1 - 1/13) + 10 x (1 - 1/13)
    # 25 x 16/17 + 40 x 15/17 + 35 x 0.8
    assert report().total.scores == {"unit": 79.0769, "duty_lead": 86.8235}


def test_a_score_of_an_indicator_without_value_is_none() -> None:
    line = line_of("x", {"to_handle": 1, "handled": 1}, FORMULAS)
    assert line.scores == {"unit": None, "duty_lead": None}


def test_units_have_what_was_theirs() -> None:
    found = report("unit")
    assert [line.key for line in found.lines] == ["u-1", "u-2"]
    # u-2: the late case (48 h), the one that was gone, and the one that u-1 did not take (4 h).
    second = values(found, "u-2")
    assert (second["handling_rate"], second["handling_on_time_rate"], second["mean_handling_time"]) == (1.0, 0.5, 26.0)
    assert (second["dispatch_accuracy_rate"], second["camera_uptime"]) == (0.666667, None)
    assert [line.counts["let_lie"] for line in found.lines] == [1, 0]
    assert (found.total.counts["let_lie"], found.cases) == (1, 20)


def test_posts_have_what_they_did() -> None:
    found = report("post")
    assert [line.key for line in found.lines] == [
        *("", "crew", "dispatcher", "duty_lead", "inspector", "officer", "system"),
    ]
    # Duty leads filed three cases, one late, one of them voided later; of the dispatchers' nine none is either.
    assert values(found, "duty_lead")["filing_on_time_rate"] == pytest.approx(2 / 3, abs=1e-6)
    assert values(found, "duty_lead")["filing_accuracy_rate"] == pytest.approx(2 / 3, abs=1e-6)
    assert values(found, "dispatcher")["filing_on_time_rate"] == 1.0
    # It sent five out, of which a person moved one.
    assert values(found, "system")["dispatch_accuracy_rate"] == 0.8
    assert values(found, "officer")["self_handling_rate"] == 1.0
    # What nobody has done yet is nobody's: two cases with a unit, one of them overdue; one whose suspension is past;
    # one to be dispatched.
    (nobody,) = [line for line in found.lines if line.key == ""]
    assert (nobody.counts["to_handle"], nobody.counts["overdue_waiting"], nobody.counts["to_dispatch"]) == (3, 1, 1)


def test_cameras_have_their_uptime_beside_their_verdicts() -> None:
    found = values(report("camera"), "cam-1")
    assert (found["camera_uptime"], found["camera_precision"]) == (0.983607, 0.875)


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("cell", ["512002001001001"]),
        ("community", ["512002001001"]),
        ("street", ["512002001"]),
        ("district", ["512002"]),
        ("class", ["09006"]),
        ("source", ["camera"]),
    ],
)
def test_places_classes_and_sources_are_groups(by: Group, keys: list[str]) -> None:
    assert [line.key for line in report(by).lines] == keys


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["u-1", "u-2", ""]), min_size=15, max_size=15))
def test_groups_add_up_to_the_total(units: list[str]) -> None:
    cases = [elsewhere("plain", key=f"{number}", unit_id=unit) for number, unit in enumerate(units)]
    for by in ("unit", "class", "district"):
        found = report(by, Facts(tuple(cases)))
        for name in COUNTS:
            assert sum(line.counts[name] for line in found.lines) == found.total.counts[name]


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_same_facts_in_any_order_give_the_same_bytes(random: Random) -> None:
    whole = all_facts()
    mixed = list(whole.cases)
    random.shuffle(mixed)
    assert as_json(report(facts=replace(whole, cases=in_order(mixed)))) == as_json(report())
    assert facts_text(replace(whole, cases=in_order(mixed))) == facts_text(whole)


def test_a_report_names_its_formulas_packs_and_counts_and_no_clock() -> None:
    told = json.loads(as_json(report()))
    assert told["period"] == {"from": "2026-05-01", "to": "2026-05-31", "zone": "Asia/Shanghai", "closed": True}
    assert told["packs"] == ["v1"]
    assert {(kpi["kpi_id"], kpi["version"]) for kpi in told["kpis"]} == {
        (name, by_hand[0]) for name, by_hand in BY_HAND.items()
    }
    assert told["form"] == "curbwatch-kpi/2"
    assert told["total"]["counts"]["handled"] == 10
    assert "2026-06" not in as_json(report())
    assert as_json(report()).count("\n") == 1


def test_the_digest_is_of_the_bytes() -> None:
    assert digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_table_has_a_row_per_group_and_indicator() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(report()))))
    assert len(rows) == 3 * len(BY_HAND)
    (one,) = [row for row in rows if row["unit"] == "*" and row["kpi"] == "handling_rate"]
    assert (one["numerator"], one["denominator"], one["value"], one["version"]) == (*("10", "13", "0.769231", "2"),)
    (none,) = [row for row in rows if row["unit"] == "u-2" and row["kpi"] == "camera_uptime"]
    assert (none["denominator"], none["value"]) == ("0", "")


# All that writers of JSON may write in two ways. Digests of closed periods are of such a text: it never changes.
AWKWARD = Facts(
    (
        Fact(
            *("7d4f0c7e", '城管"一"队\\', "512002001001001", "09006", "cam-1", "camera"),
            posts={"verify": "dispatcher", "handle": "crew\n\t\x01\x7f\u2028"},
            counts={"reported": 1, "handling_s": 3600, "filed": 1},
            packs=("v1", "v2"),
            closed=True,
        ),
        Fact("9", "", "", "", "", "", {}, {"up_s": 1}),
    ),
    (Fact("cam-1", "", "", "", "cam-1", "", {}, {"up_s": 26100, "gaps": 2}),),
)
AWKWARD_TEXT = (
    '["case",{"camera_id":"cam-1","cell_id":"512002001001001","class_code":"09006","closed":true,'
    '"counts":{"filed":1,"handling_s":3600,"reported":1},"key":"7d4f0c7e","packs":["v1","v2"],'
    '"posts":{"handle":"crew\\n\\t\\u0001\x7f\u2028","verify":"dispatcher"},"source":"camera",'
    '"unit_id":"城管\\"一\\"队\\\\"}]\n'
    '["case",{"camera_id":"","cell_id":"","class_code":"","closed":false,"counts":{"up_s":1},"key":"9","packs":[],'
    '"posts":{},"source":"","unit_id":""}]\n'
    '["camera",{"camera_id":"cam-1","cell_id":"","class_code":"","closed":false,"counts":{"gaps":2,"up_s":26100},'
    '"key":"cam-1","packs":[],"posts":{},"source":"","unit_id":""}]\n'
)
AWKWARD_SHA256 = "26cae1746b362eb81f634d251e3ea962da4d99b777cf7e58ccd673e863a3ed07"


def test_the_text_of_facts_is_what_it_always_was() -> None:
    assert facts_text(Facts()) == ""
    assert facts_text(AWKWARD) == AWKWARD_TEXT
    assert digest_of(AWKWARD_TEXT) == AWKWARD_SHA256
    # Who let a job lie stands between cases and cameras.
    assert facts_text(replace(AWKWARD, untaken=(AWKWARD.cases[1],))).split("\n")[2].startswith('["untaken",{')


def test_a_period_that_was_closed_before_cases_counted_as_now_is_reported_as_it_was() -> None:
    """To the byte: by the indicators of its day, and without a nought for what nobody counted."""
    formulas = load_formulas(counting=1)
    for by, sha256 in (
        ("unit", "bf9d415cfc72e42c765de3a46fe53facfc33927c1376c0678adfe55d6c1dd4ef"),
        ("post", "9e86033b8cfaceb3e26de873407d3525a3791ae069124a56b061c0a904c6a631"),
    ):
        found = report_of(AWKWARD, formulas, MAY, cast("Group", by), closed=True, counting=1)
        assert digest_of(as_json(found)) == sha256
        assert "gone_overdue" not in found.total.counts


def test_an_indicator_of_what_was_not_counted_then_has_no_value() -> None:
    facts = Facts((Fact("1", "u-1", "", "", "", "", {}, {"gone": 3, "handled": 2, "handling_s": 7200}),))
    found = report_of(facts, FORMULAS, MAY, "unit", closed=True, counting=1)
    values = {value.kpi_id: value.value for value in found.total.values}
    assert (values["gone_overdue_rate"], values["mean_handling_time"]) == (None, None)


def test_facts_come_back_from_their_text() -> None:
    for facts in (Facts(), all_facts(), AWKWARD):
        assert facts_from(facts_text(facts)) == facts
    for text in ("x", "[]", '["case",{}]', '["street",{}]'):
        with pytest.raises(ValueError, match=r"."):
            facts_from(text)


def closed(count: int) -> list[Fact]:
    return [elsewhere("plain", key=f"case-{number}") for number in range(count)]


def test_a_sample_of_nothing_is_empty() -> None:
    assert sample_of([], "s", 0.5) == ()
    assert sample_of([elsewhere("overdue")], "s", 1.0) == ()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="share"):
        sample_of(closed(3), "s", share)


@settings(max_examples=30)
@given(st.integers(0, 60), st.text(max_size=8), st.floats(0.01, 1.0), st.randoms(use_true_random=False))
def test_a_sample_is_reproducible_and_a_larger_one_only_adds(
    count: int, seed: str, share: float, random: Random
) -> None:
    facts = closed(count)
    drawn = sample_of(facts, seed, share)
    assert share * count - 1e-6 <= len(drawn) <= share * count + 1
    random.shuffle(facts)
    assert sample_of(facts, seed, share) == drawn
    assert sample_of(facts, seed, min(1.0, share * 1.5))[: len(drawn)] == drawn


def test_another_seed_draws_others() -> None:
    assert set(sample_of(closed(100), "one", 0.1)) != set(sample_of(closed(100), "two", 0.1))


def test_a_period_is_whole_local_days() -> None:
    assert MAY.begin == datetime(2026, 4, 30, 16, tzinfo=UTC)
    assert MAY.end == datetime(2026, 5, 31, 16, tzinfo=UTC)
    assert not MAY.over(MAY.end + timedelta(minutes=9))
    assert MAY.over(MAY.end + timedelta(minutes=10))


def test_a_day_of_a_clock_change_has_its_own_length() -> None:
    spring = Period(date(2026, 3, 29), date(2026, 3, 29), "Europe/Berlin")
    autumn = Period(date(2026, 10, 25), date(2026, 10, 25), "Europe/Berlin")
    assert (spring.end - spring.begin, autumn.end - autumn.begin) == (timedelta(hours=23), timedelta(hours=25))


@pytest.mark.parametrize(("first", "last"), [("2026-05-02", "2026-05-01"), ("2025-01-01", "2026-05-01")])
def test_a_period_that_is_none_is_refused(first: str, last: str) -> None:
    with pytest.raises(UsageError, match=first):
        Period(date.fromisoformat(first), date.fromisoformat(last), "UTC")


def test_the_month_before_ends_where_this_one_begins() -> None:
    assert month_before(date(2026, 6, 1), "Asia/Shanghai") == MAY
    assert month_before(date(2026, 1, 31), "UTC") == Period(date(2025, 12, 1), date(2025, 12, 31), "UTC")
