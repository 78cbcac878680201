"""What of ``[codecs]`` only shows when the forms are known: unknown codecs, and topics nobody would read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from config.codecs import CodecKnobs, FieldKnobs, MappingKnobs
from config.mapping import is_filter
from ingest.forms import load_codecs
from ingest.topics import TopicScheme
from schemas.errors import ConfigError, Fault

PLACE = {"lonlat": FieldKnobs(path="x")}


@dataclass(frozen=True, slots=True)
class Read:
    """A topic filter, the codec that reads it, and the key that says so; ``given``: not the codec's own filter."""

    codec: str
    kind: str
    pattern: str
    key: str
    given: bool


def form_faults(codecs: Mapping[str, Any], scheme: TopicScheme, file: str) -> tuple[Fault, ...]:
    """Return every such fault of a section as ``read_config`` gives it, whatever else is wrong with it; empty: none."""
    said = _usable(codecs)
    wrong: tuple[Fault, ...] = ()
    try:
        load_codecs(said)
    except ConfigError as error:
        wrong = error.faults
    found = [Fault(file, fault.key, fault.value, fault.message) for fault in wrong]
    reads = _reads(said, codecs)
    ours = f"{scheme.base}#"
    found += [
        Fault(file, one.key, one.pattern, f"reads topics of {ours}, which are of our own form")
        for one in reads
        if _meet(one.pattern.split("/"), ours.split("/"))
    ]
    for before, after in combinations(reads, 2):
        if before.kind == after.kind and before.codec != after.codec and covers(before.pattern, after.pattern):
            shown = after if after.given else before
            told = f"{before.codec} reads all of {after.pattern}, and {after.codec} would get nothing of it: take"
            told += " another topic, or leave one of the two out of codecs.enabled"
            found.append(Fault(file, shown.key, shown.pattern, told))
    return tuple(found)


def refuse_forms(codecs: CodecKnobs, scheme: TopicScheme) -> None:
    """Raise ConfigError with every such fault of a section that is right by itself."""
    found = form_faults(codecs.model_dump(), scheme, "configuration")
    if found:
        raise ConfigError(found)


def covers(wide: str, narrow: str) -> bool:
    """Whether one topic filter matches every topic that another does."""
    outer, inner = wide.split("/"), narrow.split("/")
    for at, level in enumerate(outer):
        if level == "#":
            return True
        if at >= len(inner) or inner[at] == "#" or level not in ("+", inner[at]):
            return False
    return len(inner) == len(outer)


def _meet(one: list[str], other: list[str]) -> bool:
    """Whether some topic matches both filters, given by their levels."""
    for at in range(max(len(one), len(other))):
        left, right = ("".join(levels[at : at + 1]) for levels in (one, other))
        if "#" in (left, right):
            return True
        if at >= len(one) or at >= len(other) or not (left == right or "+" in (left, right)):
            return False
    return True


def _reads(said: CodecKnobs, codecs: Mapping[str, Any]) -> list[Read]:
    """Every filter of every form that is enabled, in the order in which they are asked."""
    own = {codec.name for codec in load_codecs(CodecKnobs())}
    topics = {name: filters for name, filters in said.topics.items() if name in own}
    mapping = tuple(one for one in said.mapping if one.name not in own)
    keys = {name: f"codecs.topics.{name}" for name in own}
    for number, one in enumerate(_tables(codecs)):
        if isinstance(one, Mapping):
            keys.setdefault(str(one.get("name")), f"codecs.mapping[{number}].topics")
    return [
        Read(codec.name, codec.kind, pattern, keys[codec.name], codec.name in topics or codec.name not in own)
        for codec in load_codecs(CodecKnobs(topics=topics, mapping=mapping))
        if {"all", codec.name} & set(said.enabled)
        for pattern in topics.get(codec.name, codec.filters)
    ]


def _usable(codecs: Mapping[str, Any]) -> CodecKnobs:
    """What a section says of names and topics, without what is wrong in it and told elsewhere."""
    mapping: dict[str, MappingKnobs] = {}
    nameless: set[str] = set()
    for one in _tables(codecs):
        name, topics = (one.get("name"), one.get("topics")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(name, str):
            continue
        try:
            made = MappingKnobs(name=name, topics=_filters(topics) or ("-",), device="path:x", fields=PLACE)
            CodecKnobs(mapping=(made,))
        except ValueError:  # pydantic's is one
            nameless.add(name)
        else:
            mapping.setdefault(name, made)
    enabled, topics = codecs.get("enabled", ("all",)), codecs.get("topics", {})
    return CodecKnobs(
        enabled=tuple(name for name in _texts(enabled) if name not in nameless),
        topics={name: _filters(some) for name, some in topics.items() if name not in nameless}
        if isinstance(topics, Mapping)
        else {},
        mapping=tuple(mapping.values()),
    )


def _tables(codecs: Mapping[str, Any]) -> tuple[Any, ...]:
    mapping = codecs.get("mapping", ())
    return tuple(mapping) if isinstance(mapping, list | tuple) else ()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | tuple) else ()


def _filters(value: object) -> tuple[str, ...]:
    return tuple(pattern for pattern in _texts(value) if is_filter(pattern))
