"""The record as people read it at three in the morning: words and names, never codes."""

from typing import Any

import pytest

from alerts.desk.lifecycle import Act, Refusal
from alerts.desk.words import refusal_line, role_name
from alerts.record.words import step_words
from schemas.rules import CityRules, StaffMember
from tests.alerts.makers import city
from tests.alerts.record.detail_keys import used

STAFF = {"wu-jian": StaffMember("wu-jian", "吴建", "duty_lead")}
UNTAKEN: dict[str, Any] = {
    "stage": "handle",
    "round": 0,
    "limit": "take",
    "why": "untaken",
    "job": "0c7d1a52",
    "unit": "u-1",
    "to": "duty_lead",
    "people": ["wu-jian"],
    "digest": 3,
    "quiet": True,
}
LAMP: dict[str, Any] = {
    "stage": "handle",
    "limit": "09006/handle",
    "name": "处置时限",
    "lamp": "yellow",
    "due_at": "2026-05-04T00:28:00+00:00",
    "to": "officer",
    "people": [],
}
LIST: dict[str, Any] = {
    "stage": "verify",
    "why": "stuck",
    "list": "undecided",
    "to": "duty_lead",
    "people": ["wu-jian"],
}
TOGETHER: dict[str, Any] = {
    "why": "digest",
    "digest": 3,
    "unit": "u-1",
    "count": 4,
    "cases": ["a", "b"],
    "to": "duty_lead",
    "people": ["wu-jian"],
}
# Told without a word of their own: names and what people wrote, or codes and moments that say what they are.
BARE = frozenset(
    {"class", "unit", "from", "to", "stage", "also", "lamp", "list", "how", "why", "reason", "source", "at"}
) | {*("role", "name", "note", "people", "camera", "vehicle", "kind", "ref")}


@pytest.mark.parametrize(
    ("what", "detail", "zh", "en"),
    [
        ("escalated", UNTAKEN, "督办 · 值班长 吴建 · 无人领取", "escalated · duty lead 吴建 · nobody took it"),
        (
            "urged",
            LAMP,
            "催办 · 处置 · 执法队员 · 黄灯 · 处置时限 · 时限 05-04 08:28:00",
            "urged · handle · officer · yellow · 处置时限 · due 05-04 08:28:00",
        ),
        (
            "escalated",
            LIST,
            "督办 · 核实 · 值班长 吴建 · 应立未立",
            "escalated · verify · duty lead 吴建 · not decided",
        ),
        (
            "escalated",
            TOGETHER,
            "督办 · 一中队 · 值班长 吴建 · 一并告知 · 共 4 件",
            "escalated · Squad 1 · duty lead 吴建 · told together · 4 in all",
        ),
        (
            "evidence",
            {"role": "standing"},
            "补充照片 · 持续存在照片",
            "a picture came to it · a picture that it stands",
        ),
        (
            "reclassed",
            {"from": "09006", "to": "09005", "to_unit": "u-1", "urgent": False},
            "改类 · 占道经营 · → 店外经营 · 现由一中队负责",
            "called otherwise · Stall on the pavement · → Shop spilling over its front · Squad 1 answers for it now",
        ),
        ("woken", {"words": 1}, "恢复提醒 · 撤销暂停 1 项", "its place is quiet no longer · quiets ended: 1"),
        (
            "reopened",
            {"why": "person", "reason": "真的", "was": "void", "rework": False, "woken": 2},
            "重新立案 · 人工 · 真的 · 撤销暂停 2 项",
            "reopened · by a person · 真的 · quiets ended: 2",
        ),
        (
            "grace_over",
            {"permit": "p-1"},
            "劝诫期满未整改 · 现有许可 p-1",
            "its grace is over, and it was not put right · permit p-1 holds now",
        ),
        (
            "escalated",
            {"why": "still_untaken", "since": "2026-05-04T00:28:00+00:00", "times": 2},
            "督办 · 仍无人领取 · 等待自 05-04 08:28:00",
            "escalated · still nobody took it · waits since 05-04 08:28:00",
        ),
    ],
)
def test_a_lamp_and_a_list_name_who_was_told_and_why(what: str, detail: dict[str, Any], zh: str, en: str) -> None:
    known = city(rules=CityRules(staff=STAFF))
    assert step_words(known, what, detail, "zh") == zh
    assert step_words(known, what, detail, "en") == en


def test_every_detail_that_is_written_is_told_in_words_or_not_at_all() -> None:
    assert {"permit", "words", "woken", "since", "to_unit"} <= used()
    told = {key: step_words(city(), "noted", {key: "zz"}, "zh") for key in used() - BARE}
    assert {key: line for key, line in told.items() if line.endswith(" · zz")} == {}


def test_who_reports_verifies_and_checks_is_the_supervising_inspector_of_the_standard() -> None:
    assert (role_name("inspector", "zh"), role_name("supervisor", "zh")) == ("监督员", "督查")


def test_a_refusal_says_what_to_do_first_where_something_is_to_do() -> None:
    other = Refusal("family", {"family": "stall", "class": "06010"})
    assert refusal_line(other, Act.DOWNGRADE, "zh") == "06010不属于同一大类(占道经营):是另一件事,须另立一案"
    assert refusal_line(Refusal("state", {"state": "suspended"}), Act.CLOSE, "zh").endswith("请先恢复办理(resume)")
    assert refusal_line(Refusal("state", {"state": "suspended"}), Act.CONFIRM, "en").endswith("`resume` it first")
    assert refusal_line(Refusal("state", {"state": "dispatched"}), Act.CONFIRM, "zh") == "案件已派遣,现在不能核实派遣"
