"""Original bytes, by their digest, on the disk before anybody is told."""

import hashlib
import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alerts.incidents.evidence import EvidenceFolder
from schemas.errors import SetupError, SinkError
from tests.alerts.makers import frame


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def disk_takes_no_more_than(size_bytes: int) -> Iterator[None]:
    """A real limit of the operating system on every file this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path / "e")
    record = folder.keep(frame(b"\x00any bytes"))
    assert record.sha256 == hashlib.sha256(b"\x00any bytes").hexdigest()
    assert (record.camera_id, record.size_bytes) == ("cam-1", 10)
    assert folder.path(record.sha256).read_bytes() == b"\x00any bytes"
    assert folder.path(record.sha256).relative_to(tmp_path / "e").parts[:2] == (record.sha256[:2], record.sha256[2:4])
    assert folder.intact(record.sha256)


def test_twice_is_once(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    first = folder.keep(frame())
    written = folder.path(first.sha256).stat()
    os.utime(folder.path(first.sha256), (0, 0))
    assert folder.keep(frame()) == first
    assert len(files(tmp_path)) == 1
    kept = folder.path(first.sha256).stat()
    assert kept.st_ino == written.st_ino  # not written again
    assert kept.st_mtime > 0  # and new to whoever deletes old ones


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path / "e")
    record = folder.keep(frame())
    assert stat.S_IMODE((tmp_path / "e").stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.path(record.sha256).stat().st_mode) == 0o600


def test_a_changed_or_missing_or_unreadable_picture_is_not_intact(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    record = folder.keep(frame())
    folder.path(record.sha256).write_bytes(b"forged")
    assert not folder.intact(record.sha256)
    folder.path(record.sha256).unlink()
    assert not folder.intact(record.sha256)
    folder.path(record.sha256).mkdir()
    assert not folder.intact(record.sha256)


def test_a_picture_that_a_broken_disk_left_short_is_written_again(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    record = folder.keep(frame())
    folder.path(record.sha256).write_bytes(b"")
    assert folder.keep(frame()) == record
    assert folder.intact(record.sha256)


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    large = frame(b"x" * 100_000)
    with disk_takes_no_more_than(4096), pytest.raises(SinkError, match=r"cannot be written: .*free space") as caught:
        folder.keep(large)
    assert caught.value.retryable
    assert files(tmp_path) == []
    assert folder.intact(folder.keep(large).sha256)


def test_bytes_and_names_are_synced_before_the_record_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    folder = EvidenceFolder(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    record = folder.keep(frame())
    target = folder.path(record.sha256)
    assert Path(synced[0]).parent == target.parent
    assert synced[1:] == [str(target.parent), str(target.parent.parent), str(tmp_path)]


def test_many_writers_of_one_picture_agree(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    records: list[object] = []
    threads = [threading.Thread(target=lambda: records.append(folder.keep(frame(b"same" * 5000)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records) == 8
    assert len(set(records)) == 1
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "../" * 21 + "a", "g" * 64])
def test_what_is_no_digest_is_no_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        EvidenceFolder(tmp_path).path(digest)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"file/e cannot be made: .*alerts\.evidence_dir"):
        EvidenceFolder(tmp_path / "file" / "e")
