"""The house rules that a reader of imports can check."""

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "config", "ingest", "detectors", "alerts", "curbwatch")
SOURCES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# What a room may import of the house, and of foreign libraries where that is a closed list.
MAY_IMPORT = {
    "schemas": set[str](),
    "config": {"schemas"},
    "ingest": {"schemas", "config"},
    "detectors": {"schemas", "config"},
    "alerts": {"schemas", "config"},
    "curbwatch": {"schemas", "config", "ingest", "detectors", "alerts"},
}
FOREIGN = {
    "schemas": {"numpy", "msgspec"},
    "config": {"numpy", "msgspec", "pydantic", "pydantic_core", "shapely"},
}
# A foreign client is imported in these places only: docs/architecture.md has the same table.
IMPORTERS = {
    # Played devices need its objects for MQTT 5 properties, which aiomqtt hands through.
    "paho": ("ingest/mqtt.py", "curbwatch/bench/*", "curbwatch/device/link.py"),
    "redis": ("alerts/dispatch.py",),
    "psycopg": ("ingest/store.py", "alerts/store.py", "curbwatch/database.py"),
    "psycopg_pool": ("ingest/store.py", "alerts/store.py", "curbwatch/database.py"),
    "aiomqtt": ("curbwatch/device/link.py",),
    "cv2": (
        "ingest/decode.py",
        "detectors/onnx/*",
        "detectors/vision/*",
        "curbwatch/bench/*",
        "curbwatch/simulate/*",
        "curbwatch/tuning/*",
    ),
    "pydantic": ("config/*",),
    "prometheus_client": ("curbwatch/telemetry.py",),
    "starlette": ("curbwatch/api/*",),
    "uvicorn": ("curbwatch/api/*",),
}
# cv2 computes in several rooms; pictures are decoded in one file, and where test pictures are made.
DECODERS = {"imdecode", "imread", "imdecodemulti", "imdecodeWithMetadata", "imreadmulti"}
MAY_DECODE = ("ingest/decode.py", "curbwatch/bench/*", "curbwatch/simulate/*", "curbwatch/tuning/*")
# Loaded by the interpreter before any script starts, so the folder hides nothing from anybody.
HARMLESS = {"codecs"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def imports_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import, wherever it stands; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def within(path: Path, places: tuple[str, ...]) -> bool:
    return any(fnmatch(path.as_posix(), place) for place in places)


def broken_rules(path: Path, tree: ast.Module) -> list[str]:
    """Every import of one source file that the house does not allow."""
    room, found = path.parts[0], []
    for line, name in imports_of(tree):
        top = name.partition(".")[0]
        where = f"{path}:{line}: {name}: "
        if name.startswith("."):
            found.append(where + "imports are absolute")
        elif top in ROOMS and top not in MAY_IMPORT[room] | {room}:
            found.append(where + f"{room} does not know {top}")
        elif top in {"tests", "benchmarks"}:
            found.append(where + "the house does not import its tests")
        elif room in FOREIGN and top not in {*sys.stdlib_module_names, *ROOMS, *FOREIGN[room]}:
            found.append(where + f"{room} does without it")
        elif top in IMPORTERS and not within(path, IMPORTERS[top]):
            found.append(where + f"only {', '.join(IMPORTERS[top])} may")
    return found


def test_there_is_something_to_read() -> None:
    assert {path.parts[0] for path in SOURCES} == set(ROOMS)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    assert broken_rules(path, tree_of(path)) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("ingest/x.py", "from alerts.store import write"),
        ("ingest/x.py", "import curbwatch.registry"),
        ("alerts/x.py", "def f():\n    import detectors"),
        ("schemas/x.py", "import pydantic"),
        ("schemas/x.py", "from config.model import Config"),
        ("config/x.py", "import structlog"),
        ("ingest/codecs/x.py", "from paho.mqtt import client"),
        ("curbwatch/api/x.py", "from redis import Redis"),
        ("curbwatch/registry.py", "import psycopg"),
        ("ingest/mqtt.py", "import aiomqtt"),
        ("alerts/x.py", "import cv2"),
        ("alerts/x.py", "from .store import write"),
        ("curbwatch/x.py", "from tests.fix_servers import servers"),
    ],
)
def test_a_broken_rule_is_found(path: str, line: str) -> None:
    assert len(broken_rules(Path(path), ast.parse(line))) == 1


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_pictures_are_decoded_in_one_place(path: Path) -> None:
    if not within(path, MAY_DECODE):
        used = [
            node.lineno for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute) and node.attr in DECODERS
        ]
        assert used == []


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=str)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= LINES_MAX
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{path}:{node.lineno}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_file_is_named_like_a_standard_module(path: Path) -> None:
    names = {*path.parts[:-1], path.stem} - {"__main__"} - HARMLESS
    assert not names & sys.stdlib_module_names


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_importing_does_nothing(path: Path) -> None:
    """No call stands alone at module level; only the files of the command line register their verbs there."""
    values = [node.value for node in tree_of(path).body if isinstance(node, ast.Expr)]
    calls = {ast.unparse(value.func) for value in values if isinstance(value, ast.Call)}
    assert calls <= ({"app.add_typer"} if path.match("curbwatch/cli/*.py") else set())


def test_no_file_promises_to_be_finished_later() -> None:
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")) + r")\b")
    assert [str(path) for path in SOURCES + TESTS if words.search((ROOT / path).read_text(encoding="utf-8"))] == []


def test_rooms_export_nothing_from_their_door() -> None:
    assert [name for _, name in imports_of(tree_of(Path("config/__init__.py")))] == []
    assert [name for _, name in imports_of(tree_of(Path("schemas/__init__.py")))] == []
