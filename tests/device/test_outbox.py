"""An outbox loses nothing that is not acknowledged, but the oldest when it is full, and then it says so."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from curbwatch.device import DiskOutbox, MemoryOutbox
from curbwatch.device.messages import Entry
from curbwatch.device.outbox import Outbox
from schemas.errors import SetupError, UsageError

Made = Callable[[int], Outbox]


def entry(seq: int, boot: str = "b1", size: int = 40) -> Entry:
    return Entry(boot, seq, f'{{"seq":{seq}}}'.encode().ljust(size))


def held(outbox: Outbox) -> list[tuple[str, int]]:
    return [(one.boot, one.seq) for one in outbox.held()]


@pytest.fixture(params=["memory", "disk"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    def make(max_bytes: int) -> Outbox:
        if request.param == "memory":
            return MemoryOutbox(max_bytes)
        return DiskOutbox(tmp_path / "outbox", max_bytes=max_bytes)

    return make


def test_nothing_in_nothing_out(made: Made) -> None:
    outbox = made(1_000_000)
    outbox.open()
    assert outbox.append([]) == []
    assert (outbox.held(), len(outbox), outbox.lost) == ([], 0, 0)
    assert (outbox.acknowledge("b1", 5), outbox.get(0), outbox.oldest("b1")) == (0, None, None)
    outbox.close()


def test_what_is_kept_comes_back_and_goes_when_acknowledged(made: Made) -> None:
    outbox = made(1_000_000)
    outbox.open()
    numbers = outbox.append([entry(0), entry(1), entry(5)]) + outbox.append([entry(0, "b2")])
    assert [outbox.get(number) for number in numbers] == [entry(0), entry(1), entry(5), entry(0, "b2")]
    assert (outbox.oldest("b1"), outbox.oldest("b2")) == (0, 0)
    assert outbox.acknowledge("b1", 4) == 2
    assert held(outbox) == [("b1", 5), ("b2", 0)]
    assert (outbox.get(numbers[0]), outbox.oldest("b1")) == (None, 5)
    outbox.close()


def test_a_counter_that_goes_back_is_refused_and_nothing_is_kept(made: Made) -> None:
    outbox = made(1_000_000)
    outbox.open()
    outbox.append([entry(3)])
    for wrong in ([entry(3)], [entry(4), entry(4)]):
        with pytest.raises(UsageError, match="must be above"):
            outbox.append(wrong)
    assert held(outbox) == [("b1", 3)]
    outbox.close()


def test_a_full_one_drops_the_oldest_and_counts_them(made: Made) -> None:
    outbox = made(16_000)
    outbox.open()
    for seq in range(500):
        outbox.append([entry(seq)])
    kept = held(outbox)
    assert 100 < len(kept) < 401
    assert kept == [("b1", seq) for seq in range(500 - len(kept), 500)]
    assert (outbox.lost, outbox.oldest("b1")) == (500 - len(kept), 500 - len(kept))
    outbox.close()


def test_the_disk_is_never_fuller_than_allowed(tmp_path: Path) -> None:
    outbox = DiskOutbox(tmp_path, max_bytes=16_000)
    outbox.open()
    for seq in range(400):
        outbox.append([entry(seq, size=20 + seq % 90)])
        assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) == outbox.size_bytes <= 16_000
    outbox.close()


def test_a_new_start_has_what_the_last_one_kept(tmp_path: Path) -> None:
    first = DiskOutbox(tmp_path)
    first.open()
    first.append([entry(seq) for seq in range(10)])
    first.close()
    again = DiskOutbox(tmp_path)
    again.open()
    again.append([entry(0, "b2")])
    assert held(again) == [*(("b1", seq) for seq in range(10)), ("b2", 0)]
    assert [again.get(one.number) for one in again.held()][:2] == [entry(0), entry(1)]
    assert (again.cut_bytes, again.lost) == (0, 0)
    again.close()


def test_one_that_is_all_acknowledged_leaves_nothing(tmp_path: Path) -> None:
    outbox = DiskOutbox(tmp_path)
    outbox.open()
    for seq in range(10):
        outbox.append([entry(seq)])
        outbox.acknowledge("b1", seq)
        assert [path.stat().st_size for path in tmp_path.glob("*.seg")] == [0]
    outbox.close()
    assert {path.name for path in tmp_path.iterdir()} == {"lock"}


def test_segments_go_one_by_one_as_they_are_acknowledged(tmp_path: Path) -> None:
    outbox = DiskOutbox(tmp_path, max_bytes=16_000)
    outbox.open()
    for seq in range(100):
        outbox.append([entry(seq)])
    files = sorted(tmp_path.glob("*.seg"))
    assert len(files) > 3
    outbox.acknowledge("b1", 49)
    left = sorted(tmp_path.glob("*.seg"))
    assert left == files[-len(left) :]
    assert 1 < len(left) < len(files)
    outbox.close()
    again = DiskOutbox(tmp_path, max_bytes=16_000)
    again.open()
    kept = [seq for _, seq in held(again)]
    assert kept == list(range(kept[0], 100))
    assert 50 - 1000 // 53 < kept[0] <= 50
    again.close()


@pytest.mark.parametrize(
    "tail", [b"\x01", bytes(8), bytes(4096), b"\xff" * 300, b"\x09\x00\x00\x00\x00\x00\x00\x00" + bytes(9)]
)
def test_a_torn_tail_is_cut_off_and_costs_nothing_else(tmp_path: Path, tail: bytes) -> None:
    outbox = DiskOutbox(tmp_path)
    outbox.open()
    outbox.append([entry(0), entry(1)])
    outbox.close()
    (file,) = tmp_path.glob("*.seg")
    whole = file.stat().st_size
    with file.open("ab") as torn:
        torn.write(tail)
    again = DiskOutbox(tmp_path)
    again.open()
    assert (held(again), again.cut_bytes, file.stat().st_size) == ([("b1", 0), ("b1", 1)], len(tail), whole)
    again.append([entry(0, "b2")])
    again.close()
    third = DiskOutbox(tmp_path)
    third.open()
    assert held(third) == [("b1", 0), ("b1", 1), ("b2", 0)]
    third.close()


@pytest.mark.parametrize("kept", range(0, 53, 4))
def test_a_record_that_was_half_written_is_no_record(tmp_path: Path, kept: int) -> None:
    outbox = DiskOutbox(tmp_path)
    outbox.open()
    outbox.append([entry(0)])
    outbox.append([entry(1)])
    outbox.close()
    (file,) = tmp_path.glob("*.seg")
    os.truncate(file, file.stat().st_size // 2 + kept)
    again = DiskOutbox(tmp_path)
    again.open()
    assert held(again) == [("b1", 0)]
    again.close()


def test_two_devices_cannot_share_one(tmp_path: Path) -> None:
    first, second = DiskOutbox(tmp_path), DiskOutbox(tmp_path)
    first.open()
    with pytest.raises(SetupError, match="another device uses this outbox"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_batch_that_can_never_be_kept_is_refused(tmp_path: Path) -> None:
    outbox = DiskOutbox(tmp_path, max_bytes=16_000)
    outbox.open()
    with pytest.raises(UsageError, match="at most a 16th of the outbox at once"):
        outbox.append([entry(seq) for seq in range(100)])
    with pytest.raises(UsageError, match="more than 255 bytes"):
        outbox.append([entry(0, "b" * 256)])
    assert held(outbox) == []
    outbox.close()


def test_a_full_disk_costs_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = DiskOutbox(tmp_path, max_bytes=16_000)
    outbox.open()
    for seq in range(50):
        outbox.append([entry(seq)])
    files, write, full = len(list(tmp_path.glob("*.seg"))), os.write, [True]

    def fails_halfway(descriptor: int, data: bytes) -> int:
        if full.pop() if full else False:
            write(descriptor, data[:7])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", fails_halfway)
    outbox.append([entry(50)])
    assert outbox.lost > 0
    assert held(outbox)[-1] == ("b1", 50)
    assert len(list(tmp_path.glob("*.seg"))) == files
    kept = held(outbox)
    outbox.close()
    again = DiskOutbox(tmp_path, max_bytes=16_000)
    again.open()
    assert (held(again), again.cut_bytes) == (kept, 0)
    again.close()


@pytest.mark.parametrize("where", ["write", "fsync"])
def test_a_broken_disk_is_one_clean_error_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    outbox = DiskOutbox(tmp_path)
    outbox.open()
    outbox.append([entry(0)])

    def broken(*_args: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, where, broken)
        with pytest.raises(SetupError, match=r"outbox .*: Input/output error"):
            outbox.append([entry(1)])
    assert held(outbox) == [("b1", 0)]
    outbox.append([entry(1)])
    outbox.close()
    again = DiskOutbox(tmp_path)
    again.open()
    assert held(again) == [("b1", 0), ("b1", 1)]
    again.close()


def test_what_is_not_readable_is_no_longer_held_out(tmp_path: Path) -> None:
    outbox = DiskOutbox(tmp_path)
    outbox.open()
    (number,) = outbox.append([entry(0)])
    (file,) = tmp_path.glob("*.seg")
    file.unlink()
    assert outbox.get(number) is None
    outbox.close()


class Life(RuleBasedStateMachine):
    """An outbox on disk through appends, acknowledgements, restarts and power losses."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.kept: list[Entry] = []  # what must be held, in order
        self.acked: set[Entry] = set()
        self.boot = self.seq = 0
        self.outbox = DiskOutbox(self.folder, max_bytes=8_000)

    @initialize()
    def begin(self) -> None:
        self.outbox.open()

    @rule(sizes=st.lists(st.integers(1, 120), max_size=3))
    def append(self, sizes: list[int]) -> None:
        entries = [Entry(f"b{self.boot}", self.seq + at, os.urandom(size)) for at, size in enumerate(sizes)]
        self.seq += len(entries)
        before = self.outbox.lost
        self.outbox.append(entries)
        self.kept = (self.kept + entries)[self.outbox.lost - before :]

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        upto = data.draw(st.sampled_from(self.kept))
        gone = {one for one in self.kept if one.boot == upto.boot and one.seq <= upto.seq}
        assert self.outbox.acknowledge(upto.boot, upto.seq) == len(gone)
        self.acked |= gone
        self.kept = [one for one in self.kept if one not in gone]

    @rule(tail=st.one_of(st.none(), st.just(bytes(64)), st.binary(max_size=60)))
    def restart(self, tail: bytes | None) -> None:
        """``tail`` None: in order; else by a power loss that left these bytes behind the last record."""
        if tail is None:
            self.outbox.close()
        else:
            if self.outbox._current is not None:
                os.close(self.outbox._descriptor)
            self.outbox._open.close()
            files = sorted(self.folder.glob("*.seg"))
            if files:
                with files[-1].open("ab") as file:
                    file.write(tail)
        before = {path: path.stat().st_size for path in self.folder.glob("*.seg")}
        self.outbox = DiskOutbox(self.folder, max_bytes=8_000)
        self.outbox.open()
        back = self.entries()
        assert set(self.kept) <= set(back)
        assert set(back) - set(self.kept) <= self.acked
        # At most what shares a segment with something that is still needed.
        assert self.kept or not back
        assert sum(len(one.body) for one in back) <= sum(before.values()) <= 8_000 + 64
        self.kept = back
        self.boot, self.seq = self.boot + 1, 0

    def entries(self) -> list[Entry]:
        found = [self.outbox.get(one.number) for one in self.outbox.held()]
        assert None not in found
        return [one for one in found if one is not None]

    @invariant()
    def holds_exactly_what_is_needed(self) -> None:
        assert self.entries() == self.kept
        assert self.outbox.size_bytes <= 8_000

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.folder)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
