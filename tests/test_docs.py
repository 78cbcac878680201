"""The pages say what there is: every verb, every metric, every exit code."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

from curbwatch.__main__ import VERBS
from curbwatch.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
METER_CALLS = {"add", "set", "observe"}


def metrics_in_the_code() -> set[str]:
    """First arguments of add, set and observe that are plain names, in files that count."""
    names = set()
    for room in ("ingest", "alerts", "curbwatch"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in METER_CALLS
                    and ast.unparse(node.func.value).endswith(("meter", "telemetry"))
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                ):
                    names.add(str(node.args[0].value))
    return names


def verbs() -> list[str]:
    """Every verb of the command line, ``dispatch take`` and the like."""
    for name in VERBS:
        import_module(f"curbwatch.cli.{name}")
    group = typer.main.get_group(app)
    found = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            found.append(name)
        else:
            found += [f"{name} {verb}" for verb, sub in inner.items() if not sub.hidden]
    return found


def test_there_are_metrics_and_verbs_to_look_for() -> None:
    assert len(metrics_in_the_code()) > 30
    assert "dispatch take" in verbs()


def test_every_metric_is_explained() -> None:
    named = set(re.findall(r"`([a-z_]+)`", OPERATIONS))
    assert metrics_in_the_code() - named == set()


def test_no_metric_is_explained_that_does_not_exist() -> None:
    rows = [line.split("|")[1] for line in OPERATIONS.split("## Metrics")[1].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    named -= {"alerts.evidence_dir", "dead_letter"}
    assert named - metrics_in_the_code() == set()


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_in_the_readme(verb: str) -> None:
    group, _, name = verb.partition(" ")
    listed = re.findall(rf"`curbwatch {group}([^`]*)`", README)
    assert any(re.search(rf"\b{name}\b", line) for line in listed) if name else listed


def test_every_page_is_linked_and_every_link_leads_somewhere() -> None:
    links = set(re.findall(r"\]\(((?:docs/|CHANGELOG|CONTRIBUTING|LICENSE)[^)#]*)", README))
    assert {link for link in links if not (ROOT / link).exists()} == set()
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages - links == set()
