"""The record as people read it at three in the morning: words and names, never codes."""

from typing import Any

import pytest

from alerts.desk.lifecycle import Act, Refusal
from alerts.desk.words import refusal_line, role_name
from alerts.record.words import step_words
from schemas.rules import CityRules, StaffMember
from tests.alerts.makers import city

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
    ],
)
def test_a_lamp_and_a_list_name_who_was_told_and_why(what: str, detail: dict[str, Any], zh: str, en: str) -> None:
    known = city(rules=CityRules(staff=STAFF))
    assert step_words(known, what, detail, "zh") == zh
    assert step_words(known, what, detail, "en") == en


def test_who_reports_verifies_and_checks_is_the_supervising_inspector_of_the_standard() -> None:
    assert (role_name("inspector", "zh"), role_name("supervisor", "zh")) == ("监督员", "督查")


def test_a_refusal_says_what_to_do_first_where_something_is_to_do() -> None:
    other = Refusal("family", {"family": "stall", "class": "06010"})
    assert refusal_line(other, Act.DOWNGRADE, "zh") == "06010不属于同一大类(占道经营):是另一件事,须另立一案"
    assert refusal_line(Refusal("state", {"state": "suspended"}), Act.CLOSE, "zh").endswith("请先恢复办理(resume)")
    assert refusal_line(Refusal("state", {"state": "suspended"}), Act.CONFIRM, "en").endswith("`resume` it first")
    assert refusal_line(Refusal("state", {"state": "dispatched"}), Act.CONFIRM, "zh") == "案件已派遣,现在不能核实派遣"
