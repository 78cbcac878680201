"""Topics: from and to strings. Pure."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LEAVES = {"camera": ("frame", "status"), "vehicle": ("position", "status")}
REST_MAX = 128  # characters behind the base; the longest of ours has 81, and what is longer is not worth remembering


@dataclass(frozen=True, slots=True)
class Topic:
    """Who sent what kind of message."""

    kind: Literal["camera", "vehicle"]
    device_id: str
    leaf: str


@dataclass(frozen=True, slots=True)
class TopicScheme:
    """``{prefix}/{site}/{camera|vehicle}/{id}/{leaf}``."""

    prefix: str
    site: str

    @property
    def base(self) -> str:
        """What every topic of ours begins with."""
        return f"{self.prefix}/{self.site}/"

    def parse(self, topic: str) -> Topic | None:
        """Who a topic belongs to; None for anything that is not exactly ours. Never raises."""
        base = self.base
        if not topic.startswith(base) or len(topic) > len(base) + REST_MAX:
            return None
        return _parse(topic[len(base) :])

    def wildcard(self, kind: str, leaf: str) -> str:
        """Filter of all devices of a kind."""
        return f"{self.prefix}/{self.site}/{kind}/+/{leaf}"

    def of(self, kind: str, device_id: str, leaf: str) -> str:
        """One device's topic."""
        return f"{self.prefix}/{self.site}/{kind}/{device_id}/{leaf}"


@lru_cache(maxsize=16_384)
def _parse(rest: str) -> Topic | None:
    """Parse what follows the base. Remembered, because every message brings one of a few thousand."""
    parts = rest.split("/")
    if len(parts) != 3 or DEVICE_ID.fullmatch(parts[1]) is None:
        return None
    kind, device_id, leaf = parts
    if leaf not in LEAVES.get(kind, ()):
        return None
    return Topic("camera" if kind == "camera" else "vehicle", device_id, leaf)


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic matches an MQTT filter: ``+`` is one level, ``#`` at the end any number, none included.

    Wildcards do not match a first level that begins with ``$`` (MQTT 5.0, 4.7.2).
    """
    if topic.startswith("$") and not pattern.startswith("$"):
        return False
    wanted, levels = pattern.split("/"), topic.split("/")
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(levels) or level not in ("+", levels[at]):
            return False
    return len(levels) == len(wanted)
