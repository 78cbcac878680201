"""Every form a device may speak: which codec reads a topic, and what comes of a batch of messages. Pure."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import structlog

import ingest.codecs
from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PictureItem, PositionItem, Refusal, StatusItem
from ingest.codecs.native import NativeCodec
from ingest.codecs.rows import ITEMS_MAX, Decoded, RefusedError, RowBuilder, besides
from ingest.marks import Covered
from ingest.owners import Owners, Place, Rules, resolve
from ingest.topics import Topic, TopicScheme, matches
from schemas.device import DeviceRule
from schemas.errors import ConfigError, Fault
from schemas.position import RawMessage

log = structlog.get_logger()

WHOLE_MAX = 16  # dead letters with all of one message: each costs its size; one is enough to replay it for every device
ALARMS, NO_ALARMS = b'"alarms"', (b"[]", b"nu", b"")  # of our own form
TOPIC_MAX = 200  # characters; longer ones are nobody's habit, and 16 384 of 65 kB would be a gigabyte

Gate = Callable[[RawMessage, DeviceRule], bool]  # whether a device may send this message: its rate


def load_codecs(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make every enabled codec: each module of ``ingest.codecs`` with a function ``make``, in order of its name.

    Raises ConfigError where the configuration names one that does not exist.
    """
    found: list[Codec] = []
    for module in pkgutil.iter_modules(ingest.codecs.__path__):
        make = getattr(importlib.import_module(f"ingest.codecs.{module.name}"), "make", None)
        found.extend(make(knobs) if make is not None else ())
    names = Counter(codec.name for codec in found)
    wrong = [
        Fault("configuration", f"codecs.mapping[{index}].name", one.name, "is the name of a codec: take another")
        for index, one in enumerate(knobs.mapping)
        if names[one.name] > 1
    ]
    wrong += [
        Fault("configuration", f"codecs.{key}", name, f"there is no such codec; there are {', '.join(sorted(names))}")
        for key, some in (("enabled", knobs.enabled), ("topics", knobs.topics))
        for name in some
        if name not in (*names, "all")
    ]
    if wrong:
        raise ConfigError(tuple(wrong))
    return tuple(codec for codec in found if {"all", codec.name} & set(knobs.enabled))


@dataclass(frozen=True, slots=True)
class Form:
    """A codec and the topic filters it reads here."""

    codec: Codec
    filters: tuple[str, ...]


@dataclass(slots=True)
class Stepped:
    """What one message of a foreign form held, and the codec's state behind it."""

    codec: str
    items: list[Item]
    state: Any
    place: Place


class Forms:
    """The foreign forms of one kind of device, each with its topics. Thread-safe: holds no state between messages."""

    def __init__(self, knobs: CodecKnobs, kind: str) -> None:
        forms = [Form(codec, knobs.topics.get(codec.name, codec.filters)) for codec in load_codecs(knobs)]
        self._forms = tuple(form for form in forms if form.codec.kind == kind)
        self._owners = Owners((form.codec, form.filters) for form in forms)
        self._remembered = lru_cache(maxsize=16_384)(self._found)

    @property
    def filters(self) -> tuple[str, ...]:
        """Every topic filter to subscribe, each once."""
        return tuple(dict.fromkeys(topic for form in self._forms for topic in form.filters))

    def of(self, topic: str) -> Codec | None:
        """Return the codec that reads a topic; None: nobody does."""
        place = self.place(topic)
        return None if place is None else place.codec

    def place(self, topic: str) -> Place | None:
        """Return who reads a topic, and whose it is; None: nobody reads it."""
        return self._remembered(topic) if len(topic) <= TOPIC_MAX else self._found(topic)

    def urgent(self, message: RawMessage) -> bool:
        """Whether a message may carry an alarm."""
        codec = self.of(message.topic)
        return codec is not None and codec.urgent(message)

    def begin(self) -> dict[str, Any]:
        """Return the state of every codec before the first message."""
        return {form.codec.name: form.codec.begin() for form in self._forms}

    def step(self, states: Mapping[str, Any], message: RawMessage, now_ns: int) -> Stepped | None:
        """Read one message; None where nobody reads its topic. Never raises."""
        place = self.place(message.topic)
        if place is None:
            return None
        codec = place.codec
        state = states[codec.name]
        if place.disputed is not None:
            return Stepped(codec.name, [place.disputed], state, place)
        try:
            state, items = codec.step(state, message, now_ns)
        except Exception as error:
            # A defect of ours costs this message, never those behind it.
            log.exception("codec_failed", codec=codec.name, topic=message.topic[:200])
            items = [Refusal("", "failed", f"{codec.name}: {type(error).__name__}")]
        return Stepped(codec.name, items, state, place)

    def _found(self, topic: str) -> Place | None:
        codec = next((form.codec for form in self._forms if any(matches(f, topic) for f in form.filters)), None)
        return None if codec is None else Place(codec, self._owners.of(topic))


@dataclass(slots=True)
class PositionForms:
    """All forms of positions, our own first. ``future_s``: how far a device's clock may be ahead of ours."""

    scheme: TopicScheme
    future_s: float
    foreign: Forms
    native: NativeCodec = field(default_factory=NativeCodec)
    _base: str = field(init=False)

    def __post_init__(self) -> None:
        self._base = self.scheme.base

    def decode(
        self,
        messages: Sequence[RawMessage],
        rules: Rules,
        states: Mapping[str, Any],
        now_ns: int,
        gate: Gate = lambda _message, _rule: True,
    ) -> Decoded:
        """Decode messages of registered vehicles; nothing a device sends raises. No messages give an empty result.

        ``gate`` is asked once for each device of a message in a foreign form, which is known only when it is read.
        """
        build, states = RowBuilder(future_s=self.future_s), dict(states)
        for message in messages:
            topic = self.scheme.parse(message.topic)
            if topic is not None:
                self._native(build, message, topic, rules)
                continue
            stepped = self.foreign.step(states, message, now_ns)
            if stepped is None:
                build.refuse(message, "", RefusedError("topic"))
                continue
            states[stepped.codec] = stepped.state
            if len(stepped.items) > ITEMS_MAX:
                build.refuse(message, "", RefusedError("items", f"{len(stepped.items)} positions"))
                continue
            stepped.items = stepped.place.judged(stepped.items, rules)
            _take(build, message, stepped, rules, gate)
        build.found.states = states
        return build.finished()

    def device_of(self, message: RawMessage, rules: Rules) -> DeviceRule | None:
        """The registered device of one of our own topics; None for others, which are known only when read."""
        topic = self.scheme.parse(message.topic)
        return rules.get(topic.device_id) if topic is not None else None

    def urgent(self, message: RawMessage) -> bool:
        """Whether a message may carry an alarm: it goes first, and no rate keeps it out."""
        if message.topic.startswith(self._base):
            at = message.payload.find(ALARMS)
            return at >= 0 and message.payload[at + len(ALARMS) :].lstrip(b": \t\r\n")[:2] not in NO_ALARMS
        return self.foreign.urgent(message)

    def covered_unread(self, message: RawMessage, rule: DeviceRule) -> list[Covered]:
        """What an acknowledgement covers of a message of ours that is refused as a whole."""
        return self.native.covered_unread(message, rule)

    def _native(self, build: RowBuilder, message: RawMessage, topic: Topic, rules: Rules) -> None:
        if topic.kind != "vehicle" or topic.leaf != "position":
            build.refuse(message, "", RefusedError("topic"))
            return
        rule = rules.get(topic.device_id)
        if rule is None or rule.kind != "vehicle":
            build.refuse(message, topic.device_id, RefusedError("unknown_device"))
            return
        self.native.read(build, message, rule)


def _take(build: RowBuilder, message: RawMessage, stepped: Stepped, rules: Rules, gate: Gate) -> None:
    """Put the items of a foreign message into the builder."""
    fixes = [item for item in stepped.items if isinstance(item, PositionItem)]
    said = iter(besides(message, fixes))
    kept_out: dict[str, str] = {}  # device -> why nothing of it passes; "" where it does
    for item in stepped.items:
        if isinstance(item, Passed):
            build.ignore(item.reason)
            continue
        shown, rule = resolve(rules, stepped.codec, item.device)
        if isinstance(item, PositionItem):
            beside = next(said)
            if shown not in kept_out:
                kept_out[shown] = _kept_out(message, rule, gate)
                _set_aside(build, message, (shown, f"{stepped.codec}:{item.device}"), kept_out)
            if rule is None or kept_out[shown]:
                continue
            try:
                build.add(message, rule, item, item.raw, beside, stepped.codec)
            except RefusedError as refused:
                build.refuse(message, shown, refused, item.raw)
        elif isinstance(item, Refusal):
            build.refuse(message, shown, RefusedError(item.reason, item.detail), item.payload)
        elif isinstance(item, StatusItem) and rule is not None:
            build.found.statuses.append(StatusItem(rule.device_id, item.online))
        elif isinstance(item, StatusItem):
            build.ignore("unknown_device")
        elif isinstance(item, PictureItem):
            build.refuse(message, shown, RefusedError("topic", "a picture where positions are expected"))


def _set_aside(build: RowBuilder, message: RawMessage, names: tuple[str, str], kept_out: Mapping[str, str]) -> None:
    """Keep a message whole for a device that may not send it now, to be replayed. ``names``: its id here, and there."""
    shown, alias = names
    reason = kept_out[shown]
    if reason and len(kept_out) > WHOLE_MAX:
        build.ignore(reason)
    elif reason:
        build.refuse(message, shown, RefusedError(reason, alias if reason == "unknown_device" else ""))


def _kept_out(message: RawMessage, rule: DeviceRule | None, gate: Gate) -> str:
    if rule is None or rule.kind != "vehicle":
        return "unknown_device"
    return "" if gate(message, rule) else "rate"
