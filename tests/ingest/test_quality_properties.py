"""However positions come in batches, their flags are those of one rule applied one by one."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.quality import LastFix
from ingest.quality_steps import NOWHERE, Fix, Track, step
from schemas import flags as f
from tests.ingest.position_rows import CITY, HERE, KNOBS, START_NS, At, fresh, judged, rows_of

BY_ITSELF = f.OUTSIDE | f.SWAPPED | f.AHEAD
POSITIONS = st.builds(
    At,
    # Few values, so that times, places and identities meet; some gaps are long enough to freeze.
    s=st.sampled_from([0, 1, 2, 3, 5, 8, 900, 90_000, 180_000]).map(float),
    north_m=st.sampled_from([0.0, 0.0, 10.0, 150.0, 170.0, 9_000.0, 500_000.0]),
    device=st.sampled_from(["car", "car", "bus", "van"]),
    seq=st.sampled_from([-1, 1, 2]),
    boot=st.sampled_from(["b", "b", "c", ""]),
    flags=st.sampled_from([0, 0, 0, 0, f.QOS0, f.NO_FIX, f.NULL_ISLAND, f.NO_TIME]),
    speed_mps=st.sampled_from([None, 0.0, 12.0]),
    ignition=st.sampled_from([None, True, False]),
    delay_s=st.sampled_from([0.0, -60.0, 600.0]),
)
BATCHES = st.lists(st.lists(POSITIONS, min_size=1, max_size=8), max_size=6)


def one_by_one(positions: list[At]) -> list[int]:
    """The rules without columns: every position remembered, nothing forgotten."""
    tracks: dict[str, Track] = {}
    seen: dict[tuple[str, int], tuple[tuple[object, ...], tuple[float, float], int]] = {}
    found = []
    for at in positions:
        rows = rows_of(at)
        ts_ns, lon, lat, flags = rows.ts_ns[0], rows.lon[0], rows.lat[0], at.flags
        if ts_ns - rows.received_ns[0] > KNOBS.ahead_s * 1e9:
            flags |= f.AHEAD
        outside = not (CITY.west <= lon <= CITY.east and CITY.south <= lat <= CITY.north)
        if outside and not flags & f.NULL_ISLAND:
            flags |= f.OUTSIDE
        if flags & f.NO_TIME:
            found.append(flags)
            continue
        identity = (at.boot, rows.seq[0])
        before = seen.get((at.device, ts_ns))
        if before is not None and before[0] == identity:
            found.append(flags | before[2])
            continue
        if before is not None and before[1] != (lon, lat):
            flags |= f.CONFLICT
        moving = (at.speed_mps or 0.0) >= KNOBS.moving_kmh / 3.6
        fix = Fix(ts_ns, lon, lat, hash(at.boot), flags, at.ignition is False, moving)
        flags |= step(tracks.setdefault(at.device, Track()), fix, KNOBS)
        seen.setdefault((at.device, ts_ns), (identity, (lon, lat), flags))
        found.append(flags)
    return found


@given(BATCHES)
def test_batches_change_no_flag(batches: list[list[At]]) -> None:
    quality = fresh()
    flags = [flag for batch in batches for flag in judged(quality, *batch)]
    assert flags == one_by_one([at for batch in batches for at in batch])


@given(st.lists(POSITIONS, min_size=1, max_size=30))
def test_flags_are_added_and_none_taken_away_and_all_are_counted(positions: list[At]) -> None:
    rows = rows_of(*positions)
    told = fresh().judge(rows)
    assert all(flags & at.flags == at.flags for flags, at in zip(rows.flags, positions, strict=True))
    assert told.counts == {
        name: many for bit, name in f.NAMES.items() if (many := sum(1 for flags in rows.flags if flags & bit))
    }
    same = rows_of(*positions)
    same.flags = rows.flags
    assert rows == same, "nothing else is changed"


@given(st.lists(POSITIONS, min_size=1, max_size=12), st.integers(1, 3))
def test_a_batch_tried_again_gets_the_same_flags(positions: list[At], times: int) -> None:
    quality = fresh()
    judged(quality, At(s=-5, device="bus"))
    tried = []
    for _ in range(times + 1):
        rows = rows_of(*positions)
        quality.judge(rows)
        tried.append(rows.flags)
    assert tried == [tried[0]] * (times + 1)


@given(st.lists(POSITIONS, min_size=1, max_size=12))
def test_what_is_delivered_again_never_conflicts_with_itself(positions: list[At]) -> None:
    quality = fresh()
    kept: dict[tuple[str, float], At] = {}
    for at in positions:
        if not at.flags:
            kept.setdefault((at.device, at.s), at)
    first = judged(quality, *kept.values()) if kept else []
    again = judged(quality, *reversed(kept.values())) if kept else []
    assert again[::-1] == first


@given(POSITIONS, POSITIONS)
def test_a_process_that_is_told_the_last_position_goes_on_from_it(one: At, other: At) -> None:
    one, other = one.again(device="car", flags=0, ignition=None), other.again(device="car", s=one.s + other.s + 1)
    through, anew = fresh(), fresh()
    judged(through, one)
    anew.seed([LastFix("car", *((rows := rows_of(one)).ts_ns[0], rows.lon[0], rows.lat[0]), one.boot)])
    assert judged(anew, other) == judged(through, other)


@given(st.floats(-180, 180), st.floats(-90, 90), st.integers(0, 2**62), st.booleans())
def test_any_coordinates_and_times_are_judged(lon: float, lat: float, seq: int, known: bool) -> None:
    quality = fresh()
    if known:
        judged(quality, At(s=-(START_NS / 1e9) + 1, lon=-lon, lat=-lat, flags=NOWHERE if seq % 2 else 0))
    flags = judged(quality, At(lon=lon, lat=lat, seq=seq), At(s=4e9, lon=HERE[0], lat=HERE[1]))
    assert all(0 <= flag < 2**15 for flag in flags)
    assert flags[0] & BY_ITSELF & ~(f.OUTSIDE | f.SWAPPED) == 0
