"""The quality list of the detectors claims what is so, and its page shows the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.model import Config
from curbwatch.detector_choice import make_detector
from curbwatch.tuning.quality import DONE, EXEMPT, LEVELS, OPEN, Entry, QualityList, Rule, load, parse, render
from detectors.base import Detector
from schemas.detections import Detections
from schemas.frame import FrameBatch
from tests.detectors.onnx_bytes import colour_model
from tests.detectors.quality_checks import CHECKS, ROOT, Subject

LIST = load()
CLAIMS = [(entry.name, name) for entry in LIST.entries for name, state in entry.state.items() if state == DONE]


def subject(entry: Entry, folder: Path) -> Subject:
    """The detector that an entry is about, out of a configuration."""
    settings: dict[str, object] = {"vision": {"dwell_s": 20.0}}
    if entry.name == "onnx":
        (folder / "m.onnx").write_bytes(colour_model())
        knobs = {"onnx_file": str(folder / "m.onnx"), "classes": {"red": "stall", "blue": "waste"}}
        settings["model"] = {**knobs, "every_s": 8.0, "look_s": 4.0}
    config = Config.model_validate(settings)
    return Subject(entry, lambda: make_detector(config, {}), config)


def entry_of(name: str) -> Entry:
    return next(entry for entry in LIST.entries if entry.name == name)


@pytest.mark.parametrize(("detector", "rule"), CLAIMS)
def test_what_is_claimed_is_so(detector: str, rule: str, tmp_path: Path) -> None:
    CHECKS[rule](subject(entry_of(detector), tmp_path))


def test_the_list_is_sound_and_every_rule_has_its_check() -> None:
    assert LIST.faults() == []
    assert {rule.id for rule in LIST.rules} == set(CHECKS)
    assert {rule.level for rule in LIST.rules} == set(LEVELS)
    assert [entry.name for entry in LIST.entries] == ["majority", "onnx"]


def test_each_entry_is_the_detector_that_its_name_makes(tmp_path: Path) -> None:
    for entry in LIST.entries:
        kind = type(subject(entry, tmp_path).make())
        assert entry.where.endswith(f":{kind.__name__}")


def test_the_page_shows_the_list() -> None:
    assert render(LIST) in (ROOT / "docs" / "quality-list.md").read_text(encoding="utf-8")


class Mute:
    """A detector that never sees anything, and does not say so twice in the same way."""

    steps = 0

    def step(self, frames: FrameBatch) -> Detections:
        self.steps += len(frames)
        return Detections.empty(self.steps)


@pytest.mark.parametrize("rule", CHECKS)
def test_a_false_claim_is_noticed(rule: str, tmp_path: Path) -> None:
    real = subject(entry_of("majority"), tmp_path)
    nowhere = dict.fromkeys(real.entry.pages, "docs/nowhere.md")
    entry = replace(real.entry, pages=nowhere, class_report="tests/none.py::test_x", where=f"{__name__}:Mute")
    made: Detector = Mute()  # type: ignore[assignment]  # the false claim
    with pytest.raises((AssertionError, AttributeError)):
        CHECKS[rule](Subject(entry, lambda: made, real.config))


RULES = tuple(Rule(f"{level}_{k}", level, "says", "check") for level in LEVELS for k in range(2))
PAGES = {"figures": "a", "cost": "a", "limits": "a", "tuning": "a"}


def listed(**state: str) -> tuple[QualityList, Entry]:
    entry = Entry("x", "m:X", PAGES, "", {rule.id: state.get(rule.id, DONE) for rule in RULES})
    return QualityList(RULES, (entry,)), entry


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ({}, "gold"),
        ({"gold_1": OPEN}, "silver"),
        ({"gold_1": f"{EXEMPT}: it is so"}, "gold"),
        ({"bronze_0": OPEN}, ""),
        ({"silver_0": OPEN}, "bronze"),
    ],
)
def test_a_level_is_reached_with_all_below_it(state: dict[str, str], level: str) -> None:
    found, entry = listed(**state)
    assert found.level(entry) == level


def test_an_empty_list_is_a_table_without_rows() -> None:
    assert render(parse("")).count("\n| ") == 2
    assert parse("").faults() == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"gold_0": "exempt"}, "gold_0 = 'exempt' is neither"),
        ({"gold_0": "done: nearly"}, "gold_0 = 'done: nearly' is neither"),
        ({"gold_0": "soon"}, "gold_0 = 'soon' is neither"),
    ],
)
def test_a_state_that_is_none_is_a_fault(state: dict[str, str], words: str) -> None:
    (fault,) = listed(**state)[0].faults()
    assert words in fault


def test_what_is_lacking_or_there_twice_is_a_fault() -> None:
    found, entry = listed()
    odd = replace(entry, state={"bronze_0": DONE, "other": DONE}, pages={})
    faults = QualityList((*RULES[:2], RULES[0], Rule("z", "tin", "", "")), (odd,)).faults()
    for words in (
        "z: tin is no level",
        "bronze_0 is there twice",
        "other is no rule",
        "of bronze_1",
        "no page of cost",
    ):
        assert any(words in fault for fault in faults)
    with pytest.raises(ValueError, match="quality list"):
        parse('[[rule]]\nid = "a"\n')
    assert found.faults() == []
