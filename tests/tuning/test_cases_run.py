"""A run that plays nothing, misses a case or only tries a configuration says so, and spoils no ledger."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from curbwatch.tuning import cases_run
from curbwatch.tuning.cases import Judgement
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.recording import Recording
from schemas.errors import UsageError
from tests.tuning.test_cases import NOW, alert_of, bench, call, case_at, clip, kept, reported

__all__ = ["bench", "clip", "reported"]  # fixtures


def test_a_run_in_the_wrong_folder_is_no_run_without_losses(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    assert call(tmp_path, "run").exit_code == 0  # no case yet, and none was ever there
    missing = call(tmp_path / "nodir", "run").exception
    assert isinstance(missing, UsageError)
    assert "no such folder" in str(missing)
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    assert call(tmp_path, "run").exit_code == 0
    shutil.move(tmp_path / case.case_id, tmp_path.parent / "away")
    with pytest.raises(UsageError, match=f"names {case.case_id}, and no case is there any more"):
        cases_run.due(tmp_path)


def test_one_of_several_cases_that_vanished_is_lost(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    case = kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    shutil.copytree(tmp_path / case.case_id, tmp_path / "second")
    file = tmp_path / "second" / "recording.json"
    file.write_text(file.read_text(encoding="utf-8").replace(f'"{case.case_id}"', '"second"'), encoding="utf-8")
    assert call(tmp_path, "run").exit_code == 0
    shutil.rmtree(tmp_path / "second")
    lost = call(tmp_path, "run", "--lang", "en")
    assert (lost.exit_code, "1 lost" in lost.output) == (1, True)


def test_a_trial_with_another_configuration_leaves_the_ledger_as_it_is(
    bench: Bench, clip: Recording, tmp_path: Path, reported: Callable[..., None]
) -> None:
    reported(alert_of(case_at(clip, 32)))
    kept(tmp_path, clip, bench, Judgement(NOW, "Li", "real"))
    strict = tmp_path / "strict.toml"
    strict.write_text("[alerts]\nwaste_confidence = 0.65\n")
    trial = ("run", "--base", str(strict), "--lang", "en")
    assert "a trial" in call(tmp_path, *trial).output
    assert not (tmp_path / cases_run.LEDGER).exists()
    assert call(tmp_path, "run").exit_code == 0
    before = (tmp_path / cases_run.LEDGER).read_bytes()
    reported()
    assert call(tmp_path, *trial).exit_code == 1  # it is held against the ledger all the same
    assert (tmp_path / cases_run.LEDGER).read_bytes() == before
    assert "a trial" not in call(tmp_path, *trial, "--keep").output
    assert (tmp_path / cases_run.LEDGER).read_bytes() != before
