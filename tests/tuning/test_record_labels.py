import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import curbwatch.database as db
from curbwatch.tuning.record import FACTS, Ring
from curbwatch.tuning.record_labels import Found, label, labels
from curbwatch.tuning.recording import read_recording
from schemas.units import utc
from tests.tuning.test_record import START_NS, S, frame

TIMES = [START_NS + 4 * k * S for k in range(10)]


def found(state: str, decided_by: str = "", first_s: float = 9, last_s: float = 21) -> Found:
    start = utc(START_NS)
    came, opened, left = (start + timedelta(seconds=at_s) for at_s in (first_s, first_s + 5, last_s))
    return Found("i-1", "waste", [1.4, 2.0, 3.0, 4.0], came, opened, left, state, decided_by, 0.51234)


def test_without_incidents_only_what_a_person_wrote_stays() -> None:
    by_hand = {"kind": "stall", "bbox": [0, 0, 1, 1]}
    facts: dict[str, Any] = {"events": [by_hand, {"incident_id": "old"}]}
    assert labels([], TIMES, facts) == {"events": [by_hand], "distractors": [], "incidents": []}


@pytest.mark.parametrize(
    ("state", "decided_by", "key"),
    [
        ("dispatched", "li", "events"),
        ("gone", "li", "events"),
        ("void", "li", "distractors"),
        ("verify", "", "incidents"),
        ("dispatched", "", "incidents"),
    ],
)
def test_an_incident_is_an_event_a_distractor_or_not_judged(state: str, decided_by: str, key: str) -> None:
    made = labels([found(state, decided_by)], TIMES, {})
    assert [name for name, entries in made.items() if entries] == [key]
    (entry,) = made[key]
    assert (entry["kind"], entry["bbox"], entry["judged_by"]) == ("waste", [1, 2, 3, 4], decided_by)


@pytest.mark.parametrize(
    ("first_s", "last_s", "frames"),
    [(9, 21, (3, 5)), (-50, 500, (0, 9)), (8, 8, (2, 2)), (36, 37, (9, 9)), (40, 41, (9, 9))],
)
def test_its_frames_are_those_of_its_time(first_s: float, last_s: float, frames: tuple[int, int]) -> None:
    (entry,) = labels([found("void", "", first_s, last_s)], TIMES, {})["distractors"]
    assert (entry["appear_frame"], entry["last_frame"]) == frames


@pytest.mark.servers
def test_a_recording_takes_over_what_was_confirmed_on_its_camera(tmp_path: Path, desk_url: str) -> None:
    ring = Ring(tmp_path, keep_bytes=10**6)
    for k in range(10):
        ring.add(frame(4 * k))
    ring.close()
    (folder,) = ring.folders
    with db.connect(desk_url, autocommit=True) as conn:
        before = (folder / FACTS).read_bytes()
        assert label(folder, conn) == 0
        for camera, decided_by in (("cam-1", "li"), ("cam-1", ""), ("cam-2", "li")):
            _incident(conn, camera, decided_by)
        assert [label(folder, conn) for _ in range(2)] == [2, 2]
    recording = read_recording(folder)
    assert [(event.kind, event.first_frame, event.last_frame, event.box) for event in recording.events] == [
        ("waste", 3, 5, (1, 2, 3, 4))
    ]
    facts = json.loads((folder / FACTS).read_text())
    assert len(facts["incidents"]) == 1
    assert json.loads(before)["stamps"] == facts["stamps"]


def _incident(conn: db.Connection, camera_id: str, decided_by: str) -> None:
    one = found("dispatched", decided_by)
    site = conn.execute(
        "insert into site (cell_id, camera_id, box_px) values ('c', %s, %s) returning site_id",
        (camera_id, list(one.box_px)),
    ).fetchone()
    sha = f"{abs(hash((camera_id, decided_by))):064x}"[-64:]
    picture = conn.execute(
        "insert into evidence (sha256, camera_id, captured_at, received_at, size_bytes)"
        " values (%s, %s, now(), now(), 1) returning evidence_id",
        (sha, camera_id),
    ).fetchone()
    assert site is not None
    assert picture is not None
    conn.execute(
        "insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id,"
        " unit_id, box_px, appeared_at, opened_at, last_seen_at, confidence, opening_id, rule_version, decided_by)"
        " values (gen_random_uuid(), 'waste', %s, '06010', 'dispatched', %s, 1, '', 'c', 'u', %s, %s, %s, %s, 0.5, %s,"
        " 'v', %s)",
        (
            site[0],
            camera_id,
            list(one.box_px),
            one.appeared_at,
            one.opened_at,
            one.ended_at,
            picture[0],
            decided_by,
        ),
    )
