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
from curbwatch.tuning.evaluate import BASELINE, OURS, Bench, evaluate, report
from curbwatch.tuning.recording import Recording, encode, read_recording
from curbwatch.tuning.replay import Alert, Notes, Road, play
from schemas.errors import CurbwatchError, UsageError
from schemas.frame import Frame, FrameBatch
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


def test_each_frame_has_the_preset_that_the_recording_gives_it(bench: Bench, tmp_path: Path) -> None:
    class Seen:
        def __init__(self) -> None:
            self.presets: list[str] = []
            self.notes = Notes()

        def see(self, batch: FrameBatch, frame: Frame) -> list[Alert]:
            assert batch.presets == (frame.preset,)
            self.presets.append(frame.preset)
            return []

        def maturing(self) -> bool:
            return False

    recording = recorded(tmp_path / "turns", Street(), 4, presets=["gate", "kerb", None])
    seen = Seen()
    play(recording.frames(4.0), "c", {"": seen}, bench.config, presets=recording.presets)
    assert seen.presets == ["gate", "kerb", "", ""]


def test_health_events_of_a_replay_are_counted_by_kind(bench: Bench, tmp_path: Path) -> None:
    recording = recorded(tmp_path / "frozen", Street(), 40)
    files = sorted((tmp_path / "frozen" / "frames").iterdir())
    for file in files[21:]:
        file.write_bytes(files[20].read_bytes())
    found = report([evaluate(recording, bench)], bench)
    assert found["health_events"] == found["recordings"][0]["health_events"] == {"frozen": 1}
    assert found["recordings"][0]["frames_not_ok"]["frozen"] >= 10


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
        (["{}", "--suite", "composite"], "--data"),
        (["{}", "--suite", "composite", "--data", "{}"], "waste-street-cn"),
        ([], "no PATH given"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, arguments: list[str], named: str) -> None:
    done = CliRunner().invoke(app, ["evaluate", *(argument.format(tmp_path) for argument in arguments)])
    assert isinstance(done.exception, UsageError)
    assert named in str(done.exception)


def test_what_cannot_be_played_is_named_and_the_rest_is_judged(tmp_path: Path) -> None:
    recorded(tmp_path / "good", Street(), 6)
    for name, text in (("broken", "{"), ("video", '{"format": "recording/1", "media": "x.mp4", "fps": 9}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recording.json").write_text(
            text[:-1] + ', "frame_size": [64, 48]}' if name != "broken" else text
        )
    (tmp_path / "video" / "x.mp4").write_bytes(b"no video")
    out = tmp_path / "out.json"
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--json", str(out)])
    assert isinstance(done.exception, CurbwatchError)
    assert done.exception.exit_code == 1
    assert "2 of the recordings" in str(done.exception)
    found = json.loads(out.read_text())
    assert [row["name"] for row in found["recordings"]] == ["good"]
    assert [Path(fault["path"]).name for fault in found["faults"]] == ["broken", "video"]
    assert "x.mp4: cannot be opened as a video" in done.output


def test_a_report_shows_every_alert_and_every_missed_event_with_its_pictures(tmp_path: Path) -> None:
    thing = Thing((60, 40, 24, 20), start_s=80.0)
    event = {"kind": "waste", "appear_frame": 20, "drop_frame": 20, "last_frame": 79, "bbox": [240, 160, 96, 80]}
    elsewhere = {**event, "label": "<b>", "bbox": [20, 20, 60, 60]}
    recorded(tmp_path / "thing", Street((thing,)), 80, events=[event, elsewhere])
    page, out = tmp_path / "r.html", tmp_path / "r.json"
    arguments = ["evaluate", str(tmp_path), "--time-scale", "4", "--dwell", "20", "--report", str(page), "--lang", "en"]
    done = CliRunner().invoke(app, [*arguments, "--json", str(out)])
    assert done.exit_code == 0, done.output
    found, html = json.loads(out.read_text()), page.read_text()
    assert html.count("data:image/jpeg") == 2 * (len(found["alerts"]) + len(found["missed"])) > 0
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


@pytest.mark.data
@pytest.mark.parametrize("name", EVENT_FREE)
def test_a_clip_without_events_raises_no_alert(bench: Bench, name: str) -> None:
    recording = read_recording(data(name) / name)
    road = Road(bench.config, bench.city, CameraView(recording.name, recording.zones))
    assert play(recording.frames(4.0), recording.name, {OURS: road}, bench.config).alerts[OURS] == ()
