"""Terms of keeping: whole days, never none."""

from pathlib import Path

import pytest

from config.keeping import KeepingKnobs
from config.load import load_config
from schemas.errors import ConfigError

TERMS = [name for name in KeepingKnobs.model_fields if name.endswith(("_days", "_hours"))]


def refused(tmp_path: Path, key: str, value: str) -> str:
    file = tmp_path / "curbwatch.toml"
    file.write_text(f"[keeping]\n{key} = {value}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    (fault,) = caught.value.faults
    return str(fault).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("key", TERMS)
def test_c20_a_term_of_no_days_is_refused_with_file_key_and_value(tmp_path: Path, key: str) -> None:
    told = refused(tmp_path, key, "0")
    assert told == f"curbwatch.toml: keeping.{key} = 0: should be greater than or equal to 1"


@pytest.mark.parametrize("value", ["-1", "1.5", '"90"', "36501"])
def test_what_is_no_number_of_whole_days_is_refused(tmp_path: Path, value: str) -> None:
    assert refused(tmp_path, "positions_days", value).startswith("curbwatch.toml: keeping.positions_days = ")


def test_a_term_of_one_day_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "curbwatch.toml"
    file.write_text("[keeping]\npositions_days = 1\n", encoding="utf-8")
    assert load_config(file, {}).keeping.positions_days == 1
