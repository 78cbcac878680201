"""Tells one outlet what waits for it: in order for each incident, again after a while, until it is told or given up."""

import json
import random
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

    def tell(self, due: Due) -> Answer:
        """Try once. Never raises for what happens on the way."""


class WebhookOutlet:
    """Another system that is told by HTTP."""

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
    """The broker: each incident's state as the retained message of its topic.

    ``publish(topic, payload, expiry_s)`` returns whether the broker has it; ``expiry_s`` 0: it keeps it for ever.
    """

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
    """Makes the messages of all outlets, and tells one of them. Used from one thread; ``chance()`` gives 0..1."""

    def __init__(
        self,
        outlet: Outlet,
        store: OutletStore,
        wanted: Sequence[Wants],
        patience: Patience,
        meter: Meter,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._outlet = outlet
        self._name = outlet.wants.name
        self._store = store
        self._wanted = tuple(wanted)
        self._patience = patience
        self._meter = meter
        self._chance = chance

    def once(self) -> int:
        """One round; how many messages were told. Raises SinkError where the database is away.

        After a try to which nobody answered the others wait for the next round: that is a system which is away.
        """
        self._store.project(self._wanted)
        told = 0
        for due in self._store.due(self._name):
            answer = self._outlet.tell(due)
            if not answer.error:
                self._store.sent(self._name, due, answer)
                self._meter.add("outlet_sent", outlet=self._name)
                told += 1
                continue
            self._failed(due, answer)
            if answer.status is None:
                break
        for state, count in self._store.counts(self._name).items():
            self._meter.set("outlet_messages", count, outlet=self._name, state=state)
        return told

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
