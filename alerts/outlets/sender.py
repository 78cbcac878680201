"""Tells one outlet what waits for it: in order for each incident, again after a while, until it is told or given up."""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from alerts.outlets.backoff import wait_s
from alerts.outlets.store import Due, OutletStore, Wants
from alerts.outlets.webhook import Answer, Reach, post
from alerts.wire import incident_state, instant
from schemas.meter import Meter
from schemas.record import OPEN

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a message is tried, and how long is waited: s after the first failure, doubling to the longest."""

    tries_max: int
    first_s: float
    max_s: float


class Outlet(Protocol):
    """Another system that is told."""

    @property
    def wants(self) -> Wants:
        """Its name, and what it is told of."""

    @property
    def batch(self) -> int:
        """How many told messages are noted together: so many may come twice after a crash."""

    def tell(self, due: Due) -> Answer:
        """Try once. Never raises for what happens on the way."""


class WebhookOutlet:
    """Another system that is told by HTTP."""

    batch = 1

    def __init__(self, wants: Wants, url: str, reach: Reach, *, secret: bytes, receipt: bool) -> None:
        self.wants = wants
        self._url = url
        self._reach = reach
        self._secret = secret
        self._receipt = receipt

    def tell(self, due: Due) -> Answer:
        """Post the step and the incident as it is now."""
        body = json.dumps(step_body(due), ensure_ascii=False).encode()
        return post(self._url, body, due.delivery, self._reach, secret=self._secret, receipt=self._receipt)


class MqttOutlet:
    """The broker: each incident's state as the retained message of its topic; a repeat changes nothing there.

    ``publish(topic, payload, expiry_s)`` returns whether the broker has it; ``expiry_s`` 0: it keeps it for ever.
    """

    batch = 100

    def __init__(
        self, wants: Wants, topic_of: Callable[[str], str], publish: Callable[[str, bytes, int], bool], keep_s: float
    ) -> None:
        self.wants = wants
        self._topic_of = topic_of
        self._publish = publish
        self._keep_s = keep_s

    def tell(self, due: Due) -> Answer:
        """Publish the state; that of an ended incident the broker forgets after a while."""
        body = json.dumps(incident_state(due.incident), ensure_ascii=False).encode()
        expiry_s = 0 if due.incident.state in OPEN else round(self._keep_s)
        kept = self._publish(self._topic_of(due.incident.incident_id), body, expiry_s)
        return Answer(None) if kept else Answer(None, error="the broker did not take it")


class Sender:
    """Makes the messages of all outlets, and tells one of them. Used from one thread.

    ``chance()`` gives 0..1, ``monotonic_s()`` a steady clock.
    """

    def __init__(
        self,
        outlet: Outlet,
        store: OutletStore,
        wanted: Sequence[Wants],
        patience: Patience,
        meter: Meter,
        *,
        chance: Callable[[], float] = random.random,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outlet = outlet
        self._name = outlet.wants.name
        self._store = store
        self._wanted = tuple(wanted)
        self._patience = patience
        self._meter = meter
        self._chance = chance
        self._monotonic_s = monotonic_s
        self._unanswered = 0  # tries in a row to which nobody answered
        self._again_s = 0.0  # when the next one is due, by the steady clock

    def once(self) -> int:
        """One round; how many messages were told. Raises SinkError where the database is away.

        A try to which nobody answered means a system that is away: all its messages wait for a while then.
        """
        self._store.project(self._wanted)
        told = self._tell_all() if self._monotonic_s() >= self._again_s else 0
        for state, count in self._store.counts(self._name).items():
            self._meter.set("outlet_messages", count, outlet=self._name, state=state)
        return told

    def _tell_all(self) -> int:
        told = 0
        taken: list[tuple[Due, Answer]] = []
        for due in self._store.due(self._name):
            answer = self._outlet.tell(due)
            if answer.error:
                self._failed(due, answer)
                if self._away(answer):
                    break
                continue
            self._unanswered = 0
            taken.append((due, answer))
            if len(taken) >= self._outlet.batch:
                told += self._noted(taken)
        return told + self._noted(taken)

    def _noted(self, taken: list[tuple[Due, Answer]]) -> int:
        """Write down that these were told, and empty the list; how many."""
        count = len(taken)
        self._store.sent(self._name, taken)
        self._meter.add("outlet_sent", count, outlet=self._name)
        taken.clear()
        return count

    def _away(self, answer: Answer) -> bool:
        """Whether nobody answered; then nothing is tried for a while, longer each time."""
        if answer.status is not None:
            self._unanswered = 0
            return False
        self._unanswered += 1
        patience = self._patience
        rest_s = wait_s(self._unanswered, patience.first_s, patience.max_s, self._chance())
        self._again_s = self._monotonic_s() + rest_s
        return True

    def _failed(self, due: Due, answer: Answer) -> None:
        tries, patience = due.tries + 1, self._patience
        again_s = wait_s(tries, patience.first_s, patience.max_s, self._chance())
        over = tries >= patience.tries_max
        self._store.failed(self._name, due, answer, None if over else again_s)
        self._meter.add("outlet_failures", outlet=self._name)
        said: dict[str, Any] = {"outlet": self._name, "delivery": due.delivery, "error": answer.error, "tries": tries}
        if over:
            log.error("outlet_gave_up", **said, remedy="curbwatch outlet retry")
        elif tries == 1:
            log.warning("outlet_waits", **said, again_in_s=round(again_s, 1))


def step_body(due: Due) -> dict[str, Any]:
    """A step as a webhook is told it: no names of persons, and the whole state of the incident as it is now."""
    return {
        "event": due.what,
        "delivery": due.delivery,
        "seq": due.seq,
        "at": instant(due.at),
        "state": due.state,
        "incident": incident_state(due.incident),
    }
