"""The deep run of the property tests: ``HYPOTHESIS_PROFILE=deep``, as ``make test-deep`` sets it."""

import os

import pytest
from hypothesis import settings

DEEP_EXAMPLES = int(os.environ.get("HYPOTHESIS_DEEP_EXAMPLES", "2000"))
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")

# No deadline: other processes of the machine would decide about the result.
settings.register_profile("short", deadline=None)
settings.register_profile("deep", max_examples=DEEP_EXAMPLES, deadline=None)
settings.load_profile(PROFILE)


@pytest.hookimpl(trylast=True)  # hypothesis marks its tests first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that name a number of their own, for a short default run, are to look at as many as the others."""
    if PROFILE != "deep":
        return
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("hypothesis"):
            deepen(item)


def deepen(item: pytest.Function) -> None:
    """Raise one property test, or one state machine, to ``DEEP_EXAMPLES``."""
    where, name = (
        (item.cls, "settings") if hasattr(item.cls, "settings") else (item.obj, "_hypothesis_internal_use_settings")
    )
    own: settings = getattr(where, name)
    setattr(where, name, settings(own, max_examples=max(own.max_examples, DEEP_EXAMPLES), deadline=None))
