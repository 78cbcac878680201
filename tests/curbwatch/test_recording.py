import json
from pathlib import Path
from typing import Any

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
