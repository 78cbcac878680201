"""Writes a pack's rows as its own files have them: TOML and CSV that read back to the same rows."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel

Values = Mapping[str, Any]


def columns_of(model: type[BaseModel]) -> tuple[str, ...]:
    """A row's keys as its file has them."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def values_of(row: BaseModel) -> dict[str, Any]:
    """What a row says, by the keys of its file; defaults are left out."""
    return row.model_dump(by_alias=True, exclude_defaults=True)


def toml_text(array: str, rows: Iterable[BaseModel]) -> str:
    """Return ``[[array]]`` tables, one for each row; no rows give an empty text."""
    return "\n".join("\n".join(_table(f"[[{array}]]", array, values_of(row))) + "\n" for row in rows)


def csv_text(model: type[BaseModel], rows: Iterable[BaseModel], *, guarded: bool = False) -> str:
    """Return a header and one line for each row. ``guarded``: a spreadsheet takes no cell of it for a formula."""
    columns = columns_of(model)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = values_of(row)
        cells = [_cell(values.get(column)) for column in columns]
        writer.writerow([guard(cell) for cell in cells] if guarded else cells)
    return written.getvalue()


# A spreadsheet runs what begins so (CSV injection, OWASP); an apostrophe before it makes it a text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARKED = (*FORMULA, "'")


def guard(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; ``unguard`` gives it back."""
    return "'" + cell if cell.startswith(MARKED) else cell


def unguard(cell: str) -> str:
    """The cell that ``guard`` was given; other apostrophes stay."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(MARKED) else cell


def _table(head: str, path: str, values: Values) -> list[str]:
    """One table: its own keys first, then the tables within it."""
    lines, inner = [head], []
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner += _table(f"[{path}.{key}]", f"{path}.{key}", value)
        elif isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
            for item in value:
                inner += _table(f"[[{path}.{key}]]", f"{path}.{key}", item)
        else:
            lines.append(f"{key} = {_toml(value)}")
    return lines + inner


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace(
            "\x7f", "\\u007f"
        )  # the one that JSON leaves and TOML does not
    if isinstance(value, Iterable):
        return f"[{', '.join(_toml(item) for item in value)}]"
    raise TypeError(f"{value!r} has no form in TOML")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple):
        return "|".join(str(item) for item in value)
    return str(value)
