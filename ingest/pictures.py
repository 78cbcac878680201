"""Pictures in foreign forms: each message read by its codec, and the codecs' states between messages."""

import sys
from dataclasses import dataclass

from config.codecs import CodecKnobs
from ingest.codecs.base import Expiring, Item
from ingest.forms import Forms, load_codecs
from ingest.owners import Rules
from schemas.position import RawMessage

NEVER_NS = sys.maxsize  # a time at which nothing waits any more


@dataclass(frozen=True, slots=True)
class Read:
    """What a message held, and the form it came in; an empty message, where it is about what did not come."""

    message: RawMessage
    codec: str
    item: Item


class PictureForms:
    """Every foreign form of pictures. Not thread-safe: a message changes what the next one means."""

    def __init__(self, knobs: CodecKnobs) -> None:
        self._forms = Forms(knobs, "camera")
        self._states = self._forms.begin()
        self._expiring = {
            codec.name: codec for codec in load_codecs(knobs) if codec.kind == "camera" and isinstance(codec, Expiring)
        }
        self._now_ns = 0  # never goes back, whatever the clock does

    @property
    def filters(self) -> tuple[str, ...]:
        """Every topic filter to subscribe, each once."""
        return self._forms.filters

    def read(self, message: RawMessage) -> list[Read] | None:
        """Return what a message holds; None where nobody reads its topic, nothing where more must come."""
        self._now_ns = max(self._now_ns, message.received_ns)
        stepped = self._forms.step(self._states, message, self._now_ns)
        if stepped is None:
            return None
        self._states[stepped.codec] = stepped.state
        return [Read(message, stepped.codec, item) for item in stepped.items]

    def judged(self, read: Read, rules: Rules) -> Item:
        """Return what a message held, or its refusal where that is of another device than its topic."""
        place = self._forms.place(read.message.topic)
        return read.item if place is None else place.judged([read.item], rules)[0]

    def expire(self, now_ns: int, *, stopping: bool = False) -> list[Read]:
        """Return what is given up because its rest did not come; ``stopping``: or because nothing comes any more."""
        self._now_ns = max(self._now_ns, now_ns)
        until_ns = NEVER_NS if stopping else self._now_ns
        found: list[Read] = []
        for name, codec in self._expiring.items():
            self._states[name], items = codec.expire(self._states[name], until_ns)
            found += [Read(RawMessage(topic, b"", now_ns), name, item) for topic, item in items]
        return found
