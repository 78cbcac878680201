"""Tables of a city pack's files: rows of CSV and TOML, each of which becomes a model or a fault."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from config.faults import Faults
from config.reading import parse_csv, parse_toml

ROWS_MAX = 100_000  # per file

R = TypeVar("R", bound=BaseModel)


@dataclass(slots=True)
class Table(Generic[R]):
    """One file's good rows with where each stands, and every id it declares, those of bad rows included."""

    file: str
    rows: list[tuple[str, R]] = field(default_factory=list)
    ids: list[tuple[str, str]] = field(default_factory=list)  # (where, id)
    _known: frozenset[str] = frozenset()
    _sorted: list[str] = field(default_factory=list)
    _counted: int = 0  # ids of which the two above know

    @property
    def known(self) -> frozenset[str]:
        """Every declared id: a reference to a bad row is not a second fault."""
        self._index()
        return self._known

    def begins(self, prefix: str) -> bool:
        """Whether a declared id begins so."""
        self._index()
        at = bisect_left(self._sorted, prefix)
        return at < len(self._sorted) and self._sorted[at].startswith(prefix)

    def _index(self) -> None:
        """Asked for each row of other tables: made once, when this one is complete."""
        if self._counted != len(self.ids):
            self._known = frozenset(identity for _, identity in self.ids)
            self._sorted = sorted(self._known)
            self._counted = len(self.ids)


def from_csv(
    text: str | None,
    model: type[R],
    file: str,
    id_column: str,
    faults: Faults,
    *,
    may_be_empty: bool = False,
    read: Callable[[str], str] = str,
) -> Table[R]:
    """Rows of a CSV file; none where there is no text. Empty cells take the model's default; ``read`` is for others."""
    table = Table[R](file)
    if text is None:
        return table
    columns = tuple(info.alias or name for name, info in model.model_fields.items())
    rows = parse_csv(text, columns, faults, file)
    if not rows and not may_be_empty:
        faults.add(file, "", "", "is empty: it needs a header and at least one row")
    if too_many(len(rows), file, faults):
        return table
    for line, written in rows:
        where = f"{file}:{line}"
        cells = {column: read(cell) for column, cell in written.items()}
        if id_column and id_column in cells:
            table.ids.append((where, cells[id_column]))
        row = faults.validate(model, cells, where, lax=True)
        if row is not None:
            table.rows.append((where, row))
    return table


def from_toml(text: str | None, model: type[R], file: str, array: str, faults: Faults) -> Table[R]:
    """Rows of an array of tables ``[[array]]``, the only thing in the file; an empty file has none."""
    return from_document(document_of(text, file, (array,), faults), model, file, array, faults)


def document_of(text: str | None, file: str, arrays: tuple[str, ...], faults: Faults) -> dict[str, Any]:
    """A TOML file that holds arrays of tables and nothing else; empty after noting why it cannot be read."""
    document = None if text is None else parse_toml(text, faults, file)
    known = ", ".join(f"[[{array}]]" for array in arrays)
    for key in (document or {}).keys() - set(arrays):
        faults.add(file, key, "", f"unknown key: this file holds {known} tables")
    return document or {}


def from_document(document: dict[str, Any], model: type[R], file: str, array: str, faults: Faults) -> Table[R]:
    """Rows of one array of tables of a file; none where it is not there."""
    table = Table[R](file)
    items = document.get(array, ())
    if not isinstance(items, tuple):
        faults.add(file, array, "", f"is one table: write [[{array}]], with two brackets")
    elif not too_many(len(items), file, faults):
        for number, item in enumerate(items, start=1):
            identity = item.get("id") if isinstance(item, dict) else None
            where = f"{array}[{identity if isinstance(identity, str) else number}]"
            if isinstance(identity, str):
                table.ids.append((where, identity))
            row = faults.validate(model, item, file, where + ".")
            if row is not None:
                table.rows.append((where, row))
    return table


def too_many(count: int, file: str, faults: Faults) -> bool:
    """Whether a file has more rows than are accepted, which is noted."""
    if count > ROWS_MAX:
        faults.add(file, "", f"{count} rows", f"more than the {ROWS_MAX} accepted")
    return count > ROWS_MAX


def repeated(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield (where, id) for every id after its first."""
    seen: set[str] = set()
    for where, identity in pairs:
        if identity in seen:
            yield where, identity
        seen.add(identity)
