"""What a ``[[codecs.mapping]]`` may say: names of fields and their units, paths, topic filters. Pure."""

import re
from collections.abc import Mapping, Sequence

from config.faults import nearest

PLACE = ("", "deg", "rad", "1e-6", "1e-7")
LENGTH = ("", "m", "ft", "km")
# Field of a position: units its number may be given in; "": the first of docs/codecs.md. Speed has none of its own,
# because nobody can tell km/h from m/s or knots by looking.
UNITS: dict[str, tuple[str, ...]] = {
    "lon": PLACE,
    "lat": PLACE,
    "latlon": ("",),
    "lonlat": ("",),
    "ts": ("", "ms", "s", "+08:00", "+00:00"),
    "crs": ("",),
    "speed": ("kmh", "mps", "knots", "mph"),
    "heading": ("", "deg", "rad"),
    "alt": LENGTH,
    "acc": LENGTH,
    "sat": ("",),
    "seq": ("",),
    "boot": ("",),
    "oldest": ("",),
    "ignition": ("",),
    "lift": ("",),
    "cover": ("",),
    "load": ("", "percent"),
    "alarms": ("",),
    "fix": ("",),
}
# "alarm_sos" is an alarm "sos" where it is true, "extra_fuel_l" is kept as "fuel_l" beside the columns.
OPEN = re.compile(r"(?:alarm|extra)_[a-z0-9][a-z0-9_]{0,40}")
DOT = re.compile(r"(?<!\\)\.")
ROOT = "$"
TOPIC_LEVEL = re.compile(r"topic:\d{1,3}")
EVERY_UNIT = {unit for units in UNITS.values() for unit in units}


def split_path(path: str) -> tuple[str, ...]:
    r"""Return the keys and indices of a path: ``"gps.fix.0"``; ``"io\.239"`` is one key, a leading ``$`` the message.

    Raises ValueError where a part is empty.
    """
    parts = tuple(part.replace("\\.", ".") for part in DOT.split(path))
    if not all(parts) or parts == (ROOT,):
        raise ValueError("is no path: keys and indices joined by dots, as in gps.fix.0")
    return parts


def known_path(path: str) -> str:
    """Return a path that can be split. Raises ValueError."""
    split_path(path)
    return path


def known_device(device: str) -> str:
    """Return ``topic:N`` or ``path:PATH``. Raises ValueError."""
    kind, _, rest = device.partition(":")
    if kind == "path":
        split_path(rest)
    return device


def is_field(name: str) -> bool:
    """Whether a position has such a field."""
    return name in UNITS or OPEN.fullmatch(name) is not None


def known_field(name: str) -> str:
    """Return a field's name. Raises ValueError where there is none like it."""
    if is_field(name):
        return name
    raise ValueError(f"is no field of a position{nearest(name, UNITS)}")


def is_filter(pattern: str) -> bool:
    """Whether a broker takes this topic filter, and it does not read everything there is."""
    levels = pattern.split("/")
    wrong = not pattern or "\0" in pattern or len(pattern.encode()) > 65_535
    wrong = wrong or any("+" in level and level != "+" for level in levels)
    wrong = wrong or any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]
    return (
        not wrong and not pattern.startswith("$") and "#" not in (levels[0], *(levels[1:2] if levels[0] == "+" else ()))
    )


def known_filter(pattern: str) -> str:
    """Return an MQTT topic filter. Raises ValueError where a broker would refuse it, or all topics would be meant."""
    if not is_filter(pattern):
        raise ValueError(
            "is no topic filter: + stands for one whole level, # for the rest behind a name, and $ begins none"
        )
    return pattern


def wrong_units(fields: object) -> list[str]:
    """What is wrong with the units and the place of ``{field: {"unit": …}}``, as written; nothing where it is none.

    Names and units that do not exist are told elsewhere, and where a name does not, it may be the place's.
    """
    if not isinstance(fields, Mapping):
        return []
    known = {name: field for name, field in fields.items() if isinstance(name, str) and is_field(name)}
    wrong = []
    for name, field in known.items():
        unit, allowed = said(field, "unit", ""), UNITS.get(name, ("",))
        if unit in EVERY_UNIT and unit not in allowed:
            named = ", ".join(one for one in allowed if one)
            wrong.append(f"the unit of {name} is one of {named}" if named else f"{name} has no unit")
    placed = {"lon", "lat"} <= known.keys() or {"latlon", "lonlat"} & known.keys()
    if len(known) == len(fields) and not placed:
        wrong.append("lon and lat are needed, or latlon, or lonlat")
    return ["; ".join(wrong)] if wrong else []


def wrong_levels(mapping: object) -> list[str]:
    """What is wrong with the topics of a mapping, as written: none, or no level for ``topic:N`` that devices fill."""
    device, topics = said(mapping, "device", ""), said(mapping, "topics", None)
    if not isinstance(topics, list | tuple):
        return []
    if not topics:
        return ["topics are needed"]
    if not isinstance(device, str) or not TOPIC_LEVEL.fullmatch(device):
        return []
    at = int(device.partition(":")[2])
    return [
        f"level {at} of {pattern!r}, counted from 0, is no +"
        for pattern in topics
        if isinstance(pattern, str) and is_filter(pattern) and not _filled(pattern.split("/"), at)
    ]


def said(table: object, key: str, default: object) -> object:
    """Return what a table says, be it as written or read already."""
    return table.get(key, default) if isinstance(table, Mapping) else getattr(table, key, default)


def _filled(levels: Sequence[str], at: int) -> bool:
    """Whether a level of a filter is one that devices fill."""
    return (levels[-1] == "#" and at >= len(levels) - 1) or levels[at : at + 1] == ["+"]
