"""What is found at the paths given to ``publish``, and the words each device would send."""

import json
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbwatch.tuning.publish_plan import make_plan, offsets_ns, position_of
from curbwatch.tuning.recording import encode, read_recording
from curbwatch.tuning.tracks import Fix
from schemas.errors import UsageError
from schemas.units import ns_of

POINT = '<trkpt lat="1" lon="2"><time>2026-05-04T00:00:00Z</time></trkpt>'
GPX = f'<gpx version="1.1" creator="t"><trk><trkseg>{POINT}{POINT}</trkseg></trk></gpx>'


def clip(folder: Path, count: int, **facts: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture = np.full((48, 64, 3), number, np.uint8)
        (folder / f"{number:03d}.jpg").write_bytes(encode(picture))
    told = {"format": "recording/1", "media": "*.jpg", "fps": 10, "frame_size": [64, 48], "events": []}
    (folder / "recording.json").write_text(json.dumps(told | facts))
    return folder


def test_nothing_to_play_is_one_clean_error_that_says_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^nothing to play: no recording\.json and no track with times$"):
        make_plan([tmp_path])
    clip(tmp_path / "seq-empty", 0)
    (tmp_path / "route.geojson").write_text("{}")
    with pytest.raises(UsageError) as caught:
        make_plan([tmp_path])
    assert "seq-empty: no pictures at *.jpg" in str(caught.value)
    assert "route.geojson: positions without times" in str(caught.value)


@pytest.mark.parametrize("name", ["none", "none.gpx", "none/recording.json"])
def test_a_missing_path_is_one_clean_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="there is no such"):
        make_plan([tmp_path / name])


def test_recordings_and_tracks_are_found_together_and_once(tmp_path: Path) -> None:
    one = clip(tmp_path / "seq-a" / "01", 3)
    clip(tmp_path / "b" / "cam", 2)
    clip(tmp_path / "c" / "cam", 1)
    (tmp_path / "tour.gpx").write_text(GPX)
    plan = make_plan([tmp_path, one, one / "recording.json", tmp_path / "tour.gpx"])
    assert plan.devices == (
        ("camera", "cam"),
        ("camera", "cam-2"),
        ("camera", "seq-a-01"),
        ("vehicle", f"{tmp_path.name}-tour"),
    )
    assert (plan.frames, plan.positions, plan.skipped) == (6, 2, ())


@pytest.mark.parametrize(
    ("facts", "scale_s", "expected_s"),
    [
        ({}, None, [0, 0.1, 0.2]),
        ({}, 2.0, [0, 2, 4]),
        ({"period_s": 61}, 2.0, [0, 61, 122]),
        ({"stamps": ["2026-05-04T00:00:10Z", "2026-05-04T00:00:00Z", "2026-05-04T00:00:10.5Z"]}, 2.0, [10, 0, 10.5]),
        ({"stamps": ["2026-05-04T00:00:00Z", "2026-05-04T00:00:10Z"]}, 2.0, [0, 10]),
    ],
)
def test_frames_keep_the_spacing_they_were_captured_with(
    tmp_path: Path, facts: dict[str, object], scale_s: float | None, expected_s: list[float]
) -> None:
    recording = read_recording(clip(tmp_path / "seq-a", 3, **facts))
    assert offsets_ns(recording, scale_s) == tuple(round(s * 1e9) for s in expected_s)


def test_a_video_is_counted_by_reading(tmp_path: Path) -> None:
    folder = clip(tmp_path / "seq-v", 0, media="v.avi")
    writer = cv2.VideoWriter(str(folder / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(7):
        writer.write(np.full((48, 64, 3), number, np.uint8))
    writer.release()
    recording = read_recording(folder)
    assert len(offsets_ns(recording, None)) == 7 == sum(1 for _ in recording.jpegs())


@given(
    st.integers(0, 4_000_000_000_000_000).map(lambda us: us * 1000),
    st.floats(-180, 180),
    st.none() | st.floats(-400, 9000),
    st.none() | st.floats(0, 100),
)
def test_a_position_says_what_the_file_knows_and_no_more(
    ts_ns: int, lon: float, alt_m: float | None, speed_mps: float | None
) -> None:
    position = position_of(Fix(0, lon, 30.1, alt_m, speed_mps), ts_ns, boot="b", seq=3)
    assert ns_of(datetime.fromisoformat(position["ts"])) == ts_ns
    assert {name: position[name] for name in ("lon", "lat", "crs", "seq", "boot")} == {
        "lon": lon,
        "lat": 30.1,
        "crs": "wgs84",
        "seq": 3,
        "boot": "b",
    }
    assert position.get("alt_m") == alt_m
    assert ("speed_kmh" in position) == (speed_mps is not None)
    assert position.keys() <= {"ts", "lon", "lat", "crs", "seq", "boot", "alt_m", "speed_kmh"}
