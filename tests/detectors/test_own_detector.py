"""An operator's model beside our detector: it corrects classes, finds what we do not see, costs what it may."""

import numpy as np
import pytest

from schemas.detections import Evidence, Phase, SceneState
from schemas.errors import UsageError
from schemas.feedback import Feedback, Fixture, Ignore, Undo
from schemas.health import Reading
from tests.detectors.scripted_own import (
    BOX,
    OWN,
    PIECE,
    STALL,
    THERE,
    UNSURE,
    WASTE,
    WHOLE,
    Inner,
    Model,
    Row,
    beside,
    frames,
    look,
    named,
    play,
    stood,
)
from tests.detectors.street import as_bytes


def standing(*seconds: int, row: Row = THERE) -> dict[int, list[Row]]:
    return {second: [row] for second in seconds}


def test_no_frames_and_no_pieces_give_no_rows() -> None:
    detector = beside(Inner(), Model())
    batch = frames()
    assert (len(detector.step(batch)), len(look(detector, batch))) == (0, 0)


def test_a_street_on_which_nothing_stands_costs_no_look() -> None:
    model = Model()
    assert len(look(beside(Inner(), model), frames(1, 1))) == 0
    assert model.looks == 0


def test_a_thing_of_which_we_are_unsure_gets_its_class_from_the_model_and_says_so() -> None:
    found = look(beside(Inner(standing(1)), Model([PIECE])), frames(1))
    assert named(found) == [(7, "STANDING", "waste")]
    assert found.evidence.tolist() == [Evidence.MODEL]
    assert found.posterior.sum(axis=1) == pytest.approx(1)


def test_the_class_stays_with_the_thing_when_it_is_not_looked_at() -> None:
    detector = beside(Inner(standing(1, 2)), Model([PIECE]))
    look(detector, frames(1))
    assert named(detector.step(frames(2))) == [(7, "STANDING", "waste")]


def test_a_find_beside_the_thing_says_nothing_of_it() -> None:
    found = look(beside(Inner(standing(1)), Model([((0.0, 0.0, 20.0, 20.0), 0.9, WASTE)])), frames(1))
    assert np.allclose(found.posterior[0], UNSURE, atol=1e-5)
    assert found.evidence.tolist() == [Evidence.SHAPE]


def test_looks_are_spaced_and_counted() -> None:
    model = Model([PIECE])
    detector = beside(Inner(standing(*range(1, 200))), model, look_s=20.0, looks_max=3)
    looks = []
    for second in range(1, 200):
        look(detector, frames(second))
        looks.append(model.looks)
    assert (looks[0], looks[18], looks[20], looks[40], looks[-1]) == (1, 1, 2, 3, 3)


def test_what_is_surely_neither_stall_nor_waste_is_not_shown_to_it() -> None:
    model = Model([PIECE])
    look(beside(Inner(standing(1), posterior=(0.01, 0.01, 0.9, 0.02, 0.03, 0.03)), model, likely_min=0.05), frames(1))
    assert model.looks == 0


def test_what_has_left_is_not_shown_to_it() -> None:
    model = Model([PIECE])
    look(beside(Inner(standing(1, row=(7, Phase.GONE, BOX))), model), frames(1))
    assert model.looks == 0


def test_a_picture_that_was_lost_is_asked_for_again_but_not_with_each_frame() -> None:
    model = Model([PIECE])
    detector = beside(Inner(standing(*range(1, 30))), model, look_s=20.0)
    lost = [look(detector, frames(second), lost=True) for second in range(1, 21)]
    assert model.looks == 0
    assert named(look(detector, frames(21))) == [(7, "STANDING", "waste")]
    detector = beside(Inner(standing(*range(1, 30))), model, look_s=20.0)
    assert [bool(detector.step(frames(second)).wanted[0]) for second in range(1, 21)] == [True] + [False] * 19
    assert all(row[2] == "other" for found in lost for row in named(found))


def test_each_is_shown_only_the_pieces_that_it_wanted() -> None:
    both: list[Row] = [THERE, (8, Phase.MATURING, BOX)]
    inner = Inner({1: both, 2: both}, asks=frozenset({8}))
    model = Model([PIECE])
    detector = beside(inner, model)
    look(detector, frames(1))
    assert (inner.shown, model.looks) == ([8], 2)
    look(detector, frames(2))
    assert (inner.shown, model.looks) == ([8, 8], 2)


def test_a_whole_picture_that_only_we_wanted_is_not_shown_to_the_model() -> None:
    inner, model = Inner(asks_whole=True), Model([WHOLE])
    detector = beside(inner, model, **{**OWN, "every_s": 100.0})
    for second in (200, 205, 210):
        look(detector, frames(second))
    assert (len(inner.shown), model.looks) == (3, 1)


def test_what_the_model_was_not_asked_about_is_exactly_as_we_have_it() -> None:
    found = look(beside(Inner(standing(1)), Model([PIECE]), **OWN), frames(1))
    assert found.posterior.tolist() == [np.asarray(UNSURE, np.float32).tolist()]


def test_what_was_once_called_waste_stays_waste_whatever_the_model_says_later() -> None:
    model = Model([PIECE])
    detector = beside(Inner(standing(*range(1, 90))), model, look_s=1.0)
    look(detector, frames(1))
    model.said = [(PIECE[0], 0.95, STALL)]
    for second in range(2, 90):
        found = look(detector, frames(second))
    assert named(found)[0][2] != "stall"


def test_cameras_of_one_batch_do_not_hear_of_one_another() -> None:
    inner = Inner({1: [THERE], 2: [(7, Phase.STANDING, (0.0, 0.0, 30.0, 30.0))]})
    detector = beside(inner, Model([PIECE]))
    together = look(detector, frames(1, 2))
    assert [row[2] for row in named(together)] == ["waste", "other"]
    alone = beside(inner, Model([PIECE]))
    assert as_bytes(look(alone, frames(1))) == as_bytes(together.where(together.frame == 0))[1:]


def test_a_thing_that_only_the_model_sees_is_a_track_after_three_looks_and_stands_after_the_dwell() -> None:
    told = {second: named(found) for second, found in play(Model([WHOLE]), 60)}
    assert told[25] == []
    assert [phase for _, phase, _ in told[30]] == ["MATURING"]
    assert [(phase, name) for _, phase, name in told[40]] == [("STANDING", "stall")]
    assert len({row[0] for rows in told.values() for row in rows}) == 1
    assert all(row[0] < -1 for rows in told.values() for row in rows)


def test_its_row_says_where_and_since_when_and_that_the_model_saw_it() -> None:
    found = play(Model([WHOLE]), 45)[-1][1]
    assert found.box_px.tolist() == [[300, 200, 60, 40]]
    assert found.appeared_ns.tolist() == [10_000_000_000]
    assert found.dwell_s.tolist() == [30]
    assert found.evidence.tolist() == [Evidence.MODEL]
    assert found.wanted.tolist() == [False]


def test_the_model_sees_whole_pictures_at_its_period_and_no_others() -> None:
    model = Model([WHOLE])
    play(model, 60)
    assert model.looks == 5


def test_a_class_that_is_no_event_makes_no_track() -> None:
    assert all(len(found) == 0 for _, found in play(Model([(WHOLE[0], 0.9, 4)]), 90))


def test_a_find_that_flickers_is_none() -> None:
    model = Model()
    detector = beside(Inner(), model, dwell_s=30.0, **OWN)
    for step in range(40):
        model.said = [WHOLE] if step % 4 == 0 else []
        assert len(look(detector, frames(10 + 10 * step))) == 0


def test_what_flickered_for_long_counts_from_when_it_came_to_stay() -> None:
    model = Model()
    detector = beside(Inner(), model, dwell_s=30.0, **OWN)
    rows = {}
    for step in range(30):
        model.said = [WHOLE] if step % 4 == 0 or step >= 24 else []
        rows[10 + 10 * step] = look(detector, frames(10 + 10 * step))
    first = next(second for second, found in rows.items() if len(found))
    assert first == 270
    assert rows[first].appeared_ns.tolist() == [250_000_000_000]


def test_a_thing_that_leaves_is_reported_gone_once() -> None:
    model = Model([WHOLE])
    detector = beside(Inner(), model, dwell_s=30.0, **OWN)
    phases = []
    for second in range(10, 200, 10):
        model.said = [WHOLE] if second < 60 else []
        phases += [row[1] for row in named(look(detector, frames(second)))]
    assert phases.count("GONE") == 1
    assert phases[-1] == "GONE"


def test_a_thing_that_is_missed_for_a_while_has_not_left() -> None:
    model = Model([WHOLE])
    detector = beside(Inner(), model, dwell_s=30.0, **{**OWN, "every_s": 2.0})
    told = {}
    for second in range(10, 120, 2):
        model.said = [WHOLE] if second <= 50 else []
        told[second] = [row[1] for row in named(look(detector, frames(second)))]
    assert told[78] == ["STANDING"]
    assert told[80] == ["GONE"]


def test_its_number_is_not_used_again_when_all_is_forgotten() -> None:
    model = Model([WHOLE])
    detector = stood(Inner(), model)
    first = look(detector, frames(51)).track_id.tolist()
    detector.forget("cam-0")
    for second in range(55, 100, 5):
        again = look(detector, frames(second)).track_id.tolist()
    assert len(first) == len(again) == 1
    assert first != again


def test_where_we_have_a_track_ourselves_the_model_makes_no_second_one() -> None:
    inner = Inner({second: [(7, Phase.STANDING, WHOLE[0])] for second in range(5, 90, 5)})
    told = [named(found) for _, found in play(Model([WHOLE]), 90, inner)]
    assert {row[0] for rows in told for row in rows} == {7}
    assert told[-1] == [(7, "STANDING", "stall")]


def test_a_track_of_ours_that_comes_later_and_leaves_takes_the_models_with_it() -> None:
    """Both are one incident: the one must not keep open, or open anew, what the other closed."""
    rows = {second: [(7, Phase.STANDING, WHOLE[0])] for second in range(50, 80, 5)}
    inner = Inner({**rows, 80: [(7, Phase.GONE, WHOLE[0])]})
    told = {second: named(found) for second, found in play(Model([WHOLE]), 100, inner)}
    assert [row[1] for row in told[45]] == [row[1] for row in told[50]] == ["STANDING"]
    assert told[45][0][0] != told[50][0][0] == 7
    assert [row[1] for row in told[80]] == ["GONE", "GONE"]
    assert told[85] == told[95] == []


def test_a_track_of_the_models_stays_while_ours_stands_there() -> None:
    rows = {second: [(7, Phase.STANDING, WHOLE[0])] for second in range(50, 400, 5)}
    model = Model([WHOLE])
    detector = beside(Inner(rows), model, dwell_s=30.0, **OWN)
    for second in range(10, 400, 5):
        model.said = [WHOLE] if second < 60 else []
        told = named(look(detector, frames(second)))
    assert detector._seen["cam-0"].spots != []
    assert told == [(7, "STANDING", "stall")]


def test_no_whole_picture_is_wanted_of_a_scene_that_cannot_be_judged() -> None:
    model = Model([WHOLE])
    play(model, 60, Inner(scene=SceneState.CHANGED))
    assert model.looks == 0


def order(number: int, what: Ignore | Fixture | Undo) -> Feedback:
    return Feedback(number, "cam-0", "li", what)


@pytest.mark.parametrize("refuses", [False, True])
def test_an_ignored_thing_of_the_models_leaves_once_and_is_not_told_of_again(*, refuses: bool) -> None:
    detector = stood(Inner(refuses=refuses), Model([WHOLE]))
    detector.apply(order(1, Ignore(WHOLE[0])))
    told = [named(look(detector, frames(second))) for second in range(55, 300, 5)]
    assert [[row[1] for row in rows] for rows in told if rows] == [["GONE"]]


def test_a_fixture_counts_from_when_its_time_is_over() -> None:
    detector = stood(Inner(), Model([WHOLE]))
    detector.apply(order(1, Fixture(WHOLE[0], until_ns=100_000_000_000)))
    told = {second: look(detector, frames(second)) for second in range(55, 200, 5)}
    assert [row[1] for row in named(told[55])] == ["GONE"]
    assert named(told[95]) == []
    assert [row[1] for row in named(told[130])] == ["STANDING"]
    assert told[130].appeared_ns.tolist() == [100_000_000_000]


def test_another_thing_at_an_ignored_place_is_told_of() -> None:
    model = Model([WHOLE])
    detector = stood(Inner(), model)
    detector.apply(order(1, Ignore((0, 0, 1, 1), track_id=int(look(detector, frames(51)).track_id[0]))))
    phases = []
    for second in range(55, 300, 5):
        model.said = [] if second < 150 else [WHOLE]
        phases += [row[1] for row in named(look(detector, frames(second)))]
    assert phases[0] == "GONE"
    assert phases[-1] == "STANDING"


def test_an_order_that_was_carried_out_is_not_carried_out_again() -> None:
    inner, model = Inner(), Model()
    detector = beside(inner, model, dwell_s=30.0, **OWN)
    detector.apply(order(5, Ignore(WHOLE[0])))
    model.said = [WHOLE]
    for second in range(10, 55, 5):
        look(detector, frames(second))
    detector.apply(order(5, Ignore(WHOLE[0])))
    assert len(look(detector, frames(55))) == 1
    assert len(inner.orders) == 2


def test_an_order_about_nothing_is_refused_and_one_taken_back_is_none_of_the_models() -> None:
    with pytest.raises(UsageError, match="nothing stands there"):
        beside(Inner(refuses=True), Model()).apply(order(1, Ignore((0, 0, 9, 9))))
    detector = stood(Inner(), Model([WHOLE]))
    detector.apply(order(1, Undo(3)))
    assert len(look(detector, frames(55))) == 1
    assert detector.drain() == []


def test_forgetting_a_camera_forgets_what_the_model_said() -> None:
    detector = beside(Inner(), Model([WHOLE]), dwell_s=30.0, **OWN)
    for second in range(10, 45, 5):
        look(detector, frames(second))
    detector.forget("cam-0")
    detector.forget("nobody")
    assert len(detector.step(frames(45))) == 0
    assert detector.snapshot("nobody") == b""


def test_what_the_inner_detector_measured_of_a_scene_is_handed_on() -> None:
    inner = Inner()
    assert beside(inner, Model()).readings == {}
    told = {"cam-0": Reading(SceneState.CHANGED, 0.7)}
    inner.readings = told  # type: ignore[attr-defined]  # a detector that measures
    assert beside(inner, Model()).readings == told
