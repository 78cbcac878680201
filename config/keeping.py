"""How long each class of data is kept."""

from pydantic import Field

from config.base import Knobs

DAYS_MAX = 36_500  # a hundred years; longer is a mistake


def _days(default: int) -> int:
    # 0 is refused (C20): it reads as "for ever" to one and as "not at all" to another.
    found: int = Field(default=default, ge=1, le=DAYS_MAX)
    return found


class KeepingKnobs(Knobs):
    """Terms in days. Incidents and their record have none: they stay."""

    positions_days: int = _days(90)
    sightings_days: int = _days(365)
    device_health_days: int = _days(365)
    camera_events_days: int = _days(365)
    letters_days: int = _days(90)
    evidence_days: int = _days(30)
    traces_days: int = _days(90)
    keys_days: int = _days(30)
    stuck_days: int = _days(365)
    kpi_days: int = _days(90)
    hours_days: int = _days(730)
    stray_hours: int = Field(default=24, ge=1, le=8760)
    community: bool = True
