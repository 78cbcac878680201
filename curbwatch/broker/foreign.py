"""Which topics of foreign forms a device may write by its own name, and which only a gateway may. Pure."""

from config.codecs import CodecKnobs
from curbwatch.broker.plan import NAME, Foreign, Gateway
from ingest.codecs.base import Codec
from ingest.forms import load_codecs
from ingest.owners import own_level


def foreign_forms(knobs: CodecKnobs) -> tuple[tuple[Foreign, ...], tuple[Gateway, ...]]:
    """Return what each device may write, and the gateways; no forms enabled: neither.

    A form whose topic has no level for the device gets a user ``gateway-{form}``. Raises ConfigError for forms that
    do not exist.
    """
    forms: list[Foreign] = []
    open_topics: dict[tuple[str, str], list[str]] = {}
    for codec in load_codecs(knobs):
        for topic in knobs.topics.get(codec.name, codec.filters):
            own = _named(codec, topic)
            if own:
                forms.append(Foreign(codec.kind, own, codec.name))
            else:
                open_topics.setdefault((codec.name, codec.kind), []).append(topic)
    gateways = (
        Gateway(f"gateway-{name}", "camera" if kind == "camera" else "vehicle", tuple(topics))
        for (name, kind), topics in open_topics.items()
    )
    return tuple(dict.fromkeys(forms)), tuple(gateways)


def _named(codec: Codec, topic: str) -> str:
    """Return the topic with ``%u`` on the device's level; empty where it has none."""
    at = own_level(codec, topic)
    if at is None:
        return ""
    levels = topic.split("/")
    return "/".join((*levels[:at], NAME, *levels[at + 1 :]))
