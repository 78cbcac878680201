"""What is private stays private: no link is followed, no folder that was there is opened or closed."""

import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from curbwatch.parts import packages, process, servers
from curbwatch.parts.paths import Identity, locked, make_folder, refuse_unreachable, write_private
from curbwatch.snapshots import SnapshotFolder
from schemas.errors import SetupError
from tests.fix_service import wait_until

OURSELVES = Identity(os.geteuid(), os.getegid())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of somebody else, to which a server's user makes links."""
    path = tmp_path / "victim"
    path.write_text("mine")
    path.chmod(0o644)
    return path


def test_a_link_under_the_old_temporary_name_or_the_name_itself_is_not_followed(tmp_path: Path, victim: Path) -> None:
    for name in ("conf", "conf.new"):
        (tmp_path / name).symlink_to(victim)
    path = write_private(tmp_path / "conf", "ours", OURSELVES)
    assert (victim.read_text(), mode(victim)) == ("mine", 0o644)
    assert path.read_text() == "ours"
    assert not path.is_symlink()
    assert mode(path) == 0o600


def test_a_servers_folder_that_became_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "etc")
    with pytest.raises(SetupError, match="cannot be written"):
        write_private(tmp_path / "data" / "curbwatch.conf", "ours", OURSELVES)
    assert list((tmp_path / "etc").iterdir()) == []
    # A person's own links are nobody's trap.
    assert write_private(tmp_path / "data" / "addresses.json", "{}").read_text() == "{}"


def test_a_file_that_cannot_be_written_is_one_clean_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be written: No such file"):
        write_private(tmp_path / "no" / "file", "x")
    (tmp_path / "taken").mkdir()
    with pytest.raises(SetupError, match="taken cannot be written"):
        write_private(tmp_path / "taken", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_log_that_is_a_link_a_pipe_or_anothers_file_is_refused(tmp_path: Path, victim: Path) -> None:
    link, pipe, twin = tmp_path / "link.log", tmp_path / "pipe.log", tmp_path / "twin.log"
    link.symlink_to(victim)
    os.mkfifo(pipe)
    (tmp_path / "other").touch()
    os.link(tmp_path / "other", twin)
    for log in (link, pipe, twin):
        with pytest.raises(SetupError, match="remove it and try again"):
            process.launch(["true"], log, OURSELVES)
    assert (victim.read_text(), mode(victim)) == ("mine", 0o644)


def test_a_folder_that_was_in_use_keeps_its_mode_and_a_new_one_gets_it_whatever_the_umask(tmp_path: Path) -> None:
    there, made_for_us = tmp_path / "home", tmp_path / "mktemp"
    for folder in (there, made_for_us):
        folder.mkdir(mode=0o700)
    (there / "letter.txt").touch()
    before = os.umask(0o077)
    try:
        assert mode(make_folder(there, 0o755)) == 0o700
        assert mode(make_folder(made_for_us, 0o755)) == 0o755
        assert mode(make_folder(tmp_path / "new" / "er" / "est", 0o711)) == 0o711
    finally:
        os.umask(before)
    assert [mode(tmp_path / "new"), mode(tmp_path / "new" / "er")] == [0o755, 0o755]
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot prepare"):
        make_folder(tmp_path / "file", 0o755)


def test_a_folder_with_somebody_elses_server_does_not_become_an_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path / "home"))
    full = tmp_path / "full"
    (full / "mosquitto").mkdir(parents=True)
    full.chmod(0o1777)
    with pytest.raises(SetupError, match="mosquitto was there before and is not ours"):
        servers.up(full)
    assert mode(full) == 0o1777


def test_a_folder_named_packages_with_other_things_is_not_cleared(tmp_path: Path) -> None:
    work = tmp_path / "packages" / "thesis.txt"
    work.parent.mkdir()
    work.touch()
    with pytest.raises(SetupError, match="holds other things"):
        packages.ensure_packages(work.parent, lambda _message: None)
    assert work.is_file()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_the_servers_user_cannot_enter_is_named(open_folder: Path) -> None:
    stranger = Identity(os.geteuid() + 12345, os.getegid() + 12345)
    closed = open_folder / "closed"
    (closed / "in").mkdir(parents=True)
    refuse_unreachable(closed / "in", stranger)
    closed.chmod(0o700)
    with pytest.raises(SetupError, match=f"{closed} is closed to user 'nobody'.*chmod"):
        refuse_unreachable(closed / "in", stranger)
    refuse_unreachable(closed / "in", OURSELVES)
    refuse_unreachable(closed / "in", Identity(None, None))


def test_a_lock_that_somebody_holds_is_refused_in_the_callers_words(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(SetupError, match=r"^another runs$"),
        locked(tmp_path / "lock", busy="another runs"),
    ):
        pytest.fail("held twice")
    with locked(tmp_path / "lock", busy="another runs"):
        pass


def test_who_waited_for_a_lock_that_was_removed_holds_the_one_that_is_there(tmp_path: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def wait() -> None:
        with locked(tmp_path / "lock"):
            held.set()
            done.wait(10)

    waiter = threading.Thread(target=wait)
    with locked(tmp_path / "lock"):
        waiter.start()
        wait_until("the other to wait", lambda: f":{(tmp_path / 'lock').stat().st_ino} " in waiting_for_locks())
        (tmp_path / "lock").unlink()
    try:
        assert held.wait(10)
        with pytest.raises(SetupError, match="another"), locked(tmp_path / "lock", busy="another"):
            pytest.fail("held twice")
    finally:
        done.set()
        waiter.join()


def waiting_for_locks() -> str:
    """Lines of the kernel's table for those who wait."""
    return "\n".join(line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)


def test_down_leaves_a_folder_alone_that_is_none_of_ours(tmp_path: Path) -> None:
    marker = tmp_path / "mosquitto" / "mosquitto.conf"
    with subprocess.Popen(["sh", "-c", "read end", str(marker)], stdin=subprocess.PIPE) as system:
        wait_until("it to run", lambda: system.pid in process.find(marker))
        servers.down(tmp_path)
        assert process.find(marker) == [system.pid]
        system.kill()
    assert list(tmp_path.iterdir()) == []


class Remembers:
    """As much of a detector as the folder asks for."""

    def snapshot(self, _camera_id: str) -> bytes:
        return b"state"


def test_a_learned_street_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path / "snapshots", every_s=60, monotonic_s=lambda: 0.0)
    before = os.umask(0)
    try:
        assert folder.keep(Remembers(), "cam-1", at_once=True)  # type: ignore[arg-type]
    finally:
        os.umask(before)
    assert mode(tmp_path / "snapshots" / "cam-1.state") == 0o600
    assert mode(tmp_path / "snapshots") == 0o700


def test_a_snapshot_folder_that_cannot_be_made_is_one_clean_error(victim: Path) -> None:
    with pytest.raises(SetupError, match=r"Not a directory; set engine\.snapshot_dir"):
        SnapshotFolder(victim / "snapshots", every_s=60, monotonic_s=lambda: 0.0)
