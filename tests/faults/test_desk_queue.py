"""A queue that dies, forgets or is full: PostgreSQL is the truth, every alert is shown, and once.

The terminals take from the queue only while it answers: what the database would give them by itself after a while they
wait an hour for (but where it is said). So a job that the queue lost and nobody put back is missed here.
"""

import random
import threading
import time

import pytest

from alerts import crash
from tests.faults.desk import DeskCase, desk
from tests.faults.test_desk_kills import EACH, a_while
from tests.fix_faults import times
from tests.fix_service import wait_until

__all__ = ["desk"]

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(900)]

HOUR_S = 3600.0
MOMENTS = ("relay_before_xadd", "relay_after_xadd", "sent_after_commit", "assign_after_commit", "epoch_after_flush")


def test_kill_9_of_the_queue(desk: DeskCase) -> None:
    with desk.relay(), desk.screens(resend_s=HOUR_S):
        for _ in range(times(50)):
            opening = threading.Thread(target=desk.open, args=(EACH,))
            opening.start()
            a_while(0.0, 0.1)
            desk.house.kill_queue()
            a_while(0.0, 0.3)
            desk.house.repair()
            since_s = time.monotonic()
            opening.join()
            desk.until_shown(desk.open(1), since_s)
        desk.holds(epochs=desk.epochs())


class Flush:
    """Empties the whole server at the n-th passage of a point, in the thread that passes."""

    def __init__(self, desk: DeskCase, point: str) -> None:
        self.passages_left = 0
        self.at_s = 0.0
        self._desk = desk
        self._point = point

    def __call__(self, point: str) -> None:
        if point != self._point or self.passages_left == 0:
            return
        self.passages_left -= 1
        if self.passages_left == 0:
            self._desk.flush()
            self.at_s = time.monotonic()


@pytest.mark.parametrize("moment", MOMENTS)
def test_flushall_between_two_steps_of_the_relay(desk: DeskCase, moment: str) -> None:
    """Epoch check and XADD are one script; so the queue is flushed right before it, right after it, and later."""
    flush = Flush(desk, moment)
    with crash.hooked(flush), desk.relay(), desk.screens(resend_s=HOUR_S):
        for number in range(max(1, times(50) // len(MOMENTS))):
            if moment == "epoch_after_flush":  # twice: so that an epoch begins, and while it does
                flush.passages_left = 1
                desk.flush()
            else:
                flush.passages_left = 1 + number % 3
            made = desk.open(EACH)
            wait_until("the flush", lambda: flush.passages_left == 0)
            desk.until_shown(made, flush.at_s)
        desk.holds(epochs=desk.epochs())


def test_the_tail_of_the_append_only_file_is_lost(desk: DeskCase) -> None:
    """The entries that were written last are gone, the epoch is still there: a power loss, as the database saw it."""
    lost = 0
    for _ in range(times(50)):
        with desk.relay():
            desk.open(EACH // 2)
            desk.until_sent()
            kept = desk.log_bytes()
            made = desk.open(EACH // 2)
            desk.until_sent()
        desk.house.kill_queue()
        lost += desk.cut_log(random.randint(kept, desk.log_bytes() - 1))
        desk.house.repair()
        since_s = time.monotonic()
        with desk.relay(), desk.screens(resend_s=HOUR_S):
            if random.random() < 0.5:  # the next entry finds that some are missing, or the look at the streams does
                made += desk.open(1)
            desk.until_shown(made, since_s)
    desk.holds(epochs=desk.epochs(), bytes_lost=lost)


def test_the_queue_is_out_of_memory(desk: DeskCase) -> None:
    """No entry goes in and none comes out; terminals ask the database, or come when there is room again."""
    refused = 0
    with desk.relay(), desk.client() as client:
        for number in range(times(50)):
            client.config_set("maxmemory", 1)
            made = desk.open(EACH)
            if number % 2:
                with desk.screens(resend_s=0.2):  # which the database gives what waited so long
                    desk.until_shown(made)
            a_while(0.1, 0.3)
            refused += desk.counts("select count(*) from outbox where sent_at is null")
            client.config_set("maxmemory", 0)
            since_s = time.monotonic()
            desk.until_sent()
            with desk.screens(resend_s=HOUR_S):
                desk.until_shown(made + desk.open(1), since_s)
        desk.holds(epochs=desk.epochs(), refused=refused)
    assert refused >= desk.opened // 2
