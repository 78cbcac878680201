"""`curbwatch dlq`: letters looked at, replayed and dropped, on the real database."""

import json
import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import curbwatch.database as db
from curbwatch.cli.output import escaped
from curbwatch.cli.table import many, table
from curbwatch.cli.words import REASONS
from curbwatch.letters import Chosen, since_of
from curbwatch.office import open_office
from curbwatch.parts import Servers
from curbwatch.registry import register_vehicle
from ingest.store import IntakeStore
from schemas.errors import SetupError, SinkError, UsageError
from schemas.position import DeadLetter, PositionRows
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.usefixtures("english")
NOW = datetime(2026, 5, 4, 7, 30, tzinfo=UTC)
NOW_NS = time.time_ns() // 1000 * 1000


def body(seq: int, **more: Any) -> bytes:  # noqa: ANN401
    return json.dumps({"ts": NOW_NS // 1_000_000, "lon": 104.64, "lat": 30.12, "seq": seq, "boot": "b"} | more).encode()


def letter(payload: bytes, reason: str = "unknown_device", device: str = "car", **more: Any) -> DeadLetter:  # noqa: ANN401
    topic = more.pop("topic", f"city/v1/yanjiang/vehicle/{device}/position")
    return DeadLetter(more.pop("received_ns", NOW_NS), topic, device, reason, more.pop("detail", ""), payload, **more)


def put(url: str, *letters: DeadLetter, payload_bytes: int = 4096) -> None:
    with closing(IntakeStore(url, payload_bytes=payload_bytes)) as store:
        store.write(PositionRows(), letters)


def accept(url: str, *device_ids: str) -> None:
    with db.connect(url, autocommit=True) as conn:
        for device_id in device_ids:
            register_vehicle(conn, device_id)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with db.connect(url) as conn:
        return conn.execute(query.encode()).fetchall()


def positions(url: str) -> int:
    return int(rows(url, "select count(*) from position")[0][0])


NOTHING = {
    "letters": 0,
    "replayed": 0,
    "stored": 0,
    "duplicate": 0,
    "refused_again": 0,
    "not_replayable": {},
    "reasons": {},
    "dry_run": False,
}


@pytest.mark.servers
def test_where_there_is_no_letter_nothing_is_listed_replayed_or_dropped(verbs: Verbs) -> None:
    assert verbs.told("dlq", "list") == []
    assert verbs.told("dlq", "replay") == [NOTHING]
    assert verbs.told("dlq", "drop", "--all", "--yes") == [{"dropped": 0, "bytes": 0}]
    assert verbs.run("dlq", "list", "--lang", "zh")[1] == "无\n"
    assert verbs.told("dlq", "drop") == [{"dropped": 0, "bytes": 0}]
    for arguments in (("show", "7"), ("replay", "--id", "7"), ("drop", "--id", "7", "--yes")):
        assert "no dead letter 7: see" in verbs.refused("dlq", *arguments)


@pytest.mark.servers
def test_letters_are_listed_newest_first_as_far_as_they_are_asked_for(verbs: Verbs, office_url: str) -> None:
    hour_ns = 3_600_000_000_000
    put(
        office_url,
        letter(b"1", "json", received_ns=NOW_NS - 5 * hour_ns),
        letter(b"2", "rate"),
        letter(b"3", "json", "other"),
        letter(b"3", "json", "other"),
    )
    assert [(row["reason"], row["device_id"], row["times"]) for row in verbs.told("dlq", "list")] == [
        ("json", "other", 2),
        ("rate", "car", 1),
        ("json", "car", 1),
    ]
    for arguments, count in (
        (("--reason", "json"), 2),
        (("--device", "car"), 2),
        (("--since", "2h"), 2),
        (("--limit", "1"), 1),
        (("--reason", "json", "--device", "car"), 1),
        (("--replayed",), 0),
    ):
        assert len(verbs.told("dlq", "list", *arguments)) == count
    _, out, _ = verbs.run("dlq", "list", "--limit", "1", "--lang", "zh")
    head, line, summary = out.splitlines()
    assert head.split() == ["编号", "最近一次", "次数", "原因", "设备", "字节", "主题", "说明"]
    assert line.split()[2].endswith("+08:00")
    assert line.index("json 不是有效的 JSON") > 0
    assert summary == "死信 3 封: json 不是有效的 JSON 2, rate 发送过快 1"
    _, out, _ = verbs.run("dlq", "list", "--reason", "rate")
    assert out.split()[:8] == ["ID", "LAST", "TIMES", "REASON", "DEVICE", "BYTES", "TOPIC", "DETAIL"]
    assert out.splitlines()[-1] == "1 letter: rate 1"
    assert "say 30m, 2h or 7d" in verbs.refused("dlq", "list", "--since", "yesterday")


@pytest.mark.servers
def test_a_letter_cannot_command_the_terminal_or_forge_a_line(verbs: Verbs, office_url: str, tmp_path: Path) -> None:
    payload = b'{"a": "\x1b[2J<script>"}\r\nforged \xe2\x80\xae line'
    topic = "city/v1/a\r\n2026 forged/\u202e<script>"
    put(office_url, letter(payload, "topic", "", topic=topic, detail="\x07bell"))
    _, out, _ = verbs.run("dlq", "list")
    assert out.count("\n") == 3
    assert "\\x0d\\x0a2026 forged/\\u202e<script>  \\x07bell" in out
    number = str(verbs.told("dlq", "list")[0]["id"])
    _, out, _ = verbs.run("dlq", "show", number, "--payload", str(tmp_path / "whole"))
    assert '  {"a": "\\x1b[2J<script>"}\\x0d\n  forged \\u202e line\n' in out
    assert all(mark.isprintable() or mark == "\n" for mark in out)
    assert (tmp_path / "whole").read_bytes() == payload
    told = verbs.told("dlq", "show", number)[0]
    assert (told["topic"], told["payload"], told["size_bytes"]) == (topic, payload.decode(), len(payload))
    assert "cannot be written" in verbs.refused("dlq", "show", number, "--payload", str(tmp_path))


@pytest.mark.servers
def test_bytes_that_are_no_text_are_shown_as_numbers_and_a_long_one_by_its_beginning(
    verbs: Verbs, office_url: str
) -> None:
    put(office_url, letter(b"\xff\xd8\xff" * 3000))
    _, out, _ = verbs.run("dlq", "show", str(verbs.told("dlq", "list")[0]["id"]))
    assert "  ff d8 ff ff d8" in out
    assert "… 8488 more bytes: --payload FILE" in out


@pytest.mark.servers
def test_an_accepted_device_gets_its_letters_stored_once(verbs: Verbs, office_url: str) -> None:
    put(office_url, *(letter(body(seq)) for seq in range(20)))
    refused = NOTHING | {"letters": 20, "refused_again": 20, "reasons": {"unknown_device": 20}}
    assert verbs.told("dlq", "replay") == [refused]
    assert len(verbs.told("dlq", "list")) == 20
    accept(office_url, "car")
    counts = NOTHING | {"letters": 20, "replayed": 20, "stored": 20}
    assert verbs.told("dlq", "replay", "--dry-run") == [counts | {"dry_run": True}]
    assert positions(office_url) == 0
    assert verbs.told("dlq", "replay", "--device", "car", "--limit", "3") == [
        NOTHING | {"letters": 3, "replayed": 3, "stored": 3}
    ]
    assert verbs.told("dlq", "replay") == [NOTHING | {"letters": 17, "replayed": 17, "stored": 17}]
    assert verbs.told("dlq", "replay") == [NOTHING]
    assert positions(office_url) == 20
    assert rows(office_url, "select device_id, boot, mark from device_mark") == [("car", "b", 19)]
    # What the device itself sends again, or an operator replays a second time, is the same row.
    with db.connect(office_url, autocommit=True) as conn:
        conn.execute("update dead_letter set replayed_at = null")
    assert verbs.told("dlq", "replay") == [NOTHING | {"letters": 20, "replayed": 20, "duplicate": 20}]
    assert positions(office_url) == 20


@pytest.mark.servers
def test_a_letter_without_a_time_of_its_own_is_stored_at_its_receive_time(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    put(office_url, letter(b'{"lon": 104.6, "lat": 30.1}', "rate"))
    verbs.told("dlq", "replay")
    assert rows(office_url, "select (extract(epoch from ts) * 1000000)::bigint from position") == [(NOW_NS // 1000,)]


@pytest.mark.servers
def test_the_user_properties_of_a_letter_count(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    payload = json.dumps({"ts": NOW_NS // 1_000_000, "lon": 104.6, "lat": 30.1}).encode()
    put(office_url, letter(payload, "rate", properties=(("boot", "p"), ("seq", "0"))))
    verbs.told("dlq", "replay")
    assert rows(office_url, "select boot, mark from device_mark") == [("p", 0)]


@pytest.mark.servers
def test_what_is_refused_again_stays_with_the_reason_of_now(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    put(office_url, letter(b"{no json"), letter(b"[" + body(0) + b"," + body(1, lon=999) + b"]"))
    told = verbs.told("dlq", "replay")
    assert told == [
        NOTHING | {"letters": 2, "replayed": 1, "stored": 1, "refused_again": 2, "reasons": {"json": 1, "range": 1}}
    ]
    assert sorted(row["reason"] for row in verbs.told("dlq", "list")) == ["json", "range"]
    assert [row["reason"] for row in verbs.told("dlq", "list", "--replayed")] == ["unknown_device"]
    _, out, _ = verbs.run("dlq", "replay")
    assert "2 letters: 0 replayed (0 positions stored, 0 known already), 2 refused again, 0 not replayable" in out
    assert "refused: 1 json" in out
    assert len(verbs.told("dlq", "list")) == 2


@pytest.mark.servers
def test_a_message_that_is_larger_than_its_device_may_send_is_refused_again(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    put(office_url, letter(body(0), "rate"))
    with db.connect(office_url, autocommit=True) as conn:
        conn.execute("update device set max_bytes = 10")
    assert verbs.told("dlq", "replay")[0]["reasons"] == {"size": 1}


@pytest.mark.servers
def test_what_cannot_be_replayed_is_told_with_its_why(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    camera = "city/v1/yanjiang/camera/cam/frame"
    put(
        office_url,
        letter(b"x" * 100, "json"),
        letter(b"x", "unknown_device", "cam", topic=camera),
        letter(b"{}", "store", topic=""),
        payload_bytes=8,
    )
    told = verbs.told("dlq", "replay")[0]
    assert told["not_replayable"] == {
        "is cut: only the beginning of its payload is kept": 1,
        "is a picture: the newest counts, and only its beginning is kept": 1,
        "is a row that the database refused, and no message": 1,
    }
    _, out, _ = verbs.run("dlq", "replay")
    assert "not replayable: 1, each is cut" in out


@pytest.mark.servers
@pytest.mark.parametrize("fault", ["marks", "letters"])
def test_a_fault_in_between_loses_nothing_and_doubles_nothing(
    verbs: Verbs, office_url: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    accept(office_url, "car")
    put(office_url, *(letter(body(seq)) for seq in range(5)))
    with monkeypatch.context() as patched:
        patched.setattr(f"ingest.store.{'MARK' if fault == 'marks' else 'REPLAYED'}", "select broken(%s)")
        with open_office(verbs.config) as office, pytest.raises(SinkError):
            office.replay(Chosen())
    assert positions(office_url) == 0
    assert len(verbs.told("dlq", "list")) == 5
    assert verbs.told("dlq", "replay") == [NOTHING | {"letters": 5, "replayed": 5, "stored": 5}]


@pytest.mark.servers
def test_letters_are_dropped_only_when_it_is_said(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    put(office_url, letter(body(0)), letter(b"1", "json"), letter(b"2", "json"))
    assert "2 letters (2 bytes) would be deleted for good: say --yes" in verbs.refused(
        "dlq", "drop", "--reason", "json"
    )
    assert "would be deleted for good: say --all\n" in verbs.refused("dlq", "drop", "--yes")
    assert "would be deleted for good: say --all and --yes\n" in verbs.refused("dlq", "drop")
    number = str(verbs.told("dlq", "list", "--reason", "json")[0]["id"])
    assert verbs.told("dlq", "drop", "--id", number, "--yes") == [{"dropped": 1, "bytes": 1}]
    verbs.told("dlq", "replay", "--reason", "unknown_device")
    _, out, _ = verbs.run("dlq", "drop", "--replayed", "--yes")
    assert out == "1 letter dropped\n"
    assert [row["reason"] for row in verbs.told("dlq", "list")] == ["json"]


@pytest.mark.servers
def test_a_letter_that_was_replayed_already_is_named_as_such(verbs: Verbs, office_url: str) -> None:
    accept(office_url, "car")
    array = b"[" + body(0) + b"," + body(1, lat=99) + b"]"
    put(office_url, letter(array))
    number = str(verbs.told("dlq", "list")[0]["id"])
    _, out, _ = verbs.run("dlq", "replay", "--id", number)
    assert out == (
        "1 letter: 1 replayed (1 position stored, 0 known already), 0 refused again, 0 not replayable\n"
        "  1 position of replayed letters refused: a letter of its own each\n"
        "  refused: 1 range\n"
    )
    _, out, _ = verbs.run("dlq", "replay", "--id", number)
    assert "not replayable: 1, each was replayed already" in out


@pytest.mark.servers
def test_of_a_letter_every_property_is_a_line(verbs: Verbs, office_url: str) -> None:
    put(office_url, letter(b"x", "rate", properties=(("boot", "a\x1b"), ("seq", "7"))))
    _, out, _ = verbs.run("dlq", "show", str(verbs.told("dlq", "list")[0]["id"]))
    assert "property        boot=a\\x1b\nproperty        seq=7\n" in out
    assert "reason          rate\n" in out
    assert "replayed_at     -\n" in out


def test_looking_at_letters_starts_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path))
    monkeypatch.delenv("CURBWATCH_DATABASE_URL", raising=False)
    with pytest.raises(SetupError, match="no database"), open_office(None):
        pass
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.lists(st.text(max_size=60), min_size=2, max_size=2), max_size=5))
def test_any_list_is_one_line_for_each_row_under_its_heads(rows: list[list[str]]) -> None:
    lines = table(("id", "detail"), rows, "zh")
    assert len(lines) == (len(rows) + 1 if rows else 1)
    assert all(line.isprintable() for line in lines)


def test_every_reason_has_its_chinese_word_and_the_page_says_the_same() -> None:
    page = (Path(__file__).parents[2] / "docs" / "intake.md").read_text(encoding="utf-8")
    chapter = page.split("## Why a message was refused\n", 1)[1].split("\n## ", 1)[0]
    assert dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", chapter, re.MULTILINE)) == REASONS


def test_columns_stand_under_one_another_in_chinese_too() -> None:
    lines = table(("reason", "times"), [("rate 发送过快", 1), ("x", 2)], "zh")
    assert lines == ["原因           次数", "rate 发送过快  1", "x              2"]
    assert table(("id",), [], "en") == ["none"]
    assert [many(1, "letter"), many(25449, "letter")] == ["1 letter", "25 449 letters"]


@pytest.mark.servers
def test_a_database_without_tables_is_told_with_its_remedy(
    verbs: Verbs, servers: Servers, empty_database_url: str, tmp_path: Path
) -> None:
    verbs.config = config_of(tmp_path, servers, empty_database_url)
    with db.connect(empty_database_url, autocommit=True) as conn:
        conn.execute("drop table if exists dead_letter cascade")
    status, _, err = verbs.run("dlq", "list")
    assert (status, err.count("\n")) == (1, 1)
    assert "start `curbwatch run` once" in err


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-05-04T08:00+08:00", datetime(2026, 5, 4, tzinfo=UTC)),
        ("1777851000000", datetime(2026, 5, 3, 23, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_said_in_two_ways(text: str, moment: datetime) -> None:
    assert since_of(text, NOW) == moment


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{1,12}[smhdw]?", fullmatch=True))
def test_any_text_is_a_moment_or_is_refused(text: str) -> None:
    try:
        assert since_of(text, NOW).tzinfo is not None
    except UsageError as error:
        assert "--since" in str(error)  # noqa: PT017  # either is right


@given(st.text())
def test_an_escaped_text_is_one_printable_line(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped("") == ""
    assert escaped("垃圾 ok") == "垃圾 ok"
