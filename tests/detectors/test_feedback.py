"""What entered the background has a reason and can be put back; what a person orders is done once, and survives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from detectors.vision.feedback_ledger import BYTES_PER_PX, FIXTURES, KEPT, Ledger, Region, Standing, Why, unpack_ledger
from detectors.vision.tracks import pack
from schemas.detections import CLASSES, Detections, Phase
from schemas.errors import NotShownError, UsageError
from schemas.feedback import Feedback, Fixture, Ignore, NativeBox, Undo
from tests.detectors.lights import last, watch
from tests.detectors.street import CAMERA, GRID, NATIVE, START_NS, Street, Thing, as_bytes, batch, standing

KNOBS = VisionKnobs(dwell_s=20.0)
BOX = (60, 40, 24, 20)
SCALE = NATIVE[0] / GRID[1]
BOX_PX: NativeBox = (BOX[0] * SCALE, BOX[1] * SCALE, BOX[2] * SCALE, BOX[3] * SCALE)
SHAPE = (96, 160)


def detector(knobs: VisionKnobs = KNOBS) -> VisionDetector:
    return VisionDetector(knobs, {})


def order(number: int, what: Undo | Ignore | Fixture) -> Feedback:
    return Feedback(number, CAMERA, "li", what)


def reborn(by: VisionDetector) -> VisionDetector:
    again = detector()
    again.restore(CAMERA, by.snapshot(CAMERA))
    return again


def phases(steps: list[tuple[float, Detections]]) -> list[int]:
    return [int(phase) for _, found in steps for phase in found.phase]


def test_an_empty_ledger_has_nothing_to_find_and_survives_a_snapshot() -> None:
    ledger = Ledger()
    assert ledger.find(1) is None
    assert ledger.nbytes == 0
    assert unpack_ledger(ledger.pack(), SHAPE) == ledger


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_put_back_looks_as_it_did_before_whatever_the_exposure_does(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    ledger, before = Ledger(), rng.integers(60, 150, (SHAPE[0] * 3 // 2, SHAPE[1])).astype(np.uint8)
    background, candidate = before.copy(), rng.integers(60, 150, before.shape).astype(np.uint8)
    x, y = 2 * data.draw(st.integers(0, 40)), 2 * data.draw(st.integers(0, 20))
    h, w = 2 * data.draw(st.integers(4, 12)), 2 * data.draw(st.integers(4, 12))
    mask = np.zeros((h, w), np.uint8)
    mask[2:-2, 2:-2] = 255
    number = ledger.adopt(background, candidate, Region(x, y, mask), Why("ghost", START_NS, (x, y, w, h)), SHAPE)
    inside = (slice(y + 2, y + h - 2), slice(x + 2, x + w - 2))
    assert np.array_equal(background[inside], candidate[inside])
    gain = data.draw(st.sampled_from([1.0, 0.8, 1.3]))
    background[: SHAPE[0]] = np.rint((background[: SHAPE[0]] - 16.0) * gain + 16)
    kept = ledger.find(number)
    assert kept is not None
    ledger.put_back(background, kept, SHAPE)
    wanted = (before[inside] - 16.0) * gain + 16
    assert np.abs(background[inside] - wanted).max() <= 4 + 0.1 * wanted.max()
    assert ledger.find(number) is None


@given(st.lists(st.tuples(st.integers(4, 40), st.booleans()), max_size=60))
@settings(max_examples=20, deadline=None)
def test_a_ledger_stays_within_its_bytes_and_gives_the_oldest_up_but_fixtures_last(
    sides: list[tuple[int, bool]],
) -> None:
    rng, ledger = np.random.default_rng(1), Ledger()
    planes = rng.integers(0, 256, (2, SHAPE[0] * 3 // 2, SHAPE[1])).astype(np.uint8)
    for k, (side, fixture) in enumerate(sides):
        why = Why("fixture" if fixture else "light", START_NS + k, (0, 0, side, side))
        ledger.adopt(planes[0], planes[1], Region(0, 0, np.full((2 * side, 2 * side), 255, np.uint8)), why, SHAPE)
        assert ledger.nbytes <= BYTES_PER_PX * SHAPE[0] * SHAPE[1]
        assert len(ledger.kept) <= KEPT
    numbers = [one.adoption_id for one in ledger.kept]
    assert numbers == sorted(set(numbers))
    again = unpack_ledger(ledger.pack(), SHAPE)
    assert [(one.adoption_id, one.body) for one in again.kept] == [(one.adoption_id, one.body) for one in ledger.kept]


def test_a_ledger_that_cannot_be_is_refused() -> None:
    ledger = Ledger()
    planes = np.zeros((2, SHAPE[0] * 3 // 2, SHAPE[1]), np.uint8)
    why = Why("ghost", START_NS, (0, 0, 8, 8), pack([]))
    ledger.adopt(planes[0], planes[1], Region(0, 0, np.full((8, 8), 255, np.uint8)), Why("light", 1, why.box), SHAPE)
    good = ledger.pack()
    for name in good:
        with pytest.raises(ValueError, match="snapshot"):
            unpack_ledger({key: value for key, value in good.items() if key != name}, SHAPE)
    with pytest.raises(ValueError, match="snapshot"):
        unpack_ledger(good, (4, 4))
    with pytest.raises(ValueError, match="snapshot"):
        unpack_ledger({**good, "kept_pixels": good["kept_pixels"][:-1]}, SHAPE)


def test_a_removed_thing_that_was_taken_for_light_comes_back_with_its_number_and_its_time() -> None:
    by, street = detector(), Street((Thing(BOX, 60.0),))
    before = last(watch(by, street, 0.0, 160.0))
    by.apply(order(1, Ignore(BOX_PX, int(before.track_id[0]))))
    (adoption,) = by.drain()
    assert (adoption.reason, adoption.undoable) == ("operator_ignore", True)
    ignored = list(watch(by, street, 160.0, 400.0))
    assert phases(ignored) == [Phase.GONE]
    by = reborn(by)
    by.apply(order(2, Undo(adoption.adoption_id)))
    found = last(watch(by, street, 400.0, 440.0))
    assert standing(found) == 1
    assert found.track_id.tolist() == before.track_id.tolist()
    assert found.appeared_ns.tolist() == before.appeared_ns.tolist()
    # No look doubts it any more, and when it leaves it is gone.
    left = list(watch(by, Street(), 440.0, 600.0))
    assert phases(left)[-1] == Phase.GONE


def test_what_was_adopted_by_a_wrong_verdict_is_a_thing_once_a_person_says_so() -> None:
    by = detector()
    old = Street((Thing(BOX, -1.0, 100.0),))  # there from the start; it leaves a hole, which is adopted
    assert all(standing(found) == 0 for _, found in watch(by, old, 0.0, 240.0))
    (adoption,) = by.drain()
    assert adoption.reason == "ghost"
    by.apply(order(1, Undo(adoption.adoption_id)))
    found = last(watch(by, old, 240.0, 400.0))
    assert standing(found) == 1
    appeared_s = (int(found.appeared_ns[0]) - START_NS) / 1e9
    assert abs(appeared_s - 100.0) <= 10


def test_an_order_is_carried_out_once() -> None:
    by, street = detector(), Street((Thing(BOX, 60.0),))
    last(watch(by, street, 0.0, 120.0))
    by.apply(order(7, Ignore(BOX_PX)))
    (adoption,) = by.drain()
    by = reborn(by)
    by.apply(order(7, Undo(adoption.adoption_id)))
    assert all(standing(found) == 0 for _, found in watch(by, street, 120.0, 240.0))


@pytest.mark.parametrize(
    "what",
    [
        Undo(99),
        Ignore(BOX_PX),
        Ignore((5000.0, 0.0, 10.0, 10.0)),
        Fixture((0.0, -50.0, 10.0, 10.0)),
        Fixture(BOX_PX, START_NS),
    ],
)
def test_an_order_that_cannot_be_carried_out_says_so_and_changes_nothing(what: Undo | Ignore | Fixture) -> None:
    by = detector()
    last(watch(by, Street(), 0.0, 120.0))
    state = by.snapshot(CAMERA)
    with pytest.raises(UsageError):
        by.apply(order(1, what))
    assert by.snapshot(CAMERA) == state
    with pytest.raises(UsageError, match="nothing is known"):
        detector().apply(order(1, what))


def test_a_fixture_is_never_reported_while_it_stands_also_after_a_restart_and_its_hole_is_no_thing() -> None:
    by, kiosk = detector(), Thing(BOX, 60.0, 400.0)
    last(watch(by, Street((kiosk,)), 0.0, 72.0))  # so far a candidate only
    by.apply(order(1, Fixture(BOX_PX)))
    assert phases(list(watch(by, Street((kiosk,)), 72.0, 240.0))) == []
    assert [adoption.reason for adoption in by.drain()] == ["fixture"]
    by = reborn(by)
    assert phases(list(watch(by, Street((kiosk,)), 240.0, 640.0))) == []  # it leaves at 400 s
    assert [adoption.reason for adoption in by.drain()] == ["ghost"]
    assert phases(list(watch(by, Street(), 640.0, 660.0))) == []
    later = Street((Thing((62, 42, 16, 14), 660.0, seed=4),))
    assert standing(last(watch(by, later, 640.0, 760.0))) == 1  # its place is a place as any other again


def test_beside_a_fixture_things_are_found() -> None:
    by = detector()
    street = Street((Thing(BOX, -1.0), Thing((100, 44, 18, 16), 100.0, seed=5)))
    last(watch(by, street, 0.0, 80.0))
    by.apply(order(1, Fixture(BOX_PX)))  # it is background already
    assert standing(last(watch(by, street, 80.0, 200.0))) == 1


def test_a_fixture_that_stands_longer_than_it_may_is_a_thing_from_then_on() -> None:
    by, street = detector(), Street((Thing(BOX, 60.0),))
    last(watch(by, street, 0.0, 120.0))
    until_ns = START_NS + 300 * 10**9
    by.apply(order(1, Fixture(BOX_PX, until_ns)))
    assert all(standing(found) == 0 for _, found in watch(by, street, 120.0, 312.0))
    found = last(watch(by, street, 312.0, 400.0))
    assert standing(found) == 1
    assert found.appeared_ns.tolist() == [until_ns]


def test_what_was_long_surely_other_is_background_and_can_be_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    def sure(*_: object, **__: object) -> NDArray[np.float64]:
        return np.asarray(np.log(np.where(np.arange(len(CLASSES)) == CLASSES.index("other"), 0.99, 0.002)), np.float64)

    monkeypatch.setattr("detectors.vision.camera.look_logs", sure)
    knobs = KNOBS.model_copy(update={"other_after_s": 600.0})
    by, street = detector(knobs), Street((Thing(BOX, 60.0),))
    steps = list(watch(by, street, 0.0, 800.0))
    ended = [t_s for t_s, found in steps if Phase.GONE in found.phase]
    assert len(ended) == 1
    assert 60.0 + 20.0 + 600.0 <= ended[0] <= 60.0 + 20.0 + 600.0 + 20.0
    (adoption,) = by.drain()
    assert (adoption.reason, adoption.undoable) == ("other", True)
    by.apply(order(1, Undo(adoption.adoption_id)))
    found = last(watch(by, street, 800.0, 2000.0))
    assert standing(found) == 1  # and this time for good


def test_what_may_be_waste_never_becomes_background_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsure(*_: object, **__: object) -> NDArray[np.float64]:
        return np.asarray(np.log([0.01, 0.1, 0.01, 0.01, 0.01, 0.86]), np.float64)

    monkeypatch.setattr("detectors.vision.camera.look_logs", unsure)
    by = detector(KNOBS.model_copy(update={"other_after_s": 60.0}))
    found = last(watch(by, Street((Thing(BOX, 60.0),)), 0.0, 600.0))
    assert standing(found) == 1
    assert by.drain() == []


@given(st.integers(1, 99))
@settings(max_examples=2, deadline=None)
def test_a_restart_between_orders_changes_nothing(cut: int) -> None:
    street = Street((Thing(BOX, 60.0), Thing((20, 60, 16, 14), 100.0, seed=5), Thing((110, 20, 20, 18), -1.0, 300.0)))
    orders: dict[int, Ignore | Fixture] = {25: Ignore(BOX_PX), 40: Fixture((400.0, 70.0, 120.0, 90.0), None)}
    whole, by, undone = detector(), detector(), False
    for k in range(100):
        if k == cut:
            by = reborn(by)
        found = [next(watch(who, street, 8.0 * k, 8.0 * k + 8)) for who in (whole, by)]
        assert as_bytes(found[0][1]) == as_bytes(found[1][1])
        for who in (whole, by):
            if k in orders:
                who.apply(order(k, orders[k]))
        if k == 60:
            number = next(one.adoption_id for one in whole.adoptions if one.reason == "operator_ignore")
            for who in (whole, by):
                who.apply(order(k, Undo(number)))
            undone = True
    assert undone
    assert whole.snapshot(CAMERA) == by.snapshot(CAMERA)


def native(box: tuple[int, int, int, int]) -> NativeBox:
    x, y, w, h = (side * SCALE for side in box)
    return x, y, w, h


def test_a_fixture_too_big_for_its_pixels_to_be_kept_ends_all_the_same() -> None:
    big = (30, 10, 90, 70)
    by, street = detector(), Street((Thing(big, 60.0),))
    assert standing(last(watch(by, street, 0.0, 160.0))) == 1
    until_ns = START_NS + 400 * 10**9
    by.apply(order(1, Fixture(native(big), until_ns)))
    assert phases(list(watch(by, street, 160.0, 408.0))) == [Phase.GONE]
    found = last(watch(by, street, 408.0, 560.0))
    assert standing(found) == 1
    assert found.appeared_ns.min() >= until_ns - 16 * 10**9


def test_what_stands_before_a_big_fixture_is_found_and_leaves_it_a_fixture() -> None:
    big, bag = (30, 10, 90, 70), Thing((60, 50, 16, 14), 300.0, 600.0, seed=5)
    by, stall = detector(), Thing(big, 60.0, 900.0)
    last(watch(by, Street((stall,)), 0.0, 160.0))
    by.apply(order(1, Fixture(native(big))))
    last(watch(by, Street((stall,)), 160.0, 296.0))
    assert standing(last(watch(by, Street((stall, bag)), 296.0, 440.0))) == 1
    # The bag leaves, then the stall does: neither hole is a thing.
    assert phases(list(watch(by, Street((stall, bag)), 600.0, 800.0)))[-1] == Phase.GONE
    assert all(standing(found) == 0 for _, found in watch(by, Street((stall,)), 800.0, 1100.0))


def test_a_small_hole_in_a_fixture_does_not_end_it() -> None:
    big, sign = (50, 30, 36, 36), Thing((62, 42, 12, 12), 60.0, 300.0, seed=5)
    by, stall = detector(), Thing(big, 60.0)
    last(watch(by, Street((stall, sign)), 0.0, 160.0))
    until_ns = START_NS + 700 * 10**9
    by.apply(order(1, Fixture(native(big), until_ns)))
    assert all(standing(found) == 0 for _, found in watch(by, Street((stall, sign)), 160.0, 700.0))
    assert "ghost" in [adoption.reason for adoption in by.drain()]
    assert standing(last(watch(by, Street((stall,)), 708.0, 860.0))) == 1  # its end is still known


def test_a_fixture_that_is_adopted_keeps_its_place_among_them() -> None:
    ledger = Ledger()
    for k in range(FIXTURES):
        ledger.add_fixture(Standing((2 * k, 0, 8, 8), 0, 0))
    ledger.settle(ledger.fixtures[0], 7)
    assert [one.adoption_id for one in ledger.fixtures] == [7, *[0] * (FIXTURES - 1)]
    ledger.add_fixture(Standing((0, 20, 8, 8), 0, 0))
    assert len(ledger.fixtures) == FIXTURES
    assert ledger.fixtures[0].box == (2, 0, 8, 8)  # the oldest was given up


def test_an_adoption_that_is_not_kept_is_named_as_one() -> None:
    by = detector()
    last(watch(by, Street(), 0.0, 120.0))
    with pytest.raises(UsageError, match=r"^adoption 99: "):
        by.apply(order(1, Undo(99)))


def toured(laps: tuple[tuple[str, Street, int], ...], by: VisionDetector, start_s: float) -> tuple[float, Detections]:
    """Steps through named views, so many frames in each; the next second, and what the last frame told."""
    t_s = start_s
    found = Detections.empty()
    for name, street, frames in laps:
        for _ in range(frames):
            found = by.step(replace(batch([(CAMERA, t_s, street.at(t_s))]), presets=(name,)))
            t_s += 8.0
    return t_s, found


def test_an_order_about_another_view_waits_until_that_is_shown() -> None:
    by, gate, road = detector(), Street((Thing(BOX, 300.0),), seed=1), Street((Thing(BOX, 300.0, seed=5),), seed=2)
    t_s, at_gate = toured((("gate", gate, 20), ("road", road, 20), ("gate", gate, 20)), by, 0.0)
    t_s, on_road = toured((("road", road, 20),), by, t_s)
    assert (standing(at_gate), standing(on_road)) == (1, 1)
    ignore = Ignore(BOX_PX, int(at_gate.track_id[0]))
    state = by.snapshot(CAMERA)
    for number, what, preset in ((1, ignore, ""), (2, Undo(99), ""), (3, Fixture(BOX_PX), "gate")):
        with pytest.raises(NotShownError):
            by.apply(Feedback(number, CAMERA, "li", what, preset))
    with pytest.raises(UsageError, match="say which, now it is 'road'"):
        by.apply(order(4, Fixture(BOX_PX)))
    assert by.snapshot(CAMERA) == state
    by.apply(Feedback(9, CAMERA, "li", Fixture((8.0, 8.0, 40.0, 40.0)), "road"))  # later, and carried out before
    t_s, _ = toured((("gate", gate, 3),), by, t_s)
    by.apply(order(1, ignore))
    (adoption,) = [one for one in by.drain() if one.reason == "operator_ignore"]
    assert adoption.preset == "gate"
    t_s, at_gate = toured((("gate", gate, 3),), by, t_s)
    t_s, on_road = toured((("road", road, 6),), by, t_s)
    assert (standing(at_gate), standing(on_road)) == (0, 1)
    with pytest.raises(NotShownError):
        by.apply(order(10, Undo(adoption.adoption_id)))
    t_s, _ = toured((("gate", gate, 3),), by, t_s)
    by.apply(order(10, Undo(adoption.adoption_id)))
    _, at_gate = toured((("gate", gate, 12),), by, t_s)
    assert standing(at_gate) == 1


def test_what_is_to_be_ignored_and_has_left_takes_nothing_else_with_it() -> None:
    by, street = detector(), Street((Thing(BOX, 60.0),))
    assert standing(last(watch(by, street, 0.0, 160.0))) == 1
    with pytest.raises(UsageError, match="not there any more"):
        by.apply(order(1, Ignore(BOX_PX, 12345)))
    assert standing(last(watch(by, street, 160.0, 200.0))) == 1
