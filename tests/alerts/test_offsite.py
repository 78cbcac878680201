"""A case from pictures alone: what is missing is said, one thing by one, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.offsite import WORDS, OffSiteFacts, Shot, facts_of, missing_words, off_site_ready
from schemas.incident import Attachment, IncidentRow, Picture
from tests.alerts.makers import MONDAY_1059, S, picture

NOON = datetime(2026, 5, 4, 4, tzinfo=UTC)
FIRST = Shot("cam-1", NOON, stamped=True, intact=True)
SECOND = replace(FIRST, captured_at=NOON + timedelta(minutes=5))
READY = OffSiteFacts((FIRST, SECOND), positioned=True, outlined=True)


def row(**changes: object) -> IncidentRow:
    whole = IncidentRow(
        incident_id="i", family="stall", class_code="09006", state="verify", camera_id="cam-1", zone="z", cell_id="",
        unit_id="u-1", lon=104.6, lat=30.1, box_px=(1, 2, 3, 4), appeared_at=NOON, opened_at=NOON, last_seen_at=NOON,
        closed_at=None, sightings=1, confidence=0.9, before_sha256=None, opening_sha256=None, rule_version="v1",
        decided_by="",
    )  # fmt: skip
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_nothing_kept_lacks_everything_but_a_plate_and_whose_bytes_and_clock() -> None:
    nothing = OffSiteFacts((), positioned=False, outlined=False)
    assert off_site_ready(nothing, 5) == ("pictures", "position", "crop", "device")


def test_two_pictures_five_minutes_apart_with_all_that_belongs_to_them_stand_alone() -> None:
    assert off_site_ready(READY, 5) == ()


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"shots": (FIRST,)}, ("pictures",)),
        ({"shots": (FIRST, replace(SECOND, captured_at=NOON + timedelta(minutes=4, seconds=59)))}, ("minutes",)),
        ({"shots": (FIRST, replace(SECOND, camera_id="cam-2"))}, ("minutes",)),  # two devices are no two of one
        ({"shots": (FIRST, replace(SECOND, intact=False))}, ("intact",)),
        ({"shots": (FIRST, replace(SECOND, stamped=False))}, ("clock",)),
        ({"shots": (replace(FIRST, camera_id=""), replace(SECOND, camera_id=""))}, ("device",)),
        ({"positioned": False}, ("position",)),
        ({"outlined": False}, ("crop",)),
        ({"vehicle": True, "outlined": False}, ("plate",)),
        ({"vehicle": True, "plate": "川M12345", "outlined": False}, ()),
    ],
)
def test_each_thing_that_is_missing_is_named(change: dict[str, object], missing: tuple[str, ...]) -> None:
    assert off_site_ready(replace(READY, **change), 5) == missing  # type: ignore[arg-type]


def test_a_third_picture_that_is_good_makes_up_for_a_bad_second_one() -> None:
    third = replace(SECOND, captured_at=NOON + timedelta(minutes=10))
    assert off_site_ready(replace(READY, shots=(FIRST, replace(SECOND, intact=False), third)), 5) == ()


@given(st.lists(st.integers(0, 3600), max_size=5), st.floats(0.1, 60))
def test_it_is_ready_exactly_where_two_are_far_enough_apart(seconds: list[int], least_min: float) -> None:
    shots = tuple(replace(FIRST, captured_at=NOON + timedelta(seconds=second)) for second in seconds)
    far = any(abs(a - b) >= least_min * 60 for index, a in enumerate(seconds) for b in seconds[index + 1 :])
    assert (off_site_ready(replace(READY, shots=shots), least_min) == ()) == far


def test_every_key_has_words_in_both_languages_and_an_unknown_one_stays() -> None:
    assert all(zh and en and zh != en for zh, en in WORDS.values())
    assert missing_words((), "zh") == []
    assert missing_words(("plate", "x"), "zh") == ["缺少车牌号", "x"]
    assert missing_words(("plate",), "en") == ["the vehicle's plate"]


@pytest.fixture
def kept() -> list[Picture]:
    def record(minute: int, role: str) -> Picture:
        return Picture(role, picture(f"{role}{minute}", MONDAY_1059 + minute * 60 * S))

    return [record(0, "before"), record(1, "opening"), record(6, "standing"), record(20, "after"), record(30, "back")]


def everything(_sha256: str) -> bool:
    return True


def test_pictures_from_before_it_came_back_do_not_count(kept: list[Picture]) -> None:
    assert off_site_ready(facts_of(row(), kept[:4], (), everything), 5) == ()
    assert off_site_ready(facts_of(row(), kept, (), everything), 5) == ("pictures",)


def test_the_pictures_of_the_empty_place_are_none_of_the_thing(kept: list[Picture]) -> None:
    facts = facts_of(row(), [kept[0], kept[1], kept[3]], (), everything)
    assert len(facts.shots) == 1


@pytest.mark.parametrize("intact", [lambda sha: sha == picture("opening1").sha256, lambda _sha: False])
def test_bytes_that_changed_on_disk_are_told(kept: list[Picture], intact: Callable[[str], bool]) -> None:
    assert off_site_ready(facts_of(row(), kept[:4], (), intact), 5) == ("intact",)


def test_a_truck_needs_its_plate_from_whoever_told_it(kept: list[Picture]) -> None:
    told = Attachment("vehicle", "1", NOON, None, None, {"plate": "川M12345"})
    assert off_site_ready(facts_of(row(family="truck"), kept[:4], (), everything), 5) == ("plate",)
    assert off_site_ready(facts_of(row(family="truck"), kept[:4], (told,), everything), 5) == ()


def test_a_case_without_a_point_or_a_box_says_so(kept: list[Picture]) -> None:
    assert off_site_ready(facts_of(row(lon=None, box_px=(0, 0, 0, 0)), kept[:4], (), everything), 5) == (
        "position",
        "crop",
    )
