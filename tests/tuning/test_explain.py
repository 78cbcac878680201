"""Why something was reported, or nothing, in words, numbers and pictures, by the road's own code."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from config.model import Config
from config.pack import load_pack
from config.vision import VisionKnobs
from curbwatch.cli import explain as verb
from curbwatch.cli.app import app
from curbwatch.tuning.charts import Chart, Line, chart_pixels, chart_svg
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.explain import Asked, Explained, explain, numbered, one_recording, parse, parse_box
from curbwatch.tuning.explain_page import explained_page
from curbwatch.tuning.explain_text import sentences, weigh
from curbwatch.tuning.explain_words import FEATURE_WORDS, SCENE_WORDS, SENTENCES
from curbwatch.tuning.recording import Recording
from curbwatch.tuning.replay import Alert, Road, play
from curbwatch.tuning.strip import panels, strip
from curbwatch.tuning.synthetic import SETS, VERSION
from detectors.vision import classify
from detectors.vision.inspection import feature_groups
from schemas.detections import Phase, SceneState
from schemas.errors import UsageError
from schemas.frame import Frame, FrameBatch
from schemas.place import CameraView
from schemas.units import ns_of
from tests.detectors.street import Street, Thing
from tests.tuning.clips import APART_S, THING, recorded

BOX = (240.0, 160.0, 96.0, 80.0)
EMPTY = (20.0, 20.0, 60.0, 40.0)


@pytest.fixture(scope="module")
def bench() -> Bench:
    config = Config(vision=VisionKnobs(dwell_s=40.0))
    return Bench(config, load_pack(Path("yanjiang")).city)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A thing comes at 80 s and stays."""
    return recorded(tmp_path_factory.mktemp("clips") / "seq-thing", Street((THING,)), 45)


def at(recording: Recording, frame: int) -> int:
    return next(ns for k, (ns, _) in enumerate(recording.frames()) if k == frame)


def said(told: Explained, lang: str = "en") -> str:
    return "\n".join(sentences(told, classify.load(), "zh" if lang == "zh" else "en"))


def test_a_recording_without_frames_says_that_nothing_is_seen(bench: Bench, tmp_path: Path) -> None:
    told = explain(recorded(tmp_path / "seq-none", Street(), 0), bench, BOX, 0)
    assert said(told) == "Nothing is seen here."
    assert panels(told) == []
    assert "Nothing is seen" in explained_page(told, classify.load(), "en")
    with pytest.raises(UsageError, match="--strip"):
        strip(told)


def test_a_standing_thing_is_told_with_its_dwell_its_classes_and_what_would_come_of_it(
    bench: Bench, clip: Recording
) -> None:
    told = explain(clip, bench, BOX, at(clip, 40))
    assert told.sample is not None
    assert told.sample.phase is Phase.STANDING
    assert sum(told.sample.posterior) == pytest.approx(1, abs=1e-4)
    text = said(told)
    assert f"It stood {told.sample.dwell_s:.0f} s" in text
    assert told.sample.dwell_s == pytest.approx(80, abs=8)
    assert "40 s are asked" in text
    assert "Nearest other class" in text
    assert told.sample.decision != ""


def test_what_is_sampled_is_what_the_road_sees(bench: Bench, clip: Recording) -> None:
    told = explain(clip, bench, BOX, at(clip, 44))
    road = Road(bench.config, bench.city, CameraView(clip.name, clip.zones))
    play(clip.frames(), clip.name, {"": road}, bench.config)
    assert told.samples[-1].posterior == pytest.approx(tuple(road.found.posterior[0]))
    assert told.samples[-1].dwell_s == pytest.approx(float(road.found.dwell_s[0]))


def test_before_it_counts_the_place_is_told_step_by_step(bench: Bench, clip: Recording) -> None:
    assert "background is still being learned" in said(explain(clip, bench, BOX, at(clip, 0)))
    assert "Nothing new" in said(explain(clip, bench, EMPTY, at(clip, 40)))
    assert "not long enough yet" in said(explain(clip, bench, BOX, at(clip, 21)))
    maturing = explain(clip, bench, BOX, at(clip, 29))
    assert maturing.sample is not None
    assert maturing.sample.phase in {None, Phase.MATURING}


def test_a_thing_outside_the_zones_would_be_no_alert(bench: Bench, tmp_path: Path) -> None:
    zones = [{"name": "left", "polygon": [[0, 0], [270, 0], [270, 383], [0, 383]]}]
    clip = recorded(tmp_path / "seq-zone", Street((THING,)), 40, zones=zones)
    told = explain(clip, bench, BOX, at(clip, 38))
    assert told.sample is not None
    assert told.sample.decision != "alert"
    assert "would not be an alert" in said(told) or "Nothing is seen" in said(told)
    assert "zone" in {panel.key for panel in panels(told)}


def test_a_frame_that_is_no_street_is_named(bench: Bench, tmp_path: Path) -> None:
    clip = recorded(tmp_path / "seq-black", Street(), 30)
    black = cv2.imencode(".jpg", np.zeros((384, 640, 3), np.uint8))[1].tobytes()
    (clip.folder / "frames" / "0025.jpg").write_bytes(black)
    told = explain(clip, bench, BOX, at(clip, 25))
    assert told.sample is not None
    assert told.sample.scene is not SceneState.OK
    assert "This frame:" in said(told)


def test_the_replay_ends_some_time_after_the_moment(bench: Bench, clip: Recording) -> None:
    told = explain(clip, bench, BOX, at(clip, 20))
    assert told.samples[told.at].captured_ns == at(clip, 20)
    assert told.samples[-1].captured_ns == at(clip, 20) + (40 + APART_S) * 10**9


def test_a_moment_after_the_end_is_the_last_frame(bench: Bench, clip: Recording) -> None:
    told = explain(clip, bench, BOX, at(clip, 44) + 10**12)
    assert told.sample is not None
    assert told.sample.captured_ns == at(clip, 44)


def test_the_picture_before_shows_the_place_without_the_thing(bench: Bench, clip: Recording) -> None:
    told = explain(clip, bench, BOX, at(clip, 40))
    assert told.before is not None
    before = cv2.imdecode(np.frombuffer(told.before, np.uint8), cv2.IMREAD_COLOR)
    moment = cv2.imdecode(np.frombuffer(told.jpeg or b"", np.uint8), cv2.IMREAD_COLOR)
    assert before is not None
    assert moment is not None
    assert np.abs(before[160:240, 240:336].astype(int) - moment[160:240, 240:336]).mean() > 20


def test_an_alert_names_its_family(bench: Bench, clip: Recording) -> None:
    alert = Alert("waste", BOX, at(clip, 40), at(clip, 20), 0.8)
    assert "An alert for waste." in said(explain(clip, bench, BOX, at(clip, 40), alert))
    assert "报警:垃圾" in said(explain(clip, bench, BOX, at(clip, 40), alert), "zh")


def test_an_alert_is_named_in_its_own_frame_and_remembered_later(
    bench: Bench, clip: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    see, opening_ns = Road.see, at(clip, 35)

    def reporting(road: Road, batch: FrameBatch, frame: Frame) -> list[Alert]:
        see(road, batch, frame)
        opens = int(batch.captured_ns[0]) == opening_ns
        return [Alert("waste", BOX, opening_ns, at(clip, 20), 0.8)] if opens else []

    monkeypatch.setattr(Road, "see", reporting)
    assert "An alert for waste." in said(explain(clip, bench, BOX, opening_ns))
    later = explain(clip, bench, BOX, at(clip, 40))
    assert [one.opened_ns for one in later.opened] == [opening_ns]
    assert "no alert was opened in this frame" in said(later)
    assert explain(clip, bench, EMPTY, opening_ns).opened == ()


def test_what_adds_to_a_class_comes_first(bench: Bench, clip: Recording) -> None:
    sample = explain(clip, bench, BOX, at(clip, 40)).sample
    assert sample is not None
    weighed = weigh(classify.load(), sample, 1)
    assert [one.raises for one in weighed] == sorted((one.raises for one in weighed), reverse=True)
    assert {one.name for one in weighed} == set(feature_groups())


def test_every_feature_state_and_sentence_has_both_languages() -> None:
    assert set(feature_groups()) <= set(FEATURE_WORDS)
    assert {state.name for state in SceneState} == set(SCENE_WORDS)
    for chinese, english in (*FEATURE_WORDS.values(), *SENTENCES.values(), *SCENE_WORDS.values()):
        assert english.isascii() or "−" in english
        assert chinese


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("data/seq-a#0", Asked(Path("data/seq-a"), number=0)),
        ("data/seq-a@0", Asked(Path("data/seq-a"), frame=0)),
        ("data/me@home/seq@17", Asked(Path("data/me@home/seq"), frame=17)),
        (
            "seq@2026-05-01T08:30:00+08:00",
            Asked(Path("seq"), at_ns=ns_of(datetime(2026, 5, 1, 0, 30, tzinfo=UTC))),
        ),
        ("018f6b2e-0000-7000-8000-000000000000", None),
    ],
)
def test_an_event_is_an_alert_a_moment_or_an_incident(text: str, asked: Asked | None) -> None:
    assert parse(text) == asked


@pytest.mark.parametrize("text", ["seq#x", "seq#-1", "seq@yesterday", "seq@2026-05-01T08:30:00"])
def test_a_number_or_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="stands"):
        parse(text)


def test_a_mistyped_name_is_refused_without_a_look_into_any_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "open_desk", lambda _: pytest.fail("no incident was asked for"))
    for name in ("seq-intel-parkin", "data/none", "0018f6b2"):
        done = CliRunner().invoke(app, ["explain", name])
        assert isinstance(done.exception, UsageError)
        assert str(done.exception) == f"{name}: no folder, no drawn street, and not the id of an incident"


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,x", "1,2,0,4", "1,2,nan,4", "1,2,-3,4"])
def test_a_box_without_area_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--box"):
        parse_box(text)


def test_an_alert_that_there_is_not_is_refused_with_the_count() -> None:
    with pytest.raises(UsageError, match="raises no alert"):
        numbered((), 0, "seq")
    with pytest.raises(UsageError, match="raises 1 alert, number 0, with"):
        numbered((Alert("waste", BOX, 0, 0, 1.0),), 1, "seq")


def test_several_recordings_are_named(clip: Recording, tmp_path: Path) -> None:
    recorded(tmp_path / "seq-a", Street(), 1)
    recorded(tmp_path / "seq-b", Street(), 1)
    with pytest.raises(UsageError, match="seq-a, seq-b"):
        one_recording(tmp_path)
    with pytest.raises(UsageError, match=r"no recording\.json"):
        one_recording(tmp_path / "seq-a" / "frames")
    assert one_recording(clip.folder).name == clip.name


def test_a_generated_street_is_drawn_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path))
    street = SETS["synthetic-tune"][0]
    made = recorded(tmp_path / "suites" / f"v{VERSION}" / street.name, Street(), 1)
    assert one_recording(Path(street.name)).folder == made.folder


def test_the_verb_writes_a_page_that_fetches_nothing_and_a_png(clip: Recording, tmp_path: Path) -> None:
    assert verb.TimeScale
    page, png = tmp_path / "why.html", tmp_path / "why.png"
    call = ["explain", f"{clip.folder}@40", "--box", "240,160,96,80", "--dwell", "40", "--lang", "zh"]
    done = CliRunner().invoke(app, [*call, "--report", str(page), "--strip", str(png)])
    assert done.exit_code == 0, done.exception
    assert "已停留" in done.output
    html = page.read_text(encoding="utf-8")
    for piece in ("<svg", "data:image/jpeg;base64", "类别"):
        assert piece in html
    assert "http" not in html.replace("Content-Security-Policy", "").split("<body>")[1]
    picture = cv2.imread(str(png))
    assert picture is not None
    assert picture.shape[1] > 900


def test_a_picture_that_cannot_be_read_is_one_clean_line(bench: Bench, tmp_path: Path) -> None:
    clip = recorded(tmp_path / "seq-gone", Street(), 3)
    (clip.folder / "frames" / "0001.jpg").unlink()
    (clip.folder / "frames" / "0001.jpg").mkdir()
    with pytest.raises(UsageError, match=r"0001\.jpg.*cannot be read"):
        explain(clip, bench, BOX, at(clip, 0))


def test_a_recording_tells_of_each_of_its_events(bench: Bench, tmp_path: Path) -> None:
    event = {"kind": "waste", "label": "box", "appear_frame": 20, "last_frame": 44, "bbox": [240, 160, 96, 80]}
    missed = event | {"bbox": [10, 10, 60, 60], "label": "nothing"}
    clip = recorded(tmp_path / "seq-events", Street((THING,)), 45, events=[event, missed])
    for lang, said_of_it in (
        ("en", "event 1, waste nothing: not reported. At 3 min after the first frame (frame 40): Nothing new"),
        ("zh", "事件 1 垃圾 nothing:未报警。首帧后3分钟(第 40 帧):此处与背景相同"),
    ):
        done = CliRunner().invoke(app, ["explain", str(clip.folder), "--dwell", "40", "--lang", lang])
        assert done.exit_code == 0, done.exception
        lines = done.stdout.splitlines()
        assert len(lines) == 2
        assert lines[1].startswith(said_of_it), lines[1]
    assert bench.config.vision.dwell_s == 40


def test_a_recording_without_events_says_what_to_ask(clip: Recording) -> None:
    done = CliRunner().invoke(app, ["explain", str(clip.folder)])
    assert isinstance(done.exception, UsageError)
    assert "names no events" in str(done.exception)


def test_a_moment_without_a_place_is_refused(clip: Recording) -> None:
    done = CliRunner().invoke(app, ["explain", f"{clip.folder}@40"])
    assert isinstance(done.exception, UsageError)
    assert "--box" in str(done.exception)


def test_a_chart_breaks_where_nothing_is_known_and_holds_no_markup_of_names() -> None:
    line = Line("<b>", "#2e86ab", np.asarray([0.1, np.nan, 0.5, 0.6]))
    chart = Chart("a & b", np.arange(4.0), (line,), 1.0, ((0.5, "half"),), ("", "#4f9d69", "#4f9d69", ""))
    svg = chart_svg(chart)
    assert "&lt;b&gt;" in svg
    assert "<b>" not in svg
    assert svg.count("M") >= 2
    assert chart_pixels(chart).shape == (190, 460, 3)


def test_a_chart_without_times_is_an_empty_frame() -> None:
    empty = Chart("nothing", np.zeros(0), (Line("x", "#2e86ab", np.zeros(0)),), 1.0)
    assert "nothing" in chart_svg(empty)
    assert chart_pixels(empty).min() < 255


def test_things_side_by_side_are_told_apart(bench: Bench, tmp_path: Path) -> None:
    other = Thing((110, 60, 24, 20), start_s=100.0, seed=4)
    clip = recorded(tmp_path / "seq-two", Street((THING, other)), 45)
    one, two = (explain(clip, bench, box, at(clip, 44)).sample for box in (BOX, (440.0, 240.0, 96.0, 80.0)))
    assert one is not None
    assert two is not None
    assert one.dwell_s > two.dwell_s + 10
