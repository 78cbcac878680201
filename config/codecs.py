"""Which foreign forms are read, where, and how unknown JSON maps to positions."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from config.base import Knobs
from config.mapping import known_device, known_field, known_filter, known_path, said, wrong_levels, wrong_units
from config.together import checked

Speed = Literal["kmh", "mps", "knots", "mph"]
Time = Literal["s", "ms", "+08:00", "+00:00"]
Unit = Literal["", Speed, Time, "m", "ft", "km", "deg", "rad", "1e-6", "1e-7", "percent"]
Path = Annotated[str, AfterValidator(known_path)]
Filter = Annotated[str, AfterValidator(known_filter)]
Values = dict[str, bool | float]  # what texts or numbers mean: {"1" = true, "up" = true}


class FieldKnobs(Knobs):
    """Where one field stands in a JSON message, and in which unit."""

    path: Path = Field(min_length=1, max_length=200)  # keys and array indices joined by dots: "gps.fix.0"
    unit: Unit = ""
    values: Values = Field(default_factory=dict)


class MappingKnobs(Knobs):
    """A form that is described, not programmed: one ``[[codecs.mapping]]`` each."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,32}$")
    topics: tuple[Filter, ...]
    device: Annotated[str, AfterValidator(known_device)] = Field(
        pattern=r"^(topic:\d{1,3}|path:.+)$"
    )  # level of the topic counted from 0, or a path in the item
    items: Literal[""] | Path = ""  # path of an array of positions; empty: the message is one, or an array of them
    crs: Literal["", "wgs84", "cgcs2000", "gcj02", "bd09"] = ""  # counts where the registry says from_message
    fields: dict[Annotated[str, AfterValidator(known_field)], FieldKnobs]

    @field_validator("fields", mode="wrap")
    @classmethod
    def _fields(cls, fields: object, handler: ValidatorFunctionWrapHandler) -> object:
        return checked(fields, handler, wrong_units(fields))

    @model_validator(mode="wrap")
    @classmethod
    def _level(cls, mapping: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return checked(mapping, handler, wrong_levels(mapping))


class BitKnobs(Knobs):
    """Where a terminal reports one state of the truck: bits of its status, or of an additional item."""

    source: str = Field(pattern=r"^(status|alarm|item:(0x)?[0-9A-Fa-f]{1,2})$")
    bit: int = Field(ge=0, le=511)  # lowest bit, counted from the least significant of the whole field
    width: int = Field(default=1, ge=1, le=16)
    values: Values = Field(default_factory=dict)  # empty: 0 is false or 0, the largest true or 1


class CodecKnobs(Knobs):
    """Foreign forms; our own is always read."""

    enabled: tuple[str, ...] = ("all",)  # names of codecs, or "all"
    # Other topic filters than a codec's own: {"traccar" = ["gps/traccar"]}.
    topics: dict[str, tuple[Filter, ...]] = Field(default_factory=dict)
    mapping: tuple[MappingKnobs, ...] = ()
    # JT/T 808: the regional muck-truck standards differ in where they put these three, so they are mapped.
    jt808: dict[Literal["lift", "cover", "load"], BitKnobs] = Field(default_factory=dict)
    chunk_max_bytes: int = Field(default=2_000_000, ge=10_000)  # of one picture that comes in pieces
    chunk_wait_s: float = Field(default=30.0, gt=0)  # from its first piece to its last
    chunk_buffer_bytes: int = Field(default=32_000_000, ge=10_000)  # of all pictures that are not complete

    @field_validator("mapping", mode="wrap")
    @classmethod
    def _names(cls, mapping: object, handler: ValidatorFunctionWrapHandler) -> object:
        return checked(mapping, handler, _wrong_names(mapping))


def _wrong_names(mappings: object) -> list[str]:
    listed = mappings if isinstance(mappings, list | tuple) else ()
    names = Counter(name for one in listed if isinstance(name := said(one, "name", None), str))
    twice = [name for name, count in names.items() if count > 1]
    wrong = [f"more than one is named {', '.join(twice)}"] if twice else []
    return wrong + (["none may be named all or native"] if {"all", "native"} & names.keys() else [])
