"""Who may do what with a case, when, and what they are told where they may not."""

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.desk.case import Told, case_of, moved_by
from alerts.desk.lifecycle import ENDED, MOVES, RULES, STAGES, SUSPEND_MAX, Act, Case, Refusal, Step, Wish, decide
from alerts.desk.reasons import DOWNGRADES, VOIDS
from alerts.desk.words import ACTS, REFUSALS, ROLES, refusal_line
from schemas.record import OPEN, Actor, State, What
from schemas.rules import Role

NOW = datetime(2026, 5, 4, 3, tzinfo=UTC)
LEI = Actor("李雷", "dispatcher")
WANG = Actor("王芳", "supervisor")
ROLE_NAMES = (*get_args(Role), "crew", "system")


def case(state: State = State.VERIFY, **changes: Any) -> Case:  # noqa: ANN401
    whole: dict[str, Any] = {"state": state, "version": 3, "family": "stall", "class_code": "09006"}
    return Case(**whole | changes)


def wish(act: Act, **changes: Any) -> Wish:  # noqa: ANN401
    """A wish with everything that any act asks for."""
    whole: dict[str, Any] = {
        "reason": "minor" if act is Act.DOWNGRADE else "false_alarm",
        "text": "看过了",
        "until": NOW + timedelta(hours=1),
        "working_h": 4.0,
        "into": "7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10",
        "class_code": "09005",
        "class_family": "stall",
        "before": True,
        "after": True,
    }
    return Wish(act, **whole | changes)


def told(got: Step | Refusal) -> str:
    """Code of a refusal."""
    assert isinstance(got, Refusal)
    return got.code


def done(got: Step | Refusal) -> Step:
    assert isinstance(got, Step), got
    return got


CASES = st.builds(
    Case,
    state=st.sampled_from(State),
    version=st.integers(0, 9),
    family=st.just("stall"),
    class_code=st.just("09006"),
    urgent=st.booleans(),
    grave=st.booleans(),
    handled=st.booleans(),
    finished_by=st.sampled_from(["", "李雷"]),
    asked_by=st.sampled_from(["", "李雷", "王芳"]),
    asked_reason=st.sampled_from(["", *VOIDS]),
    suspended_from=st.none() | st.sampled_from(State),
    sent=st.booleans(),
    extended=st.frozensets(st.sampled_from(["verify", "dispatch", "handle", "check"])),
    held=st.booleans(),
)
WISHES = st.builds(
    Wish,
    act=st.sampled_from(Act),
    reason=st.sampled_from(["", "x", *VOIDS, *DOWNGRADES]),
    text=st.sampled_from(["", " ", "看过了"]),
    until=st.none() | st.sampled_from([NOW - timedelta(hours=1), NOW + timedelta(hours=1), NOW + timedelta(days=99)]),
    working_h=st.sampled_from([0.0, -1.0, 4.0, 1e9, float("nan")]),
    into=st.sampled_from(["", "7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10"]),
    class_code=st.sampled_from(["", "09005", "09006", "06010"]),
    class_family=st.sampled_from(["", "stall", "waste"]),
    urgent=st.none() | st.booleans(),
    before=st.booleans(),
    after=st.booleans(),
)
ACTORS = st.builds(Actor, st.sampled_from(["李雷", "王芳"]), st.sampled_from(ROLE_NAMES))


@given(CASES, WISHES, ACTORS)
def test_no_way_leads_out_of_an_ended_case_but_to_open_it_again(case: Case, wish: Wish, actor: Actor) -> None:
    got = decide(case, wish, actor, NOW)
    if isinstance(got, Step) and case.state in ENDED and got.to is not None:
        assert wish.act is Act.REOPEN
        assert got.to in OPEN


@given(CASES, WISHES, ACTORS)
def test_auxiliary_staff_auditors_and_crews_never_move_a_case(case: Case, wish: Wish, actor: Actor) -> None:
    got = decide(case, wish, actor, NOW)
    if isinstance(got, Step):
        assert actor.role not in {"auditor", "crew", "system"}
        if actor.role == "auxiliary":
            assert (got.what, got.to) == (What.NOTED, None)


@given(CASES, WISHES, ACTORS)
def test_every_refusal_says_why_in_both_languages(case: Case, wish: Wish, actor: Actor) -> None:
    got = decide(case, wish, actor, NOW)
    if isinstance(got, Refusal):
        lines = [refusal_line(got, wish.act, lang) for lang in ("zh", "en")]
        assert all(line and "{" not in line for line in lines)
        assert lines[1].isascii() or any(part in lines[1] for part in ("李雷", "王芳"))


@given(CASES, WISHES, ACTORS)
def test_every_step_can_be_written_into_the_record(case: Case, wish: Wish, actor: Actor) -> None:
    got = decide(case, wish, actor, NOW)
    if isinstance(got, Step):
        assert json.dumps(got.detail, allow_nan=False)


def test_the_table_and_its_words_are_whole() -> None:
    assert set(MOVES) == set(RULES) == set(Act) == set(ACTS)
    assert set(ROLES) >= set(get_args(Role))
    for zh, en in REFUSALS.values():
        assert names(en) <= names(zh) | {"what", "who", "state"}, en


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_a_lead_becomes_a_case_and_goes_out() -> None:
    step = done(decide(case(), Wish(Act.CONFIRM, urgent=True), LEI, NOW))
    assert (step.what, step.detail, step.to) == (What.CONFIRMED, {"urgent": True}, State.DISPATCHED)
    step = done(decide(case(), Wish(Act.FILE), LEI, NOW))
    assert (step.what, step.to) == (What.FILED, State.FILED)
    assert told(decide(case(State.DISPATCHED), Wish(Act.CONFIRM), LEI, NOW)) == "state"


def test_a_void_without_a_reason_is_refused() -> None:
    assert told(decide(case(), Wish(Act.VOID), LEI, NOW)) == "void_reason"
    assert told(decide(case(), Wish(Act.VOID, reason="nix"), LEI, NOW)) == "void_reason"
    assert told(decide(case(), Wish(Act.VOID, reason="other"), LEI, NOW)) == "text"
    step = done(decide(case(), Wish(Act.VOID, reason="permitted"), LEI, NOW))
    assert (step.what, step.detail, step.to) == (What.VOID, {"reason": "permitted"}, State.VOID)


@pytest.mark.parametrize("why", ["grave", "handled"])
def test_voiding_what_is_grave_or_was_handled_takes_two_people(why: str) -> None:
    weighty: dict[str, Any] = {why: True}
    asked = done(decide(case(**weighty), Wish(Act.VOID, reason="permitted", text="有证"), LEI, NOW))
    assert (asked.what, asked.to) == (What.VOID_ASKED, None)
    waiting = case(**weighty, asked_by="李雷", asked_reason="permitted", asked_text="有证")
    assert told(decide(waiting, Wish(Act.VOID, reason="permitted"), LEI, NOW)) == "second"
    assert told(decide(waiting, Wish(Act.VOID), LEI, NOW)) == "second"
    voided = done(decide(waiting, Wish(Act.VOID), WANG, NOW))
    said = {"reason": "permitted", "note": "有证", "asked_by": "李雷", "second": "王芳"}
    assert (voided.detail, voided.to) == (said, State.VOID)
    other = done(decide(waiting, Wish(Act.VOID, reason="duplicate"), WANG, NOW))
    assert other.what is What.VOID_ASKED  # another reason is another request


def test_a_downgrade_names_what_changes_and_why() -> None:
    assert told(decide(case(), Wish(Act.DOWNGRADE, reason="minor"), LEI, NOW)) == "no_change"
    same = Wish(Act.DOWNGRADE, class_code="09005", class_family="stall")
    assert told(decide(case(), same, LEI, NOW)) == "downgrade_reason"
    assert told(decide(case(), wish(Act.DOWNGRADE, class_family="waste"), LEI, NOW)) == "family"
    step = done(decide(case(urgent=True), Wish(Act.DOWNGRADE, reason="minor", urgent=False), LEI, NOW))
    assert step.detail == {"from": "09006", "to": "09006", "urgent": False, "reason": "minor"}
    assert step.to is None


def test_quiet_has_an_end_and_a_reason() -> None:
    for until in (None, NOW, NOW + timedelta(days=31)):
        assert told(decide(case(), wish(Act.SNOOZE, until=until), LEI, NOW)) == "until"
    assert told(decide(case(), wish(Act.SNOOZE, text=" "), LEI, NOW)) == "why"


def test_nobody_checks_their_own_work() -> None:
    checking = case(State.CHECKING, finished_by="李雷")
    assert told(decide(checking, Wish(Act.CLOSE), LEI, NOW)) == "own_work"
    assert done(decide(checking, Wish(Act.CLOSE), WANG, NOW)).to is State.DONE
    assert told(decide(checking, Wish(Act.REWORK), WANG, NOW)) == "why"
    assert done(decide(checking, Wish(Act.REWORK, text="还有一半"), WANG, NOW)).to is State.DISPATCHED


def test_a_stage_is_extended_once_and_again_by_a_supervisor_only() -> None:
    first = done(decide(case(State.HANDLING), wish(Act.EXTEND), LEI, NOW))
    assert first.detail == {"stage": "handle", "working_h": 4.0, "reason": "看过了"}
    lead = done(decide(case(State.VERIFY), wish(Act.EXTEND), LEI, NOW))
    assert (lead.detail["stage"], lead.detail["also"]) == ("verify", "file")
    again = case(State.HANDLING, extended=frozenset({"handle"}))
    assert told(decide(again, wish(Act.EXTEND), LEI, NOW)) == "extended"
    assert done(decide(again, wish(Act.EXTEND), WANG, NOW)).to is None
    for hours in (0.0, -1.0, 1e9, float("nan")):
        assert told(decide(case(State.HANDLING), wish(Act.EXTEND, working_h=hours), LEI, NOW)) == "hours"
    assert MOVES[Act.EXTEND].origins == set(STAGES)


def test_a_suspended_case_goes_on_where_it_was_and_whoever_had_its_job_has_it_no_more() -> None:
    for state, then in (
        (State.FILED, State.FILED),
        (State.DISPATCHED, State.DISPATCHED),
        (State.HANDLING, State.DISPATCHED),
        (State.CHECKING, State.CHECKING),
    ):
        assert done(decide(case(state), wish(Act.SUSPEND), LEI, NOW)).to is State.SUSPENDED
        without = done(decide(case(state), wish(Act.SUSPEND, until=None), LEI, NOW))
        assert without.detail["until"] == (NOW + SUSPEND_MAX).isoformat(), "none is for ever"
        late = wish(Act.SUSPEND, until=NOW + timedelta(days=8), most=timedelta(days=7))
        assert told(decide(case(state), late, LEI, NOW)) == "until"
        assert done(decide(case(State.SUSPENDED, suspended_from=state), Wish(Act.RESUME), LEI, NOW)).to is then
    assert told(decide(case(), wish(Act.SUSPEND), LEI, NOW)) == "state"


def test_a_call_for_help_is_never_put_off_and_reopened_it_is_out_at_once() -> None:
    for act in (Act.SUSPEND, Act.SNOOZE):
        assert told(decide(case(State.DISPATCHED, family="sos"), wish(act), LEI, NOW)) == "call"
    for state in (State.VOID, State.DONE):
        assert done(decide(case(state, family="sos"), wish(Act.REOPEN), LEI, NOW)).to is State.DISPATCHED


def test_handling_on_the_spot_wants_both_pictures() -> None:
    inspector = Actor("赵敏", "inspector")
    assert told(decide(case(), wish(Act.SELF_HANDLE, after=False), inspector, NOW)) == "pictures"
    assert told(decide(case(), wish(Act.SELF_HANDLE, before=False), inspector, NOW)) == "pictures"
    assert done(decide(case(), wish(Act.SELF_HANDLE), inspector, NOW)).to is State.DONE


def test_an_ended_case_is_opened_again_for_a_reason() -> None:
    assert told(decide(case(State.DONE), Wish(Act.REOPEN), LEI, NOW)) == "why"
    again = done(decide(case(State.DONE, sent=True), wish(Act.REOPEN), LEI, NOW))
    assert (again.to, again.detail["rework"], again.detail["was"]) == (State.DISPATCHED, True, "done")
    assert done(decide(case(State.VOID, sent=True), wish(Act.REOPEN), LEI, NOW)).to is State.VERIFY
    assert told(decide(case(State.MERGED), wish(Act.REOPEN), LEI, NOW)) == "ended"
    assert told(decide(case(State.DONE), wish(Act.VOID), LEI, NOW)) == "ended"


def row(state: State) -> dict[str, Any]:
    return {"state": state, "chain_seq": 9, "family": "stall", "class_code": "09006", "urgent": False}


def steps(*lines: tuple[What, State, str], **detail: object) -> list[Told]:
    """Rows of a record; ``detail`` is that of each."""
    return [
        Told(seq, NOW + timedelta(minutes=seq), actor, "dispatcher", what, state, detail)
        for seq, (what, state, actor) in enumerate(lines, start=1)
    ]


def test_a_case_without_a_record_is_as_its_row_says() -> None:
    found = case_of(row(State.VERIFY), [], grave=False, held=False)
    assert found == case(version=9)
    assert moved_by([]) is None


def test_what_was_once_grave_or_handled_stays_so_and_goes_along_with_a_merger() -> None:
    record = steps((What.OPENED, State.VERIFY, "detector"), grave=True)
    assert case_of(row(State.VERIFY), record, grave=False, held=False).grave
    weighty = case(grave=True, handled=True)
    merged = done(decide(weighty, Wish(Act.MERGE, into="x"), LEI, NOW))
    assert merged.detail == {"into": "x", "grave": True, "handled": True}
    taken_in = steps((What.MERGED, State.VERIFY, "李雷"), grave=True, handled=True)
    found = case_of(row(State.VERIFY), taken_in, grave=False, held=False)
    assert (found.grave, found.handled, found.merged_into) == (True, True, "")


def test_a_case_is_read_from_its_record() -> None:
    record = steps(
        (What.OPENED, State.VERIFY, "detector"),
        (What.CONFIRMED, State.DISPATCHED, "李雷"),
        (What.TAKEN, State.HANDLING, "crew-1"),
        (What.EXTENDED, State.HANDLING, "李雷"),
        (What.FINISHED, State.CHECKING, "crew-1"),
        (What.VOID_ASKED, State.CHECKING, "李雷"),
        stage="handle",
        reason="permitted",
    )
    found = case_of(row(State.CHECKING), record, grave=True, held=True)
    assert (found.finished_by, found.handled, found.sent, found.held) == ("crew-1", True, True, True)
    assert (found.asked_by, found.asked_reason, set(found.extended)) == ("李雷", "permitted", {"handle"})
    moved = moved_by(record)
    assert moved is not None
    assert moved.what == What.FINISHED
    again = [*record, *steps((What.REWORK, State.DISPATCHED, "王芳"))]
    found = case_of(row(State.DISPATCHED), again, grave=False, held=False)
    assert (found.finished_by, found.asked_by, set(found.extended), found.handled) == ("", "", set(), True)
    paused = [*record, *steps((What.SUSPENDED, State.SUSPENDED, "李雷"))]
    assert case_of(row(State.SUSPENDED), paused, grave=False, held=False).suspended_from is State.CHECKING
