"""What the decision says: sightings that count, objects that left, and the job that follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Box = tuple[float, float, float, float]  # x, y, w, h in native px


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at a thing that must not stand there. ``*_ns`` are captured times, ns since 1970 UTC.

    ``point`` is lon, lat in degrees WGS-84 where the camera is calibrated. ``direct``: dispatched without a person's
    confirmation. ``rule_version`` names the city pack that decided. ``check``: who checks a crew's work: ``none``,
    ``camera`` or ``person``. ``grace_h``: hours its party has to put it right first. ``party`` answers for the place.
    """

    camera_id: str
    track_id: int
    family: str
    class_code: str
    zone: str
    cell_id: str
    unit_id: str
    point: tuple[float, float] | None
    box_px: Box
    captured_ns: int
    appeared_ns: int
    dwell_s: float
    confidence: float
    direct: bool
    urgent: bool
    rule_version: str
    check: str = "none"
    grace_h: float = 0.0
    party: str = ""


@dataclass(frozen=True, slots=True)
class Departure:
    """A track that came to its place at ``appeared_ns`` and left it at ``captured_ns``: ns since 1970 UTC."""

    camera_id: str
    track_id: int
    captured_ns: int
    appeared_ns: int


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Original bytes on disk, by their SHA-256 (64 hex digits)."""

    sha256: str
    camera_id: str
    captured_ns: int
    received_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What the store made of a sighting: its incident, and whether it was opened just now."""

    incident_id: str
    opened: bool
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident as people and programs read it."""

    incident_id: str
    family: str
    class_code: str
    state: str
    camera_id: str
    zone: str
    cell_id: str
    unit_id: str
    lon: float | None
    lat: float | None
    box_px: Box
    appeared_at: datetime
    opened_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    sightings: int
    confidence: float
    before_sha256: str | None
    opening_sha256: str | None  # None: no camera saw it
    rule_version: str
    decided_by: str
    version: int = 0  # steps in its record: an action may say which one it has seen
    source: str = "camera"  # camera, complaint, vehicle or patrol: who told of it first
    case_no: str = ""  # empty before it is filed
    outcome: str = ""  # how it ended: handled, self_handled, gone, corrected, void, merged; empty while it is open
    party: str = ""  # who answers for the place; empty: nobody known
    check: str = "none"  # who checks a crew's work: none, camera or person
    urgent: bool = False
    reworks: int = 0
    reopenings: int = 0
    grace_until: datetime | None = None
    after_sha256: str | None = None  # the picture in which it is gone


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One step of an incident: ``actor`` is a person's name, ``detector`` or ``relay``; ``detail`` is plain JSON."""

    at: datetime
    actor: str
    what: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One errand for a crew, with the incident it is about."""

    job_id: str
    unit_id: str
    urgency: str
    state: str
    holder: str
    lease_until: datetime | None
    incident: IncidentRow
    vehicle_id: str = ""  # the unit's nearest vehicle when it was chosen; empty: no position was known
    distance_m: float | None = None  # from there to the place, straight
    why: str = ""  # why this unit: a word of schemas.dispatch.Why; empty: not chosen yet
    stuck: str = ""  # why terminals do not get it any more; empty: they do
