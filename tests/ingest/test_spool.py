"""The spool: what was kept in it is there until it is dropped, whatever happens to the process or the disk."""

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ingest import spool as spools
from ingest.buffer import BATCH_BYTES
from ingest.spool import Spool
from schemas.errors import SetupError, SinkError
from tests.ingest.spool_case import emptied, message, opened


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = opened(tmp_path)
    yield made
    made.close()


def test_a_new_spool_is_empty(spool: Spool) -> None:
    assert spool.head(10) is None
    assert len(spool) == spool.size_bytes == 0
    assert not spool


def test_messages_come_back_whole_and_in_order_and_leave_no_file(spool: Spool, tmp_path: Path) -> None:
    kept = [message(number) for number in range(50)]
    spool.append(kept[:20])
    spool.append(kept[20:])
    assert len(spool) == 50
    assert emptied(spool) == kept
    assert list(tmp_path.glob("*.spool")) == []
    spool.append(kept[:1])
    assert emptied(spool) == kept[:1]


def test_what_was_not_dropped_is_there_after_a_crash(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.append([message(number) for number in range(20)])
    chunk = first.head(5)
    assert chunk is not None
    first.drop(chunk)
    first.close()  # as the end of a process does
    again = opened(tmp_path)
    assert [one.received_ns for one in emptied(again)][-15:] == list(range(5, 20))
    again.close()


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 30])
def test_a_record_that_was_cut_off_costs_itself_only(tmp_path: Path, cut: int) -> None:
    first = opened(tmp_path)
    first.append([message(1)])
    first.append([message(2)])
    first.close()
    (path,) = tmp_path.glob("*.spool")
    os.truncate(path, path.stat().st_size - cut)
    again = opened(tmp_path)
    again.append([message(3)])
    assert [one.received_ns for one in emptied(again)] == [1, 3]
    again.close()


def test_a_chunk_is_bounded_in_bytes(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=20_000_000)
    spool.append([message(number, 900_000) for number in range(10)])
    chunk = spool.head(100)
    assert chunk is not None
    assert len(chunk.messages) < 10
    assert sum(len(one.payload) for one in chunk.messages[:-1]) < BATCH_BYTES
    assert [one.received_ns for one in emptied(spool, 100)] == list(range(10))
    spool.close()


def test_it_is_bounded(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=1000)
    spool.append([message(1, 400)])
    with pytest.raises(SinkError, match="is full"):
        spool.append([message(2, 400), message(3, 400)])
    assert [one.received_ns for one in emptied(spool)] == [1]
    spool.append([message(2, 400), message(3, 400)])
    spool.close()


def test_segments_are_given_back_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 500)
    spool = opened(tmp_path)
    for number in range(20):
        spool.append([message(number, 100)])
    before = spool.size_bytes
    assert len(list(tmp_path.glob("*.spool"))) > 3
    chunk = spool.head(8)
    while chunk is not None and chunk.messages[-1].received_ns < 9:
        spool.drop(chunk)
        chunk = spool.head(8)
    assert spool.size_bytes < before
    assert emptied(spool)[-1].received_ns == 19
    spool.close()


def test_a_full_disk_keeps_what_was_there_and_takes_nothing_in_halves(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([message(1, 1000)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(SinkError, match="make room"):
            spool.append([message(2, 1500), message(3, 1500)])
        spool.append([message(4, 100)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    spool.append([message(5, 5000)])
    assert [one.received_ns for one in emptied(spool)] == [1, 4, 5]
    spool.close()


def test_every_append_is_synced_before_it_returns(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    spool.append([message(1)])
    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(SinkError, match="Input/output error"):
        spool.append([message(2)])
    monkeypatch.undo()
    assert [one.received_ns for one in emptied(spool)] == [1]


def test_two_processes_do_not_share_it(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="another"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_is_a_clean_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"intake\.spool_dir"):
        opened(tmp_path / "file" / "spool")


@pytest.mark.parametrize("name", ["notes", "000000000001", "000000000001-", f"1-{'zz' * 8}", f"notes-{'00' * 8}"])
def test_a_file_of_somebody_else_is_a_clean_error(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.spool").write_text("x")
    with pytest.raises(SetupError, match="not ours"):
        opened(tmp_path)
    assert (tmp_path / f"{name}.spool").read_text() == "x"


class Crashing(RuleBasedStateMachine):
    """Appends, drops, crashes and torn tails in any order never lose what was kept and not dropped."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.spool = opened(Path(self.folder.name))
        self.kept: list[int] = []
        self.number = 0

    @rule(count=st.integers(1, 30), size=st.integers(0, 300))
    def append(self, count: int, size: int) -> None:
        numbers = range(self.number, self.number + count)
        self.number += count
        self.spool.append([message(number, size) for number in numbers])
        self.kept += numbers

    @rule(count=st.integers(1, 40))
    def store(self, count: int) -> None:
        chunk = self.spool.head(count)
        assert (chunk is None) == (not self.kept)
        if chunk is not None:
            assert [one.received_ns for one in chunk.messages] == self.kept[: len(chunk.messages)]
            self.spool.drop(chunk)
            del self.kept[: len(chunk.messages)]

    @precondition(lambda self: self.number > 0)
    @rule(junk=st.binary(max_size=20))
    def crash(self, junk: bytes) -> None:
        self.spool.close()
        paths = sorted(Path(self.folder.name).glob("*.spool"))
        if paths:
            with paths[-1].open("ab") as file:
                file.write(b"\xff" + junk)
        self.spool = opened(Path(self.folder.name))
        # What was dropped from a segment that is not finished may come again; what was kept is all there.
        found = emptied(self.spool)
        assert [one.received_ns for one in found][len(found) - len(self.kept) :] == self.kept
        self.kept = []

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            self.folder.cleanup()


TestCrashing = Crashing.TestCase
TestCrashing.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
