"""Decisions on disk: whole, in order, given once, never in the way of a start."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from curbwatch.journal import NAME, Claim, Decision, DecisionJournal, decode, encode
from schemas.incident import Departure, EvidenceRecord, Sighting
from tests.alerts.makers import departure, picture, sighting

SENSIBLE = st.floats(allow_nan=False, allow_infinity=False)
NS = st.integers(0, 2**63 - 1)
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
RECORDS = st.builds(
    EvidenceRecord,
    sha256=WORDS,
    camera_id=WORDS,
    captured_ns=NS,
    received_ns=NS,
    size_bytes=st.integers(0, 2**31),
    stamped=st.booleans(),
)
SIGHTINGS = st.builds(
    Sighting,
    camera_id=WORDS,
    track_id=NS,
    family=WORDS,
    class_code=WORDS,
    zone=WORDS,
    cell_id=WORDS,
    unit_id=WORDS,
    point=st.none() | st.tuples(SENSIBLE, SENSIBLE),
    box_px=st.tuples(SENSIBLE, SENSIBLE, SENSIBLE, SENSIBLE),
    captured_ns=NS,
    appeared_ns=NS,
    dwell_s=SENSIBLE,
    confidence=SENSIBLE,
    direct=st.booleans(),
    urgent=st.booleans(),
    rule_version=WORDS,
    check=WORDS,
    grace_h=SENSIBLE,
    party=WORDS,
    preset=WORDS,
)
DECISIONS = st.lists(
    st.builds(Departure, camera_id=WORDS, track_id=NS, captured_ns=NS, appeared_ns=NS, after=st.none() | RECORDS)
    | st.builds(Claim, sighting=SIGHTINGS, before=st.none() | RECORDS, opening=RECORDS),
    max_size=4,
)
OPENING: Decision = Claim(sighting(zone="左侧"), None, picture())


def test_no_decisions_are_no_bytes_and_no_file(tmp_path: Path) -> None:
    assert encode([]) == b""
    assert decode(b"") == ([], [])
    journal = DecisionJournal(tmp_path)
    assert journal.take("one") == []
    assert journal.keep("one", ())
    assert list(tmp_path.iterdir()) == []


@given(DECISIONS)
def test_decisions_come_back_as_they_were(decisions: list[Decision]) -> None:
    assert decode(encode(decisions)) == (decisions, [])


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    found, refused = decode(data)
    assert found == []
    assert refused == [line for line in data.split(b"\n") if line.strip()]


@given(DECISIONS, st.data())
def test_a_file_that_broke_off_gives_what_is_whole(decisions: list[Decision], draw: st.DataObject) -> None:
    data = encode(decisions)
    found, refused = decode(data[: draw.draw(st.integers(0, len(data)))])
    assert found == decisions[: len(found)]
    assert len(refused) <= 1


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"departure": {"camera_id": "cam"}}',
        b'{"departure": null, "claim": null}',
        b'{"departure": {"camera_id": "cam", "track_id": 1, "captured_ns": "soon", "appeared_ns": 0}}',
        b'{"surprise": 1}',
        b"\xff\xfe",
        encode([departure()]).strip()[:-1] + b"," + encode([OPENING]).strip()[1:],
    ],
)
def test_a_line_that_is_no_decision_is_passed_over_and_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / NAME).write_bytes(encode([OPENING]) + line + b"\n" + encode([departure()]))
    with capture_logs() as logs:
        assert DecisionJournal(tmp_path).take("one") == [OPENING, departure()]
    assert (logs[0]["event"], logs[0]["log_level"]) == ("decision_unusable", "error")
    assert len(str(logs)) < 2000


def test_a_file_of_nothing_but_garbage_is_told_once(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"garbage")
    journal = DecisionJournal(tmp_path)
    assert journal.take("one") == []
    assert journal.keep("one", ())
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_is_given_to_the_first_who_asks_and_stays_until_it_is_stored(tmp_path: Path) -> None:
    assert DecisionJournal(tmp_path).keep("before", [OPENING, departure()])
    journal = DecisionJournal(tmp_path)
    assert journal.take("one") == [OPENING, departure()]
    assert journal.take("two") == journal.take("one") == []
    assert journal.keep("two", [departure(track_id=9)])  # a crash now loses nothing
    assert DecisionJournal(tmp_path).take("x") == [OPENING, departure(), departure(track_id=9)]
    assert journal.keep("one", ())
    assert DecisionJournal(tmp_path).take("x") == [departure(track_id=9)]
    assert journal.keep("two", ())
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_reads_it_and_no_half_file_stays(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.keep("one", [departure()])
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_it_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    sync, rename = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        said.append("sync")
        sync(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        said.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    DecisionJournal(tmp_path).keep("one", [departure()])
    assert said == ["sync", "rename", "sync"]


def test_a_disk_that_does_not_take_it_is_told_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    journal = DecisionJournal(tmp_path / "file")
    with capture_logs() as logs:
        assert journal.take("one") == []
        assert not journal.keep("one", [departure()])
    assert [told["event"] for told in logs] == ["decisions_unreadable", "decisions_not_kept"]


def test_a_failed_rename_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = DecisionJournal(tmp_path)
    journal.keep("one", [OPENING])

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert not journal.keep("one", [departure()])
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    assert DecisionJournal(tmp_path).take("x") == [OPENING]


def test_a_decision_of_another_version_with_more_fields_is_still_one() -> None:
    line = msgspec.json.decode(encode([departure()]))
    line["departure"]["why"] = "left"
    assert decode(msgspec.json.encode(line)) == ([departure()], [])


def test_a_departure_that_an_earlier_version_wrote_has_no_picture() -> None:
    line = b'{"departure":{"camera_id":"cam-1","track_id":7,"captured_ns":5,"appeared_ns":1}}'
    assert decode(line) == ([Departure("cam-1", 7, 5, 1)], [])
