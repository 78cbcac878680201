"""A device's time is read exactly or refused with a reason."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stamps import StampError, stamp_ns, timely_ns

SECOND_NS = 1_000_000_000
AT = 1_777_851_000 * SECOND_NS  # 2026-05-03T23:30:00Z


def refusal(stamp: str | float) -> str:
    with pytest.raises(StampError) as caught:
        stamp_ns(stamp)
    assert len(caught.value.detail) <= 100
    return caught.value.reason


@pytest.mark.parametrize(
    ("stamp", "ns"),
    [
        ("2026-05-04T07:30:00+08:00", AT),
        ("2026-05-03T23:30:00Z", AT),
        ("2026-05-03t23:30:00z", AT),
        ("2026-05-03 23:30:00-00:00", AT),
        ("2026-05-03T23:30:00.25Z", AT + SECOND_NS // 4),
        ("2026-05-03T23:30:00.123456789Z", AT + 123_456_000),
        (1_777_851_000_000, AT),
        (1_777_851_000_000.0, AT),
        ("1777851000000", AT),
        (1_777_851_000_000.25, AT + 250_000),
        ("2038-01-19T03:14:08Z", 2**31 * SECOND_NS),  # G49
        ("1970-01-01T00:00:00.000001Z", 1000),
    ],
)
def test_one_time_in_all_its_spellings(stamp: str | float, ns: int) -> None:
    assert stamp_ns(stamp) == ns


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("2026-05-04T07:30:00", "tz"),  # G47
        ("2026-05-04", "tz"),
        ("2026-05-04T24:00:01Z", "ts"),  # G48
        ("2026-12-31T23:59:60Z", "ts"),
        ("2026-02-30T00:00:00Z", "ts"),
        ("2026-05-04T07:30:00+24:00", "ts"),
        ("", "ts"),
        ("yesterday", "ts"),
        ("-1777851000000", "ts"),
        ("٢٠٢٦", "ts"),
        ("\ud800", "ts"),
        pytest.param("x" * 1_000_000, "ts", id="a megabyte"),
        pytest.param("9" * 5000, "ts", id="5000 digits of text"),
        ("0001-01-01T00:00:00+23:59", "ts"),
        (1_777_851_000, "ts"),  # G42: seconds
        (1_777_851_000_000_000, "ts"),  # G43: microseconds
        (AT, "ts"),
        (0, "ts"),  # G46
        (-1_777_851_000_000, "ts"),
        (float("nan"), "ts"),
        (float("inf"), "ts"),
        pytest.param(10**400, "ts", id="too large for a float"),
        pytest.param(10**5000, "ts", id="too large to be written out"),
        pytest.param(-(10**5000), "ts", id="too small to be written out"),
    ],
)
def test_what_is_no_time_is_refused_in_few_words(stamp: str | float, reason: str) -> None:
    assert refusal(stamp) == reason


def test_the_last_minute_of_the_calendar_is_a_time() -> None:
    assert stamp_ns("9999-12-31T23:59:59-23:59") > 253_402_300_799 * SECOND_NS


@given(st.text() | st.integers() | st.floats() | st.text("0123456789-:T.Z+z W,", max_size=40))
def test_anything_is_a_time_or_a_stamp_error(stamp: str | float) -> None:
    try:
        ns = stamp_ns(stamp)
    except StampError as error:
        reason, ns = error.reason, 1
    else:
        reason = ""
    assert ns > 0
    assert reason in {"", "ts", "tz"}


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 3), datetime(9998, 1, 1), timezones=ZONES))  # noqa: DTZ001  # zones follow
def test_rfc_3339_in_any_zone_round_trips(when: datetime) -> None:
    ns = stamp_ns(when.isoformat())
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000) == when
    assert ns % 1000 == 0


@given(st.integers(10**11, 10**14))
def test_a_millisecond_is_the_same_as_number_as_fraction_and_as_digits(ms: int) -> None:
    assert stamp_ns(ms) == stamp_ns(float(ms)) == stamp_ns(str(ms)) == ms * 1_000_000


@pytest.mark.parametrize(
    ("age_s", "past_s", "reason"),
    [
        (0, 3600.0, ""),
        (3600, 3600.0, ""),
        (3601, 3600.0, "ts_too_old"),
        (30 * 86_400, 3600.0, "ts_too_old"),  # G45
        (1024 * 7 * 86_400, 604_800.0, "ts_too_old"),  # G50: a GPS receiver that lost 1024 weeks
        (1024 * 7 * 86_400, None, ""),
        (-300, 3600.0, ""),
        (-301, 3600.0, "ts_future"),
        (-86_400, None, "ts_future"),  # G44
    ],
)
def test_a_time_lies_within_its_limits_around_the_receipt(age_s: int, past_s: float | None, reason: str) -> None:
    received_ns = AT + age_s * SECOND_NS
    if not reason:
        assert timely_ns(AT // 1_000_000, received_ns, past_s=past_s, future_s=300.0) == AT
        return
    with pytest.raises(StampError) as caught:
        timely_ns(AT // 1_000_000, received_ns, past_s=past_s, future_s=300.0)
    assert caught.value.reason == reason
