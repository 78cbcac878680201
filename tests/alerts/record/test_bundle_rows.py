"""What a party's copy shows of the record: what is listed, and nothing that nobody thought of."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.record.bundle_rows import CODED, OF_STEPS, PERSONS, SHOWN, TEXTS, is_blinded, party_row
from alerts.record.canonical import parsed
from schemas.record import What
from tests.alerts.record.detail_keys import used

SECRET = "王阿姨"
KEYS = ("note", "reason", "why", "ref", "kind", "holder", "finished_by", "second", "people", "job", "digest", "source")
NOT_SHOWN = st.one_of(st.sampled_from(KEYS), st.text(min_size=20))
# Keys that are put together where they are written.
PUT_TOGETHER = frozenset({"evidence", "before", "after", "before_digest", "after_digest", "suspended_at", "handled"})
# Left out of a copy for a reason, beside persons and texts.
LEFT_OUT = (
    frozenset({"source", "kind", "ref", "alarm"})  # that somebody told of it, and by which number
    | {"digest", "before_digest", "after_digest"}  # redaction.json has the originals' own
    | {
        "job",
        "vehicle",
        "distance_m",
        "track",
        "hold",
        "family",
        "into",
        "grave",
        "handled",
    }  # the bureau's own numbers
    | {"words", "woken", "instead_of"}  # what others had said of the place, or asked for
    | {
        "lamp",
        "list",
        "limit",
        "round",
        "day",
        "times",
        "since",
        "suspended_at",
        "count",
        "cases",
        "quiet",
    }  # its sweep
)
ALL_OF_IT = frozenset({What.ATTACHED, What.NOTED, What.HELD, What.RELEASED, What.URGED, What.ESCALATED})


def row(what: str = "confirmed", role: str = "dispatcher", **detail: Any) -> dict[str, Any]:  # noqa: ANN401
    chained = {"seq": 3, "at_us": 1_777_863_540_000_000, "prev_hash": "aa", "hash": "bb"}
    return chained | {
        "actor": SECRET if role != "system" else "detector",
        "role": role,
        "proved": True,
        "what": what,
        "state": "dispatched",
        "detail": detail,
    }


@given(
    st.one_of(st.sampled_from([*What]), st.just("a later step")),
    st.sampled_from(["dispatcher", "crew", "intake", "system"]),
    st.dictionaries(NOT_SHOWN, st.one_of(st.just(SECRET), st.just([SECRET]), st.just({"name": SECRET}))),
)
def test_whatever_a_step_holds_besides_is_left_out(what: str, role: str, detail: dict[str, Any]) -> None:
    shown = party_row(row(what, role, **detail))
    text = json.dumps(shown, ensure_ascii=False)
    assert SECRET not in text
    assert not {"hash", "prev_hash"} & shown.keys()
    if what in ALL_OF_IT:
        assert shown == {"seq": 3, "left_out": ["step"]}
    else:
        assert shown["detail"] == {}
        assert bool(shown["left_out"]) == (bool(detail) or role != "system")


@pytest.mark.parametrize("what", [*What])
def test_a_step_of_the_system_without_a_detail_is_shown_whole_or_by_its_number(what: What) -> None:
    shown = party_row(row(what, "system"))
    assert shown["left_out"] == (["step"] if what in ALL_OF_IT else [])


def test_what_is_of_the_case_is_shown() -> None:
    detail = parsed('{"class": "09006", "zone": "left", "case_no": "5120022026", "evidence": 7, "working_h": 2.5}')
    found = party_row(row("extended", "system", **detail))
    assert found["detail"] == {
        "class": "09006",
        "zone": "left",
        "case_no": "5120022026",
        "evidence": 7,
        "working_h": 2.5,
    }
    assert (found["actor"], found["role"], found["left_out"]) == ("detector", "system", [])
    assert party_row(row("reclassed", **{"from": "09006", "to": "09005", "reason": "minor"}))["detail"] == {
        "from": "09006",
        "to": "09005",
        "reason": "minor",
    }
    assert party_row(row("merged", **{"from": "0b6e"}))["detail"] == {}


def test_whoever_writes_a_new_detail_says_whether_a_party_sees_it() -> None:
    shown = SHOWN | CODED | {key for keys in OF_STEPS.values() for key in keys}
    left = PERSONS | TEXTS | LEFT_OUT
    assert (used() | PUT_TOGETHER) - shown - left == set()
    assert LEFT_OUT - used() - PUT_TOGETHER == set()
    assert LEFT_OUT & shown == set()


def test_the_permit_that_speaks_for_a_party_is_shown_to_it() -> None:
    shown = party_row(row("grace_over", "system", permit="p-1"))
    assert (shown["detail"], shown["left_out"]) == ({"permit": "p-1"}, [])


def test_a_reason_is_shown_where_it_is_one_of_our_codes() -> None:
    assert party_row(row("void", reason="not_found"))["detail"] == {"reason": "not_found"}
    assert party_row(row("rejected", reason="complaint"))["left_out"] == ["person", "words"]


def test_who_entered_what_somebody_told_of_is_not_told_by_the_role() -> None:
    assert "role" not in party_row(row("opened", "intake"))
    assert party_row(row("done", "duty_lead"))["role"] == "duty_lead"


@pytest.mark.parametrize(
    ("details", "blinded"),
    [
        ([], False),
        ([{}], False),
        ([{"digest": 17}, {"digest": None}], False),  # a list's number, a picture that is gone
        ([{}, {"digest": "0" * 64}], True),
        ([{"after_digest": "0" * 64}], True),
    ],
)
def test_only_a_picture_makes_a_hash_that_nobody_can_guess(details: list[dict[str, Any]], *, blinded: bool) -> None:
    assert is_blinded({"detail": detail} for detail in details) is blinded
