"""The marker ``faults``: what kills servers or takes minutes runs with ``make test-faults`` only."""

import os

import pytest

MARKER = "faults: kills servers or takes minutes; left out unless asked for with -m faults"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "faults" in str(config.option.markexpr):
        return
    left_out = [item for item in items if item.get_closest_marker("faults")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def times(count: int) -> int:
    """How often a fault is repeated: ``CURBWATCH_FAULT_SCALE`` times as often as the table says, at least once."""
    return max(1, round(count * float(os.environ.get("CURBWATCH_FAULT_SCALE", "1"))))
