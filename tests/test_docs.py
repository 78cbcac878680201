"""The pages say what there is: every verb, every metric, every exit code."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

from curbwatch.__main__ import VERBS, files_of
from curbwatch.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
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


@pytest.mark.parametrize("word", sorted({verb.partition(" ")[0] for verb in verbs()}))
def test_a_verb_loads_the_files_that_register_it_and_its_group(word: str) -> None:
    command = typer.main.get_group(app).commands[word]
    registered = getattr(command, "commands", {"": command}).values()
    files = {inspect.unwrap(one.callback).__module__.rpartition(".")[2] for one in registered}
    assert files - set(files_of(word)) == set()


def test_a_word_that_is_no_verb_loads_them_all() -> None:
    assert files_of("") == files_of("--help") == files_of("danc") == files_of("dispatch_") == VERBS


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


def unknown_verbs(text: str) -> set[str]:
    """Verbs that a text names and the command line does not have; ``parts up|down`` names two."""
    known = set(verbs())
    groups = {verb.partition(" ")[0] for verb in known if " " in verb}
    named = set()
    for group, rest in re.findall(r"curbwatch ([a-z]+(?:-[a-z]+)*)((?: [a-z-]+(?:\\?\|[a-z-]+)*)?)", text):
        names = rest.strip().replace("\\", "").split("|") if group in groups and rest else [""]
        named |= {f"{group} {name}".strip() for name in names}
    return named - known - groups


def test_a_verb_that_does_not_exist_is_noticed() -> None:
    assert unknown_verbs("") == set()
    assert unknown_verbs("`curbwatch parts up\\|down`, `curbwatch parts`, curbwatch demo now") == set()
    assert unknown_verbs("`curbwatch dance`, `curbwatch parts up|side-ways`") == {"dance", "parts side-ways"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_verb_that_does_not_exist(page: Path) -> None:
    assert unknown_verbs(page.read_text(encoding="utf-8")) == set()


def test_every_page_is_linked_and_every_link_leads_somewhere() -> None:
    links = set(re.findall(r"\]\(((?:docs/|CHANGELOG|CONTRIBUTING|LICENSE)[^)#]*)", README))
    assert {link for link in links if not (ROOT / link).exists()} == set()
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages - links == set()
