"""Small true things: a city, a camera's view, rows of detections, sightings, pictures."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from alerts.deciding.decide import FrameTimes
from schemas.city import CaseClass, City, GridCell, Permit, Unit
from schemas.detections import CLASSES, Detections, Phase
from schemas.frame import Frame
from schemas.hours import Hours
from schemas.incident import Departure, EvidenceRecord, Sighting
from schemas.place import Calibration, CameraView, ImageZone
from schemas.units import ns_of

S = 1_000_000_000
CELL = "512002001001001"
MONDAY_1059 = ns_of(datetime(2026, 5, 4, 2, 59, tzinfo=UTC))  # on the clocks of Shanghai
ALL_WEEK = frozenset(range(7))
SQUARE = ((104.640, 30.120), (104.641, 30.120), (104.641, 30.121), (104.640, 30.121))
LEFT = ImageZone("left", ((0, 300), (640, 300), (640, 720), (0, 720)))
BINS = ImageZone("bins", ((600, 300), (1280, 300), (1280, 720), (600, 720)), frozenset({"waste"}))
CALIBRATION = Calibration(150.0, 1 / 6, 104.6405, 30.1205, 62.0, 6.0)


def permit(*hours: tuple[frozenset[int], int, int], **changes: Any) -> Permit:  # noqa: ANN401
    """A permit for stalls in zone ``left`` of cam-1 on these weekdays and minutes of the day."""
    whole = Permit(
        permit_id="p-1",
        name="P",
        families=frozenset({"stall"}),
        polygon=(),
        camera_zones=frozenset({("cam-1", "left")}),
        hours=tuple(Hours(*span) for span in hours),
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
    )
    return replace(whole, **changes)


def city(*permits: Permit, **changes: Any) -> City:  # noqa: ANN401
    whole = City(
        name="T",
        timezone="Asia/Shanghai",
        version="v1",
        classes={
            "09005": CaseClass("09005", "店外经营", "Shop spilling over its front", "stall"),
            "09006": CaseClass("09006", "占道经营", "Stall on the pavement", "stall"),
            "06010": CaseClass("06010", "暴露垃圾", "Exposed waste", "waste", mode="direct", urgent=True),
        },
        default_class={"stall": "09006", "waste": "06010"},
        units={"u-1": Unit("u-1", "一中队", "Squad 1"), "u-2": Unit("u-2", "环卫所", "Sanitation")},
        cells={CELL: GridCell(CELL, "第1网格", SQUARE, {"*": "u-1", "waste": "u-2"})},
        permits=permits,
    )
    return replace(whole, **changes)


def view(**changes: Any) -> CameraView:  # noqa: ANN401
    return replace(CameraView("cam-1", (LEFT, BINS), cell_id=CELL), **changes)


def standing(**changes: Any) -> Detections:  # noqa: ANN401
    """One standing stall in zone ``left``; each change is one row's value."""
    row: dict[str, Any] = {
        "frame": 0,
        "track_id": 7,
        "phase": Phase.STANDING,
        "box_px": (200.0, 400.0, 120.0, 150.0),
        "appeared_ns": MONDAY_1059 - 90 * S,
        "dwell_s": 90.0,
        "family": "stall",
        "confidence": 0.9,
    } | changes
    rest = [k for k, name in enumerate(CLASSES) if name not in {"stall", "waste", row["family"]}]
    posterior = np.zeros((1, len(CLASSES)), np.float32)
    posterior[0, rest] = (1 - row["confidence"]) / len(rest)
    posterior[0, CLASSES.index(row["family"])] = row["confidence"]
    return Detections(
        scene=np.zeros(1, np.uint8),
        frame=np.array([row["frame"]], np.int32),
        track_id=np.array([row["track_id"]], np.int64),
        phase=np.array([row["phase"]], np.uint8),
        box_px=np.array([row["box_px"]], np.float32),
        appeared_ns=np.array([row["appeared_ns"]], np.int64),
        dwell_s=np.array([row["dwell_s"]], np.float32),
        posterior=posterior,
        evidence=np.zeros(1, np.uint8),
        wanted=np.zeros(1, np.bool_),
        wanted_frame=np.zeros(1, np.bool_),
    )


def times(captured_ns: int = MONDAY_1059, camera_id: str = "cam-1") -> FrameTimes:
    return FrameTimes((camera_id,), np.array([captured_ns], np.int64), np.array([[1280, 720]], np.int32))


def frame(jpeg: bytes = b"\xff\xd8picture\xff\xd9", captured_ns: int = MONDAY_1059, camera_id: str = "cam-1") -> Frame:
    return Frame(camera_id, captured_ns, captured_ns + S, jpeg, 1280, 720)


def picture(name: str = "opening", captured_ns: int = MONDAY_1059, camera_id: str = "cam-1") -> EvidenceRecord:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return EvidenceRecord(digest, camera_id, captured_ns, captured_ns + S, 1000)


def sighting(at_s: float = 0.0, **changes: Any) -> Sighting:  # noqa: ANN401
    """Direct waste seen by cam-1, track 7, ``at_s`` captured seconds after Monday 10:59."""
    whole = Sighting(
        camera_id="cam-1",
        track_id=7,
        family="waste",
        class_code="06010",
        zone="bins",
        cell_id=CELL,
        unit_id="u-1",
        point=None,
        box_px=(700.0, 400.0, 100.0, 80.0),
        captured_ns=MONDAY_1059 + int(at_s * S),
        appeared_ns=MONDAY_1059 - 90 * S,
        dwell_s=90.0 + at_s,
        confidence=0.8,
        direct=True,
        urgent=False,
        rule_version="v1",
    )
    return replace(whole, **changes)


def departure(at_s: float = 60.0, **changes: Any) -> Departure:  # noqa: ANN401
    """The same track leaves, ``at_s`` captured seconds after Monday 10:59."""
    return replace(Departure("cam-1", 7, MONDAY_1059 + int(at_s * S), MONDAY_1059 - 90 * S), **changes)


def together(count: int, work: Callable[[int], object]) -> None:
    """Run ``work(0)`` … ``work(count - 1)`` in threads that start at one moment; their errors come through."""
    gate, faults = threading.Barrier(count), list[BaseException]()

    def run(index: int) -> None:
        try:
            gate.wait()
            work(index)
        except BaseException as fault:  # noqa: BLE001  # handed to the test's own thread
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
