"""Which topics of foreign forms a device may write by its own name, and which only a gateway may. Pure."""

from collections.abc import Iterable

from config.codecs import CodecKnobs
from curbwatch.broker.plan import NAME, Foreign, Gateway
from ingest.codecs.base import Codec
from ingest.forms import load_codecs

# Frigate and ThingsBoard's gateway name others in topic or body: whoever speaks so speaks for all of them.
SERVERS = frozenset({"frigate", "thingsboard_gateway"})


def foreign_forms(knobs: CodecKnobs) -> tuple[tuple[Foreign, ...], tuple[Gateway, ...]]:
    """Return what each device may write, and the gateways; no forms enabled: neither.

    A form whose topic has no level for the device gets a user ``gateway-{form}``. Raises ConfigError for forms that
    do not exist.
    """
    levels = {mapping.name: mapping.device for mapping in knobs.mapping}
    forms: list[Foreign] = []
    open_topics: dict[tuple[str, str], list[str]] = {}
    for codec in load_codecs(knobs):
        for topic in _filters(codec, knobs):
            own = _named(topic, codec.name, levels.get(codec.name))
            if own:
                forms.append(Foreign(codec.kind, own))
            else:
                open_topics.setdefault((codec.name, codec.kind), []).append(topic)
    gateways = (
        Gateway(f"gateway-{name}", "camera" if kind == "camera" else "vehicle", tuple(topics))
        for (name, kind), topics in open_topics.items()
    )
    return tuple(dict.fromkeys(forms)), tuple(gateways)


def _filters(codec: Codec, knobs: CodecKnobs) -> Iterable[str]:
    return knobs.topics.get(codec.name, codec.filters)


def _named(topic: str, codec: str, device: str | None) -> str:
    """Return the topic with ``%u`` on the device's level; empty where it has none."""
    levels = topic.split("/")
    if device is not None:  # of a described form: "topic:1", or a path in the message
        at = int(device.removeprefix("topic:")) if device.startswith("topic:") else len(levels)
    else:
        at = len(levels) if codec in SERVERS or "+" not in levels else levels.index("+")
    if at >= len(levels) or levels[at] != "+":
        return ""
    return "/".join((*levels[:at], NAME, *levels[at + 1 :]))
