"""defaults.toml and docs/configuration.md say what the models say."""

import re
import tomllib
from pathlib import Path

import pytest

from config.load import load_config
from config.model import Config

DEFAULTS = Path("config/defaults.toml")
KEYS = [(section, key) for section, knobs in Config() for key in type(knobs).model_fields]


@pytest.fixture(autouse=True)
def _in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def test_the_defaults_file_has_every_key_with_its_default() -> None:
    written = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    assert written == Config().model_dump(mode="json")
    assert load_config(DEFAULTS, {}) == Config()


def test_sections_and_keys_stand_in_the_models_order() -> None:
    written = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    assert [(section, key) for section, table in written.items() for key in table] == KEYS


def test_every_key_has_a_comment() -> None:
    lines = DEFAULTS.read_text(encoding="utf-8").splitlines()
    keys = {match[1] for line in lines if (match := re.match(r"(\w+) = [^#]*# \w", line))}
    assert {key for _, key in KEYS} - keys == set()


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_documented(section: str, key: str) -> None:
    page = Path("docs/configuration.md").read_text(encoding="utf-8")
    part = page.split(f"## `[{section}]`", 1)[1].split("\n## ", 1)[0]
    assert f"| `{key}` |" in part


def test_the_documented_defaults_are_the_defaults() -> None:
    page = Path("docs/configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", page, re.MULTILINE)
    documented = [(key, tomllib.loads(f"v = {value}")["v"]) for key, value in rows]
    written = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    assert documented == [(key, value) for table in written.values() for key, value in table.items()]
