"""Freed memory goes back to the system."""

import resource
import sys

import pytest

from curbwatch.memory import give_back


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123  # a file of the kernel
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked")
def test_what_was_freed_between_things_that_stay_is_given_back() -> None:
    pieces = [bytes(60_000) for _ in range(2000)]
    stay = pieces[::20]
    del pieces
    before = resident_bytes()
    assert give_back()
    assert before - resident_bytes() > 50_000_000
    assert len(stay) == 100


def test_a_system_without_it_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert not give_back()
