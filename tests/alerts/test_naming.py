"""What people call an incident."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.naming import OF_CASE, OF_RANGE, lookup, only, whole_id
from schemas.errors import UsageError

ONE, OTHER = UUID(int=1), UUID(int=2)


@given(st.uuids(), st.integers(8, 31))
def test_the_beginning_of_an_id_asks_for_all_that_begin_so_and_no_other(key: UUID, length: int) -> None:
    name = key.hex[:length]
    query, values = lookup(f" {name.upper()} ")
    if length == 20 and name.isdigit():
        assert (query, values) == (OF_CASE, (name,))
        return
    low, high = values
    assert query == OF_RANGE
    assert isinstance(low, UUID)
    assert isinstance(high, UUID)
    assert low <= key <= high
    assert low.hex[:length] == high.hex[:length] == name


def test_only_names_are_looked_for_and_one_must_be_meant() -> None:
    assert whole_id(f" {ONE} ") == ONE
    assert lookup("51200220261126000003")[0] == OF_CASE
    for nothing in ("", "7d4f0c7", "x" * 20, "z" * 8, "1" * 33):
        with pytest.raises(UsageError, match="is not the id of an incident"):
            lookup(nothing)
    assert only("7d4f0c7e", [ONE]) == ONE
    with pytest.raises(UsageError, match="no incident 7d4f0c7e"):
        only("7d4f0c7e", [])
    with pytest.raises(UsageError, match="several incidents begin with 7d4f0c7e"):
        only("7d4f0c7e", [ONE, OTHER])
