"""scripts/setup: an environment that works is given up only for another that works."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Stands for Python: makes an environment of itself, and its pip succeeds, fails, or kills the set-up.
PYTHON = """#!/bin/sh
case "$*" in
  -c*) exit 0 ;;
  --version) echo "Python 3.11.0" ;;
  "-m venv .venv")
    mkdir -p .venv/bin && cp "$0" .venv/bin/python && touch .venv/bin/curbwatch && chmod +x .venv/bin/* ;;
  *--editable*) case "$PIP" in works) exit 0 ;; killed) kill -9 $PPID; exit 1 ;; *) exit 1 ;; esac ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with an environment that was finished for other versions."""
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "constraints.txt", "scripts/setup"):
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3.13").write_text(PYTHON)
    (programs / "python3.13").chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name, text in ((".venv/bin/curbwatch", "before"), (".venv/.curbwatch-setup", "other versions")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def setup(clone: Path, pip: str) -> subprocess.CompletedProcess[str]:
    path = f"{clone / 'programs'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "scripts/setup"],
        cwd=clone,
        env=os.environ | {"PATH": path, "PIP": pip},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def kept(clone: Path) -> bool:
    """Whether the environment of before stands where it stood, and nothing beside it."""
    return (clone / ".venv/bin/curbwatch").read_text() == "before" and not (clone / ".venv-before").exists()


def test_a_new_environment_takes_the_place_of_the_old_one_and_is_not_made_twice(clone: Path) -> None:
    assert setup(clone, "works").returncode == 0
    assert not kept(clone)
    assert not (clone / ".venv-before").exists()
    (clone / ".venv-before").mkdir()  # killed after it was finished
    again = setup(clone, "fails")
    assert not (clone / ".venv-before").exists()
    assert (again.returncode, again.stderr) == (0, "")


def test_without_a_network_the_environment_of_before_stays(clone: Path) -> None:
    told = setup(clone, "fails")
    assert told.returncode == 3
    assert "Connect this machine once" in told.stderr
    assert "the .venv of before is back" in told.stderr
    assert kept(clone)


def test_after_a_kill_the_next_run_brings_it_back_first(clone: Path) -> None:
    assert setup(clone, "killed").returncode == -signal.SIGKILL
    assert not kept(clone)
    assert setup(clone, "fails").returncode == 3
    assert kept(clone)
    assert setup(clone, "works").returncode == 0
    assert not kept(clone)


def test_a_half_made_environment_is_not_kept(clone: Path) -> None:
    (clone / ".venv/.curbwatch-setup").unlink()
    assert setup(clone, "fails").returncode == 3
    assert not (clone / ".venv-before").exists()
    assert not (clone / ".venv/.curbwatch-setup").exists()
