"""Acknowledgements leave in the order of arrival, once, on their own connection."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ingest.ledger import Ledger, Ticket

SECOND_NS = 1_000_000_000


def test_an_empty_ledger_waits_for_nothing() -> None:
    ledger = Ledger()
    assert len(ledger) == 0
    assert ledger.oldest_age_s(10**18) == 0.0
    assert ledger.finish(Ticket(0, 1)) == []


def test_what_is_finished_early_waits_for_what_came_before() -> None:
    ledger = Ledger()
    ledger.connected()
    first, second, third = (ledger.add(mid, 0) for mid in (5, 3, 9))
    assert ledger.finish(second) == []
    assert ledger.finish(third) == []
    assert ledger.finish(first) == [5, 3, 9]
    assert len(ledger) == 0


def test_a_ticket_of_an_older_connection_acknowledges_nothing() -> None:
    """Packet ids begin again with a session: a late ack would delete a message nobody has processed."""
    ledger = Ledger()
    ledger.connected()
    late = ledger.add(1, 0)
    ledger.connected()
    ledger.add(1, 0)
    assert ledger.finish(late) == []
    assert len(ledger) == 1


def test_a_ticket_counts_once() -> None:
    ledger = Ledger()
    ledger.connected()
    ticket = ledger.add(1, 0)
    assert ledger.finish(ticket) == [1]
    assert ledger.finish(ticket) == []


def test_the_oldest_message_tells_how_long_it_waits() -> None:
    ledger = Ledger()
    ledger.connected()
    first = ledger.add(1, 10 * SECOND_NS)
    second = ledger.add(2, 15 * SECOND_NS)
    assert ledger.oldest_age_s(20 * SECOND_NS) == 10.0
    ledger.finish(second)
    assert ledger.oldest_age_s(20 * SECOND_NS) == 10.0
    ledger.finish(first)
    assert ledger.oldest_age_s(20 * SECOND_NS) == 0.0


class BrokerAndLedger(RuleBasedStateMachine):
    """A broker that counts what is acknowledged, beside a ledger; finished in any order, across reconnects."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.ledger.connected()
        self.arrived: list[Ticket] = []  # on this connection, not yet released, in order
        self.tickets: list[Ticket] = []  # given out and not finished, of every connection
        self.done: set[Ticket] = set()
        self.next_mid = 1

    @rule()
    def arrive(self) -> None:
        ticket = self.ledger.add(self.next_mid, 0)
        self.next_mid += 1
        self.arrived.append(ticket)
        self.tickets.append(ticket)

    @rule()
    def reconnect(self) -> None:
        self.ledger.connected()
        self.arrived.clear()
        self.next_mid = 1

    @precondition(lambda self: bool(self.tickets))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        ticket = self.tickets.pop(data.draw(st.integers(0, len(self.tickets) - 1)))
        released = self.ledger.finish(ticket)
        wanted = []
        if ticket in self.arrived:
            self.done.add(ticket)
            while self.arrived and self.arrived[0] in self.done:
                wanted.append(self.arrived.pop(0).mid)
        assert released == wanted

    @invariant()
    def holds_what_is_not_released(self) -> None:
        assert len(self.ledger) == len(self.arrived)


BrokerAndLedger.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestBrokerAndLedger = BrokerAndLedger.TestCase
