"""Collects every fault of a configuration, and words pydantic's findings as file, key, value."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import ConfigError, Fault

SHOWN_MAX = 80  # characters of a value that are shown; longer ones are cut
FAULTS_MAX = 200  # a broken export would otherwise print a line per row
URL = re.compile(r"\s*[\w+.-]+://")
USER = re.compile(r"(://[^:@]*:).*(@)", re.DOTALL)
QUERY = re.compile(r"([?&][^=&?]*pass[^=&?]*=)[^&]*", re.IGNORECASE)
WORD = re.compile(r"(\b\w*password\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])*)", re.IGNORECASE | re.DOTALL)
PLAIN = {
    "tuple_type": "should be a list in [ ]",
    "dict_type": "should be a table of keys and values",
    "model_type": "should be a table of keys and values",
    "string_type": "should be a text in quotes",
    "string_too_short": "is empty or too short",
}
NAMES_MAX = 2000  # names looked through for a similar one: about 20 µs each

Model = TypeVar("Model", bound=BaseModel)


class Faults:
    """Grows while a configuration is read; ``refuse`` ends it. Keeps the first FAULTS_MAX and counts the rest."""

    def __init__(self) -> None:
        self._kept: list[Fault] = []
        self._dropped = 0

    def __len__(self) -> int:
        """Number of faults, those not kept included."""
        return len(self._kept) + self._dropped

    def __iter__(self) -> Iterator[Fault]:
        """Yield the faults in the order in which they were found."""
        yield from self._kept
        if self._dropped:
            yield Fault("…", "", "", f"and {self._dropped} more faults")

    def add(self, file: str, key: str, value: object, message: str) -> None:
        """Note one fault; ``value`` is shown shortened, with the password of a URL masked."""
        if len(self._kept) < FAULTS_MAX:
            self._kept.append(Fault(file, key, shown(value), message))
        else:
            self._dropped += 1

    def near(self, name: str, names: Iterable[str]) -> str:
        """``nearest``, as long as faults are kept: a broken export names thousands, and looking each up takes long."""
        return nearest(name, names) if len(self._kept) < FAULTS_MAX else ""

    def extend(self, faults: Iterable[Fault]) -> None:
        """Note faults that were worded elsewhere."""
        for fault in faults:
            self.add(fault.file, fault.key, fault.value, fault.message)

    def refuse(self) -> None:
        """Raise ConfigError with everything found; nothing found: return."""
        if self._kept:
            raise ConfigError(tuple(self))

    def validate(
        self, model: type[Model], data: object, file: str, prefix: str = "", *, lax: bool = False
    ) -> Model | None:
        """Return ``data`` as ``model``, or None after noting each fault under ``prefix`` + its key.

        Strict by default: TOML and JSON carry types, so ``port = "8460"`` is a fault. ``lax`` is for CSV, where
        everything is text.
        """
        try:
            return model.model_validate(data, strict=not lax)
        except ValidationError as error:
            details = error.errors(include_url=False)
            for detail in details:
                if not _follows(detail, details):
                    self._add_detail(model, detail, file, prefix)
            return None
        except RecursionError:
            self.add(file, prefix, "", "is nested too deeply")
            return None

    def _add_detail(self, model: type[BaseModel], detail: ErrorDetails, file: str, prefix: str) -> None:
        loc = detail["loc"]
        key = prefix + key_of(loc)
        if detail["type"] == "extra_forbidden":
            self.add(file, key, "", "unknown key" + nearest(str(loc[-1]), _siblings(model, loc)))
        elif detail["type"] == "missing":
            self.add(file, key, "", "is missing")
        else:
            self.add(file, key, detail["input"], _plain(detail))


def _follows(detail: ErrorDetails, details: Iterable[ErrorDetails]) -> bool:
    """Whether a list counts as too short because what stands in it is wrong, which is told by itself."""
    at = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(at) and other["loc"][: len(at)] == at for other in details
    )


def _plain(detail: ErrorDetails) -> str:
    """What is wrong, without words that only a Python programmer knows."""
    kind = detail["type"]
    if kind in PLAIN:
        return PLAIN[kind]
    if kind == "string_pattern_mismatch":
        return f"is not of the form {detail['ctx']['pattern']}"
    return detail["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("Tuple ")


def key_of(loc: tuple[int | str, ...]) -> str:
    """``("camera", 3, "zone", 0, "name")`` as ``camera[3].zone[0].name``; empty for the whole."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, names: Iterable[str], lang: str = "en") -> str:
    """``; did you mean 'x'?`` for the most similar of ``names``, or nothing where none is similar; also in ``zh``."""
    found = get_close_matches(name[:SHOWN_MAX].lower(), list(islice(names, NAMES_MAX)), n=1)
    if not found:
        return ""
    return f";是否指 '{found[0]}'?" if lang == "zh" else f"; did you mean '{found[0]}'?"


def shown(value: object) -> str:
    """Return a value as one short line; strings keep no quotes, the password in a URL becomes ``***``."""
    if isinstance(value, tuple | list) and len(value) > 2:  # longer than a point
        value = f"{len(value)} entries"
    text = value if isinstance(value, str) else "" if value is None or isinstance(value, Mapping) else _repr(value)
    if "://" in text:
        text = masked(text)
    elif "@" in text:  # an address without its scheme
        text = f"***{text[text.rindex('@') :]}"
    path = text.startswith("/") and len(text) > SHOWN_MAX  # whose last part is the one that tells
    kept = text[-SHOWN_MAX:] if path else text[: SHOWN_MAX + 1]
    kept = "".join(mark if mark.isprintable() else f"\\x{ord(mark):02x}" for mark in kept)
    if path:
        return "…" + kept[-SHOWN_MAX:]
    return kept if len(kept) <= SHOWN_MAX else kept[:SHOWN_MAX] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an int of more than 4 300 digits, a list within a list within …
        return "…"


def masked(address: str) -> str:
    """Return an address, a URL or ``key=value`` words of libpq, without its passwords; rather too much than too little.

    A password with ``#``, ``/``, ``@`` or ``?`` in it makes a URL that no parser reads as it was meant: all up to the
    last ``@`` is hidden.
    """
    if not URL.match(address):
        address = WORD.sub(r"\1***", address)
    return QUERY.sub(r"\1***", USER.sub(r"\1***\2", address))


def _siblings(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Names that are known where the last part of ``loc`` stands."""
    here: type[BaseModel] | None = model
    for part in loc[:-1]:
        if isinstance(part, str) and here is not None:
            field = next((f for n, f in here.model_fields.items() if part in {n, f.alias}), None)
            here = _model_in(field.annotation) if field else None
    return [field.alias or name for name, field in here.model_fields.items()] if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - an annotation can be anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
