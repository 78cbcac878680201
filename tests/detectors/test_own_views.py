"""What only the operator's model sees, over views and over time: one thing is one incident, and nothing grows."""

import numpy as np
import pytest

from detectors.onnx.spots import SPOTS_MAX
from detectors.onnx.views import AWAY_MAX, AWAY_S, PLACES_MAX
from schemas.detections import Phase
from schemas.errors import NotShownError
from schemas.feedback import Feedback, Ignore
from tests.detectors.scripted_own import (
    BOX,
    OWN,
    PIECE,
    STALL,
    THERE,
    UNSURE,
    WHOLE,
    Inner,
    Model,
    Row,
    beside,
    frames,
    hurried,
    look,
    named,
    play,
    stood,
)


@pytest.mark.parametrize("posterior", [(0.02, 0.9, 0.02, 0.02, 0.02, 0.02), UNSURE])
def test_a_thing_that_the_model_sees_as_a_stall_and_we_as_waste_is_told_as_one_thing(
    posterior: tuple[float, ...],
) -> None:
    inner = Inner({second: [(7, Phase.STANDING, WHOLE[0])] for second in range(60, 200, 5)}, posterior=posterior)
    told = {second: named(found) for second, found in play(Model([WHOLE]), 200, inner)}
    assert [row[1:] for row in told[55]] == [("STANDING", "stall")]
    for second in range(60, 200, 5):
        assert told[second] == [(7, "STANDING", "stall")]
    assert inner.names == [("cam-0", 7, STALL)]


def test_where_we_said_waste_first_the_model_does_not_call_the_same_thing_a_stall() -> None:
    inner = Inner({second: [THERE] for second in range(60, 200, 5)}, posterior=(0.02, 0.9, 0.02, 0.02, 0.02, 0.02))
    model = Model([(BOX, 0.9, STALL)])
    detector = beside(inner, model, dwell_s=100.0, **OWN)
    told = {second: named(look(detector, frames(second))) for second in range(10, 200, 5)}
    assert {row for second in range(60, 200, 5) for row in told[second]} <= {(7, "STANDING", "waste")}
    assert any(spot.phase is Phase.STANDING for spot in detector._seen["cam-0"].spots)


def test_a_thing_that_we_take_for_none_hides_not_what_the_model_sees() -> None:
    inner = Inner(
        {second: [(7, Phase.STANDING, WHOLE[0])] for second in range(60, 200, 5)},
        posterior=(0.001, 0.001, 0.99, 0.002, 0.002, 0.004),
    )
    told = {second: named(found) for second, found in play(Model([WHOLE]), 200, inner)}
    for second in range(60, 200, 5):
        assert sorted(row[1:] for row in told[second]) == [("STANDING", "stall"), ("STANDING", "vehicle")]


def test_what_stands_in_one_view_is_not_told_of_in_another_and_is_the_same_when_the_camera_comes_back() -> None:
    model = Model()
    detector = beside(Inner(), model, dwell_s=30.0, **OWN)
    told: dict[str, set[tuple[int, str, str]]] = {"gate": set(), "corner": set()}
    for second in range(10, 900, 5):
        view = "gate" if second // 150 % 2 == 0 else "corner"
        model.said = [WHOLE] if view == "gate" else []
        told[view] |= set(named(look(detector, frames(second, preset=view))))
    assert told["corner"] == set()
    assert {row[1] for row in told["gate"]} == {"MATURING", "STANDING"}
    assert len({row[0] for row in told["gate"]}) == 1


def test_a_frame_that_names_no_view_is_of_the_one_before_and_the_first_name_is_that_of_the_first_view() -> None:
    detector = stood(Inner(), Model([WHOLE]))
    first = named(look(detector, frames(55, preset="gate")))
    assert first == named(look(detector, frames(60))) == named(look(detector, frames(65, preset="gate")))
    assert [row[1] for row in first] == ["STANDING"]


def test_what_stands_in_a_view_that_is_given_up_is_told_gone() -> None:
    model = Model()
    detector = beside(Inner(), model, dwell_s=30.0, **OWN)
    for second in range(10, 60, 5):
        model.said = [WHOLE]
        look(detector, frames(second, preset="gate"))
    model.said = []
    rows = [named(look(detector, frames(60 + k, preset=f"view-{k}"))) for k in range(PLACES_MAX)]
    assert [row[1] for row in rows[-1]] == ["GONE"]
    assert all(told == [] for told in rows[:-1])
    assert len(detector._seen["cam-0"].places) == PLACES_MAX


def test_a_thing_keeps_its_name_while_the_camera_looks_elsewhere() -> None:
    model = Model([PIECE])
    detector = beside(
        Inner({second: [THERE] for second in (*range(1, 20), *range(4000, 4090))}), model, look_s=1.0, looks_max=90
    )
    for second in (*range(1, 20), *range(3000, 3100, 10)):
        look(detector, frames(second))
    model.said = [(PIECE[0], 0.99, STALL)]
    for second in range(4000, 4090):
        assert named(look(detector, frames(second)))[0][2] != "stall"


def test_an_order_about_another_view_waits_for_it_and_changes_nothing_in_the_one_that_is_shown() -> None:
    inner, model = Inner(), Model([WHOLE])
    detector = beside(inner, model, dwell_s=30.0, **OWN)
    for second in range(10, 60, 5):
        look(detector, frames(second, preset="gate"))
    ignore = Feedback(3, "cam-0", "li", Ignore(WHOLE[0]), preset="gate")
    model.said, inner.turned = [], True
    look(detector, frames(60, preset="corner"))
    with pytest.raises(NotShownError):
        detector.apply(ignore)
    inner.turned = False
    assert [row[1] for row in named(look(detector, frames(65, preset="gate")))] == ["STANDING"]
    detector.apply(Feedback(4, "cam-0", "li", Ignore(WHOLE[0]), preset="corner"))
    assert [row[1] for row in named(look(detector, frames(66, preset="gate")))] == ["STANDING"]
    detector.apply(ignore)
    assert [row[1] for row in named(look(detector, frames(67, preset="gate")))] == ["GONE"]
    assert named(look(detector, frames(68, preset="gate"))) == []


def test_what_left_another_view_and_is_told_of_late_takes_nothing_of_this_one_with_it() -> None:
    rows: dict[int, list[Row]] = {second: [(7, Phase.STANDING, WHOLE[0])] for second in range(10, 60)}
    detector = beside(Inner({**rows, 150: [(7, Phase.GONE, WHOLE[0])]}), Model([WHOLE]), dwell_s=30.0, **OWN)
    for second in range(10, 60, 5):
        look(detector, frames(second, preset="gate"))
    for second in range(60, 155, 5):
        told = named(look(detector, frames(second, preset="corner")))
    assert [row[1] for row in told] == ["GONE", "STANDING"]


def test_a_thing_of_the_models_is_ignored_by_its_number_whatever_the_camera_shows() -> None:
    inner, model = Inner(), Model([WHOLE])
    detector = beside(inner, model, dwell_s=30.0, **OWN)
    for second in range(10, 60, 5):
        found = look(detector, frames(second, preset="gate"))
    model.said, inner.turned = [], True
    look(detector, frames(60, preset="corner"))
    detector.apply(Feedback(3, "cam-0", "li", Ignore((0, 0, 1, 1), track_id=int(found.track_id[0]))))
    told = named(look(detector, frames(65, preset="corner")))
    assert [(row[0], row[1]) for row in told] == [(int(found.track_id[0]), "GONE")]


def test_a_camera_whose_clock_was_set_back_is_looked_at_as_before_and_keeps_what_stands() -> None:
    model = Model([WHOLE])
    inner = Inner({second: [THERE] for second in range(10, 700)})
    detector = beside(inner, model, dwell_s=30.0, **{**OWN, "on_tracks": True, "look_s": 5.0})
    for second in range(600, 660, 5):
        found = look(detector, frames(second))
    before, looks = named(found), model.looks
    detector.restart("cam-0", 100_000_000_000)
    detector.restart("nobody", 100_000_000_000)
    told = [look(detector, frames(second)) for second in range(100, 140, 5)]
    assert model.looks == looks + 3
    assert {row[0] for row in before} == {row[0] for found in told for row in named(found)}
    assert all((found.dwell_s >= 0).all() for found in told)


def test_what_was_said_of_things_that_left_or_never_came_back_is_forgotten() -> None:
    rows: dict[int, list[Row]] = {second: [(second, Phase.STANDING, BOX)] for second in range(1, 900)}
    rows |= {900: [(899, Phase.GONE, BOX)], 901: [(7, Phase.MATURING, BOX)]}
    detector = beside(Inner(rows, posterior=(0.01, 0.9, 0.02, 0.02, 0.02, 0.03)), Model())
    for second in range(1, 901):
        look(detector, frames(second))
    assert sorted(detector._seen["cam-0"].views) == list(range(899 - AWAY_MAX, 899))
    look(detector, frames(901))
    look(detector, frames(902))
    assert 7 not in detector._seen["cam-0"].views
    look(detector, frames(902 + int(AWAY_S)))
    assert detector._seen["cam-0"].views == {}


def test_looks_beyond_what_a_step_may_take_wait_and_none_waits_for_ever() -> None:
    model = Model([PIECE])
    rows: dict[int, list[Row]] = {
        second: [(track, Phase.STANDING, BOX) for track in range(1, 8)] for second in range(1, 99)
    }
    detector = hurried(Inner(rows), model, 2, look_s=3.0, every_s=5.0)
    for second in range(1, 30):
        before = model.looks
        look(detector, frames(second, second, second))
        assert model.looks - before <= 2
    for camera in range(3):
        seen = detector._seen[f"cam-{camera}"]
        assert min(view.looks for view in seen.views.values()) >= 1
        assert seen.here.look_times != []


def test_a_noisy_model_makes_no_more_things_than_a_street_can_have() -> None:
    rng = np.random.default_rng(3)
    model = Model()
    detector = beside(Inner(), model, dwell_s=30.0, **OWN)
    for second in range(10, 200, 10):
        model.said = [((float(x), float(y), 3.0, 3.0), 0.5, STALL) for x, y in rng.random((600, 2)) * [600, 340]]
        found = look(detector, frames(second))
        assert len(found) <= SPOTS_MAX
        assert len(detector._seen["cam-0"].spots) <= SPOTS_MAX
