"""A city pack's rows: classes, cells, units, permits."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from schemas.hours import Hours, LonLat
from schemas.rules import CityRules

Check = Literal["none", "camera", "person"]


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
        check: who checks that a crew's work is done (核查): nobody, the camera that saw it, or a person.
        grace_h: hours by the clock in which its party may put it right before it becomes a case (自行纠正).
        grave: voiding it wants a second person (法制审核).
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
    check: Check = "none"
    grace_h: float = 0.0
    grave: bool = False


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
class Permit:
    """A place where stalls (or other families) are allowed (疏导点), at these hours, in this time span.

    A place is a ground polygon, or, for uncalibrated cameras, (camera_id, zone name) pairs; both may be given.
    ``valid_from`` and ``valid_to`` are inclusive local dates, of the days on which hours start. ``classes``: only
    these of its families; empty: all.
    """

    permit_id: str
    name: str
    families: frozenset[str]
    polygon: tuple[LonLat, ...]
    camera_zones: frozenset[tuple[str, str]]
    hours: tuple[Hours, ...]
    valid_from: date
    valid_to: date
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class City:
    """A loaded, checked city pack: everything the decision asks.

    ``default_class`` maps a family to the class code used when nothing says more (stall: 09006, waste: 06010).
    ``version`` is a digest of the pack's files: the rule version stored with each incident. ``rules``: its calendar,
    limits, people, duties and exceptions; empty where the pack has no such files.
    """

    name: str
    timezone: str
    version: str
    classes: dict[str, CaseClass]
    default_class: dict[str, str]
    units: dict[str, Unit]
    cells: dict[str, GridCell]
    permits: tuple[Permit, ...]
    rules: CityRules = field(default_factory=CityRules)

    @property
    def division(self) -> str:
        """The six digits of the administrative division that most of its cells begin with; ``000000`` without cells."""
        counts = Counter(cell_id[:6] for cell_id in self.cells)
        return max(counts, key=lambda code: (counts[code], code), default="000000")
