"""Bounded, tolerant reading of the text files of a configuration; every failure becomes a fault."""

import csv
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from config.faults import Faults

TOML_MAX_BYTES = 4_000_000  # about 8 000 cameras; tomllib reads roughly 1 MB/s
CSV_MAX_BYTES = 20_000_000
JSON_MAX_BYTES = 64_000_000


def read_bytes(path: Path, limit: int, faults: Faults, name: str) -> bytes | None:
    """Return the bytes of a regular file of at most ``limit`` bytes, or None after noting why not."""
    try:
        if not path.exists():
            faults.add(name, "", "", "there is no such file")
        elif not path.is_file():
            faults.add(name, "", "", "is not a file")
        elif (size := path.stat().st_size) > limit:
            faults.add(name, "", f"{size} bytes", f"is larger than the {limit} bytes accepted here")
        else:
            return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        faults.add(name, "", "", f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return None


def to_text(data: bytes, faults: Faults, name: str) -> str | None:
    """Decode UTF-8, with or without a byte-order mark; other encodings are named in the fault."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        faults.add(name, "", "", "is UTF-16: save it as UTF-8")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = " (it looks like GBK: in a spreadsheet choose 'CSV UTF-8')" if _is_gbk(data) else ""
        faults.add(f"{name}:{line}", "", "", f"is not UTF-8{hint}: save it as UTF-8")
        return None


def parse_toml(text: str, faults: Faults, name: str) -> dict[str, Any] | None:
    """Parse TOML; a syntax error is noted as ``file:line``. Empty text is an empty table. Arrays come as tuples."""
    try:
        return {key: _tuples(value) for key, value in tomllib.loads(text).items()}
    except RecursionError:
        faults.add(name, "", "", "is nested too deeply")
    except ValueError as error:  # TOMLDecodeError, and integers of more than 4 300 digits
        where = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        line = f":{where[1]}" if where and where[1] else ""
        message = str(error)[: where.start()] if where else str(error)
        column = f" at column {where[2]}" if where and where[2] else " at the end of the file" if where else ""
        faults.add(name + line, "", "", f"is not TOML: {message}{column}")
    return None


def parse_json(text: str, faults: Faults, name: str) -> Any:  # noqa: ANN401 - JSON can be anything
    """Parse JSON; None after noting a fault. NaN and Infinity come through as floats and are refused later."""
    try:
        return _tuples(json.loads(text))
    except RecursionError:
        faults.add(name, "", "", "is nested too deeply")
    except json.JSONDecodeError as error:
        faults.add(f"{name}:{error.lineno}", "", "", f"is not JSON: {error.msg} at column {error.colno}")
    except ValueError as error:
        faults.add(name, "", "", f"is not JSON: {error}")
    return None


def parse_csv(text: str, columns: tuple[str, ...], faults: Faults, name: str) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, {column: text}) per row; empty cells are left out, ``#`` lines and blank lines skipped.

    The first row names the columns, in any order, each one of ``columns``. Empty text has no rows.
    """
    lines = ["" if line.lstrip().startswith("#") else line for line in text.splitlines()]
    reader = csv.reader(lines, strict=True)
    header: list[str] = []
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                _check_header(header, columns, faults, f"{name}:{reader.line_num}")
            elif len(cells) != len(header):
                message = f"has {len(cells)} cells, the header {len(header)}"
                faults.add(f"{name}:{reader.line_num}", "", ",".join(cells), message)
            else:
                row = {key: cell.strip() for key, cell in zip(header, cells, strict=True) if cell.strip()}
                rows.append((reader.line_num, row))
    except csv.Error as error:
        faults.add(f"{name}:{reader.line_num}", "", "", f"is not CSV: {error}")
    return rows


def _check_header(header: list[str], columns: tuple[str, ...], faults: Faults, where: str) -> None:
    for column in sorted({column for column in header if header.count(column) > 1}):
        faults.add(where, column, "", "column is named twice")
    if not set(header) & set(columns):
        faults.add(where, "", ",".join(header), f"the first row must name the columns: {', '.join(columns)}")


def _is_gbk(data: bytes) -> bool:
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def _tuples(value: Any) -> Any:  # noqa: ANN401 - works on any parsed document
    """Arrays as tuples, all the way down, so that strict models take them."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value
