"""What is said of the events of a recording, and of moments and places that it does not have."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curbwatch.cli import cases
from curbwatch.cli.app import app
from curbwatch.tuning.evaluate import OURS, Bench, evaluate
from curbwatch.tuning.explain import Asked, explain, moment_of
from curbwatch.tuning.explain_events import each_event
from curbwatch.tuning.explain_page import explained_page
from curbwatch.tuning.explain_text import event_line, place_and_time
from curbwatch.tuning.recording import Recording
from curbwatch.tuning.replay import Alert, Road
from detectors.vision import classify
from schemas.errors import UsageError
from schemas.frame import Frame, FrameBatch
from tests.detectors.street import Street
from tests.tuning.clips import THING, filmed, recorded
from tests.tuning.test_explain import BOX, at, bench, clip, said

__all__ = ["bench", "clip"]  # fixtures


def test_a_recording_without_events_tells_of_none(bench: Bench, tmp_path: Path) -> None:
    assert each_event(recorded(tmp_path / "seq-none", Street(), 2), bench) == []


def test_what_is_said_of_an_event_is_what_evaluate_says_of_it(
    clip: Recording, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert comes long after the event was due: later than the dwell and a few looks, yet it finds it."""
    event = {"kind": "waste", "appear_frame": 0, "last_frame": 44, "bbox": [240, 160, 96, 80]}
    short = event | {"appear_frame": 40}
    late = recorded(tmp_path / "seq-late", Street((THING,)), 45, events=[event, short])
    see, opening_ns = Road.see, at(clip, 38)

    def reporting(road: Road, batch: FrameBatch, frame: Frame) -> list[Alert]:
        see(road, batch, frame)
        opens = int(batch.captured_ns[0]) == opening_ns
        return [Alert("stall", BOX, opening_ns, at(clip, 20), 0.8)] if opens else []

    monkeypatch.setattr(Road, "see", reporting)
    (match,) = evaluate(late, replace(bench, baseline=False))[OURS].matches
    first, second = each_event(late, bench)
    assert first.alert == match.alert is not None
    assert first.seen_as == match.seen_as
    assert event_line(first, "en") == "event 0, waste: reported as stall at 3 min after the first frame."
    assert second.alert is None
    assert "shorter than the dwell of 40 s" in event_line(second, "en")


def test_an_event_that_is_missed_is_named_as_evaluate_names_it_with_the_moment_asked_about(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"kind": "waste", "appear_frame": 20, "last_frame": 44, "bbox": [240, 160, 96, 80]}
    stamps = [f"2026-05-01T08:{4 * k // 60:02d}:{4 * k % 60:02d}+08:00" for k in range(45)]
    clip = recorded(tmp_path / "seq-missed", Street((THING,)), 45, events=[event], stamps=stamps)
    see = Road.see

    def silent(road: Road, batch: FrameBatch, frame: Frame) -> list[Alert]:
        see(road, batch, frame)
        return []

    monkeypatch.setattr(Road, "see", silent)
    (match,) = evaluate(clip, replace(bench, baseline=False))[OURS].matches
    (fared,) = each_event(clip, bench)
    assert match.seen_as != "unseen"
    assert fared.seen_as == match.seen_as
    line = event_line(fared, "en")
    assert f"not reported. What stood there longest was taken for {match.seen_as}." in line
    assert "At 2026-05-01 00:02:40 (frame 40): " in line


def test_a_clip_without_times_is_told_from_its_first_frame_and_a_stamped_one_by_the_clock(
    bench: Bench, clip: Recording, tmp_path: Path
) -> None:
    told = explain(clip, bench, BOX, at(clip, 40))
    assert place_and_time(told, "en") == "seq-thing, frame 40, 3 min after the first frame"
    text = said(told) + explained_page(told, classify.load(), "en")
    assert "2023" not in text
    assert "+160 s" in text
    stamped = recorded(tmp_path / "seq-stamped", Street(), 2, stamps=["2026-05-01T00:30:00Z", "2026-05-01T00:30:04Z"])
    at_last = explain(stamped, bench, BOX, stamped.times_ns[1])
    assert place_and_time(at_last, "zh") == "seq-stamped, 第 1 帧,2026-05-01 00:30:04"


@pytest.mark.parametrize(
    ("asked", "box", "said_of_it"),
    [
        ("@45", "240,160,96,80", "has frames 0 to 44"),
        ("@2030-01-01T00:00:00+08:00", "240,160,96,80", "from 2023-.* to 2023-.* better name a frame"),
        ("@40", "9999,2,30,40", "outside the picture of 640x384 px"),
        ("@40", "-50,2,30,40", "outside the picture of 640x384 px"),
        ("#0", "240,384,30,40", "outside the picture of 640x384 px"),
    ],
)
def test_a_moment_or_place_that_the_recording_does_not_have_is_refused(
    clip: Recording, asked: str, box: str, said_of_it: str, tmp_path: Path
) -> None:
    assert cases.WORDS  # its verbs are there
    place = [f"{clip.folder}{asked}", "--box", box]
    label = ["cases", "label", place[0], "real", *place[1:], "--dir", str(tmp_path), "--as", "Li", "--class", "waste"]
    for words in (["explain", *place], *([label] if asked[0] == "@" else [])):
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, UsageError)
        assert re.search(said_of_it, str(done.exception))


def test_a_frame_beyond_the_end_of_a_video_or_of_the_stamps_is_refused(bench: Bench, tmp_path: Path) -> None:
    video = filmed(tmp_path / "seq-video", Street(), 5)
    stamped = recorded(tmp_path / "seq-few", Street(), 5, stamps=["2026-05-01T00:30:00Z", "2026-05-01T00:30:04Z"])
    for recording, last in ((video, 4), (stamped, 1)):
        assert moment_of(Asked(recording.folder, frame=last), recording, None) >= at(recording, last)
        with pytest.raises(UsageError, match=f"has frames 0 to {last}"):
            moment_of(Asked(recording.folder, frame=last + 1), recording, None)
    with pytest.raises(UsageError, match="has no frames"):
        moment_of(Asked(tmp_path, frame=0), recorded(tmp_path / "seq-none", Street(), 0), None)
    assert bench.time_scale_s is None
