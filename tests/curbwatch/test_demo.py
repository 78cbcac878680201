"""The demo, as a stranger runs it: first job before second 45, counters that balance, pictures that are there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from curbwatch.parts.paths import home
from tests.fix_service import ROOT


def demo(tmp_path: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run it in a private folder of the test's own, which shares the unpacked servers with everybody."""
    private = tmp_path / "home"
    private.mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # servers of root run as nobody, who must reach their data
    (private / "packages").symlink_to(home() / "packages")
    out = tmp_path / "demo.json"
    told = subprocess.run(
        [sys.executable, "-m", "curbwatch", "demo", "--json", str(out), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=170,
        env=os.environ | {"CURBWATCH_HOME": str(private)},
    )
    return told, json.loads(out.read_text()) if out.is_file() else {}


@pytest.mark.servers
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("servers")  # their packages must be there
def test_the_demo_reaches_its_first_job_and_its_counters_balance(tmp_path: Path) -> None:
    told, found = demo(tmp_path, "--seconds", "48")
    assert told.returncode == 0, told.stderr
    frames, positions = found["frames"], found["positions"]
    assert frames["received"] == frames["processed"] + frames["shed"] + frames["rejected"] > 100
    assert positions["received"] == positions["stored"] + positions["duplicate"] + positions["rejected"] > 200
    assert found["first_job_s"] < 45
    assert found["incidents"]["opened"] >= 1
    assert found["incidents"]["opened"] == sum(found["incidents"]["by_kind"].values())
    assert found["dispatch"]["queued"] == found["dispatch"]["taken"] == found["incidents"]["opened"]
    assert found["city"]["alarms_without_cause"] == 0
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    pictures = sorted(path.name for path in Path(found["evidence_dir"]).iterdir())
    assert "evidence.jpg" in pictures
    assert sum(name.endswith("-opening.jpg") for name in pictures) == found["incidents"]["opened"]
    # Servers that it started it has stopped, and nothing of it runs any more.
    marks = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.is_file()]
    assert not [mark for mark in marks if str(tmp_path / "home").encode() in mark]


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
