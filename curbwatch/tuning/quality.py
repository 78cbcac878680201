"""The quality list of detectors: what is claimed of each, which level that makes, and the table that shows it.

``python -m curbwatch.tuning.quality`` prints the table of docs/quality-list.md.
"""

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

LEVELS = ("bronze", "silver", "gold")  # each includes those before it
DONE, OPEN, EXEMPT = "done", "todo", "exempt"
PAGES = ("figures", "cost", "limits", "tuning")


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a good detector keeps: what it says, at which level, and how that is checked."""

    id: str
    level: str
    says: str
    check: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is claimed of one detector.

    Attributes:
        name: as in [vision] detector; ``onnx`` for the operator's model.
        where: module:class.
        pages: of figures, cost, limits and tuning, from the repository's top.
        class_report: test that reports each class, file::function; empty where there is none.
        state: by rule, ``done``, ``todo`` or ``exempt: `` and a reason.
    """

    name: str
    where: str
    pages: dict[str, str]
    class_report: str
    state: dict[str, str]

    def kept(self, rule: Rule) -> bool:
        """Whether a rule is kept, or means nothing here."""
        return self.state.get(rule.id, OPEN).partition(":")[0] in {DONE, EXEMPT}


@dataclass(frozen=True, slots=True)
class QualityList:
    """Every rule and every detector, in the order of the file."""

    rules: tuple[Rule, ...]
    entries: tuple[Entry, ...]

    def level(self, entry: Entry) -> str:
        """Return the highest level of which, and of those below which, all rules are kept; empty for none."""
        reached = ""
        for level in LEVELS:
            if not all(entry.kept(rule) for rule in self.rules if rule.level == level):
                break
            reached = level
        return reached

    def faults(self) -> list[str]:
        """Say what is wrong with the list itself: levels, names and states that are none, and reasons that lack."""
        ids = [rule.id for rule in self.rules]
        found = [f"rule {rule.id}: {rule.level} is no level" for rule in self.rules if rule.level not in LEVELS]
        found += [f"rule {name} is there twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
        for entry in self.entries:
            found += [f"{entry.name}: {name} is no rule" for name in entry.state if name not in ids]
            found += [f"{entry.name}: nothing is said of {name}" for name in ids if name not in entry.state]
            found += [f"{entry.name}: no page of {page}" for page in PAGES if not entry.pages.get(page)]
            for name, state in entry.state.items():
                kind, _, reason = state.partition(":")
                if kind not in {DONE, OPEN, EXEMPT} or (kind == EXEMPT) != bool(reason.strip()):
                    found.append(f"{entry.name}: {name} = {state!r} is neither done nor todo nor exempt with a reason")
        return found


def load() -> QualityList:
    """Read the list that ships with the detectors. Raises ValueError where a rule or detector lacks a key."""
    return parse(resources.files("detectors").joinpath("quality.toml").read_text(encoding="utf-8"))


def parse(text: str) -> QualityList:
    """Return the list that a TOML text holds. Raises ValueError where it is no TOML or a key is lacking or strange."""
    data: dict[str, Any] = tomllib.loads(text)
    try:
        rules = tuple(Rule(**rule) for rule in data.get("rule", ()))
        entries = tuple(Entry(**entry) for entry in data.get("detector", ()))
    except TypeError as error:
        raise ValueError(f"quality list: {error}") from None
    return QualityList(rules, entries)


def render(listed: QualityList) -> str:
    """Return the list as Markdown: a table of rules by detector, the levels, and the reasons of what is exempt."""
    names = [entry.name for entry in listed.entries]
    lines = [_row(["level", "rule", "says", "checked by", *names]), _row(["---"] * (4 + len(names)))]
    for rule in listed.rules:
        marks = [entry.state.get(rule.id, OPEN).partition(":")[0] for entry in listed.entries]
        lines.append(_row([rule.level, f"`{rule.id}`", rule.says, rule.check, *marks]))
    levels = [f"**{listed.level(entry) or 'none'}**" for entry in listed.entries]
    lines.append(_row(["", "", "", "level reached", *levels]))
    reasons = [
        f"* {entry.name}, `{name}`: {state.partition(':')[2].strip()}."
        for entry in listed.entries
        for name, state in entry.state.items()
        if state.startswith(EXEMPT)
    ]
    return "\n".join([*lines, "", *(["Exempt:", "", *reasons] if reasons else [])]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(render(load()))
