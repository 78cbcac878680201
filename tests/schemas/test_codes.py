"""Codes of matters, parts and cells come apart as they were put together, and everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import (
    CJT214,
    PROVINCES,
    from_2013,
    from_cjt214,
    matter_code,
    split_cell,
    split_matter,
    split_part,
    to_2013,
    to_cjt214,
)

# Pairs with the 2013 lineage of a public Java enumeration, and two that were inferred (06014, 08005).
PAIRS_2013 = {
    "09001": "04-01",
    "09005": "04-05",
    "09006": "04-06",
    "06007": "01-07",
    "06010": "01-10",
    "06011": "01-11",
    "06012": "01-12",
    "06014": "01-14",
    "06036": "01-36",
    "07003": "02-03",
    "08005": "03-05",
    "08011": "03-11",
}
DIVISION = st.builds(lambda a, b: f"{a}{b:04d}", st.sampled_from(sorted(PROVINCES)), st.integers(0, 9999))
CLASS = st.builds(lambda a, b: f"{a:02d}{b:03d}", st.integers(6, 10) | st.integers(21, 99), st.integers(1, 999))
PART_CLASS = st.builds(
    lambda a, b: f"{a:02d}{b:03d}", st.integers(1, 5) | st.sampled_from([21, 50, 98, 99]), st.integers(1, 999)
)
NUMBER = st.integers(1, 999)


@given(DIVISION, CLASS)
def test_a_matter_code_comes_apart_as_it_was_made(division: str, code: str) -> None:
    assert split_matter(matter_code(division, code)) == (division, code)
    assert len(matter_code(division, code)) == 11


@given(DIVISION, PART_CLASS, st.integers(1, 999_999))
def test_a_part_code_comes_apart_as_it_was_made(division: str, code: str, serial: int) -> None:
    assert split_part(f"{division}{code}{serial:06d}") == (division, code, serial)


@given(DIVISION, NUMBER, NUMBER, NUMBER)
def test_a_cell_code_comes_apart_as_it_was_made(division: str, street: int, community: int, cell: int) -> None:
    assert split_cell(f"{division}{street:03d}{community:03d}{cell:03d}") == (division, street, community, cell)


@given(st.text(st.sampled_from("0123456789٣ -A"), max_size=18))
def test_what_is_accepted_is_made_of_what_it_comes_apart_into(text: str) -> None:
    def whole(code: str) -> str:
        return matter_code(*split_matter(code))

    def part(code: str) -> str:
        division, kind, serial = split_part(code)
        return f"{division}{kind}{serial:06d}"

    def cell(code: str) -> str:
        division, *numbers = split_cell(code)
        return division + "".join(f"{number:03d}" for number in numbers)

    for again in (whole, part, cell):
        try:
            assert again(text) == text
        except ValueError as error:
            assert text in str(error) or text[:6] in str(error)  # noqa: PT017 - most texts are refused


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", "has 11 digits"),
        ("5120020900", "has 11 digits"),
        ("512002090060", "has 11 digits"),
        ("5120020900A", "has 11 digits"),
        ("５１２００２０９００６", "has 11 digits"),
        ("01200209006", "no province has the code 01"),
        ("51200200006", "classes count from 01"),
        ("51200209000", "subs from 001"),
        ("51200205010", "class 05 is of parts; matters are 06 to 10"),
        ("51200215010", "class 15 is not given"),
    ],
)
def test_a_matter_code_that_is_none_is_refused_with_the_reason(code: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        split_matter(code)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("51200201001", "has 17 digits"),
        ("51200201001000000", "serial of a part"),
        ("51200209006000001", "class 09 is of matters"),
        ("51200211006000001", "class 11 is not given"),
    ],
)
def test_a_part_code_that_is_none_is_refused_with_the_reason(code: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        split_part(code)


def test_a_cell_of_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="count from 001"):
        split_cell("512002001000001")


@pytest.mark.parametrize(("code", "old"), PAIRS_2013.items())
def test_every_pair_that_was_found_keeps_the_rule_of_the_2013_lineage(code: str, old: str) -> None:
    assert (to_2013(code), from_2013(old)) == (old, code)


@given(st.integers(1, 99), st.integers(1, 99))
def test_the_rule_of_the_2013_lineage_goes_both_ways_or_neither(major: int, sub: int) -> None:
    code = from_2013(f"{major:02d}-{sub:02d}")
    assert (code is None) == (major > 5)
    assert code is None or to_2013(code) == f"{major:02d}-{sub:02d}"


@pytest.mark.parametrize("code", ["01001", "05001", "11001", "21001", "98001", "99001", "06100"])
def test_parts_and_local_classes_have_no_older_code_by_rule(code: str) -> None:
    assert to_2013(code) is None


def test_pairs_with_cjt_214_go_both_ways() -> None:
    assert len(set(CJT214.values())) == len(CJT214) == 9
    for code, old in CJT214.items():
        assert (to_cjt214(code), from_cjt214(old)) == (old, code)
    assert (to_cjt214("09006"), from_cjt214("09-99")) == (None, None)


@pytest.mark.parametrize("code", ["", "0401", "4-1", "04-001", "٠٤-٠١", "04-", "-04"])
def test_an_older_code_that_is_none_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="two digits, a dash"):
        from_2013(code)
