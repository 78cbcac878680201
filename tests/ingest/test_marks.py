from hypothesis import given
from hypothesis import strategies as st

from ingest.marks import GAPS_MAX, GIVEN_UP_MAX, Marks, Standing, advance

SEQS = st.lists(st.integers(0, 40), max_size=30)


def test_nothing_kept_changes_nothing() -> None:
    assert advance(Standing(), []) == Standing()
    assert Marks().plan([]) == {}


def test_a_gap_holds_the_mark_until_it_is_filled() -> None:
    held = advance(Standing(), [0, 1, 3, 4])
    assert held.mark == 1
    assert advance(held, [2]).mark == 4


def test_what_the_device_gave_up_is_passed_and_counted() -> None:
    standing = advance(Standing(), [2, 6], oldest=5)
    assert standing.mark == 4
    assert standing.given_up == 4  # 0, 1, 3, 4: seq 2 was kept
    assert advance(standing, [5], oldest=5) == Standing(6, (), 4)


@given(st.lists(st.tuples(SEQS, st.integers(-1, 40)), max_size=8))
def test_a_mark_never_passes_a_seq_that_is_neither_kept_nor_given_up(steps: list[tuple[list[int], int]]) -> None:
    standing, kept, floor = Standing(), set[int](), 0
    for seqs, oldest in steps:
        before = standing.mark
        standing = advance(standing, seqs, oldest)
        kept |= set(seqs)
        floor = max(floor, oldest)
        assert standing.mark >= before
        below = set(range(floor))
        assert set(range(standing.mark + 1)) <= kept | below
        assert standing.mark + 1 not in kept | below


@given(SEQS)
def test_the_order_of_arrival_does_not_matter(seqs: list[int]) -> None:
    one_by_one = Standing()
    for seq in seqs:
        one_by_one = advance(one_by_one, [seq])
    assert one_by_one == advance(Standing(), seqs)


def test_islands_are_bounded_and_the_mark_stays_right() -> None:
    standing = advance(Standing(), range(1, 4 * GAPS_MAX, 2))
    assert len(standing.islands) == GAPS_MAX
    assert standing.mark == -1


def test_a_plan_that_was_not_committed_leaves_no_trace() -> None:
    marks = Marks()
    marks.plan([("car", "b", 0, -1)])
    assert marks.plan([("car", "b", 1, -1)])["car", "b"].mark == -1


def test_marks_go_on_from_what_the_database_has() -> None:
    marks = Marks()
    covered = [("car", "b", 8, -1)]
    assert marks.unknown(covered) == [("car", "b")]
    marks.read_back({("car", "b"): 7}, marks.unknown(covered))
    planned = marks.plan(covered)
    assert planned["car", "b"].mark == 8
    assert marks.accept(planned) == {}
    assert marks.unknown(covered) == []


def test_a_device_cannot_spoil_the_count_of_what_was_given_up() -> None:
    standing = advance(Standing(), [2**62], oldest=2**62)
    assert (standing.mark, standing.given_up) == (2**62, GIVEN_UP_MAX)
