"""A foreign id is one device: itself where it has our letters only, else whom an alias names."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.owners import resolve
from schemas.device import DeviceRule

CAR = DeviceRule("car", "vehicle")
ONE = DeviceRule("A12345", "vehicle")


def test_nobody_is_nobody() -> None:
    assert resolve({}, "traccar", "") == ("", None)


def test_an_id_of_our_letters_is_the_device_itself_or_its_alias() -> None:
    assert resolve({"A12345": ONE}, "traccar", "A12345") == ("A12345", ONE)
    assert resolve({"traccar:A12345": CAR, "A12345": ONE}, "traccar", "A12345") == ("car", CAR)
    assert resolve({}, "traccar", "A12345") == ("A12345", None)


def test_two_number_plates_are_two_devices() -> None:
    rules = {"A12345": ONE, "traccar:沪A12345": ONE}
    assert resolve(rules, "traccar", "沪A12345") == ("A12345", ONE)
    shown, rule = resolve(rules, "traccar", "苏A12345")
    assert rule is None
    assert shown.startswith("A12345-")
    assert shown not in rules
    assert resolve({}, "traccar", "渣土车1")[0] != resolve({}, "traccar", "洒水车1")[0]


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_different_ids_are_never_shown_alike(one: str, other: str) -> None:
    assert (resolve({}, "x", one)[0] == resolve({}, "x", other)[0]) == (one == other)
