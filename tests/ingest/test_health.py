"""The book of the devices: what a device sent is what it says."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ingest.health_columns as columns_module
from ingest.health import COUNTED, Health, HealthBook, foreign_of
from ingest.health_columns import AFRESH, BEHIND, DeviceColumns, Run
from schemas.device import DeviceRule
from schemas.position import DeadLetter, PositionRows

SECOND_NS = 1_000_000_000
START_NS = 1_777_851_000 * SECOND_NS
NOTHING = dict.fromkeys(COUNTED, 0)


class Registry:
    def __init__(self, *rules: DeviceRule, **aliases: str) -> None:
        self.rules = {rule.device_id: rule for rule in rules}
        self.rules |= {alias.replace("_", ":"): self.rules[device_id] for alias, device_id in aliases.items()}

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


CAR, CAR2, CAM = DeviceRule("car", "vehicle"), DeviceRule("car2", "vehicle"), DeviceRule("cam", "camera", period_s=60.0)


class Town:
    """A book, its clock, and batches as the writer hands them over."""

    def __init__(self, *rules: DeviceRule) -> None:
        self.clock = Clock()
        self.registry = Registry(*(rules or (CAR, CAR2, CAM)), owntracks_jane=(rules or (CAR,))[0].device_id)
        self.book = HealthBook(self.registry, silence_s=300.0, monotonic_s=self.clock)

    def send(self, *seqs: int, known: int = 0, **more: Any) -> None:  # noqa: ANN401
        rows = batch(seqs, **more)
        self.book.positions(rows, (), len(rows) - known, START_NS)

    def swept(self) -> dict[str, Health]:
        return {row.device_id: row for row in self.book.sweep().changed}


def batch(
    seqs: Sequence[int],
    device: str = "car",
    boot: str = "b",
    lag_ms: int = 500,
    step_s: int = 1,
    after_s: int = 0,
) -> PositionRows:
    """One position a second, ``after_s`` + ``seq`` s after the start, received ``lag_ms`` later."""
    rows = PositionRows()
    for index, seq in enumerate(seqs):
        ts_ns = START_NS + (after_s + (seq if seq >= 0 else index) * step_s) * SECOND_NS
        rows.device_id.append(device)
        rows.boot.append(boot)
        rows.seq.append(seq)
        rows.ts_ns.append(ts_ns)
        rows.received_ns.append(ts_ns + lag_ms * 1_000_000)
        rows.lon.append(104.0 + seq / 1000)
        rows.lat.append(30.0)
    return rows


def letter(reason: str, device: str = "car", detail: str = "", topic: str = "t") -> DeadLetter:
    return DeadLetter(START_NS, topic, device, reason, detail, b"x")


@pytest.fixture
def town() -> Town:
    return Town()


def test_a_book_in_which_nothing_stands_tells_nothing(town: Town) -> None:
    town.book.positions(PositionRows(), (), 0, START_NS)
    sweep = town.book.sweep()
    assert (sweep.changed, sweep.strangers, sweep.passed_over, sweep.alarms) == ([], [], 0, [])
    assert Town(DeviceRule("x", "camera")).book.online("camera") == frozenset()


def test_a_device_has_the_figures_of_what_it_sent(town: Town) -> None:
    town.send(*range(20))
    town.send(*range(20, 30), device="car2", lag_ms=-2000)
    found = town.swept()
    assert set(found) == {"car", "car2"}
    car = found["car"]
    assert car.counts == NOTHING | {"messages": 20, "boots": 1}
    assert (car.state, car.kind, car.rate_per_min, car.last_boot) == ("online", "vehicle", 20, "b")
    assert (car.lag_ms, car.skew_ms) == (500.0, -500.0)
    assert car.captured_ns == START_NS + 19 * SECOND_NS
    assert car.seen_ns == car.captured_ns + 500_000_000
    assert car.place == (104.019, 30.0)
    assert (found["car2"].lag_ms, found["car2"].skew_ms) == (-2000.0, 2000.0)
    assert town.swept() == {}


def test_the_clock_of_a_device_is_told_from_its_quickest_message_and_the_lag_from_the_middle(town: Town) -> None:
    for seq, lag_ms in enumerate([9000, 5000, 5100, 5200, 60_000]):
        town.send(seq, lag_ms=lag_ms)
    car = town.swept()["car"]
    assert (car.lag_ms, car.skew_ms) == (5200.0, -5000.0)


def test_a_position_without_a_time_of_its_own_has_no_lag(town: Town) -> None:
    town.send(0, 1, lag_ms=0)
    assert (town.swept()["car"].lag_ms, town.swept()) == (None, {})
    town.send(2, lag_ms=0)
    town.send(3, lag_ms=70)
    assert town.swept()["car"].lag_ms == 70.0


def test_what_never_came_is_a_gap_until_it_comes(town: Town) -> None:
    town.send(0, 1, 2, 6, 7, 20)
    assert town.swept()["car"].counts["gaps"] == 15
    town.send(4)
    town.send(12, 21)
    assert town.swept()["car"].counts["gaps"] == 13
    town.send(0, boot="c")
    town.send(2, boot="c")
    assert town.swept()["car"].counts["gaps"] == 14


def test_two_boots_in_one_batch_are_told_apart(town: Town) -> None:
    rows = batch([5, 6])
    for part in (batch([0, 1], boot="c"), batch([9]), batch([2], boot="c")):
        for name in ("device_id", "boot", "seq", "ts_ns", "received_ns", "lon", "lat"):
            getattr(rows, name).extend(getattr(part, name))
    town.book.positions(rows, (), len(rows), START_NS)
    counts = town.swept()["car"].counts
    assert (counts["messages"], counts["gaps"], counts["boots"]) == (6, 2, 2)


def test_what_the_database_had_before_is_a_duplicate_of_its_device(town: Town) -> None:
    town.send(0, 1, 2)
    town.send(0, device="car2")
    rows = batch([1, 2, 3])
    for name in ("device_id", "boot", "seq", "ts_ns", "received_ns", "lon", "lat"):
        getattr(rows, name).extend(getattr(batch([0, 1], device="car2"), name))
    town.book.positions(rows, (), 2, START_NS)
    found = town.swept()
    assert {name: row.counts["duplicates"] for name, row in found.items()} == {"car": 2, "car2": 1}
    assert {name: row.counts["gaps"] for name, row in found.items()} == {"car": 0, "car2": 0}


def test_duplicates_without_a_seq_are_told_by_their_time(town: Town) -> None:
    town.send(-1, -1, -1)
    town.send(-1, -1, known=2)
    assert town.swept()["car"].counts["duplicates"] == 2


def test_what_a_restart_of_ours_forgot_is_still_a_duplicate_where_one_device_sent_it(town: Town) -> None:
    town.send(5, 6, known=2)
    assert town.swept()["car"].counts["duplicates"] == 2


def test_a_boot_known_from_before_our_restart_is_not_counted_again(town: Town) -> None:
    town.book.resume({"car": "b"})
    town.send(7)
    assert town.swept()["car"].counts["boots"] == 0
    town.send(0, boot="c")
    assert town.swept()["car"].counts["boots"] == 1


def test_refused_messages_count_and_strangers_are_listed(town: Town) -> None:
    letters = [
        letter("json"),
        letter("unknown_device", "nobody", topic="a"),
        letter("unknown_device", "nobody", topic="b"),
        letter("unknown_device", "jane-phone", "owntracks:jane/phone"),
        letter("topic", ""),
        letter("unknown_device", "cam"),
    ]
    town.book.positions(PositionRows(), letters, 0, START_NS)
    town.book.letter(letter("unknown_device", "webcam"), "camera")
    town.book.letter(letter("format", "cam"), "camera")
    sweep = town.book.sweep()
    assert {row.device_id: (row.counts["messages"], row.counts["rejected"]) for row in sweep.changed} == {
        "car": (1, 1),
        "cam": (1, 1),
    }
    listed = [(one.form, one.foreign_id, one.device_id, one.kind, one.topic, one.messages) for one in sweep.strangers]
    assert listed == [
        ("native", "nobody", "nobody", "vehicle", "b", 2),
        ("owntracks", "jane/phone", "jane-phone", "vehicle", "t", 1),
        ("native", "webcam", "webcam", "camera", "t", 1),
    ]
    assert town.book.sweep().strangers == []


def test_strangers_without_end_are_counted_and_not_kept(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.health.STRANGERS_MAX", 3)
    letters = [letter("unknown_device", f"s{number}") for number in (0, 1, 2, 3, 4, 1)]
    town.book.positions(PositionRows(), letters, 0, START_NS)
    sweep = town.book.sweep()
    assert ([one.messages for one in sweep.strangers], sweep.passed_over) == ([1, 2, 1], 2)


def test_what_could_not_be_written_is_told_again(town: Town) -> None:
    town.send(0)
    town.book.positions(PositionRows(), [letter("unknown_device", "s")], 0, START_NS)
    sweep = town.book.sweep()
    town.book.positions(PositionRows(), [letter("unknown_device", "s")], 0, START_NS)
    town.book.again([row.device_id for row in sweep.changed], sweep.strangers)
    second = town.book.sweep()
    assert second.changed == sweep.changed
    assert [one.messages for one in second.strangers] == [2]


def test_every_picture_counts_where_it_ended(town: Town) -> None:
    for number, outcome in enumerate(["processed", "processed", "shed:newer_frame", "rejected:corrupt"]):
        captured_ns = START_NS + number * SECOND_NS
        town.book.frame("cam", captured_ns, captured_ns + 80_000_000, outcome)
    town.book.frame("cam", 0, START_NS, "processed")
    town.book.frame("nobody", 0, START_NS, "processed")
    found = town.swept()
    assert set(found) == {"cam"}
    cam = found["cam"]
    assert cam.counts == NOTHING | {"messages": 5, "shed": 1, "rejected": 1}
    assert (cam.lag_ms, cam.place, cam.captured_ns) == (80.0, None, START_NS + 3 * SECOND_NS)


def test_given_up_positions_count(town: Town) -> None:
    town.send(0)
    town.book.gave_up("car", 12)
    assert town.swept()["car"].counts["given_up"] == 12


def test_the_rate_is_that_of_the_last_minute_and_falls_by_itself(town: Town) -> None:
    for second in range(120):
        town.clock.now_s = 1000.0 + second
        town.send(second)
        town.swept()
    town.send(120)
    assert town.swept()["car"].rate_per_min == 61
    town.clock.now_s += 31
    assert town.swept()["car"].rate_per_min == 21
    town.clock.now_s += 60
    assert town.swept()["car"].rate_per_min == 0
    town.clock.now_s += 60
    assert town.swept() == {}


def test_a_device_falls_silent_and_comes_back(town: Town) -> None:
    town.send(0)
    town.book.heard("camera", "cam", START_NS)
    town.book.heard("vehicle", "cam", START_NS)
    assert {name: row.state for name, row in town.swept().items()} == {"car": "online", "cam": "online"}
    town.clock.now_s += 181
    assert {name: row.state for name, row in town.swept().items() if name == "cam"} == {"cam": "silent"}
    town.clock.now_s += 120
    sweep = town.book.sweep()
    assert {row.device_id: row.state for row in sweep.changed} == {"car": "silent", "car2": "silent"}
    assert sweep.states == {("vehicle", "silent"): 2, ("camera", "silent"): 1}
    town.send(1)
    assert town.swept()["car"].state == "online"


def test_a_loop_of_connects_is_an_alarm_once_an_hour(town: Town) -> None:
    for minute in (0, 30, 61):
        town.clock.now_s = 1000.0 + 60 * minute
        for number in range(6):
            town.book.status("car", True, START_NS + (60 * minute + number) * SECOND_NS)
            town.book.status("car", False, START_NS + (60 * minute + number) * SECOND_NS)
        sweep = town.book.sweep()
        assert {row.device_id: row.state for row in sweep.changed if row.device_id == "car"} == {"car": "flapping"}
        assert sweep.alarms == ([] if minute == 30 else ["car"])
        town.clock.now_s += 61
        assert {row.state for row in town.book.sweep().changed if row.device_id == "car"} == {"offline"}
    town.book.status("nobody", True, START_NS)
    assert town.book.online("vehicle") == frozenset()


def test_a_loop_of_boots_is_told_from_the_positions(town: Town) -> None:
    for number in range(7):
        town.send(0, boot=f"b{number}")
    sweep = town.book.sweep()
    assert [(row.state, row.counts["boots"]) for row in sweep.changed] == [("flapping", 7)]


def test_our_own_reconnect_makes_no_loop(town: Town) -> None:
    for _ in range(10):
        town.book.status("car", True, START_NS, began=False)
    assert town.swept()["car"].state == "online"
    assert town.book.online("vehicle") == {"car"}


def test_a_device_that_left_the_registry_is_told_no_more(town: Town) -> None:
    town.send(0)
    del town.registry.rules["car"]
    assert town.swept() == {}


def test_a_letter_of_a_foreign_form_names_form_and_id() -> None:
    assert foreign_of(letter("unknown_device", "a-b", "tb:Device: A")) == ("tb", "Device: A")
    assert foreign_of(letter("unknown_device", "a-b")) == ("native", "a-b")


def test_only_the_newest_boots_are_remembered_where_there_are_too_many(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "KEYS_MAX", 10)
    town.send(0, device="car2")
    for number in range(40):
        town.send(0, 2, boot=f"b{number}", after_s=100 * number)
        town.swept()
    assert len(town.book._columns._keys) <= 12
    town.send(1, 3, boot="b39", after_s=3900)
    town.send(1, device="car2")
    found = town.swept()
    assert (found["car"].counts["gaps"], found["car"].counts["boots"]) == (39, 40)
    assert found["car2"].counts["gaps"] == 0


def test_a_boot_that_was_forgotten_and_brings_more_of_its_backlog_is_no_start(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "KEYS_MAX", 10)
    for number in range(12):
        town.send(0, boot=f"b{number}", after_s=100 * number)
        town.clock.now_s += 30
        town.swept()
    for number in range(10):
        town.send(1000 - 99 * number, boot=f"b{number}", after_s=100 * number)
    car = town.swept()["car"]
    assert (car.state, car.counts["boots"], car.last_boot) == ("online", 12, "b11")
    town.send(0, boot="c", after_s=2000)
    assert town.swept()["car"].counts["boots"] == 13


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=40, unique=True),
    st.lists(st.integers(1, 5), max_size=10),
    st.randoms(use_true_random=False),
)
def test_gaps_are_what_is_missing_between_first_and_last(
    seqs: list[int], cuts: list[int], chance: random.Random
) -> None:
    """Whatever the order and the batches are, as long as the first that comes is the lowest."""
    rest = sorted(seqs)[1:]
    chance.shuffle(rest)
    order, town = [min(seqs), *rest], Town()
    at = 0
    for size in [*cuts, len(order)]:
        if order[at : at + size]:
            town.send(*order[at : at + size])
        at += size
        if chance.random() < 0.5:
            town.swept()
    town.swept()
    counts = town.book._health(CAR, "online", town.book._columns.row("car")).counts
    assert counts["gaps"] == max(seqs) - min(seqs) + 1 - len(seqs)
    assert counts["messages"] == len(seqs)


@given(st.lists(st.tuples(st.sampled_from(["car", "car2"]), st.integers(-1, 9), st.integers(0, 9)), max_size=60))
def test_batches_of_any_cut_give_the_same_figures(sent: list[tuple[str, int, int]]) -> None:
    whole, single = Town(), Town()
    rows = PositionRows()
    for device, seq, boot in sent:
        part = batch([seq], device=device, boot=f"b{boot % 3}")
        single.book.positions(part, (), 1, START_NS)
        single.book._fold()
        for name in ("device_id", "boot", "seq", "ts_ns", "received_ns", "lon", "lat"):
            getattr(rows, name).extend(getattr(part, name))
    whole.book.positions(rows, (), len(rows), START_NS)
    assert whole.swept() == single.swept()


def test_a_counter_that_is_set_anew_without_a_new_boot_leaves_no_gap() -> None:
    run = Run(10)
    assert run.take(11 + AFRESH + 1, known=False) == (0, False)
    assert run.take(5, known=True) == (0, True)
    assert run.take(5, known=False) == (0, False)
    assert run.take(6, known=False) == (0, False)
    assert run.take(5, known=False) == (0, True)
    assert run.take(6 + BEHIND, known=False) == (BEHIND - 1, False)


def test_an_empty_book_of_columns_folds_nothing() -> None:
    devices, began = DeviceColumns().fold(PositionRows(), 0)
    assert (devices.tolist(), began, np.zeros(0).tolist()) == ([], [], [])
