"""Knobs of an incident's life: what belongs to it, what brings it back, and where it is quiet."""

from pydantic import Field

from config.base import Knobs


class IncidentKnobs(Knobs):
    """How things that are one become one incident, and what cameras may say about its end."""

    reopen_s: float = Field(default=1800.0, ge=0)  # captured seconds in which a thing that is back is the same incident
    quiet_s: float = Field(default=3600.0, ge=0)  # seconds for which a place is quiet after a person voided
    recheck_s: float = Field(
        default=300.0, ge=0
    )  # captured seconds after a crew's word from which what stands is rework
    attach_m: float = Field(default=30.0, gt=0)  # a complaint this near belongs to an open incident
    attach_h: float = Field(default=24.0, gt=0)  # and within so many hours
    standing_min: float = Field(default=5.0, gt=0)  # minutes after which a second picture is taken
    repeat_days: int = Field(default=30, ge=1, le=3660)  # days in which cases of one place or party are counted
