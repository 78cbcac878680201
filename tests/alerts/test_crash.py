"""The moments at which a process can be made to die."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alerts import crash
from schemas.errors import UsageError

ROOT = Path(__file__).parents[2]
SOURCES = "\n".join(path.read_text() for room in ("alerts", "curbwatch") for path in (ROOT / room).rglob("*.py"))


def test_nothing_dies_unless_asked() -> None:
    crash.arm("")
    for point in sorted(crash.POINTS):
        crash.at(point)


def test_every_point_stands_in_the_sources_and_every_one_there_has_its_name() -> None:
    named = set(re.findall(r'crash\.at\("(\w+)"\)', SOURCES))
    steps = set(re.findall(r'\.transaction\("(\w+)"\)', SOURCES))
    assert steps == set(crash.STEPS)
    assert (
        named | {f"{step}_{moment}" for step in steps for moment in ("before_commit", "after_commit")} == crash.POINTS
    )


@pytest.mark.parametrize(
    "wanted", ["take_after_draw", "nowhere:1", "take_after_draw:0", "take_after_draw:x", ":1", ":"]
)
def test_a_point_that_cannot_be_reached_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"CURBWATCH_CRASH={wanted}: write point:n")):
        crash.arm(wanted)


def test_a_process_ends_at_the_passage_that_was_asked_for_without_clearing_up() -> None:
    script = """
from alerts import crash
crash.arm("take_after_draw:2")
try:
    for passage in (1, 2, 3):
        print(passage, flush=True)
        crash.at("take_before_ack")
        crash.at("take_after_draw")
finally:
    print("cleared up", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (crash.KILLED, "1\n2\n")


def test_the_command_line_takes_it_from_its_surroundings() -> None:
    surroundings = os.environ | {crash.VARIABLE: "nowhere:1"}
    argv = [sys.executable, "-m", "curbwatch", "check"]
    done = subprocess.run(argv, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == UsageError.exit_code
    assert done.stderr.startswith("curbwatch: CURBWATCH_CRASH=nowhere:1: write point:n")


def test_a_hook_hears_every_passage_and_goes_when_its_test_ends() -> None:
    heard: list[str] = []
    with crash.hooked(heard.append):
        crash.at("take_after_draw")
    crash.at("take_after_ack")
    assert heard == ["take_after_draw"]
