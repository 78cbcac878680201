"""What a mapping of unknown JSON may say: every fault names its key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_config
from config.mapping import ROOT, known_filter, split_path
from ingest.topics import matches
from schemas.errors import ConfigError

GOOD = """
[[codecs.mapping]]
name = "acme"
topics = ["acme/+"]
device = "topic:1"
[codecs.mapping.fields]
lon = {path = "x"}
lat = {path = "y"}
"""


def faults(folder: Path, text: str) -> list[str]:
    (folder / "c.toml").write_text(text, encoding="utf-8")
    try:
        load_config(folder / "c.toml", {})
    except ConfigError as error:
        return [f"{fault.key}: {fault.message}" for fault in error.faults]
    return []


def test_no_mapping_and_a_good_one_are_right(tmp_path: Path) -> None:
    assert faults(tmp_path, "") == []
    assert faults(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("lon = ", "longi = ", "codecs.mapping[0].fields.longi.[key]: is no field of a position"),
        ("lon = ", "alarm_ = ", "codecs.mapping[0].fields.alarm_.[key]: is no field of a position"),
        ('lat = {path = "y"}', "", "codecs.mapping[0].fields: lon and lat are needed, or latlon, or lonlat"),
        ('path = "y"', 'path = "a..y"', "codecs.mapping[0].fields.lat.path: is no path"),
        ('path = "y"', 'path = "$"', "codecs.mapping[0].fields.lat.path: is no path"),
        ('{path = "y"}', '{path = "y", unit = "kmh"}', "the unit of lat is one of deg, rad, 1e-6, 1e-7"),
        ('{path = "y"}', '{path = "y"}\nspeed = {path = "v"}', "the unit of speed is one of kmh, mps, knots, mph"),
        ('{path = "y"}', '{path = "y"}\nsat = {path = "v", unit = "m"}', "codecs.mapping[0].fields: sat has no unit"),
        ('"topic:1"', '"topic:0"', "codecs.mapping[0]: level 0 of 'acme/+', counted from 0, is no +"),
        ('"topic:1"', '"topic:7"', "codecs.mapping[0]: level 7 of 'acme/+', counted from 0, is no +"),
        ('"topic:1"', '"path:a..b"', "codecs.mapping[0].device: is no path"),
        ('"topic:1"', '"imei"', "codecs.mapping[0].device: is not of the form"),
        ('"acme/+"', '"acme/#/x"', "codecs.mapping[0].topics[0]: is no topic filter"),
        ('"acme/+"', "", "codecs.mapping[0]: topics are needed"),
        ('"acme"', '"Acme"', "codecs.mapping[0].name: is not of the form"),
        ('"acme"', '"native"', "codecs.mapping: none may be named all or native"),
        ("[[", "[codecs.topics]\ntraccar = ['$SYS/x']\n[[", "codecs.topics.traccar[0]: is no topic filter"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    found = faults(tmp_path, GOOD.replace(old, new, 1))
    assert len(found) == 1
    assert told in found[0]


def test_faults_of_several_mappings_are_told_together(tmp_path: Path) -> None:
    bad = GOOD.replace("lon = ", "lng = ").replace('"y"', '".y"')
    assert len(faults(tmp_path, bad + GOOD.replace("acme", "other"))) == 2
    assert faults(tmp_path, GOOD + GOOD) == ["codecs.mapping: more than one is named acme"]


def test_a_level_below_a_rest_of_the_topic_is_one(tmp_path: Path) -> None:
    assert faults(tmp_path, GOOD.replace('"acme/+"', '"acme/#"').replace("topic:1", "topic:3")) == []


@given(st.lists(st.text(st.characters(exclude_characters="\\"), min_size=1), min_size=1))
def test_a_path_gives_back_its_keys(keys: list[str]) -> None:
    if keys != [ROOT]:
        assert split_path(".".join(key.replace(".", "\\.") for key in keys)) == tuple(keys)


@given(st.text(st.sampled_from("ab/+#$"), max_size=8))
def test_a_filter_that_is_taken_can_be_matched(pattern: str) -> None:
    try:
        known_filter(pattern)
    except ValueError:
        return
    topic = pattern.replace("+", "x").replace("#", "y/z")
    assert matches(pattern, topic)


def test_every_configuration_of_the_page_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "codecs.md").read_text(encoding="utf-8")
    shown = [part.split("```")[0] for part in page.split("```toml\n")[1:]]
    assert len(shown) >= 5
    assert [faults(tmp_path, text) for text in shown] == [[] for _ in shown]
