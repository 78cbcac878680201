"""The crew's screen: what it shows, what keys mean, and one shift on a real terminal."""

import os
import pty
import select
import signal
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.board import BoardRow, board_of
from alerts.jobs.pick import Picker
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.messages import Lang
from alerts.store import AlertDatabase
from curbwatch.board import Act, Painter, Screen
from curbwatch.cli.dispatch_board import split_keys
from curbwatch.parts import Servers
from schemas.meter import NullMeter
from tests.alerts.makers import city, picture, sighting
from tests.alerts.test_messages import INCIDENT, JOB, NAMES, NOW
from tests.fix_verbs import config_of

MINE = BoardRow(replace(JOB, job_id="mine", why="responsible"), "red", NOW - timedelta(minutes=20), 730.0, "car-1")
CALL = replace(INCIDENT, family="sos", class_code="99001", camera_id="car-7")
FREE = BoardRow(
    replace(JOB, job_id="free", state="queued", holder="", urgency="normal"), "green", NOW + timedelta(hours=3)
)
SOS = BoardRow(replace(JOB, job_id="sos", state="queued", holder="", incident=CALL))
FULL = Screen("李雷").showing([SOS, MINE, FREE])


def painted(screen: Screen, lang: Lang = "zh", width: int = 120, now: datetime = NOW) -> str:
    out = StringIO()
    console = Console(file=out, width=width, height=30, force_terminal=False)
    console.print(Painter(city(), NAMES, "u-2", lang).paint(screen, now))
    return out.getvalue()


def test_an_empty_board_says_so() -> None:
    assert "暂无任务" in painted(Screen("li").showing([]))
    assert "nothing waits" in painted(Screen("li").showing([]), "en")


@pytest.mark.parametrize(
    ("lang", "parts"),
    [
        (
            "zh",
            [
                "环卫所",
                "待领取 2  在手 1",
                "李雷",
                "急",
                "暴露垃圾",
                "滨河路沱江桥头",
                "730米",
                "超时20分钟",
                "剩3小时",
                "SOS",
                "车辆呼救",
            ],
        ),
        ("en", ["Sanitation", "2 waiting, 1 yours", "URG", "Exposed waste", "730 m", "20 min late", "3 h left", "SOS"]),
    ],
)
def test_the_board_says_what_where_how_late_how_far_and_who(lang: Lang, parts: list[str]) -> None:
    text = painted(FULL, lang)
    assert [part for part in parts if part not in text] == []


def test_the_board_fits_a_terminal_of_80_columns() -> None:
    for lang in ("zh", "en"):
        lines = painted(FULL, lang, width=80).splitlines()
        assert max(map(len, lines)) <= 80
        assert len(lines) < 24


def test_a_narrow_terminal_leaves_out_what_a_crew_can_do_without() -> None:
    rows = [replace(row, job=replace(row.job, unit_id="u-2")) for row in (MINE, FREE)]
    told: tuple[tuple[Lang, str], ...] = (("zh", "q 退出"), ("en", "q quit"))
    for lang, key in told:
        text = painted(Screen("李雷", said="x").showing(rows), lang, width=60)
        assert ("滨河路沱江桥" in text, key in text, "730" in text) == (True, True, False)
        assert len(text.splitlines()) <= 10, "two lines for a job at most"
        assert "730" in painted(Screen("李雷").showing(rows), lang, width=80)


def test_what_devices_are_called_steers_no_terminal() -> None:
    names = {"cam-1": "evil\x1b[2J\r"}
    out = StringIO()
    Console(file=out, width=120).print(Painter(city(), names, "u-2", "en").paint(FULL, NOW))
    assert "\x1b" not in out.getvalue()
    assert "\\x1b" in out.getvalue()


def pressed(screen: Screen, *keys: str) -> tuple[Screen, Act | None]:
    act = None
    for key in keys:
        screen, act = screen.press(key, "en")
    return screen, act


def test_keys_choose_take_end_and_give_back() -> None:
    assert FULL.chosen == "sos"
    assert pressed(FULL, "t")[1] == Act("take", "sos")
    assert pressed(FULL, "\r")[1] == Act("take", "sos")
    assert pressed(FULL, "n")[1] == Act("next")
    assert pressed(FULL, "s")[1] == Act("show", "sos")
    assert pressed(FULL, "q")[1] == Act("quit")
    assert pressed(FULL, "j", "d", "y")[1] == Act("done", "mine")
    assert pressed(FULL, "j", "d", "n")[1] is None
    assert pressed(FULL, "\x1b[B", "r", *"车坏了", "\x7f", "了", "\r")[1] == Act("reject", "mine", "车坏了")


def test_what_is_not_yours_is_neither_ended_nor_given_back() -> None:
    for key in ("d", "r"):
        screen, act = pressed(FULL, key)
        assert (act, screen.asking, screen.said) == (None, "", "you do not hold this one")


def test_a_reason_is_not_sent_empty_and_escape_leaves_all_as_it_was() -> None:
    asking, _ = pressed(FULL, "j", "r")
    assert pressed(asking, "\r") == (asking, None)
    assert pressed(asking, " ", "\r")[1] is None
    assert pressed(asking, "q", "\x1b") == (replace(asking, asking="", typed=""), None)
    assert "why give it back?" in painted(asking, "en")


def test_a_question_does_not_pass_to_another_job_when_its_own_is_gone() -> None:
    asking, _ = pressed(FULL, "j", "d")
    screen = asking.showing([FREE])
    assert (screen.chosen, screen.asking) == ("free", "")
    assert asking.showing([FREE, MINE]).asking == "done"


def test_keys_on_an_empty_board_do_nothing() -> None:
    for key in ("j", "t", "d", "r", "s", "\r"):
        assert pressed(Screen("li").showing([]), key)[1] is None


@given(st.lists(st.text(max_size=3), max_size=12))
def test_no_key_breaks_the_screen(keys: list[str]) -> None:
    screen, act = pressed(FULL, *keys)
    assert screen.chosen in {"sos", "mine", "free"}
    assert act is None or act.kind != "done" or act.job_id == "mine"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("jk", ["j", "k"]),
        ("\x1b[A\x1bOBq", ["\x1b[A", "\x1bOB", "q"]),
        ("\x1b", ["\x1b"]),
        ("车\r", ["车", "\r"]),
    ],
)
def test_what_a_terminal_sends_is_cut_into_keys(text: str, keys: list[str]) -> None:
    assert split_keys(text) == keys


@pytest.mark.servers
def test_a_board_of_nothing_and_of_jobs_with_their_limits(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    picker = Picker(city, 300.0)
    assert board_of(database, picker, "u-1") == []
    told = incidents.open_or_refresh(sighting(point=(104.6405, 30.1205)), None, picture())
    (row,) = board_of(database, picker, "u-1")
    assert (row.lamp, row.due_at, row.near_m) == ("", None, None)
    with database.transaction() as conn:
        for limit_id, hours in (("late", -1), ("later", 5)):
            conn.execute(
                "insert into incident_clock (incident_id, stage, round, limit_id, started_at, yellow_at, due_at,"
                " limit_s, rule_version)"
                " values (%s, 'handle', 1, %s, now(), now(), now() + make_interval(hours => %s), 1, 'v')",
                (told.incident_id, limit_id, hours),
            )
        conn.execute("insert into device (device_id, kind, unit_id, source) values ('car-1', 'vehicle', 'u-1', 'pack')")
        conn.execute(
            "insert into device_health (device_id, kind, state, last_captured_at, lon, lat)"
            " values ('car-1', 'vehicle', 'online', now(), 104.6405, 30.1305)"
        )
    (row,) = board_of(database, picker, "u-1")
    assert (row.lamp, row.near_vehicle) == ("red", "car-1")
    assert row.near_m == pytest.approx(1113, abs=2)


@pytest.mark.servers
def test_a_shift_on_a_real_terminal(
    tmp_path: Path,
    desk_url: str,
    servers: Servers,
    redis_url: str,
    incidents: IncidentStore,
    jobs: JobStore,
    queue: JobQueue,
) -> None:
    for index in range(2):
        box = (index * 100.0, 0.0, 50.0, 50.0)
        incidents.open_or_refresh(sighting(track_id=index, box_px=box, unit_id="yj-san-1"), None, picture())
    Relay(jobs, queue, NullMeter()).once()
    config = config_of(tmp_path, servers, desk_url)
    config.write_text(config.read_text().replace(servers.redis_url, redis_url))
    arguments = ["dispatch", "board", "--unit", "yj-san-1", "--as", "li", "--lang", "en", "--config", str(config)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"})
        os.execv(sys.executable, [sys.executable, "-m", "curbwatch", *arguments])  # noqa: S606
    try:
        reads(terminal, "2 waiting, 0 yours")
        os.write(terminal, b"n")
        reads(terminal, "1 waiting, 1 yours")
        os.write(terminal, b"dy")
        reads(terminal, "1 waiting, 0 yours")
        os.write(terminal, b"q")
        reads(terminal, "\x1b[?1049l")
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) in {0, -signal.SIGTERM}
    assert jobs.counts() == {"queued": 1, "done": 1}


def reads(terminal: int, wanted: str) -> str:
    """Everything that the terminal shows until it shows ``wanted``."""
    seen, ends_s = "", time.monotonic() + 60
    while wanted not in seen:
        assert time.monotonic() < ends_s, seen
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 65_536).decode("utf-8", "replace")
    return seen
