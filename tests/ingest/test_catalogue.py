"""The catalogue of bad input is whole: each case stands in exactly one place, and is run by the default test run."""

import re
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LISTED = {"T": 36, "G": 57, "F": 46}
# A case is a key of a parametrisation; what a broker has to forbid is tested, with a mark, where the broker is set up.
KEY, MARK = re.compile(r'"([TGF]\d\d)"[:\]]'), re.compile(r"# ([TGF]\d\d)\b")


def found() -> Counter[str]:
    """How often each case stands somewhere."""
    keys = [KEY.findall(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("test_catalogue_*.py"))]
    broker = sorted((HERE.parent / "broker").glob("test_*.py"))
    marks = [MARK.findall(path.read_text(encoding="utf-8")) for path in broker]
    return Counter(name for names in (*keys, *marks) for name in names)


@pytest.mark.parametrize("letter", LISTED)
def test_every_case_of_the_catalogue_is_tested_in_exactly_one_place(letter: str) -> None:
    wanted = {f"{letter}{number:02d}": 1 for number in range(1, LISTED[letter] + 1)}
    assert {name: many for name, many in found().items() if name.startswith(letter)} == wanted


def test_there_are_139_cases() -> None:
    assert sum(found().values()) == sum(LISTED.values()) == 139
