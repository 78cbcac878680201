"""The nouns hold together: units, columns, masks, the empty case."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.detections import CLASSES, Detections, Phase, SceneState
from schemas.errors import CurbwatchError, FeedError, FrameError, SetupError, SinkError, UsageError
from schemas.frame import FrameBatch
from schemas.meter import Meter, NullMeter
from schemas.position import PositionRows
from schemas.units import ns_of, utc

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def detections(rows: int) -> Detections:
    return replace(
        Detections.empty(3),
        frame=np.arange(rows, dtype=np.int32) % 3,
        track_id=np.arange(rows, dtype=np.int64) + 100,
        phase=np.full(rows, Phase.STANDING, np.uint8),
        box_px=np.arange(rows * 4, dtype=np.float32).reshape(rows, 4),
        appeared_ns=np.zeros(rows, np.int64),
        dwell_s=np.zeros(rows, np.float32),
        posterior=np.full((rows, len(CLASSES)), 1 / len(CLASSES), np.float32),
        evidence=np.zeros(rows, np.uint8),
        wanted=np.zeros(rows, np.bool_),
    )


def test_nothing_seen_in_no_frames() -> None:
    nothing = Detections.empty()
    assert len(nothing) == len(nothing.scene) == 0
    assert len(nothing.where(np.zeros(0, np.bool_))) == 0


def test_nothing_seen_in_three_frames_is_three_times_ok() -> None:
    assert Detections.empty(3).scene.tolist() == [SceneState.OK] * 3


@given(st.lists(st.booleans(), max_size=9))
def test_a_mask_takes_the_same_rows_of_every_column_and_leaves_the_frames(keep: list[bool]) -> None:
    seen = detections(len(keep))
    some = seen.where(np.array(keep, np.bool_))
    wanted = [100 + row for row, kept in enumerate(keep) if kept]
    assert some.track_id.tolist() == wanted
    assert {len(getattr(some, f.name)) for f in fields(Detections)} <= {len(wanted), 3}
    assert some.box_px.shape == (len(wanted), 4)
    assert len(some.scene) == 3
    assert len(seen) == len(keep)


def test_an_empty_batch_of_frames_has_no_length() -> None:
    pixels = np.zeros((0, 180, 320, 3), np.uint8)
    none = FrameBatch((), np.zeros(0, np.int64), pixels, np.zeros((0, 2), np.int32), np.zeros(0, np.uint32))
    assert len(none) == 0


def test_no_rows_are_no_rows_and_share_nothing() -> None:
    one, other = PositionRows(), PositionRows()
    one.device_id.append("v-1")
    assert (len(one), len(other)) == (1, 0)


def test_the_epoch_is_zero() -> None:
    assert ns_of(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert utc(0) == datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(timezones=ZONES))
def test_a_time_round_trips_through_nanoseconds_to_the_microsecond(when: datetime) -> None:
    ns = ns_of(when)
    assert (ns - ns_of(datetime(1970, 1, 1, tzinfo=UTC))) % 1000 == 0
    if datetime(1, 1, 2, tzinfo=UTC) < when < datetime(9999, 12, 30, tzinfo=UTC):
        assert utc(ns) == when
        assert utc(ns + 999) == when


@given(st.datetimes(timezones=ZONES), st.timedeltas(timedelta(0), timedelta(days=1)))
def test_later_is_more(when: datetime, step: timedelta) -> None:
    if when < datetime(9998, 1, 1, tzinfo=UTC):
        assert ns_of(when + step) - ns_of(when) == step // timedelta(microseconds=1) * 1000


def test_a_time_beyond_the_calendar_overflows() -> None:
    with pytest.raises(OverflowError):
        utc(10**21)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("no such file"), 2, "no such file"),
        (SetupError("no broker"), 3, "no broker"),
        (FeedError("refused"), 4, "refused"),
        (FrameError("corrupt"), 1, "corrupt"),
        (FrameError("size", "9 bytes"), 1, "size: 9 bytes"),
        (SinkError("away", retryable=True, wait_s=0.5), 1, "away"),
    ],
)
def test_every_error_is_one_line_and_one_exit_code(error: CurbwatchError, code: int, text: str) -> None:
    assert (error.exit_code, str(error)) == (code, text)


def test_who_does_not_count_needs_no_meter() -> None:
    meter: Meter = NullMeter()
    meter.add("frames", 2, camera="c-1")
    meter.set("waiting", 3.0)
    meter.observe("decode", 0.1)
