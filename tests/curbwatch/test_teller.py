"""What goes to disk before the database hears of it: the empty place, the second picture, and never for nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from curbwatch.journal import DecisionJournal
from schemas.detections import Phase
from schemas.errors import SinkError
from schemas.incident import Departure, Opened
from tests.alerts.makers import sighting
from tests.curbwatch.made_shard import Made, S
from tests.curbwatch.test_shard import make

__all__ = ["make"]  # the fixture
Make = Callable[[dict[int, Phase]], Made]


def pictures(tmp_path: Path) -> int:
    return len(list((tmp_path / "evidence").rglob("*.jpg")))


def test_the_frame_in_which_a_thing_is_gone_is_on_disk_before_the_departure_is_told(make: Make) -> None:
    made = make({10: Phase.STANDING, 12: Phase.GONE})
    for second in (10, 12):
        made.shard.handle([made.frame(second)])
    (after,) = made.store.afters
    assert after is not None
    assert (after.camera_id, after.captured_ns) == ("cam", 12 * S)


def test_what_never_was_an_incident_costs_no_picture_when_it_leaves(make: Make, tmp_path: Path) -> None:
    made = make({12: Phase.GONE})
    made.store.strangers = {"cam"}
    made.shard.handle([made.frame(12)])
    assert (made.store.calls, pictures(tmp_path)) == ([], 0)


def test_a_departure_that_waits_for_its_database_has_its_picture_over_a_restart(make: Make, tmp_path: Path) -> None:
    first = make({12: Phase.GONE})
    first.store.away = True
    first.shard.handle([first.frame(12)])
    first.shard.close()
    (kept,) = DecisionJournal(tmp_path / "snapshots").take("x")
    assert isinstance(kept, Departure)
    assert kept.after is not None
    second = make({})
    second.shard.retry()
    assert second.store.afters == [kept.after]
    assert second.store.evidence.intact(kept.after.sha256)


def test_a_disk_that_is_full_costs_the_picture_and_not_the_departure(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({12: Phase.GONE})

    def full(_frame: object) -> None:
        raise SinkError("no space", retryable=True)

    monkeypatch.setattr(made.store.evidence, "keep", full)
    made.shard.handle([made.frame(12)])
    assert (made.store.calls, made.store.afters) == (["depart cam"], [None])
    assert made.meter.total("evidence_failures") == 1


def test_a_second_picture_is_kept_where_it_is_wanted_and_again_where_that_failed(make: Make) -> None:
    made = make({10: Phase.STANDING, 80: Phase.STANDING, 150: Phase.STANDING})
    made.store.told = Opened("i-1", opened=False, sighting=sighting(), wants_picture=True)
    for second in (10, 80, 150):
        made.shard.handle([made.frame(second)])
    assert made.store.calls == ["open cam", "refresh cam", "stands cam", "refresh cam", "stands cam"]


@pytest.mark.parametrize(
    ("what", "metric"),
    [("reopened", "incidents_reopened"), ("reworked", "incidents_reworked"), ("quiet", "sightings_quiet")],
)
def test_what_else_a_sighting_did_is_counted(make: Make, what: str, metric: str) -> None:
    made = make({10: Phase.STANDING, 80: Phase.STANDING})
    made.store.told = Opened("i-1", opened=False, sighting=sighting(), **{what: True})
    for second in (10, 80):
        made.shard.handle([made.frame(second)])
    assert made.meter.total(metric) == 1


def test_the_view_of_the_frame_goes_along_with_its_sighting(make: Make) -> None:
    made = make({10: Phase.STANDING})
    delivery = made.frame(10)
    made.shard.handle([delivery])
    assert made.store.presets == [delivery.payload.preset] == ["east"]
