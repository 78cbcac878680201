"""Doubtful positions are stored with the flag that says why; the others with none."""

import pytest

from config.pack import load_pack
from config.quality import QualityKnobs, city_box
from ingest.quality import Judged, LastFix, Quality
from schemas import flags as f
from schemas.city import City, CityBox
from schemas.position import PositionRows
from tests.ingest.position_rows import HERE, START_NS, At, flags_of, fresh, judged, look, rows_of

DAY_S = 86_400.0


def test_no_positions_have_no_flags() -> None:
    quality = fresh()
    told = quality.judge(PositionRows())
    assert (told.counts, told.alarms) == ({}, [])
    quality.accept(told)
    quality.accept(Judged())
    quality.seed([])
    assert len(quality) == 0


def test_a_vehicle_that_drives_through_the_city_has_no_flags() -> None:
    drive = [At(s=5.0 * n, north_m=60.0 * n, speed_mps=12.0) for n in range(200)]
    assert flags_of(*drive) == [0] * 200


def test_every_flag_is_counted_by_its_name() -> None:
    told = look(fresh(), At(flags=f.QOS0 | f.NO_FIX), At(s=1, flags=f.QOS0), At(s=2, lat=35.0), At(s=3))
    assert told.counts == {"qos0": 2, "no_fix": 1, "outside": 1, "jump": 1}


def test_alarms_are_given_out_first_whatever_their_position_is_like() -> None:
    sos = At(lon=0.0, lat=0.0, flags=f.NULL_ISLAND | f.NO_FIX, alarms=("sos",))
    told = look(fresh(), At(), sos, At(s=1, alarms=("tilt", "sos")))
    assert [(alarm.device_id, alarm.alarms, alarm.ts_ns) for alarm in told.alarms] == [
        ("car", ("sos",), START_NS),
        ("car", ("tilt", "sos"), START_NS + 1_000_000_000),
    ]


def test_a_batch_that_is_not_stored_leaves_no_trace() -> None:
    quality = fresh()
    judged(quality, At())
    for _ in range(3):
        rows = rows_of(At(s=1, north_m=5_000), At(s=2, boot="c"), At(s=2, seq=9, north_m=40, boot="c"))
        told = quality.judge(rows)
        assert rows.flags == [f.JUMP, f.NEW_BOOT, f.CONFLICT]
        assert quality.judge(rows).counts == told.counts, "judging twice adds nothing"
    assert judged(quality, At(s=1, north_m=5)) == [0]


@pytest.mark.parametrize(
    ("lon", "lat", "flags"),
    [
        (104.64, 30.12, 0),
        (104.0, 29.5, 0),  # the edge belongs to the city
        (103.99, 30.12, f.OUTSIDE),
        (104.64, 30.71, f.OUTSIDE),
        (0.0, 0.0, f.NULL_ISLAND),  # which is nowhere, and not outside
    ],
)
def test_a_position_outside_the_city_is_flagged(lon: float, lat: float, flags: int) -> None:
    assert flags_of(At(lon=lon, lat=lat, flags=flags & f.NULL_ISLAND)) == [flags]


def test_exchanged_coordinates_are_flagged_and_not_repaired() -> None:
    quality = Quality(QualityKnobs(), CityBox(87.3, 43.6, 87.9, 44.0))  # where both can be latitudes
    rows = rows_of(At(lon=43.8, lat=87.6), At(s=1, lon=87.6, lat=43.8), At(s=2, lon=43.8, lat=80.0))
    quality.accept(quality.judge(rows))
    assert rows.flags == [f.SWAPPED, 0, f.OUTSIDE | f.JUMP]
    assert (rows.lon[0], rows.lat[0]) == (43.8, 87.6)


def test_without_a_grid_nothing_is_outside() -> None:
    quality = Quality(QualityKnobs(), None)
    assert judged(quality, At(lon=-70.0, lat=-33.0)) == [0]


@pytest.mark.parametrize(
    ("s", "north_m", "flags"),
    [
        (1, 90, 0),  # noise between high walls
        (1, 150, 0),
        (1, 160, f.JUMP),
        (0.1, 95, 0),
        (60, 3_400, 0),  # 200 km/h, and the noise
        (60, 3_500, f.JUMP),
        (3_600, 190_000, f.OUTSIDE),
        (3_600, 201_000, f.OUTSIDE | f.JUMP),
    ],
)
def test_what_no_vehicle_can_have_driven_is_a_jump(s: float, north_m: float, flags: int) -> None:
    assert flags_of(At(), At(s=s, north_m=north_m))[1] == flags
    assert flags_of(At(), At(s=s, north_m=-north_m))[1] == flags


def test_a_jump_east_is_measured_on_the_ground() -> None:
    assert flags_of(At(), At(s=1, lon=HERE[0] + 150 / 96_000)) == [0, 0]  # a degree of longitude has 96 km here
    assert flags_of(At(), At(s=1, lon=HERE[0] + 170 / 96_000)) == [0, f.JUMP]
    assert flags_of(At(lon=179.9999), At(s=1, lon=-179.9999)) == [f.OUTSIDE] * 2


def test_one_wild_fix_does_not_make_the_next_good_one_wild() -> None:
    assert flags_of(At(), At(s=1, north_m=9_000), At(s=2, north_m=20)) == [0, f.JUMP, 0]


@pytest.mark.parametrize("flag", [f.NULL_ISLAND, f.NO_FIX, f.NO_TIME])
def test_nothing_is_measured_from_a_position_that_says_nothing(flag: int) -> None:
    assert flags_of(At(s=0, north_m=50_000, flags=flag), At(s=1)) == [flag, 0]
    assert flags_of(At(), At(s=1, north_m=50_000, flags=flag), At(s=2)) == [0, flag, 0]


def test_a_first_fix_that_was_wrong_is_given_up_when_three_agree() -> None:
    drive = [At(s=n, north_m=9_000 + 10 * n) for n in range(1, 6)]
    assert flags_of(At(), *drive) == [0, f.JUMP, f.JUMP, f.JUMP, 0, 0]
    wild = [At(s=n, north_m=9_000 * n) for n in range(1, 6)]
    assert flags_of(At(), *wild, At(s=6)) == [0] + [f.JUMP] * 5 + [0], "each somewhere else: nobody is believed"


def test_a_vehicle_that_is_back_starts_the_count_again() -> None:
    away = [At(s=n, north_m=9_000) for n in (1, 2, 4, 5)]
    assert flags_of(At(), *away[:2], At(s=3), *away[2:], At(s=6)) == [0, *[f.JUMP] * 2, 0, *[f.JUMP] * 2, 0]


def test_exactly_one_place_for_a_day_is_frozen() -> None:
    stand = [At(s=n * DAY_S / 4) for n in range(6)]
    assert flags_of(*stand) == [0, 0, 0, 0, f.FROZEN, f.FROZEN]
    noisy = [At(s=n * DAY_S / 4, north_m=n % 2) for n in range(6)]
    assert flags_of(*noisy) == [0] * 6


def test_a_terminal_that_holds_its_place_while_the_ignition_is_off_is_not_frozen() -> None:
    parked = [At(s=n * DAY_S / 2, ignition=False) for n in range(5)]
    started = [At(s=2 * DAY_S + n * DAY_S / 2, ignition=True) for n in range(1, 4)]
    assert flags_of(*parked, *started) == [0] * 5 + [0, f.FROZEN, f.FROZEN]


def test_a_device_that_says_it_drives_and_stays_in_one_place_is_frozen_soon() -> None:
    drive = [At(s=n * 200, speed_mps=10.0) for n in range(6)]
    assert flags_of(*drive) == [0, 0, 0, 0, f.FROZEN, f.FROZEN]
    halts = [at.again(speed_mps=0.0 if at.s == 400 else 10.0) for at in drive]
    assert flags_of(*halts) == [0] * 6


def test_an_older_position_is_out_of_order_and_moves_nothing() -> None:
    assert flags_of(At(s=10), At(s=4, north_m=50), At(s=11)) == [0, f.OUT_OF_ORDER, 0]
    assert flags_of(At(s=10), At(s=9, north_m=9_000), At(s=11)) == [0, f.OUT_OF_ORDER | f.JUMP, 0]
    assert flags_of(At(s=10, flags=f.NO_FIX), At(s=4)) == [f.NO_FIX, f.OUT_OF_ORDER]


def test_two_places_at_one_time_are_a_conflict_and_the_first_one_stays() -> None:
    first, other = At(s=5, seq=1), At(s=5, seq=2, north_m=30)
    assert flags_of(first, other, At(s=6)) == [0, f.CONFLICT, 0]
    assert flags_of(first, other.again(north_m=0)) == [0, 0], "the same place twice is no conflict"
    assert flags_of(first, At(s=9), other) == [0, 0, f.CONFLICT | f.OUT_OF_ORDER], "as long as it is remembered"
    assert flags_of(first, other.again(device="bus")) == [0, 0]


def test_what_is_delivered_again_gets_the_flags_of_the_first_time() -> None:
    sent = [At(), At(s=1, north_m=9_000), At(s=2, boot="c"), At(s=1.5, seq=78)]
    flags = [0, f.JUMP, f.NEW_BOOT, f.OUT_OF_ORDER]
    quality = fresh()
    assert judged(quality, *sent) == flags
    later = [at.again(delay_s=90) for at in sent]
    assert judged(quality, *later, At(s=3, boot="c"), *later) == [*flags, 0, *flags]
    assert judged(quality, *sent[::-1]) == flags[::-1]
    assert judged(quality, At(s=4, boot="c")) == [0]


def test_a_new_boot_is_flagged_once() -> None:
    assert flags_of(At(boot="b"), At(s=1, boot="c"), At(s=2, boot="c")) == [0, f.NEW_BOOT, 0]
    assert flags_of(At(boot=""), At(s=1, boot="c"), At(s=2, boot=""), At(s=3, boot="c")) == [0] * 4
    assert flags_of(At(s=5, boot="b"), At(s=6, boot="c"), At(s=4, boot="b"), At(s=7, boot="c")) == [
        *(0, f.NEW_BOOT, f.OUT_OF_ORDER, 0),
    ], "what is sent later from before the start is no start"


def test_a_clock_ahead_of_ours_is_flagged() -> None:
    assert flags_of(At(delay_s=-30), At(s=1, delay_s=-31), At(s=2, delay_s=3_600)) == [0, f.AHEAD, 0]
    assert flags_of(At(delay_s=-3), ahead_s=2.0) == [f.AHEAD]


def test_a_device_that_was_stored_before_the_start_is_measured_from_there() -> None:
    quality = fresh()
    quality.seed([LastFix("car", START_NS, *HERE, "b"), LastFix("bus", START_NS, *HERE)])
    assert len(quality) == 2
    far = At(s=1, north_m=9_000)
    assert judged(quality, far, far.again(device="bus"), far.again(device="van")) == [f.JUMP, f.JUMP, 0]
    assert judged(quality, At(s=-1), At(s=2, boot="c")) == [f.OUT_OF_ORDER, f.NEW_BOOT]
    quality.seed([LastFix("car", START_NS + 10**12, 0.0, 0.0)])
    assert judged(quality, At(s=3, boot="c")) == [0], "what is known already is newer"


def test_a_process_that_knows_nothing_flags_nothing_by_what_was_before() -> None:
    assert flags_of(At(s=1, north_m=9_000)) == [0]


def test_memory_is_bounded_and_the_device_not_heard_for_longest_is_forgotten() -> None:
    quality = fresh(devices_max=10)
    for number in range(100):
        judged(quality, At(s=number, device="often"), At(s=number, device=f"v-{number}"))
        assert len(quality) <= 10
    assert judged(quality, At(s=100, north_m=20_000, device="often")) == [f.JUMP], "which is still known"
    assert judged(quality, At(s=100, north_m=20_000, device="v-99")) == [f.JUMP]
    assert judged(quality, At(s=100, north_m=20_000, device="v-1")) == [0]
    many = [At(s=101, device=f"w-{number}") for number in range(500)]
    assert judged(quality, *many) == [0] * 500
    assert len(quality) == 10


def test_the_box_of_a_city_is_its_grid_and_a_margin() -> None:
    city = load_pack("yanjiang").city  # type: ignore[arg-type]
    tight, wide = city_box(city, 0), city_box(city, 20_000)
    assert tight is not None
    assert wide is not None
    corners = [corner for cell in city.cells.values() for corner in cell.polygon]
    assert all(tight.west <= lon <= tight.east and tight.south <= lat <= tight.north for lon, lat in corners)
    assert wide.north - tight.north == pytest.approx(20_000 / 111_320)
    assert wide.east - tight.east == pytest.approx(20_000 / 96_000, rel=0.02)
    bare = City(**{name: getattr(city, name) for name in city.__dataclass_fields__} | {"cells": {}})
    assert city_box(bare, 20_000) is None
