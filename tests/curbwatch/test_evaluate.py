import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from config.model import Config
from config.pack import load_pack
from curbwatch.cli import evaluate as verb
from curbwatch.cli.app import app
from curbwatch.tuning import composite
from curbwatch.tuning.evaluate import BASELINE, OURS, Bench, evaluate, report
from curbwatch.tuning.recording import Recording, encode, read_recording
from curbwatch.tuning.replay import Road, play
from curbwatch.tuning.suite import SUITES, build
from schemas.errors import UsageError
from schemas.place import CameraView
from tests.detectors.street import NATIVE, Street, Thing

DATA = Path(__file__).parents[3] / "shared" / "data"
KEYS = {
    *("hours", "events", "found", "false_alarms", "unwanted_per_hour", "duplicates", "delay_s"),
    *("by_kind", "by_condition", "by_width_px", "recordings"),
}
EVENT_FREE = (
    *("seq-cdnet-highway", "seq-ucsd-ped2/01", "seq-ucsd-ped2/05", "seq-ucsd-ped2/06", "seq-ucsd-ped2/09"),
    *("seq-motorway-cctv", "seq-intel-parking"),
)
# Picture, box, width and place: named once, so that everybody means the same composite.
NAMED = composite.Choice("001979_jpg.rf.efd14e9085631b740a400d8c6cb08004", 0, 56, (420, 250))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(Config(), load_pack(Path("yanjiang")).city, time_scale_s=4.0)


def recorded(folder: Path, street: Street, frames: int, **more: object) -> Recording:
    (folder / "frames").mkdir(parents=True)
    for k in range(frames):
        picture = cv2.resize(street.at(4.0 * k), NATIVE, interpolation=cv2.INTER_NEAREST)
        (folder / "frames" / f"{k:04d}.jpg").write_bytes(encode(np.asarray(picture, np.uint8)))
    facts: dict[str, Any] = {"format": "recording/1", "media": "frames/*.jpg", "fps": 10, "frame_size": list(NATIVE)}
    (folder / "recording.json").write_text(json.dumps(facts | more))
    return read_recording(folder)


def data(name: str = "README.md") -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not there: the development data lies beside the repository, not in it")
    return DATA


def test_a_recording_without_frames_has_no_hours(bench: Bench, tmp_path: Path) -> None:
    found = report([evaluate(recorded(tmp_path / "none", Street(), 0), bench)], bench)
    assert (found["hours"], found["events"], found["false_alarms"]) == (0, 0, 0)


def test_hours_are_those_of_the_scaled_time_and_the_baseline_has_the_same_keys(bench: Bench, tmp_path: Path) -> None:
    found = report([evaluate(recorded(tmp_path / "quiet", Street(), 46), bench)], bench)
    assert found["hours"] == pytest.approx(45 * 4 / 3600, abs=1e-4)
    assert found.keys() >= KEYS
    assert found["baseline"][BASELINE].keys() >= KEYS
    assert found["false_alarms"] == 0


def test_pictures_that_are_no_jpegs_are_counted_and_nothing_else_happens(bench: Bench, tmp_path: Path) -> None:
    recording = recorded(tmp_path / "mixed", Street(), 12)
    files = sorted((tmp_path / "mixed" / "frames").iterdir())
    files[3].write_bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    files[5].write_bytes(files[5].read_bytes()[:200])
    files[7].write_bytes(b"")
    played = evaluate(recording, bench)[OURS].played
    assert (played.frames, played.undecodable, played.analysed) == (12, 3, 9)


def test_frames_nearer_than_the_analysis_period_are_skipped_as_live(bench: Bench) -> None:
    jpeg = encode(np.asarray(cv2.resize(Street().at(0), NATIVE), np.uint8))
    road = Road(bench.config, bench.city, CameraView("c"))
    played = play(((k * 10**9, jpeg) for k in range(20)), "c", {OURS: road}, bench.config)
    assert (played.analysed, played.decimated) == (5, 15)


@pytest.mark.parametrize("dwell_s", [20.0, 90.0])
def test_the_baseline_finds_a_thing_and_both_are_scored(bench: Bench, tmp_path: Path, dwell_s: float) -> None:
    thing = Thing((60, 40, 24, 20), start_s=80.0)
    event = {"kind": "waste", "appear_frame": 20, "drop_frame": 20, "last_frame": 79, "bbox": [240, 160, 96, 80]}
    recording = recorded(tmp_path / "thing", Street((thing,)), 80, events=[event])
    judged = Bench(verb.with_dwell(bench.config, dwell_s), bench.city, bench.time_scale_s)
    both = evaluate(recording, judged)
    assert [one.alert is not None for one in both[BASELINE].matches] == [True]
    assert both[BASELINE].false_alarms == ()
    assert len(both[OURS].matches) == 1


def test_the_verb_writes_what_it_shows(tmp_path: Path) -> None:
    recorded(tmp_path / "seq-a", Street(), 10)
    out = tmp_path / "out.json"
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--time-scale", "4", "--json", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found.keys() >= KEYS
    assert [row["events"] for row in found["recordings"]] == [0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["{}"], "no recording.json"),
        (["{}/nowhere"], "no such folder"),
        (["{}", "--suite", "moon"], "--suite moon"),
        (["{}", "--composite"], "--composite"),
        ([], "no PATH given"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, arguments: list[str], named: str) -> None:
    assert verb.COMPOSITES >= 20  # enough of them that one is not luck
    done = CliRunner().invoke(app, ["evaluate", *(argument.format(tmp_path) for argument in arguments)])
    assert isinstance(done.exception, UsageError)
    assert named in str(done.exception)


def test_a_generated_clip_carries_its_truth(tmp_path: Path) -> None:
    recording = build(SUITES["city-small"][0], tmp_path / "clip", seconds=8.0)
    assert recording.own_time
    assert recording.condition in {"day", "clouds", "exposure", "dull"}
    assert len(list(recording.frames(99.0))) == 4
    assert recording.zones


def test_a_composite_lies_where_and_when_it_was_asked_for(tmp_path: Path) -> None:
    clip = recorded(tmp_path / "clip", Street(), 6)
    cut = np.full((20, 40, 3), (0, 0, 255), np.uint8)
    made = composite.paste(clip, cut, composite.Choice("red", 0, 60, (100, 120)), 3, tmp_path / "made")
    pictures = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in made.jpegs()]
    reds = [int(picture[135, 130, 2]) - int(picture[135, 130, 0]) for picture in pictures if picture is not None]
    assert [red > 150 for red in reds] == [False] * 3 + [True] * 3
    (event,) = made.events
    assert (event.kind, event.box, event.first_frame, event.last_frame) == ("waste", (100, 120, 60, 30), 3, 5)
    assert made.condition == "composite"


def test_a_composite_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    clip = recorded(tmp_path / "clip", Street(), 1)
    with pytest.raises(UsageError, match="not within"):
        composite.paste(clip, np.zeros((9, 9, 3), np.uint8), composite.Choice("x", 0, 60, (620, 0)), 0, tmp_path / "m")


def test_the_edge_of_a_composite_fades(tmp_path: Path) -> None:
    alpha = composite.feather(20, 40)
    assert alpha[10, 20] == 1
    assert alpha[0, 0] < 0.2
    assert (alpha == alpha[::-1, ::-1]).all()


@pytest.mark.data
@pytest.mark.parametrize("name", EVENT_FREE)
def test_a_clip_without_events_raises_no_alert(bench: Bench, name: str) -> None:
    recording = read_recording(data(name) / name)
    road = Road(bench.config, bench.city, CameraView(recording.name, recording.zones))
    assert play(recording.frames(4.0), recording.name, {OURS: road}, bench.config).alerts[OURS] == ()


@pytest.mark.data
def test_waste_pasted_into_the_parking_clip_is_one_alert(bench: Bench, tmp_path: Path) -> None:
    place = data("seq-intel-parking")
    made = composite.waste_composite(
        place, NAMED.picture, NAMED.box_index, NAMED.width_px, NAMED.place, composite.FIRST_FRAME, tmp_path / "made"
    )
    road = Road(bench.config, bench.city, CameraView(made.name))
    alerts = play(made.frames(4.0), made.name, {OURS: road}, bench.config).alerts[OURS]
    assert [alert.family for alert in alerts] == ["waste"]


@pytest.mark.data
def test_every_composite_of_the_verb_fits_into_the_clip() -> None:
    place = data("waste-street-cn")
    chosen = list(composite.choices(place, 200))
    assert len({one.picture for one in chosen}) == len(chosen) > 100
    for one in chosen:
        _, _, w, h = composite.waste_boxes(place, one.picture)[one.box_index]
        assert one.place[0] + one.width_px <= 768
        assert 0 <= one.place[1] <= 432 - one.width_px * h / w


@pytest.mark.data
def test_an_unknown_picture_or_box_is_named(tmp_path: Path) -> None:
    place = data("waste-street-cn")
    with pytest.raises(UsageError, match="nothing-of-this-name"):
        composite.waste_composite(place, "nothing-of-this-name", 0, 50, (10, 10), 60, tmp_path)
    with pytest.raises(UsageError, match="none with number 99"):
        composite.waste_composite(place, NAMED.picture, 99, 50, (10, 10), 60, tmp_path)
