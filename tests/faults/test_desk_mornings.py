"""The same morning of the desk again and again, each time with one death at another moment."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from schemas.city import Check
from tests.alerts.desk_world import Death
from tests.alerts.test_crash_points import lived

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(900)]

CHECKS: tuple[Check, ...] = ("camera", "none", "person")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("check", CHECKS)
def test_a_morning_in_which_one_dies(desk_url: str, redis_url: str, tmp_path: Path, check: Check) -> None:
    """At the first, second and last passage of each point."""
    passed = lived(desk_url, redis_url, tmp_path, check, Death()).passed
    mornings = [(point, passage) for point in sorted(passed) for passage in sorted({1, 2, passed[point]})]
    walked = [(point, passage) for point, passage in mornings if passage <= passed[point]]
    for point, passage in walked:
        found = lived(desk_url, redis_url, tmp_path, check, Death({point: passage}))
        assert found.died == [point], (point, passage)
    print(f"\nchecked by {check}: {len(walked)} mornings with one death each, at {len(passed)} points")  # noqa: T201
