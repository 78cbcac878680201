"""Real recordings and tracks through ``curbwatch run`` on the private servers; said and skipped without them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import curbwatch.database as db
from curbwatch.tuning.composite import waste_composite
from tests.fix_service import ROOT, Service

DATA = ROOT.parent / "shared" / "data"
TRACK_POSITIONS = 219_274
EVENT_FREE = (
    "seq-cdnet-highway",
    "seq-intel-parking",
    "seq-motorway-cctv",
    "seq-ucsd-ped2-01",
    "seq-ucsd-ped2-05",
    "seq-ucsd-ped2-06",
    "seq-ucsd-ped2-09",
)
PLACE, WIDTH_PX, FIRST_FRAME = (560, 300), 56, 60

pytestmark = [
    pytest.mark.servers,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings at {DATA}"),
]


def curbwatch(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "curbwatch", *words, "--config", str(service.config)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=600)


def publish(service: Service, folder: Path, *paths: Path, words: tuple[str, ...] = ()) -> dict[str, Any]:
    out = folder / "published.json"
    told = curbwatch(service, "publish", "--register", "--json", str(out), *words, *map(str, paths))
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def rows(service: Service, query: str) -> list[tuple[Any, ...]]:
    with db.connect(service.database_url) as conn:
        return conn.execute(query).fetchall()


@pytest.mark.timeout(300)
def test_every_position_of_every_track_is_stored_once(service: Service, tmp_path: Path) -> None:
    service.start()
    told = publish(service, tmp_path, *sorted(DATA.glob("gps-*")))
    assert told["positions"]["published"] == TRACK_POSITIONS
    assert told["positions"]["acknowledged"] == TRACK_POSITIONS
    distinct = "select count(*), count(distinct (device_id, ts, boot, seq, item_hash)) from position"
    assert rows(service, distinct) == [(TRACK_POSITIONS, TRACK_POSITIONS)]
    assert rows(service, "select count(*) from dead_letter") == [(0,)]


@pytest.mark.timeout(600)
def test_every_frame_of_every_sequence_is_accounted_for_and_event_free_clips_raise_nothing(
    service: Service, tmp_path: Path
) -> None:
    service.start()
    told = publish(service, tmp_path, *sorted(DATA.glob("seq-*")), words=("--time-scale", "4"))
    assert told["frames"]["timed_out"] == 0
    received = service.metric("curbwatch_frames_received_total")
    ends = [service.metric(f"curbwatch_frames_{end}_total") for end in ("processed", "shed", "rejected")]
    assert received == told["frames"]["published"] == sum(ends)
    assert service.metric("curbwatch_frames_rejected_total", reason="format") == 27  # PNG pictures named .jpg
    found = rows(service, "select camera_id, family, box_px, confidence from incident")
    print("raised on feeds without labelled events:", *found, sep="\n  ")  # noqa: T201  # a figure to read
    assert [row for row in found if row[0] in EVENT_FREE] == []


@pytest.mark.timeout(300)
def test_one_composite_is_one_incident_one_pair_one_job_and_one_crews(service: Service, tmp_path: Path) -> None:
    recording = tmp_path / "seq-composite-waste"
    picture = sorted(path.stem for path in (DATA / "waste-street-cn" / "tune" / "labels").glob("*.txt"))
    named = next(name for name in picture if _exposed(name))
    waste_composite(DATA, named, 0, WIDTH_PX, PLACE, FIRST_FRAME, recording)
    service.start()
    publish(service, tmp_path, recording, words=("--time-scale", "4"))
    incidents = rows(service, "select family, unit_id, before_sha256, opening_sha256 from incident_view")
    assert [row[0] for row in incidents] == ["waste"]
    ((_, unit_id, before, opening),) = incidents
    evidence = service.folder / "evidence"
    for digest in (before, opening):
        assert (evidence / digest[:2] / digest[2:4] / f"{digest}.jpg").is_file()
    assert rows(service, "select count(*) from job") == [(1,)]
    take = ("dispatch", "take", "--json", "--unit", unit_id, "--as")
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda person: curbwatch(service, *take, person), ("Li", "Han")))
    assert sorted(told.returncode for told in ended) == [0, 1]
    assert rows(service, "select state, count(*) from job group by state") == [("taken", 1)]


def _exposed(name: str) -> bool:
    lines = (DATA / "waste-street-cn" / "tune" / "labels" / f"{name}.txt").read_text().splitlines()
    return any(line.startswith("0 ") for line in lines)
