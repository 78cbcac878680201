"""A delivery ends once, and the worst of several ends wins."""

import pytest

from ingest.delivery import Delivery, Outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_the_end_is_told_once_with_its_reason(outcome: Outcome) -> None:
    told: list[tuple[Outcome, str]] = []
    delivery = Delivery("payload", lambda how, why: told.append((how, why)))
    before = delivery.settled
    delivery.settle(outcome, "because")
    assert (before, delivery.settled) == (False, True)
    assert told == [(outcome, "because")]
    assert delivery.payload == "payload"


def test_a_second_end_is_a_defect_and_tells_nobody() -> None:
    told: list[Outcome] = []
    delivery = Delivery(None, lambda how, _why: told.append(how))
    delivery.settle(Outcome.RETRY)
    with pytest.raises(RuntimeError, match="twice"):
        delivery.settle(Outcome.DONE)
    assert told == [Outcome.RETRY]


def test_an_end_that_fails_is_an_end_all_the_same() -> None:
    def fails(_outcome: Outcome, _reason: str) -> None:
        raise OSError("the session is gone")

    delivery = Delivery(None, fails)
    with pytest.raises(OSError, match="gone"):
        delivery.settle(Outcome.DONE)
    assert delivery.settled
    with pytest.raises(RuntimeError, match="twice"):
        delivery.settle(Outcome.DONE)


def test_the_worst_outcome_of_a_batch_wins() -> None:
    assert max(Outcome.DONE, Outcome.RETRY) is Outcome.RETRY
    assert max(Outcome.RETRY, Outcome.REJECT, Outcome.DONE) is Outcome.REJECT
