"""Makes a city's rules out of the checked rows of its optional files."""

from config.pack_read import RuleRows
from config.pack_rows import WEEKDAYS, HoursRow, minutes_of
from config.pack_rules_rows import FixtureRow, LimitRow, ResponsibilityRow
from schemas.hours import Hours
from schemas.rules import (
    Campaign,
    CityRules,
    ClassArea,
    Duty,
    PlacedFixture,
    Responsibility,
    ShopFront,
    StaffMember,
    TimeLimit,
    WorkCalendar,
)


def rules_of(rows: RuleRows) -> CityRules:
    """Everything the optional files rule; nothing where there are none."""
    return CityRules(
        calendar=calendar_of(rows),
        limits=tuple(_limit(row) for _, row in rows.limits.rows),
        responsibilities=tuple(_responsibility(row) for _, row in rows.responsibilities.rows),
        fixtures=tuple(_fixture(row) for _, row in rows.fixtures.rows),
        shop_fronts=tuple(
            ShopFront(row.front_id, row.name, row.party, row.polygon, frozenset(row.camera_zones))
            for _, row in rows.shop_fronts.rows
        ),
        areas=tuple(
            ClassArea(row.area_id, row.name, row.class_code, row.polygon, frozenset(row.camera_zones))
            for _, row in rows.areas.rows
        ),
        campaigns=tuple(
            Campaign(
                campaign_id=row.campaign_id,
                name=row.name,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
                classes=frozenset(row.classes),
                cells=row.cells,
                dwell_factor=row.dwell_factor,
                direct=row.direct,
                urgent=row.urgent,
            )
            for _, row in rows.campaigns.rows
        ),
        duties=tuple(
            Duty(row.unit, tuple(map(hours_from, row.hours)), row.vehicles, row.valid_from, row.valid_to)
            for _, row in rows.duties.rows
        ),
        staff={row.person_id: StaffMember(row.person_id, row.name, row.role, row.unit) for _, row in rows.staff.rows},
    )


def calendar_of(rows: RuleRows) -> WorkCalendar:
    """When the city works, its holidays and its make-up days."""
    return WorkCalendar(
        hours=tuple(hours_from(row) for _, row in rows.hours.rows),
        holidays={row.day: row.name for _, row in rows.holidays.rows},
        makeup_days={row.day: WEEKDAYS.index(row.stands_for) for _, row in rows.makeups.rows},
    )


def hours_from(row: HoursRow) -> Hours:
    """One entry of weekly hours, in minutes."""
    return Hours(frozenset(map(WEEKDAYS.index, row.days)), minutes_of(row.start), minutes_of(row.end))


def _limit(row: LimitRow) -> TimeLimit:
    return TimeLimit(
        limit_id=row.limit_id,
        stage=row.stage,
        amount=row.amount,
        unit=row.unit,
        name=row.name,
        classes=frozenset(row.classes),
        cells=row.cells,
        starts_from_min=minutes_of(row.starts_from) if row.starts_from else None,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        source=row.source,
    )


def _responsibility(row: ResponsibilityRow) -> Responsibility:
    hours: tuple[Hours, ...] = ()
    if row.days:
        days = frozenset(map(WEEKDAYS.index, row.days))
        hours = (Hours(days, minutes_of(row.start), minutes_of(row.end)),)
    return Responsibility(row.unit, row.cells, frozenset(row.classes), hours, row.valid_from, row.valid_to)


def _fixture(row: FixtureRow) -> PlacedFixture:
    return PlacedFixture(
        fixture_id=row.fixture_id,
        name=row.name,
        families=frozenset(row.families),
        polygon=row.polygon,
        camera_boxes=tuple((box.camera, box.box_px) for box in row.boxes),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
    )
