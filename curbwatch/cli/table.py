"""Lists for a person: heads, columns that stand under one another, times of the city. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from unicodedata import east_asian_width

from alerts.messages import Lang
from curbwatch.cli.output import escaped
from curbwatch.cli.words import NONE, head

WIDTH_MAX = 40  # columns of a terminal that one cell pushes the others aside


def table(names: Sequence[str], rows: Iterable[Sequence[object]], lang: Lang) -> list[str]:
    """Lines of a list with its heads; no rows give one line that says so. What a terminal would obey is escaped."""
    cells = [[escaped(str(cell)) for cell in row] for row in rows]
    if not cells:
        return [NONE[lang == "en"]]
    cells.insert(0, [head(name, lang) for name in names])
    widths = [min(max(map(width, column)), WIDTH_MAX) for column in zip(*cells, strict=True)]
    return ["  ".join(_padded(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells]


def width(text: str) -> int:
    """Columns that a text takes on a terminal: a Chinese character takes two."""
    return sum(2 if east_asian_width(mark) in "WF" else 1 for mark in text)


def clock(when: datetime | None, zone: tzinfo) -> str:
    """A moment in the city's time, with its offset from UTC; None: ``-``."""
    return "-" if when is None else when.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def many(count: int, one: str) -> str:
    """``1 letter``, ``25 449 letters``."""
    return f"{grouped(count)} {one}{'' if count == 1 else 's'}"


def grouped(count: int) -> str:
    """A number a person can read: ``25 449``."""
    return f"{count:,}".replace(",", " ")


def _padded(text: str, size: int) -> str:
    return text + " " * (size - width(text))
