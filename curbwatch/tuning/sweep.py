"""What a sweep tries: knobs with their units, their values, and the configurations they make. Pure."""

import random
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib import resources
from math import prod
from typing import Any

from config.faults import Faults, nearest
from config.model import Config

FLAG = "--set"
VALUES_MAX = 1000  # of one knob
POINTS_MAX = 5000  # more are no sweep but a mistake: --random draws from any number
RANGE = re.compile(r"(?P<low>[^.:]*(?:\.\d+)?)\.\.(?P<high>[^:]+?)(?::(?P<step>.+))?")
# Sections that a replay reads; the others say where servers are and how much may wait.
SWEPT = ("vision", "alerts", "model")
UNITS = {
    "_s": "s",
    "_ms": "ms",
    "_m": "m",
    "_m2": "m²",
    "_px": "grid px",
    "_grey": "grey levels",
    "_chroma": "colour levels",
    "_bytes": "bytes",
    "_min": "frames",
    "_confidence": "0..1",
    "_overlap": "0..1",
    "_iou": "0..1",
}
COMMENT = re.compile(r"^(?P<key>\w+)\s*=\s*[^#]*#\s*(?P<text>.*)$")

Key = tuple[str, str]
Value = Any


@dataclass(frozen=True, slots=True)
class Axis:
    """One knob and the values it takes, in order; ``unit`` and ``about`` as ``defaults.toml`` and its name say."""

    section: str
    name: str
    values: tuple[Value, ...]
    unit: str = ""
    about: str = ""

    @property
    def key(self) -> str:
        """``vision.differs_grey``."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a sweep: what it sets, by key; nothing set is the base."""

    settings: tuple[tuple[str, Value], ...]
    config: Config

    @property
    def label(self) -> str:
        """``vision.differs_grey = 12, alerts.stall_confidence = 0.3``; ``base`` for the base."""
        return ", ".join(f"{key} = {shown(value)}" for key, value in self.settings) or "base"


def read_axes(words: Iterable[str]) -> tuple[Axis, ...]:
    """Read ``section.knob=low..high:step`` or ``section.knob=a,b,c``, each checked by the configuration's models.

    Raises ConfigError with every fault of every word; no words are one too.
    """
    faults = Faults()
    axes: dict[str, Axis] = {}
    for word in words:
        key, equals, text = word.partition("=")
        place = _place(key.strip(), faults)
        if not equals:
            faults.add(FLAG, word, "", "should be knob=values: vision.differs_grey=12..28:4, or =12,20,28")
        if place is None or not equals:
            continue
        if key.strip() in axes:
            faults.add(FLAG, key.strip(), "", "is given twice")
            continue
        values = _values(key.strip(), text.strip(), faults)
        for value in values:
            faults.validate(Config, {place[0]: {place[1]: value}}, FLAG)
        axes[key.strip()] = Axis(*place, values, *describe(*place))
    if not axes and not faults:
        faults.add(FLAG, "", "", "names no knob: --set vision.differs_grey=12..28:4")
    faults.refuse()
    return tuple(axes.values())


def points(base: Config, axes: Sequence[Axis], count: int | None = None, seed: int = 0) -> tuple[Point, ...]:
    """The base and every combination of values; ``count``: so many of them, drawn by ``seed``, none twice.

    Raises ConfigError where a combination is none that a configuration may have, or where there are too many.
    """
    total = prod(len(axis.values) for axis in axes)
    faults = Faults()
    if count is None and total > POINTS_MAX:
        faults.add(FLAG, "", f"{total} combinations", f"are more than {POINTS_MAX}: draw some of them with --random N")
        faults.refuse()
    drawn: Iterable[int] = range(total)
    if count is not None and count < total:
        drawn = sorted(random.Random(seed).sample(range(total), count))  # noqa: S311  # a reproducible draw, no secret
    found = [Point((), base)]
    for number in drawn:
        settings = _combination(axes, number)
        config = with_settings(base, settings, faults)
        if config is not None and config != base:
            found.append(Point(settings, config))
    faults.refuse()
    return tuple(found)


def with_settings(base: Config, settings: Sequence[tuple[str, Value]], faults: Faults) -> Config | None:
    """The base with other values of some knobs, checked as a whole; None after noting what is wrong."""
    data = base.model_dump()
    for key, value in settings:
        section, _, name = key.partition(".")
        data[section][name] = value
    said = ", ".join(f"{key} = {shown(value)}" for key, value in settings)
    return faults.validate(Config, data, f"{FLAG} {said}")


def describe(section: str, name: str) -> tuple[str, str]:
    """Unit and meaning of a knob: by the ending of its name, else as its comment in ``defaults.toml`` begins."""
    about = comments().get((section, name), "")
    ending = next((unit for end, unit in sorted(UNITS.items(), key=_longest) if name.endswith(end)), "")
    if about.startswith("captured s"):
        return "captured s", about
    if not ending and about.startswith(("0..1", "m:", "m2:", "s:", "s ")):
        ending = about.split()[0].rstrip(":")
    return ending, about


def comments(text: str | None = None) -> dict[Key, str]:
    """{(section, knob): what ``defaults.toml`` says behind it}; a knob without words has none."""
    if text is None:
        text = resources.files("config").joinpath("defaults.toml").read_text(encoding="utf-8")
    found: dict[Key, str] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif (said := COMMENT.match(line)) is not None:
            found[section, said["key"]] = said["text"].strip()
    return found


def shown(value: Value) -> str:
    """A value as TOML would have it, without trailing zeros."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def knobs() -> list[str]:
    """Every knob that a sweep may set."""
    return [
        f"{section}.{name}"
        for section, field in Config.model_fields.items()
        if section in SWEPT
        for name in getattr(field.annotation, "model_fields", {})
    ]


def _place(key: str, faults: Faults) -> Key | None:
    section, _, name = key.partition(".")
    known = knobs()
    if key in known:
        return section, name
    fields: Mapping[str, Any] = getattr(
        getattr(Config.model_fields.get(section), "annotation", None), "model_fields", {}
    )
    if name in fields:
        faults.add(FLAG, key, "", f"changes nothing in a replay: {', '.join(f'{one}.*' for one in _sections())} do")
    else:
        faults.add(FLAG, key, "", "unknown knob" + nearest(key, known))
    return None


def _sections() -> list[str]:
    return [section for section in SWEPT if section in Config.model_fields]


def _values(key: str, text: str, faults: Faults) -> tuple[Value, ...]:
    ranged = RANGE.fullmatch(text)
    if ranged is not None:
        return _range(key, ranged, faults)
    if not text:
        faults.add(FLAG, key, "", "has no values")
        return ()
    return tuple(dict.fromkeys(_value(part.strip()) for part in text.split(",")))


def _range(key: str, ranged: re.Match[str], faults: Faults) -> tuple[Value, ...]:
    if ranged["step"] is None:
        faults.add(FLAG, key, ranged[0], "has no step: low..high:step")
        return ()
    try:
        low, high, step = (Decimal(ranged[part].strip()) for part in ("low", "high", "step"))
    except InvalidOperation:
        faults.add(FLAG, key, ranged[0], "should be three numbers: low..high:step")
        return ()
    if not all(number.is_finite() for number in (low, high, step)) or step <= 0 or high < low:
        faults.add(FLAG, key, ranged[0], "should be low..high:step with a step above 0 and high not below low")
        return ()
    count = int((high - low) / step) + 1
    if count > VALUES_MAX:
        faults.add(FLAG, key, ranged[0], f"are {count} values; {VALUES_MAX} at most")
        return ()
    whole = all(number == number.to_integral_value() for number in (low, step))
    return tuple(int(low + k * step) if whole else float(low + k * step) for k in range(count))


def _value(text: str) -> Value:
    """A TOML value; a word without quotes is a text."""
    try:
        return tomllib.loads(f"value = {text}").get("value", text)
    except (ValueError, RecursionError):
        return text


def _combination(axes: Sequence[Axis], number: int) -> tuple[tuple[str, Value], ...]:
    """Combination ``number`` of all, the last axis turning fastest."""
    chosen: list[tuple[str, Value]] = []
    for axis in reversed(axes):
        number, index = divmod(number, len(axis.values))
        chosen.append((axis.key, axis.values[index]))
    return tuple(reversed(chosen))


def _longest(unit: tuple[str, str]) -> int:
    return -len(unit[0])
