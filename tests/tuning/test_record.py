import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbwatch.tuning.publish_plan import make_plan
from curbwatch.tuning.record import FACTS, HOUR_NS, Ring, Tape
from curbwatch.tuning.recording import find_recordings, read_recording
from schemas.errors import CurbwatchError, UsageError
from schemas.frame import Frame
from schemas.place import ImageZone
from schemas.units import utc

S = 1_000_000_000
START_NS = 472_222 * HOUR_NS  # an hour's first moment
ZONES = (ImageZone("kerb", ((0.0, 0.0), (9.0, 0.0), (9.0, 9.5)), frozenset({"waste"}), "north"),)


def frame(at_s: float, size: int = 100, camera_id: str = "cam-1", width: int = 640, **more: str) -> Frame:
    ns = START_NS + round(at_s * S)
    return Frame(camera_id, ns, ns, bytes([int(at_s) % 256]) * size, width, 360, **more)  # type: ignore[arg-type]


def ring_at(folder: Path, keep_bytes: int = 1_000_000, keep_s: float | None = None) -> Ring:
    return Ring(folder, keep_bytes=keep_bytes, keep_s=keep_s)


def test_a_ring_without_pictures_has_no_recording(tmp_path: Path) -> None:
    ring = ring_at(tmp_path / "ring")
    ring.describe()
    ring.close()
    assert (ring.size_bytes, ring.folders, find_recordings(tmp_path)) == (0, (), [])


def test_a_folder_that_cannot_be_made_is_one_clean_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--out .*file: "):
        ring_at(tmp_path / "file")


def test_pictures_come_back_byte_for_byte_with_their_times_and_zones(tmp_path: Path) -> None:
    ring = ring_at(tmp_path)
    sent = [frame(at_s) for at_s in (0, 4, 8.25, 12)]
    for one in sent:
        ring.add(one, ZONES)
    ring.close()
    (recording,) = find_recordings(tmp_path)
    assert list(recording.frames(99.0)) == [(one.captured_ns, one.jpeg) for one in sent]
    assert (recording.size, recording.own_time) == ((640, 360), True)
    assert recording.zones == ZONES
    assert recording.name == f"cam-1-{utc(START_NS):%Y-%m-%dT%H}Z"
    assert make_plan([tmp_path]).frames == 4


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    ring = ring_at(tmp_path / "ring")
    ring.add(frame(0))
    made = [path for path in (tmp_path / "ring").rglob("*") if path.is_dir()]
    assert len(made) == 3
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "ring", *made)} == {0}


def test_a_recording_is_whole_at_every_moment(tmp_path: Path) -> None:
    ring = ring_at(tmp_path)
    for k in range(5):
        ring.add(frame(k))
        if k == 2:
            ring.describe()
        (recording,) = find_recordings(tmp_path)
        assert len(list(recording.frames())) == (1 if k < 2 else 3)
    (file,) = tmp_path.glob("*/*")
    (file / "frames" / "000005.part").write_bytes(b"cut off")  # as a kill leaves it
    assert len(list(read_recording(file).frames())) == 3


def test_an_hour_a_size_and_other_zones_each_begin_a_folder(tmp_path: Path) -> None:
    ring = ring_at(tmp_path)
    ring.add(frame(10))
    ring.add(frame(11, width=1280))
    ring.add(frame(12, width=1280), ZONES)
    ring.add(frame(3600), ZONES)
    ring.add(frame(3599), ZONES)  # overtaken on its way: it goes with those around it
    ring.add(frame(0), ZONES)  # a clock that was set back
    ring.close()
    names = sorted(path.name for path in tmp_path.glob("cam-1/*"))
    first, second = (f"cam-1-{utc(START_NS + hour * HOUR_NS):%Y-%m-%dT%H}Z" for hour in (0, 1))
    assert names == sorted([first, f"{first}-2", f"{first}-3", f"{first}-4", second])
    assert [len(one.times_ns) for one in find_recordings(tmp_path / "cam-1" / second)] == [2]


def test_what_was_there_before_is_never_written_into(tmp_path: Path) -> None:
    for k in range(2):
        ring = ring_at(tmp_path)
        ring.add(frame(k))
        ring.close()
    assert [len(recording.times_ns) for recording in find_recordings(tmp_path)] == [1, 1]


@settings(max_examples=20, deadline=None)  # it writes to the disk
@given(
    sizes=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 300), st.integers(0, 4000)), max_size=25),
    keep=st.integers(300, 2000),
)
def test_the_ring_is_never_larger_than_it_may_be(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int, int]], keep: int
) -> None:
    folder = tmp_path_factory.mktemp("ring")
    ring = ring_at(folder, keep)
    at_s = 0
    for camera, size, gap_s in sizes:
        at_s += gap_s
        ring.add(frame(at_s, size, f"cam-{camera}"))
        held = sum(path.stat().st_size for path in folder.rglob("*.jpg"))
        assert held == ring.size_bytes <= keep
    ring.close()
    assert {recording.folder for recording in find_recordings(folder)} == set(ring.folders)
    times = [max(read_recording(path).times_ns) for path in ring.folders]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert ring_at(folder, keep).size_bytes == ring.size_bytes


def test_the_oldest_folder_goes_first_and_nobody_elses(tmp_path: Path) -> None:
    other = tmp_path / "cam-1" / "by-hand"
    (other / "frames").mkdir(parents=True)
    (other / FACTS).write_text(json.dumps({"format": "recording/1", "stamps": ["2001-01-01T00:00:00+00:00"]}))
    (tmp_path / "cam-2" / "broken").mkdir(parents=True)
    (tmp_path / "cam-2" / "broken" / FACTS).write_text("{")
    ring = ring_at(tmp_path, 800)
    for hour in range(5):
        ring.add(frame(3600 * hour, 300))
    ring.close()
    assert (other / FACTS).exists()
    assert (tmp_path / "cam-2" / "broken" / FACTS).exists()
    assert [folder.name[-4:] for folder in ring.folders] == [f"T{(utc(START_NS).hour + k) % 24:02}Z" for k in (3, 4)]
    assert ring.removed == 3


def test_folders_older_than_the_ring_go(tmp_path: Path) -> None:
    ring = ring_at(tmp_path, keep_s=2.5 * 3600)
    for hour in range(5):
        ring.add(frame(3600 * hour))
    ring.close()
    assert len(ring.folders) == 3


def test_a_full_disk_is_one_clean_line_and_what_was_recorded_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_at(tmp_path)
    ring.add(frame(0))

    def full(self: Path, _: bytes) -> int:
        raise OSError(28, os.strerror(28), str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CurbwatchError, match=r"000001\.part: cannot be written: No space left on device"):
        ring.add(frame(1))
    monkeypatch.undo()
    ring.close()
    assert [len(recording.times_ns) for recording in find_recordings(tmp_path)] == [1]


def test_a_feed_without_times_and_with_presets_says_so() -> None:
    tape = Tape("cam-1", Path("nowhere"), (640, 360), 0, period_s=7.0)
    tape.stamps, tape.presets, tape.unstamped = [START_NS], ["north"], 1
    facts = tape.facts()
    assert (facts["period_s"], facts["presets"], facts["without_time"]) == (7.0, ["north"], 1)
