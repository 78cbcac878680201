"""``make test-deep`` looks at thousands of examples of each property, whatever number a test names."""

import os
import subprocess
import sys
from pathlib import Path

from tests.fix_deep import DEEP_EXAMPLES

ROOT = Path(__file__).parents[1]
PROPERTIES = """
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

SEEN = Counter()


@given(st.integers())
def test_one_that_names_no_number(_number):
    SEEN["default"] += 1


@settings(max_examples=5)
@given(st.integers())
def test_one_that_names_a_small_number(_number):
    SEEN["named"] += 1


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        SEEN["machine"] += 1

    @rule(_number=st.integers())
    def step(self, _number):
        pass


Machine.TestCase.settings = settings(max_examples=5, stateful_step_count=1)
TestMachine = Machine.TestCase


def test_z_counts():
    assert min(SEEN[name] for name in ("default", "named", "machine")) WANTED, SEEN
"""


def run(folder: Path, wanted: str, profile: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_properties.py").write_text(PROPERTIES.replace("WANTED", wanted))
    (folder / "conftest.py").write_text('pytest_plugins = ["tests.fix_deep"]\n')
    (folder / "pytest.ini").touch()
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | {"HYPOTHESIS_PROFILE": profile, "HYPOTHESIS_DEEP_EXAMPLES": "300", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_deep_profile_looks_at_all_its_examples_whatever_a_test_names(tmp_path: Path) -> None:
    """On 300, three times what is usual, for a short run."""
    told = run(tmp_path, ">= 300", "deep")
    assert told.returncode == 0, told.stdout


def test_its_examples_are_two_thousand() -> None:
    assert DEEP_EXAMPLES == 2000


def test_the_default_run_stays_short(tmp_path: Path) -> None:
    told = run(tmp_path, "< 10", "default")
    assert told.returncode == 0, told.stdout
