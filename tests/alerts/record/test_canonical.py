"""The one form of a row: the same for the same, another for another, whoever stored it in between."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.record.canonical import ROW, SEAL, ZERO, canonical, entries_hash, link, parsed, row_value, seal_value

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMBERS: st.SearchStrategy[Any] = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether two JSON values say the same: true is not 1, 1.0 is 1, keys have no order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return type(one) is type(other) and bool(one == other)


def plain(value: Any) -> Any:  # noqa: ANN401
    """The value with exact numbers."""
    return parsed(json.dumps(value))


def test_nothing_has_a_form() -> None:
    nothing: list[Any] = [None, [], {}, "", 0]
    assert [canonical(value) for value in nothing] == [b"n", b"l0:", b"m0:", b"s0:", b"d3:0e0"]


@given(VALUES, VALUES)
def test_two_values_have_one_form_where_they_say_the_same_and_two_else(one: Any, other: Any) -> None:  # noqa: ANN401
    assert (canonical(one) == canonical(other)) == same(plain(one), plain(other))


@given(VALUES)
def test_neither_writing_nor_order_nor_reading_changes_the_form(value: Any) -> None:  # noqa: ANN401
    form = canonical(value)
    assert canonical(plain(value)) == form
    assert canonical(json.loads(json.dumps(value, ensure_ascii=True, indent=2))) == form
    assert canonical(parsed(json.dumps(value, sort_keys=True))) == form


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ((1, 1.0, Decimal("1.00")), b"d3:1e0"),
        ((100, 1e2, Decimal("1E+2")), b"d3:1e2"),
        ((10**22, 1e22), b"d4:1e22"),
        ((0.1, Decimal("0.100")), b"d4:1e-1"),
        ((-12.5, Decimal("-12.50")), b"d7:-125e-1"),
        ((0.0, -0.0, 0, Decimal("0.000")), b"d3:0e0"),
    ],
)
def test_a_number_is_what_it_is_worth(values: tuple[Any, ...], form: bytes) -> None:
    assert {canonical(value) for value in values} == {form}


def test_a_number_is_never_rounded() -> None:
    assert canonical(parsed("0.1000000000000000000000000000000000001")) != canonical(0.1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        canonical(value)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "", "{"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no number|Expect"):
        parsed(text)


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="set is no value"):
        canonical({1})


def test_the_form_and_the_hashes_are_these_for_ever() -> None:
    row: dict[str, Any] = {
        "incident_id": "7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10",
        "seq": 1,
        "at_us": 1_777_863_540_000_000,
        "actor": "李雷",
        "role": "dispatcher",
        "proved": True,
        "what": "confirmed",
        "state": "dispatched",
        "detail": {"urgent": False},
    }
    assert row_value(row)[0] == ROW
    assert (
        canonical(row_value(row))
        == (
            "l10:s18:curbwatch/record/1s36:7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10d3:1e0d11:177786354e7"
            "s6:李雷s10:dispatcherts9:confirmeds10:dispatchedm1:s6:urgentf"
        ).encode()
    )
    first = link(ZERO, row_value(row))
    assert first.hex() == "d70ab023de076acf18dbec7c0e599558a15fdbfb07aec176f99fbe3e2918e8a5"
    entries = entries_hash([(row["incident_id"], 1, first)])
    assert seal_value(1, row["at_us"], entries)[0] == SEAL
    assert (
        link(ZERO, seal_value(1, row["at_us"], entries)).hex()
        == "ad13eba7b0b318b00699547d0cbdfea3de79ad65b09eed770e17fa0c5f2ca012"
    )
