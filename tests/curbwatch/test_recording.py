import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curbwatch.tuning.recording import START_NS, encode, find_recordings, read_recording
from schemas.errors import UsageError

FACTS: dict[str, Any] = {
    "format": "recording/1",
    "media": "frames/*.jpg",
    "fps": 10,
    "frame_size": [32, 16],
    "events": [],
}


def folder(tmp_path: Path, frames: int = 3, **more: object) -> Path:
    place = tmp_path / "seq-made" / "01"
    (place / "frames").mkdir(parents=True)
    for k in range(frames):
        (place / "frames" / f"{k:03d}.jpg").write_bytes(encode(np.full((16, 32, 3), k, np.uint8)))
    (place / "recording.json").write_text(json.dumps(FACTS | more))
    return place


def test_a_folder_without_recordings_has_none(tmp_path: Path) -> None:
    assert find_recordings(tmp_path) == []


def test_pictures_are_played_as_they_are_in_name_order(tmp_path: Path) -> None:
    (recording,) = find_recordings(folder(tmp_path).parent)
    assert recording.name == "seq-made-01"
    pictures = sorted(path.read_bytes() for path in tmp_path.rglob("*.jpg"))
    frames = list(recording.frames())
    assert sorted(jpeg for _, jpeg in frames) == pictures
    assert [ns - START_NS for ns, _ in frames] == [0, 100_000_000, 200_000_000]


def test_a_time_scale_spreads_clips_and_leaves_feeds_with_their_own_time(tmp_path: Path) -> None:
    clip = read_recording(folder(tmp_path / "a"))
    assert [ns - START_NS for ns, _ in clip.frames(4.0)] == [0, 4_000_000_000, 8_000_000_000]
    slow = read_recording(folder(tmp_path / "b", period_s=72))
    assert [ns - START_NS for ns, _ in slow.frames(4.0)] == [0, 72_000_000_000, 144_000_000_000]


def test_stamps_win_over_everything(tmp_path: Path) -> None:
    stamps = ["2026-01-01T00:00:00+00:00", "2026-01-01T00:01:05+00:00"]
    recording = read_recording(folder(tmp_path, stamps=stamps, period_s=72))
    times = [ns for ns, _ in recording.frames(4.0)]
    assert len(times) == 2  # a frame without a stamp has no time
    assert times[1] - times[0] == 65_000_000_000


@pytest.mark.parametrize(
    ("text", "named"),
    [("{", "cannot be read"), ("[]", "recording/1"), ('{"format": "recording/1"}', "frame_size is missing")],
)
def test_a_broken_recording_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "recording.json").write_text(text)
    with pytest.raises(UsageError, match=named) as caught:
        read_recording(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_what_is_null_or_missing_or_unknown_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("events", "zones", "distractors", "stamps", "standing_objects", "condition", "period_s")
    )
    recording = read_recording(folder(tmp_path, 3, **nothing, weather="fine"))
    assert (recording.events, recording.zones, recording.distractors, recording.standing) == ((), (), (), ())
    assert recording.condition == "recorded"
    assert recording.count() == 3


def test_a_recording_without_pictures_plays_nothing(tmp_path: Path) -> None:
    recording = read_recording(folder(tmp_path, frames=0))
    assert list(recording.frames()) == []
    assert recording.picked({0, 3}) == {}


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"frame_size": [0, 0]}, "pixels"),
        ({"frame_size": None}, "cannot be read"),
        ({"fps": 0}, "fps must be above 0"),
        ({"media": 7}, "media must be"),
        ({"events": [{"kind": "waste", "drop_frame": 1, "bbox": [1, 2, 3, 4]}]}, "last_frame is missing"),
        ({"events": [7]}, "cannot be read"),
        ({"stamps": ["yesterday"]}, "cannot be read"),
        ({"zones": [{"name": "z", "polygon": [[1]]}]}, "cannot be read"),
    ],
)
def test_facts_that_cannot_be_used_are_one_clean_line(tmp_path: Path, facts: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        read_recording(folder(tmp_path, **facts))
    assert "\n" not in str(caught.value)


def test_a_video_that_cannot_be_opened_is_named_without_the_decoders_own_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = folder(tmp_path, media="x.mp4")
    (place / "x.mp4").write_bytes(b"no video")
    recording = read_recording(place)
    assert recording.count() == 0
    with pytest.raises(UsageError, match=r"x\.mp4: cannot be opened as a video"):
        list(recording.jpegs())
    assert capfd.readouterr().err == ""


def test_single_frames_can_be_picked_from_pictures_and_from_a_video(tmp_path: Path) -> None:
    place = folder(tmp_path, frames=5)
    recording = read_recording(place)
    frames = list(recording.jpegs())
    assert recording.picked({1, 4, 9}) == {1: frames[1], 4: frames[4]}
    writer = cv2.VideoWriter(str(place / "x.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 16))
    for k in range(5):
        writer.write(np.full((16, 32, 3), 40 * k, np.uint8))
    writer.release()
    (place / "recording.json").write_text(json.dumps(FACTS | {"media": "x.avi"}))
    video = read_recording(place)
    assert video.picked({0, 3}) == {index: jpeg for index, jpeg in enumerate(video.jpegs()) if index in {0, 3}}


def test_standing_things_say_when_they_are_gone_and_zones_what_they_are_for(tmp_path: Path) -> None:
    standing = [{"bbox": [1, 2, 3, 4]}, {"bbox": [5, 6, 7, 8], "gone_by_frame": 15}]
    zones = [{"name": "z", "polygon": [[0, 0], [9, 0], [9, 9]], "families": ["waste"]}]
    recording = read_recording(folder(tmp_path, standing_objects=standing, zones=zones))
    assert recording.standing == ((1, 2, 3, 4), (5, 6, 7, 8))
    assert recording.standing_until == (None, 15)
    assert recording.zones[0].families == {"waste"}


def test_a_stamp_without_an_offset_is_utc(tmp_path: Path) -> None:
    recording = read_recording(folder(tmp_path, stamps=["2026-01-01T00:00:00", "2026-01-01T08:00:00+08:00"]))
    assert recording.times_ns[0] == recording.times_ns[1]
