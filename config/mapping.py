"""What a ``[[codecs.mapping]]`` may say: names of fields and their units, paths, topic filters. Pure."""

import re
from collections.abc import Collection, Mapping

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


def known_field(name: str) -> str:
    """Return a field's name. Raises ValueError where there is none like it."""
    if name in UNITS or OPEN.fullmatch(name):
        return name
    raise ValueError(f"is no field of a position{nearest(name, UNITS)}")


def known_filter(pattern: str) -> str:
    """Return an MQTT topic filter. Raises ValueError where a broker would refuse it."""
    levels = pattern.split("/")
    wrong = not pattern or "\0" in pattern or len(pattern.encode()) > 65_535
    wrong = wrong or any("+" in level and level != "+" for level in levels)
    wrong = wrong or any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]
    if wrong or pattern.startswith("$"):
        raise ValueError("is no topic filter: + stands for one whole level, # for the rest, and $ begins none")
    return pattern


def check_units(units: Mapping[str, str]) -> None:
    """Check {field: unit}. Raises ValueError with every field whose unit is not one of its own, and for no place."""
    wrong = []
    for name, unit in units.items():
        known = UNITS.get(name, ("",))
        if unit not in known:
            named = ", ".join(one for one in known if one)
            wrong.append(f"the unit of {name} is one of {named}" if named else f"{name} has no unit")
    if not ({"lon", "lat"} <= units.keys() or {"latlon", "lonlat"} & units.keys()):
        wrong.append("lon and lat are needed, or latlon, or lonlat")
    if wrong:
        raise ValueError("; ".join(wrong))


def check_level(device: str, topics: Collection[str]) -> None:
    """Check that there is a filter, and in each a level for ``topic:N`` that devices fill. Raises ValueError."""
    if not topics:
        raise ValueError("topics are needed")
    kind, _, number = device.partition(":")
    if kind != "topic":
        return
    at = int(number)
    for pattern in topics:
        levels = pattern.split("/")
        if not (levels[-1] == "#" and at >= len(levels) - 1) and levels[at : at + 1] != ["+"]:
            raise ValueError(f"level {at} of {pattern!r}, counted from 0, is no +")
