import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from config.model import Config
from curbwatch.cli.app import app
from curbwatch.cli.compare import compare_
from curbwatch.cli.sweep import sweep
from curbwatch.tuning.compare import WHATS, Pair, bench_of, compare, differences, knobs_changed, to_dict, unpaired
from curbwatch.tuning.compare_report import document, plain_headline
from curbwatch.tuning.recording import Event, read_recording
from curbwatch.tuning.replay import Alert, Played
from curbwatch.tuning.score import Match, Result
from schemas.errors import ConfigError, CurbwatchError, UsageError
from schemas.incident import Box
from tests.detectors.street import Street
from tests.tuning.clips import EVENT, THING, filmed, recorded

BOX: Box = (10.0, 10.0, 20.0, 20.0)
STALL = Event("stall", "cart", 5, 90, (10, 10, 20, 20))
WASTE = Event("waste", "bags", 5, 90, (200, 10, 20, 20))


def alert(family: str = "waste", box: Box = BOX, at_s: float = 100.0) -> Alert:
    return Alert(family, box, round(at_s * 1e9), round((at_s - 60) * 1e9), 0.75)


def result(found: dict[Event, Alert | None], false_alarms: tuple[Alert, ...] = ()) -> Result:
    played = Played({}, seconds=3600, frames=10, analysed=10, decimated=0, undecodable=0, gap_s=1)
    matches = tuple(Match(event, own, 0, 0.0, 10.0) for event, own in found.items())
    return Result("clip", "/clip", "recorded", 1.0, matches, false_alarms, 0, played)


def whats(first: Result, second: Result, reach_s: float = 90.0) -> list[str]:
    return [one.what for one in differences(first, second, reach_s=reach_s)]


def test_equal_results_differ_in_nothing() -> None:
    assert whats(result({}), result({})) == []
    same = result({STALL: alert("stall"), WASTE: None}, (alert(),))
    assert whats(same, same) == []


def test_events_are_gained_lost_and_renamed() -> None:
    neither, both = result({STALL: None}), result({STALL: alert("stall")})
    assert whats(neither, both) == ["gained"]
    assert whats(both, neither) == ["lost"]
    assert whats(both, result({STALL: alert("waste")})) == ["renamed"]


def test_an_event_that_one_of_them_does_not_count_is_no_difference() -> None:
    assert whats(result({}), result({STALL: alert("stall")})) == []
    assert whats(result({STALL: alert("stall")}), result({})) == []


def test_a_false_alarm_is_the_same_where_family_place_and_time_are() -> None:
    first = result({}, (alert(),))
    assert whats(first, result({}, (alert(at_s=150),))) == []
    assert whats(first, result({}, (alert(at_s=200),))) == ["false_new", "false_gone"]
    assert whats(first, result({}, (alert("stall"),))) == ["false_new", "false_gone"]
    assert whats(first, result({}, (alert(box=(300.0, 10.0, 20.0, 20.0)),))) == ["false_new", "false_gone"]


@settings(deadline=None)
@given(
    first=st.lists(st.integers(0, 400), max_size=6),
    second=st.lists(st.integers(0, 400), max_size=6),
    reach=st.integers(0, 200),
)
def test_each_false_alarm_has_one_partner_at_most(first: list[int], second: list[int], reach: int) -> None:
    mine, theirs = [alert(at_s=at) for at in first], [alert(at_s=at) for at in second]
    gone, new = unpaired(mine, theirs, reach_s=reach)
    assert len(mine) - len(gone) == len(theirs) - len(new)
    assert not any(abs(a.opened_ns - b.opened_ns) <= reach * 1e9 for a in gone for b in new)
    assert unpaired(theirs, mine, reach_s=reach) == (new, gone)


def test_knobs_that_differ_are_named_with_both_values() -> None:
    config = Config()
    other = config.model_copy(update={"vision": config.vision.model_copy(update={"differs_grey": 30})})
    assert knobs_changed(config, config) == []
    assert knobs_changed(config, other) == [("vision.differs_grey", 20, 30)]


def pair_of(folder: Path) -> tuple[Pair, tuple[Config, Config], list[int]]:
    """A thing that the second configuration is too coarse to see, and of which the first opens an alert."""
    recording = recorded(folder, Street((THING,)), 45)
    one = Config()
    first = one.model_copy(
        update={
            "vision": one.vision.model_copy(update={"dwell_s": 30.0}),
            "alerts": one.alerts.model_copy(update={"stall_confidence": 0.0, "waste_confidence": 0.0}),
        }
    )
    second = first.model_copy(update={"vision": first.vision.model_copy(update={"differs_grey": 127})})
    second = second.model_copy(update={"vision": second.vision.model_copy(update={"differs_chroma": 127})})
    ticks: list[int] = []
    pair = compare(recording, (bench_of(first, None), bench_of(second, None)), ticks.append)
    return pair, (first, second), ticks


def test_a_difference_comes_with_the_picture_before_and_the_opening_one(tmp_path: Path) -> None:
    pair, configs, ticks = pair_of(tmp_path / "clip")
    assert sum(ticks) == 90
    (one,) = pair.differences
    assert one.what == "false_gone"
    times = {jpeg: ns for ns, jpeg in read_recording(tmp_path / "clip").frames()}
    before, opening = one.pictures
    assert before is not None
    assert opening is not None
    assert times[opening] == one.alert.opened_ns
    assert 0 < one.alert.appeared_ns - times[before] <= 4e9
    found = to_dict([pair], configs, ("a.toml", "b<.toml"))
    assert found["delta"]["false_alarms"] == -1
    assert {what: len(entries) for what, entries in found["differences"].items()} == {
        what: int(what == "false_gone") for what in WHATS
    }
    assert found["recordings"][0]["delta"]["false_alarms"] == -1
    page = document(found, [pair], "en", "--dwell 30")
    command = rf"curbwatch explain {tmp_path / 'clip'}@{one.frame} --box [\d,]+ --config a\.toml --dwell 30</code>"
    assert re.search(command, page)
    assert page.count("data:image/jpeg;base64,") == 2
    assert "b&lt;.toml" in page
    assert "False alarms gone: 1" in page
    assert "消失的误报: 1" in document(found, [pair], "zh")


@pytest.mark.parametrize(("family", "marked"), [("waste", True), ("stall", False)])
def test_an_event_gained_as_the_other_kind_is_marked_so(family: str, marked: bool) -> None:
    first, second = result({STALL: None}), result({STALL: alert(family)})
    pair = Pair(first, second, differences(first, second, reach_s=90))
    found = to_dict([pair], (Config(), Config()), ("a", "b"))
    assert plain_headline(found, "en") == "Events gained: 1" + " (1 as another class)" * marked
    page = document(found, [pair], "en")
    assert ('<span class="warn">, as waste</span>' in page) == marked
    assert ("当作垃圾" in document(found, [pair], "zh")) == marked


def test_without_a_difference_the_page_says_so() -> None:
    same = result({})
    found = to_dict([Pair(same, same, ())], (Config(), Config()), ("a", "b"))
    assert plain_headline(found, "en") == "Both configurations say the same of these recordings."
    page = document(found, [], "en")
    assert "Both files set the same values." in page
    assert "<img" not in page


def test_the_verb_writes_page_and_numbers_and_ends_well(tmp_path: Path) -> None:
    assert compare_.__doc__
    recorded(tmp_path / "clip", Street((THING,)), 30, events=[EVENT])
    (tmp_path / "b.toml").write_text("[vision]\ndiffers_grey = 30\n")
    page, out = tmp_path / "a.html", tmp_path / "a.json"
    words = ["compare", "defaults", str(tmp_path / "b.toml"), str(tmp_path), "--dwell", "20", "--lang", "en"]
    done = CliRunner().invoke(app, [*words, "--report", str(page), "--json", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["knobs"] == [{"key": "vision.differs_grey", "a": 20, "b": 30}]
    assert (found["a"]["file"], found["a"]["result"]["events"]) == ("defaults", 1)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "vision.differs_grey: 20 → 30" in done.output


@pytest.mark.parametrize("verb", [["compare", "defaults", "defaults"], ["sweep", "--set", "vision.dwell_s=20"]])
def test_a_recording_that_cannot_be_played_is_named_and_the_others_are_played(tmp_path: Path, verb: list[str]) -> None:
    assert sweep.__doc__
    filmed(tmp_path / "film", Street(), 1)
    (tmp_path / "film" / "clip.avi").write_bytes(b"no film")
    recorded(tmp_path / "clip", Street(), 4)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "recording.json").write_text("{")
    out = tmp_path / "out.json"
    done = CliRunner().invoke(app, [*verb, str(tmp_path), "--lang", "en", "--json", str(out)])
    assert isinstance(done.exception, CurbwatchError)
    assert str(done.exception).startswith("2 of the recordings could not be evaluated")
    found = json.loads(out.read_text())
    assert [fault["error"].count("film/clip.avi: cannot be opened as a video") for fault in found["faults"]] == [0, 1]
    played = found["a"]["result"] if "a" in found else found["points"][0]["result"]
    assert [row["name"] for row in played["recordings"]] == ["clip"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["defaults", "none.toml", "."], "none.toml"),
        (["defaults", "b.toml", "."], "b.toml: vision.differs_grey = 300: should be less"),
        (["defaults", "defaults", "."], "no recording.json"),
        (["defaults", "defaults", "nowhere"], "no such folder"),
        (["defaults", "model.toml", "."], "none.onnx"),
        (["defaults", "defaults"], "no PATH and no --suite given"),
        (["defaults", "defaults", "--suite", "moon"], "--suite moon"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.toml").write_text("[vision]\ndiffers_grey = 300\n")
    Path("model.toml").write_text('[model]\nonnx_file = "none.onnx"\n')
    done = CliRunner().invoke(app, ["compare", *words])
    assert isinstance(done.exception, UsageError | ConfigError)
    assert said in str(done.exception)
