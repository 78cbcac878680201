"""A device whose coordinates are of another system than the registry says is found by the streets of the others."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.crs import to_wgs84, wgs84_to_gcj02
from ingest.offset import EVERY, Offsets
from ingest.quality import Quality
from schemas import flags as f
from tests.ingest.position_rows import CITY, HERE, KNOBS, At, judged

Way = tuple[NDArray[np.float64], NDArray[np.float64]]


def drive(seed: int, km: float = 60.0) -> Way:
    """Along streets 137 m and 171 m apart, a fix each 15 m with 5 m of noise, turning at random."""
    rng = np.random.default_rng(seed)
    at, way = np.array([0.0, 0.0]), []
    for _ in range(int(km * 1000 / 150)):
        along = rng.integers(2)
        block = (137.0, 171.0)[along]
        goal = at.copy()
        goal[along] = np.clip(at[along] + block * rng.choice((-1, 1)), -6 * block, 6 * block)
        way.append(at + np.linspace(0, 1, 10, endpoint=False)[:, None] * (goal - at))
        at = goal
    east, north = (np.concatenate(way) + rng.normal(0, 5, (10 * len(way), 2))).T
    return HERE[0] + east / 96_300, HERE[1] + north / 111_320


def fed(offsets: Offsets, device: str, way: Way) -> None:
    for at in range(0, len(way[0]), 40):
        lon, lat = way[0][at : at + 40], way[1][at : at + 40]
        for _ in range(EVERY):  # one of them is looked at
            offsets.learn([device], np.zeros(len(lon), np.int64), lon, lat, np.ones(len(lon), np.bool_))


@cache
def taught() -> Offsets:
    made = Offsets(cells_min=60, limit=50)
    for seed in range(6):
        fed(made, f"other-{seed}", drive(seed, 30))
    return made


@pytest.fixture
def streets() -> Offsets:
    return deepcopy(taught())


def test_no_positions_find_nothing() -> None:
    offsets = Offsets(60, 10)
    fed(offsets, "car", (np.zeros(0), np.zeros(0)))
    assert offsets.found == set()


def test_who_drives_where_the_others_drive_is_not_beside_them(streets: Offsets) -> None:
    fed(streets, "true", drive(100))
    assert streets.found == set()


def test_gcj02_registered_as_wgs84_is_found_and_the_reverse(streets: Offsets) -> None:
    fed(streets, "gcj02", wgs84_to_gcj02(*drive(101)))
    fed(streets, "undone", to_wgs84(*drive(102), "gcj02"))
    assert streets.found == {"gcj02", "undone"}
    fed(streets, "again", wgs84_to_gcj02(*drive(107)))
    assert "again" in streets.found, "the first one did not teach its streets"


def test_a_device_whose_registration_is_put_right_is_no_longer_flagged(streets: Offsets) -> None:
    fed(streets, "mended", wgs84_to_gcj02(*drive(103)))
    assert "mended" in streets.found
    fed(streets, "mended", drive(104))
    assert "mended" not in streets.found


def test_who_drives_where_nobody_drives_is_not_judged(streets: Offsets) -> None:
    lon, lat = drive(105)
    fed(streets, "far", (lon + 0.3, lat))
    assert "far" not in streets.found


def test_the_first_device_of_a_city_has_nothing_to_be_held_against() -> None:
    alone = Offsets(60, 10)
    fed(alone, "first", wgs84_to_gcj02(*drive(106)))
    assert alone.found == set()


def test_memory_is_bounded() -> None:
    offsets = Offsets(cells_min=60, limit=3)
    for seed in range(9):
        fed(offsets, f"v-{seed}", drive(seed, 0.5))
    assert len(offsets._tallies) == 3


def test_a_batch_may_hold_devices_that_nothing_is_learned_from_and_more_than_are_remembered() -> None:
    offsets = Offsets(cells_min=60, limit=2)
    group = np.arange(5)
    lon, lat = HERE[0] + group * np.float64(0.01), HERE[1] + group * np.float64(0.01)
    for trusted in (group < 0, group == 3, group >= 0):
        for _ in range(EVERY):
            offsets.learn(list("abcde"), group, lon, lat, trusted)
    assert len(offsets._tallies) == 2


def test_positions_of_a_device_beside_the_streets_are_flagged() -> None:
    quality = Quality(KNOBS, CITY)
    quality._offsets.found.add("car")
    assert judged(quality, At(), At(device="bus")) == [f.OFFSET, 0]
