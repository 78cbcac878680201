"""Real recordings and tracks through ``curbwatch run`` on the private servers; said and skipped without them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, LiteralString

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
COMPOSITE = "seq-composite-waste"
# A clear heap, as tests/tuning/test_composite.py means it too.
PICTURE, PLACE, WIDTH_PX, FIRST_FRAME = "000251_jpg.rf.4663d0ee19eadff1d3289702b30c9bcb", (420, 250), 56, 60

pytestmark = [
    pytest.mark.servers,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings at {DATA}"),
]


def curbwatch(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "curbwatch", *words, "--config", str(service.config)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=600)


@dataclass(frozen=True, slots=True)
class Played:
    """One run that was sent everything, and what the publisher counted."""

    service: Service
    told: dict[str, Any]

    def rows(self, query: LiteralString, *values: str) -> list[tuple[Any, ...]]:
        with db.connect(self.service.database_url) as conn:
            return conn.execute(query, values or None).fetchall()


@pytest.fixture(scope="module")
def played(lasting_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """All tracks, all sequences and a composite, side by side: each frame waits for the outcome of the one before."""
    folder, service = tmp_path_factory.mktemp("sent"), lasting_service
    recording, out = folder / COMPOSITE, folder / "published.json"
    waste_composite(DATA, PICTURE, 0, WIDTH_PX, PLACE, FIRST_FRAME, recording)
    service.start()
    paths = [*DATA.glob("gps-*"), *DATA.glob("seq-*"), recording]
    words = ("publish", "--register", "--json", str(out), "--time-scale", "4")
    told = curbwatch(service, *words, *sorted(map(str, paths)))
    assert told.returncode == 0, told.stderr
    return Played(service, json.loads(out.read_text()))


@pytest.mark.timeout(600)  # the first of these tests waits for all that is played
def test_every_position_of_every_track_is_stored_once(played: Played) -> None:
    assert played.told["positions"]["published"] == TRACK_POSITIONS
    assert played.told["positions"]["acknowledged"] == TRACK_POSITIONS
    distinct = "select count(*), count(distinct (device_id, ts, boot, seq, item_hash)) from position"
    assert played.rows(distinct) == [(TRACK_POSITIONS, TRACK_POSITIONS)]
    assert played.rows("select count(*) from dead_letter where topic not like '%/frame'") == [(0,)]


@pytest.mark.timeout(600)
def test_every_frame_of_every_sequence_is_accounted_for_and_event_free_clips_raise_nothing(played: Played) -> None:
    told, service = played.told, played.service
    assert told["frames"]["timed_out"] == 0
    received = service.metric("curbwatch_frames_received_total")
    ends = [service.metric(f"curbwatch_frames_{end}_total") for end in ("processed", "shed", "rejected")]
    assert received == told["frames"]["published"] == sum(ends)
    assert service.metric("curbwatch_frames_rejected_total", reason="format") == 27  # PNG pictures named .jpg
    found = played.rows("select camera_id, family, box_px, confidence from incident where camera_id <> %s", COMPOSITE)
    print("raised on feeds without labelled events:", *found, sep="\n  ")  # noqa: T201  # a figure to read
    assert [row for row in found if row[0] in EVENT_FREE] == []


@pytest.mark.timeout(600)
def test_one_composite_is_one_incident_one_pair_one_job_and_one_crews(played: Played) -> None:
    facts = "select family, unit_id, before_sha256, opening_sha256 from incident_view where camera_id = %s"
    incidents = played.rows(facts, COMPOSITE)
    assert [row[0] for row in incidents] == ["waste"]
    ((_, unit_id, before, opening),) = incidents
    evidence = played.service.folder / "evidence"
    for digest in (before, opening):
        assert (evidence / digest[:2] / digest[2:4] / f"{digest}.jpg").is_file()
    jobs = "select job.state, count(*) from job join incident using (incident_id) where camera_id = %s group by 1"
    assert played.rows(jobs, COMPOSITE) == [("queued", 1)]
    take = ("dispatch", "take", "--json", "--unit", unit_id, "--as")
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda person: curbwatch(played.service, *take, person), ("Li", "Han")))
    assert sorted(told.returncode for told in ended) == [0, 1]
    assert played.rows(jobs, COMPOSITE) == [("taken", 1)]
