"""A damaged spool: what was damaged is lost and said, everything else comes out, and nothing stands still."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ingest import spool as spools
from ingest.ledger import Ticket
from schemas.errors import SinkError
from schemas.position import RawMessage
from tests.ingest.spool_case import emptied, message, opened
from tests.ingest.writer_case import FakeStore, Session, spool_in, writer_of
from tests.ingest.writer_case import message as message_of


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_no_bytes_on_disk_keep_it_from_opening(files: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for number, data in enumerate(files, 1):
            (Path(name) / f"{number:012}-{'00' * 8}.spool").write_bytes(data)
        spool = opened(Path(name))
        assert emptied(spool) == []
        assert not spool
        spool.append([message(1)])
        assert emptied(spool) == [message(1)]
        spool.close()


def broken(path: Path, at: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bits
    path.write_bytes(data)


@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=30),
    where=st.integers(0, 1_000_000),
    bits=st.integers(1, 255),
    count=st.integers(1, 9),
    again=st.booleans(),
)
@settings(deadline=None)
def test_a_byte_that_turned_costs_one_message(
    sizes: list[int], where: int, bits: int, count: int, *, again: bool
) -> None:
    """In any segment, under a running process and between two."""
    kept = [message(number, size) for number, size in enumerate(sizes)]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "SEGMENT_BYTES", 1000)
        spool = opened(Path(name))
        for one in kept:
            spool.append([one])
        paths = sorted(Path(name).glob("*.spool"))
        path = paths[where % len(paths)]
        broken(path, where % path.stat().st_size, bits)
        if again:
            spool.close()
            spool = opened(Path(name))
        found = emptied(spool, count)
        assert len(found) == len(kept) - 1
        assert found == [one for one in kept if one in found]
        assert not spool
        assert len(spool) == spool.size_bytes == 0
        # The end of the newest segment may be what an earlier process could not finish.
        assert spool.damaged == 1 or (again and kept[-1] not in found)
        spool.append([message(99)])
        assert emptied(spool) == [message(99)]
        spool.close()


@pytest.mark.parametrize("junk", [bytes(4096), b"\xff" * 4096, bytes(range(256)) * 16])
def test_a_lost_block_is_said_and_its_segment_set_aside(tmp_path: Path, junk: bytes) -> None:
    spool = opened(tmp_path)
    kept = [message(number, 100) for number in range(200)]
    spool.append(kept)
    (path,) = tmp_path.glob("*.spool")
    data = path.read_bytes()
    damaged = data[:8192] + junk + data[8192 + len(junk) :]
    path.write_bytes(damaged)
    with capture_logs() as logs:
        found = emptied(spool)
    (said,) = [line for line in logs if line["event"] == "spool_damaged"]
    assert (said["log_level"], said["file"]) == ("error", str(path))
    assert len(junk) < said["bytes"] < len(junk) + 400
    assert 200 - 30 <= len(found) < 200
    assert (found[0], found[-1]) == (kept[0], kept[-1])
    assert spool.damaged == 1
    (bad,) = tmp_path.glob("*.bad")
    assert (bad.stem, bad.read_bytes()) == (path.stem, damaged)
    spool.append([message(300)])
    spool.close()
    again = opened(tmp_path)
    assert emptied(again) == [message(300)]
    again.close()
    assert bad.exists()


def test_only_the_end_of_the_newest_segment_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 1)
    first = opened(tmp_path)
    for number in range(3):
        first.append([message(2 * number), message(2 * number + 1)])
    first.close()
    paths = sorted(tmp_path.glob("*.spool"))
    for path in paths:
        os.truncate(path, path.stat().st_size - 5)
    again = opened(tmp_path)
    assert [one.received_ns for one in emptied(again)] == [0, 2, 4]
    again.close()
    assert again.damaged == 2
    assert [path.stem for path in sorted(tmp_path.glob("*.bad"))] == [path.stem for path in paths[:2]]


def test_a_spool_of_nothing_but_damage_is_looked_at_all_the_same(tmp_path: Path) -> None:
    name = "00" * 8
    (tmp_path / f"000000000001-{name}.spool").write_bytes(bytes(5000))
    (tmp_path / f"000000000002-{name}.spool").write_bytes(b"")
    spool = opened(tmp_path)
    assert len(spool) == 0
    assert spool  # so the writer asks for its head
    assert spool.head(1) is None
    assert not spool
    assert spool.damaged == len(list(tmp_path.glob("*.bad"))) == 1
    assert list(tmp_path.glob("*.spool")) == []
    spool.close()


def test_a_segment_that_somebody_removed_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 1)
    spool = opened(tmp_path)
    spool.append([message(1)])
    spool.append([message(2)])
    min(tmp_path.glob("*.spool")).unlink()
    assert emptied(spool) == [message(2)]
    assert spool.damaged == 1
    spool.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_block_that_the_disk_does_not_give_costs_what_lay_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """Nor is it cut off where it is the last: another day the disk may give it."""
    read = os.pread

    def worn(descriptor: int, count: int, at: int) -> bytes:
        if at < 8192:
            return read(descriptor, min(count, 8192 - at), at)
        raise OSError(5, "Input/output error")

    spool = opened(tmp_path)
    spool.append([message(number, 100) for number in range(80)])
    (path,) = tmp_path.glob("*.spool")
    data = path.read_bytes()
    monkeypatch.setattr("os.pread", worn)
    if again:
        spool.close()
        spool = opened(tmp_path)
    found = emptied(spool)
    assert [one.received_ns for one in found] == list(range(8192 // (len(data) // 80)))
    assert spool.damaged == 1
    assert path.with_suffix(".bad").read_bytes() == data
    spool.close()


def test_what_a_device_puts_into_a_payload_is_never_taken_for_a_record(tmp_path: Path) -> None:
    forged = opened(tmp_path / "forged")
    forged.append([RawMessage("city/of-another", b"", 0)])
    (path,) = (tmp_path / "forged").glob("*.spool")
    forged.close()
    spool = opened(tmp_path / "true")
    spool.append([RawMessage("city/mine", path.read_bytes(), 1), message(2)])
    (path,) = (tmp_path / "true").glob("*.spool")
    broken(path, 0)
    assert emptied(spool) == [message(2)]
    spool.close()


def test_what_a_failing_disk_left_behind_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: int) -> None:
        raise OSError(5, "Input/output error")

    spool = opened(tmp_path)
    spool.append([message(1)])
    monkeypatch.setattr("os.fsync", fails)
    monkeypatch.setattr("os.ftruncate", fails)
    with pytest.raises(SinkError, match="Input/output error"):
        spool.append([message(2, 500)])
    monkeypatch.undo()
    spool.append([message(3)])
    spool.append([message(4)])
    assert emptied(spool) == [message(1), message(3), message(4)]
    assert spool.damaged == 0
    spool.close()


def test_a_damaged_record_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    now = [message_of(seq) for seq in range(30)]
    spool = opened(tmp_path)
    spool.append(now[:20])
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    broken(path, path.stat().st_size // 2)
    store, session = FakeStore(), Session()
    writer = writer_of(store, spool=spool_in(tmp_path))
    writer.start(session.outlets())
    for mid, one in enumerate(now[20:], 1):
        writer.put(one, Ticket(1, mid))
    session.until(lambda: len(session.finished) == 10)
    writer.stop()
    assert len(store.seqs) == 29
    assert set(store.seqs) < set(range(30))
