"""What a city rules beyond classes and cells: its calendar, limits, people, duties and exceptions. Nouns only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from schemas.hours import DAY_MIN, Hours, LonLat

HOLIDAY = 7  # the eighth day of the week: a public holiday, in ``Hours.weekdays`` and ``WorkCalendar.day_kind``
NEXT_DAY = timedelta(days=1)

Stage = Literal["verify", "file", "dispatch", "handle", "check"]
AmountUnit = Literal["working_h", "working_d", "natural_h"]
Role = Literal["inspector", "intake", "duty_lead", "dispatcher", "officer", "auxiliary", "supervisor", "auditor"]


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """When the city works, on its own clock.

    Attributes:
        hours: weekly working hours; weekday 7 (``HOLIDAY``) may be named too, and usually is not.
        holidays: public holidays by date, with their names.
        makeup_days: days that are worked to make up for a bridge day (调休上班), each with the weekday it stands for.
    """

    hours: tuple[Hours, ...] = ()
    holidays: Mapping[date, str] = field(default_factory=dict)
    makeup_days: Mapping[date, int] = field(default_factory=dict)

    def day_kind(self, day: date) -> int:
        """0 Monday … 6 Sunday, as the day is worked and permitted: ``HOLIDAY`` on one, the other's on a make-up day."""
        if day in self.makeup_days:
            return self.makeup_days[day]
        return HOLIDAY if day in self.holidays else day.weekday()

    def within(self, hours: Sequence[Hours], local: datetime, first: date, last: date) -> bool:
        """Whether a moment of the city's clock lies in weekly hours that start on a day from ``first`` to ``last``.

        That day counts as ``day_kind`` says; what it opened stays open after midnight, whatever the next day is. No
        hours: never. Ends are exclusive.
        """
        today, minute = local.date(), local.hour * 60 + local.minute
        if first <= today <= last and self._opens(hours, today, minute):
            return True
        if today <= first:  # the night before is out of the dates, and the first day there is has none
            return False
        return today - NEXT_DAY <= last and self._opens(hours, today - NEXT_DAY, minute + DAY_MIN)

    def _opens(self, hours: Sequence[Hours], day: date, minute: int) -> bool:
        """Whether the hours of a day hold so many minutes, 0..2879, after it began."""
        kind = self.day_kind(day)
        return any(kind in span.weekdays and span.start_min <= minute < span.end_min for span in hours)


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How long a stage of a case may take (时限).

    Attributes:
        limit_id: unique in the pack.
        stage: the stage it measures.
        name: what it asks for ("stop", "penalise", "remove"); empty: the stage itself. A class may have several.
        classes: class codes; empty: all.
        cells: prefixes of cell ids (a district, a street); empty: everywhere. The longest one that fits wins.
        amount, unit: the limit: hours of work, working days, or hours by the clock.
        starts_from_min: minutes after local midnight before which its clock does not start; None: at any time.
        valid_from, valid_to: inclusive local dates on which a stage must begin for it to count.
        source: the document that says so.
    """

    limit_id: str
    stage: Stage
    amount: float
    unit: AmountUnit
    name: str = ""
    classes: frozenset[str] = frozenset()
    cells: tuple[str, ...] = ()
    starts_from_min: int | None = None
    valid_from: date = date.min
    valid_to: date = date.max
    source: str = ""


@dataclass(frozen=True, slots=True)
class Responsibility:
    """Who takes care of what, where and when (权责清单). The most special wins: ``alerts/deciding/responsible.py``.

    ``cells``: prefixes of cell ids, empty: everywhere. ``classes``: codes, empty: all. ``hours``: empty: always.
    Dates are inclusive and local; with hours they are those of the days on which the hours start.
    """

    unit_id: str
    cells: tuple[str, ...] = ()
    classes: frozenset[str] = frozenset()
    hours: tuple[Hours, ...] = ()
    valid_from: date = date.min
    valid_to: date = date.max


@dataclass(frozen=True, slots=True)
class PlacedFixture:
    """An object that is legitimate where it stands: a kiosk, a planter, a litter bin.

    A place is a ground polygon, or boxes (x, y, w, h native px) in cameras' pictures; both may be given.
    """

    fixture_id: str
    name: str
    families: frozenset[str]
    polygon: tuple[LonLat, ...] = ()
    camera_boxes: tuple[tuple[str, tuple[float, float, float, float]], ...] = ()
    valid_from: date = date.min
    valid_to: date = date.max


@dataclass(frozen=True, slots=True)
class ShopFront:
    """The ground before a shop (门前五包): goods here are 09005, and ``party`` answers for them.

    A place is a ground polygon, or (camera_id, zone name) pairs; both may be given.
    """

    front_id: str
    name: str
    party: str
    polygon: tuple[LonLat, ...] = ()
    camera_zones: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Ground where a family has a class of its own: litter in a green belt is 06017, around a bin it is 06042.

    A place is a ground polygon, or (camera_id, zone name) pairs; both may be given. Of several the first counts.
    """

    area_id: str
    name: str
    class_code: str
    polygon: tuple[LonLat, ...] = ()
    camera_zones: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Campaign:
    """A special effort (专项整治) that ends by date: within it these classes count more.

    ``classes``: codes, empty: all. ``cells``: prefixes, empty: everywhere. ``dwell_factor`` multiplies the dwell of an
    alert, 0.1..1; ``direct``: no person confirms first; ``urgent``: jobs go on the urgent stream.
    """

    campaign_id: str
    name: str
    valid_from: date
    valid_to: date
    classes: frozenset[str] = frozenset()
    cells: tuple[str, ...] = ()
    dwell_factor: float = 1.0
    direct: bool = False
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Duty:
    """When a unit is on duty, and with which vehicles. Dates are inclusive, local, of the days on which hours start."""

    unit_id: str
    hours: tuple[Hours, ...]
    vehicles: tuple[str, ...] = ()
    valid_from: date = date.min
    valid_to: date = date.max


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A person who acts on cases. ``unit_id`` empty: of the bureau, not of a unit."""

    person_id: str
    name: str
    role: Role
    unit_id: str = ""


@dataclass(frozen=True, slots=True)
class CityRules:
    """All of it; empty where a pack says nothing, and then nothing is limited, excepted or rostered."""

    calendar: WorkCalendar = field(default_factory=WorkCalendar)
    limits: tuple[TimeLimit, ...] = ()
    responsibilities: tuple[Responsibility, ...] = ()
    fixtures: tuple[PlacedFixture, ...] = ()
    shop_fronts: tuple[ShopFront, ...] = ()
    areas: tuple[ClassArea, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    duties: tuple[Duty, ...] = ()
    staff: Mapping[str, StaffMember] = field(default_factory=dict)
