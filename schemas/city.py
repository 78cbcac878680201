"""A city pack's rows: classes, cells, units, permits."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

LonLat = tuple[float, float]  # degrees WGS-84, longitude first


@dataclass(frozen=True, slots=True)
class CityBox:
    """Edges of a rectangle of degrees WGS-84, all inclusive; it does not cross the 180th meridian."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class CaseClass:
    """One class of the case catalogue.

    Attributes:
        code: five digits, e.g. "09006" (2-digit class + 3-digit sub of GB/T 47678.5-2026).
        family: incident family this class belongs to.
        mode: "verify_first": a person confirms before dispatch; "direct": dispatched at once.
        handle_h: working hours the unit has to deal with it.
        dwell_s: captured seconds before it is an alert; None: the detector's own.
        urgent: whether its jobs go on the urgent stream.
    """

    code: str
    name_zh: str
    name_en: str
    family: Literal["stall", "waste", "truck"]
    mode: Literal["verify_first", "direct"] = "verify_first"
    handle_h: float = 24.0
    dwell_s: float | None = None
    urgent: bool = False
    legacy_2013: str = ""
    legacy_cjt214: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A crew that takes jobs."""

    unit_id: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class GridCell:
    """One unit-grid cell (单元网格): 15 digits, a polygon, and who is responsible by family."""

    cell_id: str
    name: str
    polygon: tuple[LonLat, ...]
    units: dict[str, str] = field(default_factory=dict)  # family -> unit_id; key "*" for all others


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from ``start_min`` to ``end_min`` (minutes after local midnight, end exclusive, 0..1440) on weekdays.

    ``weekdays``: 0 Monday … 6 Sunday. Over midnight is written as two entries.
    """

    weekdays: frozenset[int]
    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True)
class Permit:
    """A place where stalls (or other families) are allowed (疏导点), at these hours, in this time span.

    A place is a ground polygon, or, for uncalibrated cameras, (camera_id, zone name) pairs; both may be given.
    ``valid_from`` and ``valid_to`` are inclusive local dates.
    """

    permit_id: str
    name: str
    families: frozenset[str]
    polygon: tuple[LonLat, ...]
    camera_zones: frozenset[tuple[str, str]]
    hours: tuple[Hours, ...]
    valid_from: date
    valid_to: date


@dataclass(frozen=True, slots=True)
class City:
    """A loaded, checked city pack: everything the decision asks.

    ``default_class`` maps a family to the class code used when nothing says more (stall: 09006, waste: 06010).
    ``version`` is a digest of the pack's files: the rule version stored with each incident.
    """

    name: str
    timezone: str
    version: str
    classes: dict[str, CaseClass]
    default_class: dict[str, str]
    units: dict[str, Unit]
    cells: dict[str, GridCell]
    permits: tuple[Permit, ...]
