"""What a tired dispatcher reads at 3 a.m., and what a program reads."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.messages import (
    EVENTS,
    INCIDENT_STATES,
    JOB_STATES,
    WHYS,
    WHYS_SHORT,
    Lang,
    after_done,
    class_name,
    duration,
    event_line,
    headline,
    job_lines,
    job_state_name,
    state_name,
    unit_name,
    why_line,
)
from alerts.wire import incident_state, instant, job_state
from schemas.dispatch import Why
from schemas.incident import IncidentRow, Job
from tests.alerts.makers import CELL, city

CAME = datetime(2026, 5, 4, 0, 28, tzinfo=UTC)  # 08:28 in Shanghai
NOW = CAME + timedelta(minutes=40)
NAMES = {"cam-1": "滨河路沱江桥头"}
INCIDENT = IncidentRow(
    incident_id="7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10",
    family="waste",
    class_code="06010",
    state="dispatched",
    camera_id="cam-1",
    zone="bins",
    cell_id=CELL,
    unit_id="u-2",
    lon=104.6405,
    lat=30.1205,
    box_px=(410.123, 380.0, 64.0, 48.0),
    appeared_at=CAME,
    opened_at=CAME + timedelta(seconds=90),
    last_seen_at=NOW,
    closed_at=None,
    sightings=3,
    confidence=0.8199999928474426,
    before_sha256=None,
    opening_sha256="a" * 64,
    rule_version="v1",
    decided_by="",
)
JOB = Job("0c7d1a52-5d1c-5d0e-9a53-6e2f0b7f6c11", "u-2", "urgent", "taken", "李雷", NOW, INCIDENT)


@pytest.mark.parametrize(
    ("lang", "lines"),
    [
        (
            "zh",
            [
                "【紧急】滨河路沱江桥头 暴露垃圾,08:28出现,已停留40分钟",
                "  网格 第1网格 512002001001001   承办单位 环卫所   104.640500, 30.120500 (WGS-84)",
                f"  任务号 {JOB.job_id}",
                f"  处置完毕: curbwatch dispatch done {JOB.job_id} --as 李雷",
            ],
        ),
        (
            "en",
            [
                "[URGENT] 滨河路沱江桥头: Exposed waste, there since 08:28 (40 min)",
                "  cell 第1网格 512002001001001   unit Sanitation   104.640500, 30.120500 (WGS-84)",
                f"  job {JOB.job_id}",
                f"  done: curbwatch dispatch done {JOB.job_id} --as 李雷",
            ],
        ),
    ],
)
def test_a_job_says_what_and_where_then_how_to_find_and_to_end_it(lang: Lang, lines: list[str]) -> None:
    told = job_lines(city(), NAMES, JOB, lang, NOW)
    # A shell quotes what is not plain letters; both forms can be pasted.
    assert [line.replace("'李雷'", "李雷") for line in told] == lines


def test_nobody_is_shown_how_to_end_what_another_holds() -> None:
    for reader, shown in ((None, True), ("李雷", True), ("韩梅", False), ("", False)):
        assert any("dispatch done" in line for line in job_lines(city(), NAMES, JOB, "zh", NOW, reader)) is shown


def test_why_a_unit_has_a_job_stays_true_after_it_was_taken() -> None:
    waits = replace(JOB, state="queued", holder="", why="nobody")
    assert why_line(city(), NAMES, waits, "zh") == "无单位当班,待责任单位"
    assert why_line(city(), NAMES, replace(waits, state="taken"), "zh") == ""
    assert why_line(city(), NAMES, replace(JOB, why="escalated"), "zh") == "经升级派遣"


def test_who_ends_a_job_is_told_who_checks_it() -> None:
    assert after_done(replace(INCIDENT, state="done"), "zh") == "案件已结案"
    assert "人工" in after_done(replace(INCIDENT, state="checking", check="person"), "zh")
    assert "the camera" in after_done(replace(INCIDENT, state="checking", check="camera"), "en")
    assert after_done(INCIDENT, "zh") == ""


def test_a_job_with_nothing_known_is_still_a_message() -> None:
    bare = replace(
        JOB,
        unit_id="u-9",
        urgency="normal",
        state="queued",
        holder="",
        incident=replace(INCIDENT, class_code="99999", cell_id="", lon=None, lat=None),
    )
    assert job_lines(city(), {"cam-1": ""}, bare, "en", NOW) == [
        "cam-1: 99999, there since 08:28 (40 min)",
        "  unit u-9",
        f"  job {JOB.job_id}",
    ]


def test_a_thing_of_another_day_says_which() -> None:
    assert headline(city(), NAMES, INCIDENT, "en", NOW + timedelta(hours=30)).endswith("there since 05-04 08:28 (31 h)")


def test_a_closed_incident_does_not_grow_older() -> None:
    closed = replace(INCIDENT, closed_at=CAME + timedelta(minutes=10))
    assert headline(city(), NAMES, closed, "zh", NOW).endswith("已停留10分钟")


@pytest.mark.parametrize(
    ("cell", "lon", "place"),
    [(CELL, 104.6405, "第1网格"), ("", 104.6405, "104.640500,30.120500"), ("", None, "地点不详"), ("9", None, "9")],
)
def test_what_no_camera_sees_has_a_place_and_stands_only_once_somebody_looked(
    cell: str, lon: float | None, place: str
) -> None:
    told = replace(INCIDENT, camera_id="", source="complaint", sightings=0, cell_id=cell, lon=lon)
    assert headline(city(), NAMES, told, "zh", NOW) == f"{place} 暴露垃圾,08:28接报,已40分钟"
    assert headline(city(), NAMES, told, "en", NOW).endswith(": Exposed waste, told of at 08:28 (40 min)")
    seen = replace(told, sightings=1)
    assert headline(city(), NAMES, seen, "zh", NOW) == f"{place} 暴露垃圾,08:28出现,已停留40分钟"


def test_the_division_is_the_one_of_most_cells() -> None:
    cell = city().cells[CELL]
    assert city(cells={}).division == "000000"
    assert city(cells=dict.fromkeys(("110101000000001", CELL, CELL[:-1] + "2"), cell)).division == "512002"


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(-5, "0秒", "0 s"), (0, "0秒", "0 s"), (119, "119秒", "119 s"), (120, "2分钟", "2 min"), (7200, "2小时", "2 h")],
)
def test_durations_are_short(seconds: float, zh: str, en: str) -> None:
    assert (duration(seconds, "zh"), duration(seconds, "en")) == (zh, en)


@given(st.floats(0, 1e9), st.sampled_from(["zh", "en"]))
def test_a_duration_is_right_to_half_its_unit(seconds: float, lang: Lang) -> None:
    told = duration(seconds, lang)
    unit_s = {"秒": 1, "s": 1, "分钟": 60, "min": 60, "小时": 3600, "h": 3600}[told.strip("0123456789 ")]
    assert abs(int(told.rstrip("秒分钟小时smin h")) * unit_s - seconds) <= unit_s / 2


def test_unknown_codes_stay_as_they_are() -> None:
    assert state_name("odd", "zh") == event_line("odd", "en") == class_name(city(), "odd", "zh") == "odd"
    assert unit_name(city(), "odd", "en") == "odd"


def test_a_case_that_ended_is_closed_and_a_job_that_ended_is_done() -> None:
    assert (state_name("done", "zh"), state_name("done", "en")) == ("已结案", "closed")
    assert (job_state_name("done", "zh"), job_state_name("done", "en")) == ("已处置", "done")


@pytest.mark.parametrize("table", [INCIDENT_STATES, JOB_STATES, EVENTS])
def test_every_word_has_both_languages(table: dict[str, tuple[str, str]]) -> None:
    assert all(zh and en and zh != en for zh, en in table.values())


def test_an_incident_on_the_wire_is_as_its_schema_says() -> None:
    schema = json.loads((resources.files("schemas.wire") / "incident.v1.json").read_text("utf-8"))
    for row in (INCIDENT, replace(INCIDENT, closed_at=NOW, before_sha256="b" * 64, lon=None, lat=None, cell_id="")):
        jsonschema.validate(json.loads(json.dumps(incident_state(row))), schema)
    assert incident_state(INCIDENT)["confidence"] == 0.82


def test_moments_on_the_wire_are_utc() -> None:
    assert instant(None) is None
    assert instant(datetime.fromisoformat("2026-05-04T08:28:00.5+08:00")) == "2026-05-04T00:28:00.500000Z"
    assert job_state(JOB)["lease_until"] == "2026-05-04T01:08:00Z"


def test_a_call_for_help_stands_nowhere() -> None:
    call = replace(INCIDENT, family="sos", class_code="99001", camera_id="car-7")
    assert headline(city(), {"car-7": "清运车03"}, call, "zh", NOW) == "清运车03 车辆呼救,08:28起,已40分钟"
    assert headline(city(), {}, call, "en", NOW) == "car-7: SOS: help needed, since 08:28 (40 min)"


@pytest.mark.parametrize(
    ("why", "metres", "zh", "en"),
    [
        ("", 300.0, "", ""),
        ("responsible", None, "责任区内", "it is responsible here"),
        (
            "nearest",
            1260.0,
            "环卫所不当班,本单位最近;洒水车直线距离1.3公里",
            "Sanitation is off duty, this one is nearest; 洒水车 is 1.3 km away, straight",
        ),
        (
            "nearest_any",
            4.0,
            "呼救,本单位最近;洒水车直线距离0米",
            "a call for help, this one is nearest; 洒水车 is 0 m away, straight",
        ),
        (
            "escalated",
            996.0,
            "经升级派遣;洒水车直线距离1.0公里",
            "it was escalated; 洒水车 is 1.0 km away, straight",
        ),
    ],
)
def test_why_a_unit_has_a_job_is_said_with_the_distance_where_it_is_known(
    why: str, metres: float | None, zh: str, en: str
) -> None:
    job = replace(JOB, why=why, distance_m=metres, vehicle_id="car-1")
    names = {"car-1": "洒水车"}
    assert (why_line(city(), names, job, "zh"), why_line(city(), names, job, "en")) == (zh, en)


def test_every_reason_has_its_words() -> None:
    assert set(WHYS) == set(WHYS_SHORT) == set(Why)
