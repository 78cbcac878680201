"""The file of indicators: what it holds, that none is about money, and each fault by file, key and value."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from config.kpi import FOLDER, MONEY, load_formulas
from schemas.errors import ConfigError
from schemas.kpi import COUNTING, COUNTS

KPI = """
[[kpi]]
id = "handling_rate"
version = 1
name_zh = "处置率"
name_en = "Handling rate"
numerator = "handled"
denominator = "to_handle"
unit = "share"
higher_is_better = true
source = "here"
"""
SCORE = """
[[score]]
id = "unit"
version = 1
name_zh = "得分"
name_en = "Score"
source = "here"
[score.weights]
handling_rate = 100
"""
# A formula that is changed gets a new version: then, and only then, this list changes.
SHIPPED_FORMULAS = {
    ("handling_rate", 2, "handled", "to_handle"),
    ("handling_on_time_rate", 2, "handled_on_time", "to_handle"),
    ("overdue_rate", 2, "overdue_waiting", "to_handle"),
    ("extension_rate", 2, "extended", "to_handle"),
    ("rework_rate", 2, "reworked", "to_close"),
    ("closing_rate", 2, "closed", "to_close"),
    ("closing_on_time_rate", 2, "closed_on_time", "to_close"),
    ("filing_on_time_rate", 1, "filed_on_time", "filed"),
    ("filing_accuracy_rate", 1, "filed_right", "filed"),
    ("dispatch_on_time_rate", 2, "dispatched_on_time", "to_dispatch"),
    ("dispatch_accuracy_rate", 2, "dispatched_right", "to_dispatch"),
    ("valid_report_rate", 1, "reported_filed", "reported"),
    ("verification_on_time_rate", 1, "verified_on_time", "verified"),
    ("check_on_time_rate", 1, "checked_on_time", "checked"),
    ("self_handling_rate", 1, "self_handled", "handled"),
    ("mean_handling_time", 2, "handling_s", "handled_dispatched"),
    ("gone_overdue_rate", 1, "gone_overdue", "gone"),
    ("camera_uptime", 1, "up_s", "known_s"),
    ("camera_mean_gap", 1, "down_s", "gaps"),
    ("camera_precision", 2, "confirmed", "judged"),
}


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        load_formulas(path)
    return [f"{fault.file}: {fault.key} = {fault.value}: {fault.message}" for fault in found.value.faults]


def test_the_shipped_indicators_are_those_that_were_agreed_on() -> None:
    found = load_formulas().formulas
    assert {(one.kpi_id, one.version, one.numerator, one.denominator) for one in found} == SHIPPED_FORMULAS


def test_the_indicators_of_an_earlier_counting_are_what_they_were() -> None:
    found = load_formulas(counting=1)
    assert {(one.kpi_id, one.version) for one in found.formulas} == {
        (kpi_id, 1) for kpi_id, *_ in SHIPPED_FORMULAS if kpi_id != "gone_overdue_rate"
    }
    now = load_formulas()
    assert (found.scores[0].weights, found.scores[0].version) == (now.scores[0].weights, 1)
    assert load_formulas(counting=COUNTING) == now


def test_no_shipped_indicator_and_no_count_is_about_money() -> None:
    found = asdict(load_formulas())
    for one in (*found["formulas"], *found["scores"]):
        assert not MONEY.search(" ".join(map(str, one.values())).replace("_", " "))
    for name, count in COUNTS.items():
        assert not MONEY.search(f"{name.replace('_', ' ')} {count.name_zh} {count.name_en}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name_zh", "罚款率"),
        ("name_zh", "收费率"),
        ("name_zh", "没收率"),
        ("name_en", "Fines per officer"),
        ("name_en", "Penalties"),
        ("source", "revenue of the district"),
        ("id", "fee_rate"),
    ],
)
def test_an_indicator_about_money_is_refused(tmp_path: Path, key: str, value: str) -> None:
    text = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', KPI, flags=re.MULTILINE)
    (found,) = faults(tmp_path, text)
    assert "speaks of money" in found
    assert value in found


def test_words_that_only_contain_such_a_word_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(KPI.replace('"Handling rate"', '"Well-defined, refined, by unit cell 单元网格"'), encoding="utf-8")
    assert len(load_formulas(path).formulas) == 1


def test_a_sites_own_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(KPI + SCORE, encoding="utf-8")
    found = load_formulas(path)
    assert (found.formulas[0].kpi_id, found.scores[0].weights) == ("handling_rate", {"handling_rate": 100.0})


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"handled"', '"handeld"', "own.toml: kpi[handling_rate].numerator = handeld: is not a count; did you mean"),
        ('"to_handle"', '"all"', "own.toml: kpi[handling_rate].denominator = all: is not a count"),
        ('"handled"', '"handling_s"', "own.toml: kpi[handling_rate].unit = share: is seconds over a number"),
        ('"share"', '"h"', "own.toml: kpi[handling_rate].unit = h: is no time over a number"),
        ('"share"', '"percent"', "own.toml: kpi[handling_rate].unit = percent: should be"),
        ("version = 1", "version = 0", "own.toml: kpi[handling_rate].version = 0: should be"),
        ("version = 1", "", "own.toml: kpi[handling_rate].version = : is missing"),
        ("higher_is_better = true", "better = true", "own.toml: kpi[handling_rate].better"),
        ("[[kpi]]", "[kpi]", "own.toml: kpi = : is one table"),
    ],
)
def test_a_faulty_indicator_is_refused_by_file_key_and_value(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert any(fault.startswith(told) for fault in faults(tmp_path, KPI.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "own.toml: kpi = : has no indicator"),
        (KPI + KPI, "own.toml: id = handling_rate: is there twice"),
        (KPI + SCORE + SCORE, "own.toml: id = unit: is there twice"),
        (KPI + SCORE.replace("100", "90"), "own.toml: score[unit].weights = 90: is not 100 points together"),
        (KPI + SCORE.replace("handling_rate", "handling"), "own.toml: score[unit].weights = handling: is not an indic"),
        (
            KPI.replace('"handled"', '"handling_s"').replace('"share"', '"h"') + SCORE,
            "own.toml: score[unit].weights = handling_rate: is no share",
        ),
        ("[[kpi]]\nid handling", "own.toml:2:  = : is not TOML"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert any(fault.startswith(told) for fault in faults(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_formulas(tmp_path / "none.toml")


def test_the_shipped_file_is_there() -> None:
    assert {path.name for path in FOLDER.glob("kpis*.toml")} == {"kpis.toml", "kpis-1.toml"}
