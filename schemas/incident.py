"""What the decision says: sightings that count, objects that left, and the job that follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Box = tuple[float, float, float, float]  # x, y, w, h in native px


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at a thing that must not stand there. ``*_ns`` are captured times, ns since 1970 UTC.

    ``point`` is lon, lat in degrees WGS-84 where the camera is calibrated. ``direct``: dispatched without a person's
    confirmation. ``rule_version`` names the city pack that decided. ``check``: who checks a crew's work: ``none``,
    ``camera`` or ``person``. ``grace_h``: hours its party has to put it right first. ``party`` answers for the place.
    ``preset``: the view that was shown, as the camera names it; empty: it named none. ``grave``: by its class.
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
    preset: str = ""
    grave: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Original bytes on disk, by their SHA-256 (64 hex digits).

    ``stamped``: False where the camera sent no time of its own and the receive time counts.
    """

    sha256: str
    camera_id: str
    captured_ns: int
    received_ns: int
    size_bytes: int
    stamped: bool = True


@dataclass(frozen=True, slots=True)
class Departure:
    """A track that came to its place at ``appeared_ns`` and left it at ``captured_ns``: ns since 1970 UTC.

    ``after``: the picture in which it is gone, on disk by now; None where there is none.
    """

    camera_id: str
    track_id: int
    captured_ns: int
    appeared_ns: int
    after: EvidenceRecord | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What the store made of a sighting: its incident, and whether it was opened just now.

    ``reopened``: it had ended, and its thing stands there again. ``reworked``: a crew had said that it is dealt with.
    ``quiet``: it was noted and opened nothing. ``wants_picture``: its thing stands long enough for a second picture.
    """

    incident_id: str
    opened: bool
    sighting: Sighting
    reopened: bool = False
    reworked: bool = False
    quiet: bool = False
    wants_picture: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of an incident, and what it shows.

    ``role``: ``before`` (the place without the thing), ``opening``, ``standing`` (minutes later), ``back`` (it had
    ended and reopened), ``rework`` (a crew had said that it is dealt with), ``after`` (the thing is gone), or another
    word that a person's action gave it.
    """

    role: str
    record: EvidenceRecord


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody else tells of a thing: a complaint, a patrol's or a vehicle's finding.

    ``ref`` is its number where it came from, unique within its kind. A place is a ground point (lon, lat in degrees
    WGS-84), a box in a camera's picture, or only a cell; ``box_px`` counts with ``camera_id``. ``detail``: plain JSON.
    ``party``: who answers for the shop front that it is on; empty: nobody is known to.
    """

    kind: Literal["complaint", "patrol", "vehicle"]
    ref: str
    family: str
    class_code: str
    at: datetime
    cell_id: str
    unit_id: str
    rule_version: str
    point: tuple[float, float] | None = None
    camera_id: str = ""
    box_px: Box | None = None
    urgent: bool = False
    check: str = "none"
    detail: Mapping[str, Any] = field(default_factory=dict)
    grave: bool = False
    party: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a report: its incident, ``opened`` by it, and whether the same number was ``known`` before."""

    incident_id: str
    opened: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """A report as it is kept with its incident; ``at`` is when it was made, where it came from."""

    kind: str
    ref: str
    at: datetime
    lon: float | None
    lat: float | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many cases there were in the ``days`` up to this one, and this one: at its place, and of its party.

    A case has its number: leads that nobody confirmed count nowhere, nor do voided and merged ones. ``party`` is 0
    where nobody is known to answer for the place.
    """

    spot: int
    party: int
    days: int


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
    preset: str = ""  # the view that its box is drawn in, as the camera names it; empty: it named none
    direct: bool = False  # dispatched without a person's confirmation


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
