"""The demo, as a stranger runs it: first job before second 45, counters that balance, pictures that are there."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from curbwatch.parts import Servers
from curbwatch.parts.paths import home, make_folder
from tests.fix_service import ROOT


@pytest.fixture
def private(servers: Servers) -> Iterator[Path]:
    """A private folder of the test's own, which shares the unpacked servers with everybody.

    Not pytest's: that is closed to nobody, as whom servers of root run.
    """
    folder = make_folder(home() / f"test-{os.getpid()}-demo", 0o755)
    (folder / "packages").symlink_to(home() / "packages")
    yield folder
    shutil.rmtree(folder)


@contextmanager
def demo(private: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A demo as a process, killed at the end where it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "curbwatch", "demo", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"CURBWATCH_HOME": str(private)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], words: str) -> None:
    """Read what it says to a person until ``words`` come."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return
    pytest.fail("".join(lines))


def left_of(private: Path) -> list[bytes]:
    """Command lines of what still runs on the private folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes())
    return [line for line in lines if os.fsencode(private) in line]


@pytest.mark.servers
def test_the_demo_reaches_its_first_job_and_its_counters_balance(private: Path) -> None:
    out = private / "demo.json"
    with demo(private, "--seconds", "48", "--json", str(out)) as process:
        _, errors = process.communicate(timeout=170)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(out.read_text())
    frames, positions = found["frames"], found["positions"]
    assert frames["received"] == frames["processed"] + frames["shed"] + frames["rejected"] > 100
    assert positions["received"] == positions["stored"] + positions["duplicate"] + positions["rejected"] > 200
    assert 100 < found["sent"]["frames"] <= frames["received"]
    assert 200 < found["sent"]["positions"] <= positions["received"]
    assert found["first_job_s"] < 45
    assert found["incidents"]["opened"] >= 1
    assert found["incidents"]["opened"] == sum(found["incidents"]["by_kind"].values())
    assert found["dispatch"]["queued"] == found["dispatch"]["taken"] == found["incidents"]["opened"]
    assert found["city"]["alarms_without_cause"] == 0
    assert found["permit"]["stood"] == 1
    assert found["permit"]["seen"] > 0  # in plain sight, and left alone
    assert [step["what"] for step in found["timelines"]["stall"]][:2] == ["opened", "confirmed"]
    assert {"dispatched", "taken"} <= {step["what"] for step in found["timelines"]["waste"]}
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    pictures = sorted(path.name for path in Path(found["evidence_dir"]).iterdir())
    assert "evidence.jpg" in pictures
    assert sum(name.endswith("-opening.jpg") for name in pictures) == found["incidents"]["opened"]
    assert left_of(private) == []  # servers that it started it has stopped


@pytest.mark.servers
def test_a_second_demo_is_refused_and_the_first_ends_early_with_its_summary(private: Path) -> None:
    out = private / "demo.json"
    with demo(private, "--json", str(out)) as first:
        said(first, " jobs ")
        with demo(private) as second:
            _, errors = second.communicate(timeout=60)
        assert second.returncode == 3
        assert "another demo is running" in errors
        assert all(any(name in line for line in left_of(private)) for name in (b"postgres", b"mosquitto", b"valkey"))
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    found = json.loads(out.read_text())
    assert found["seconds"] < 60
    assert 0 < found["sent"]["frames"] <= found["frames"]["received"]
    assert left_of(private) == []


@pytest.mark.servers
def test_a_demo_that_is_ended_before_it_is_ready_leaves_no_server(private: Path) -> None:
    with demo(private) as process:
        said(process, "starting Mosquitto")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert left_of(private) == []


def test_a_summary_that_could_not_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "curbwatch", "demo", "--json", str(tmp_path / "no" / "demo.json")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert told.returncode == 2
    assert "there is no such folder" in told.stderr
    assert "Traceback" not in told.stderr
