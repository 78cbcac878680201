"""Faults of ``[codecs]`` that need the forms: all told in one round, and no topic taken that is another's."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_config, read_config
from curbwatch.__main__ import main
from curbwatch.forms_check import covers, form_faults, refuse_forms
from ingest.topics import TopicScheme, matches
from schemas.errors import ConfigError

SCHEME = TopicScheme("city/v1", "yanjiang")
MAPPING = '[[codecs.mapping]]\nname = "acme"\ntopics = [{topics}]\ndevice = "{device}"\n'
PLACE = '[codecs.mapping.fields]\nlon = {path = "x"}\nlat = {path = "y"}\n'


def told(folder: Path, text: str) -> list[str]:
    (folder / "c.toml").write_text(text, encoding="utf-8")
    data, _ = read_config(folder / "c.toml", {})
    return [f"{fault.key} = {fault.value}: {fault.message}" for fault in form_faults(data["codecs"], SCHEME, "c.toml")]


def mapped(*topics: str) -> str:
    return MAPPING.format(topics=", ".join(f'"{topic}"' for topic in topics), device="path:id") + PLACE


def test_no_section_and_the_defaults_have_no_fault(tmp_path: Path) -> None:
    assert form_faults({}, SCHEME, "c.toml") == ()
    refuse_forms(load_config(None, {}).codecs, SCHEME)
    page = (Path(__file__).parents[2] / "docs" / "codecs.md").read_text(encoding="utf-8")
    shown = [part.split("```")[0] for part in page.split("```toml\n")[1:]]
    assert [told(tmp_path, text) for text in shown] == [[] for _ in shown]


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        (mapped("city/v1/yanjiang/vehicle/+/position"), "codecs.mapping[0].topics", "which are of our own form"),
        (mapped("a/b", "city/+/+/x"), "codecs.mapping[0].topics", "which are of our own form"),
        (mapped("city/#"), "codecs.mapping[0].topics", "which are of our own form"),
        ('[codecs]\ntopics = {traccar = ["city/v1/yanjiang"]}', "codecs.topics.traccar", "which are of our own form"),
        (
            '[codecs]\ntopics = {traccar = ["owntracks/+/+"]}',
            "codecs.topics.traccar",
            "owntracks reads all of owntracks/+/+, and traccar would get nothing",
        ),
        (mapped("jt808/x"), "codecs.mapping[0].topics", "jt808 reads all of jt808/x, and acme would get nothing"),
        (mapped("traccar/#"), "codecs.mapping[0].topics", "acme reads all of traccar/positions, and traccar would"),
    ],
)
def test_a_topic_that_is_anothers_is_refused(tmp_path: Path, text: str, key: str, why: str) -> None:
    (found,) = told(tmp_path, text)
    assert found.startswith(f"{key} = ")
    assert why in found
    with pytest.raises(ConfigError, match=why.split("/", maxsplit=1)[0]):
        refuse_forms(load_config(tmp_path / "c.toml", {}).codecs, SCHEME)


@pytest.mark.parametrize(
    "text",
    [
        mapped("city/v1/other/vehicle/+/position"),
        mapped("owntracks/+/+/gps", "gps/+"),
        mapped("esp32/+/image"),  # cameras' and vehicles' sessions are two
        '[codecs]\nenabled = ["traccar"]\ntopics = {traccar = ["owntracks/+/+"]}',
        '[codecs]\ntopics = {traccar = ["gps/#", "gps/traccar"]}',
    ],
)
def test_a_topic_that_is_nobody_elses_is_taken(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, text) == []


@pytest.mark.parametrize("topic", ["#", "+/#"])
def test_a_filter_of_everything_is_none(tmp_path: Path, topic: str) -> None:
    (tmp_path / "c.toml").write_text(mapped(topic), encoding="utf-8")
    with pytest.raises(ConfigError, match="is no topic filter"):
        load_config(tmp_path / "c.toml", {})


def test_faults_of_every_kind_are_told_in_one_round(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        '[codecs]\nenabled = ["tracar", "all"]\nchunk_wait_s = -1.0\n'
        'topics = {owntrack = ["a/b"], traccar = ["a/#/b"]}\n'
        '[codecs.jt808.lift]\nsource = "x"\nbit = 1\n'
        + MAPPING.format(topics='"acme/+", "city/v1/yanjiang/x"', device="topic:0")
        + '[codecs.mapping.fields]\nlon = {path = ""}\nspeed = {path = "v"}\n'
        + MAPPING.format(topics='"owntracks/#"', device="path:id")
        + 'typo = 1\n[codecs.mapping.fields]\nlon = {path = "x"}\nlat = {path = "y", unit = "kmh"}\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(sys, "argv", ["curbwatch", "check", "--config", str(config)])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr().err
    for part in (
        "codecs.enabled = tracar: there is no such codec",
        "codecs.chunk_wait_s = -1.0",
        "codecs.topics = owntrack: there is no such codec",
        "codecs.topics.traccar[0] = a/#/b: is no topic filter",
        "codecs.jt808.lift.source = x",
        "codecs.mapping[0]: level 0 of 'acme/+'",
        "codecs.mapping[0].topics = city/v1/yanjiang/x: reads topics of city/v1/yanjiang/#",
        "codecs.mapping[0].fields.lon.path",
        "codecs.mapping[0].fields: the unit of speed is one of kmh, mps, knots, mph; lon and lat are needed",
        "codecs.mapping[1].typo: unknown key",
        "codecs.mapping[1].fields: the unit of lat is one of",
        "codecs.mapping: more than one is named acme",
    ):
        assert part in printed


LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4)
FILTERS = st.tuples(LEVELS, st.booleans()).map(lambda made: "/".join([*made[0], *(["#"] if made[1] else [])]))


@given(FILTERS, FILTERS, st.lists(st.sampled_from("abc"), min_size=1, max_size=5))
def test_what_a_covered_filter_matches_the_other_does(wide: str, narrow: str, levels: list[str]) -> None:
    topic = "/".join(levels)
    if covers(wide, narrow) and matches(narrow, topic):
        assert matches(wide, topic)
    assert covers(wide, wide)
