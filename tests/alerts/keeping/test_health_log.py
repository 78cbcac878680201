"""What is known of a device over time: samples when it changes and each hour, and the shares of a period."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.keeping.health_log import HOLDS_S, Gap, Sample, log_health, samples, uptime
from tests.alerts.keeping.world import World

T0 = datetime(2026, 5, 4, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = T0 + 24 * HOUR


def test_no_samples_say_nothing() -> None:
    found = uptime([], T0, END)
    assert (found.up_s, found.down_s, found.unknown_s, found.share) == (0, 0, 86_400, None)
    assert found.gaps == (Gap(T0, END, "unknown"),)
    assert uptime([], T0, T0).gaps == ()


def test_a_day_with_an_outage_by_hand() -> None:
    hourly = [Sample(T0 + k * HOUR, "online") for k in range(24)]
    hourly[5:7] = [Sample(T0 + 5 * HOUR, "silent"), Sample(T0 + 6 * HOUR, "silent")]
    hourly.insert(7, Sample(T0 + 6.5 * HOUR, "online"))
    found = uptime(hourly, T0, END)
    assert (found.up_s, found.down_s, found.unknown_s) == (22.5 * 3600, 1.5 * 3600, 0)
    assert found.share == pytest.approx(22.5 / 24)
    assert found.gaps == (Gap(T0 + 5 * HOUR, T0 + 6.5 * HOUR, "silent"),)


def test_a_time_in_which_nobody_looked_is_unknown_and_neither_up_nor_down() -> None:
    found = uptime([Sample(T0, "online"), Sample(T0 + 10 * HOUR, "online")], T0, T0 + 11 * HOUR)
    assert (found.up_s, found.down_s) == (HOLDS_S + 3600, 0)
    assert found.share == 1
    assert found.gaps == (Gap(T0 + timedelta(seconds=HOLDS_S), T0 + 10 * HOUR, "unknown"),)


@given(
    st.lists(st.tuples(st.integers(-5000, 100_000), st.sampled_from(["online", "silent", "offline", "flapping"]))),
    st.integers(0, 86_400),
)
def test_the_shares_add_up_to_the_period(marks: list[tuple[int, str]], length_s: int) -> None:
    found = [Sample(T0 + timedelta(seconds=at), state) for at, state in sorted(marks)]
    period = uptime(found, T0, T0 + timedelta(seconds=length_s))
    assert period.up_s + period.down_s + period.unknown_s == pytest.approx(length_s)
    told = sum((gap.end - gap.begin).total_seconds() for gap in period.gaps)
    assert told == pytest.approx(period.down_s + period.unknown_s)


@pytest.mark.servers
@pytest.mark.parametrize("kept_url", ["apache"], indirect=True)
def test_a_sample_is_written_when_the_state_changes_and_after_an_hour(world: World) -> None:
    assert log_health(world.database) == 0
    world.device("cam-1")
    world.device("cam-2")
    for device in ("cam-1", "cam-2"):
        world.rows("insert into device_health (device_id, kind, state) values (%s, 'camera', 'online')", (device,))
    assert (log_health(world.database), log_health(world.database)) == (2, 0)
    world.rows("update device_health set state = 'silent' where device_id = 'cam-1'")
    assert (log_health(world.database), log_health(world.database)) == (1, 0)
    world.rows("update device_health_log set ts = ts - interval '61 min'")
    assert log_health(world.database) == 2
    now = datetime.now(UTC)
    told = samples(world.database, "cam-1", now - 2 * HOUR, now + HOUR)
    assert [one.state for one in told] == ["online", "silent", "silent"]
