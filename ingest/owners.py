"""Whose topic a message of a foreign form came on, and whether what it holds is that device's. Pure.

The broker's access list is written from ``own_level`` too: a device may write where that level is its own name. So what
comes on such a topic is that device's, whatever it says of itself. A topic without such a level is a gateway's.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.codecs.base import (
    DEVICE_MAX,
    Codec,
    Expiring,
    Item,
    Passed,
    Placing,
    PositionItem,
    Refusal,
    Spelling,
    device_id_of,
)
from ingest.topics import matches
from schemas.device import DeviceRule

Rules = Mapping[str, DeviceRule]


def first_wildcard(pattern: str) -> int | None:
    """Return the number of a filter's first ``+``, counted from 0; None: there is none."""
    levels = pattern.split("/")
    return levels.index("+") if "+" in levels else None


def own_level(codec: Codec, pattern: str) -> int | None:
    """Return which level of a codec's filter is the device's own; None: whoever writes there speaks for many."""
    return codec.own_level(pattern) if isinstance(codec, Placing) else first_wildcard(pattern)


def device_level(filters: Iterable[str], topic: str) -> str:
    """Return the level of a topic under the first ``+`` of the filter it matches; "": there is none."""
    for pattern in filters:
        if matches(pattern, topic):
            at = first_wildcard(pattern)
            return "" if at is None else topic.split("/")[at]
    return ""


def resolve(rules: Rules, codec: str, device: str) -> tuple[str, DeviceRule | None]:
    """Who a foreign id is: an alias of the registry, or the id itself. Returns the id to show and the rule.

    An id with other characters than ours, as a number plate has, is known by an alias only: without them two plates
    would be one device. It is shown with a piece of its digest, so that strangers stay apart as well.
    """
    rule = rules.get(f"{codec}:{device}")
    if rule is not None:
        return rule.device_id, rule
    shown = device_id_of(device)
    if shown == device:
        return shown, rules.get(shown)
    digest = hashlib.blake2b(device.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return (f"{shown[:50]}-{digest}".strip("-"), None) if device else ("", None)


@dataclass(frozen=True, slots=True)
class Place:
    """A topic: the codec that reads it, and the names of the devices that may write there; none: only a gateway."""

    codec: Codec
    owners: tuple[str, ...] = ()

    @property
    def disputed(self) -> Refusal | None:
        """What a message is where filters overlap and two devices may write there; the codec must not see it."""
        if len(self.owners) < 2:
            return None
        return Refusal("", "spoof", f"{' and '.join(name[:DEVICE_MAX] for name in self.owners)} may both write here")

    def judged(self, items: Sequence[Item], rules: Rules) -> list[Item]:
        """Return a message's items, and a refusal of the message where some are not of the device whose topic it is.

        Ids longer than any alias are refused too. Several items refused for one reason are one refusal: else a message
        would cost as many dead letters of its size. A position of an unknown device stays, to be offered to operators,
        where its id is the only one of the message.
        """
        kept: list[Item] = []
        told: set[str] = set()
        first = ""
        for item in items:
            refused = self._refused(item, rules, first)
            if refused is None:
                kept.append(item)
                first = first or (item.device if isinstance(item, PositionItem) else "")
            elif isinstance(item, Refusal) or refused.reason not in told:
                kept.append(refused)
                told.add(refused.reason)
        return kept

    def _refused(self, item: Item, rules: Rules, first: str) -> Refusal | None:
        """What becomes of an item that is another device's than the topic's; None: it is the topic's."""
        if isinstance(item, Passed):
            return None
        owner = self.owners[0] if self.owners else ""
        shown = owner if len(owner) <= DEVICE_MAX else ""
        long, device = len(item.device) > DEVICE_MAX, item.device
        if not long and (not owner or not device or self._owns(owner, device, rules)):
            return None
        if isinstance(item, Refusal):
            # Where parts wait for others, a message may cost another device what it had begun.
            return None if isinstance(self.codec, Expiring) and not long else replace(item, device=shown)
        if long:
            return Refusal(shown, "type", f"an id of {len(device)} characters, allowed {DEVICE_MAX}: {device!r}")
        unknown = isinstance(item, PositionItem) and resolve(rules, self.codec.name, device)[1] is None
        if unknown and first in ("", device):
            return None
        return Refusal(shown, "spoof", f"{device!r} on the topic of {owner[:DEVICE_MAX]!r}")

    def _owns(self, owner: str, device: str, rules: Rules) -> bool:
        if device == owner:
            return True
        known = rules.get(f"{self.codec.name}:{owner}") or rules.get(owner)
        if known is None:
            return isinstance(self.codec, Spelling) and self.codec.same(owner, device)
        rule = resolve(rules, self.codec.name, device)[1]
        return rule is not None and rule.device_id == known.device_id


class Owners:
    """Who may write which topic of every form, whatever form reads it then: filters of two may overlap."""

    def __init__(self, forms: Iterable[tuple[Codec, Iterable[str]]]) -> None:
        found = ((pattern, own_level(codec, pattern)) for codec, filters in forms for pattern in filters)
        self._own = tuple((pattern, at) for pattern, at in dict.fromkeys(found) if at is not None)

    def of(self, topic: str) -> tuple[str, ...]:
        """Return the devices that may write a topic by their own name, each once."""
        levels = topic.split("/")
        return tuple(dict.fromkeys(levels[at] for pattern, at in self._own if matches(pattern, topic)))
