"""Knobs of the desk: what people are told of a case, and when."""

from pydantic import Field

from config.base import Knobs


class DeskKnobs(Knobs):
    """From incident to its end."""

    chief_h: float = Field(default=4.0, ge=0)  # working hours after its limit at which the supervisor hears of a case
    take_s: float = Field(default=1800.0, gt=0)  # a job may wait, of its unit's duty hours; by the clock where urgent
    sos_take_s: float = Field(default=120.0, gt=0)  # a call for help may wait for a crew, by the clock
    sweep_at: str = Field(default="08:30", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")  # the day's list of stuck cases
    clock_settle_s: float = Field(default=300.0, ge=0)  # a moved clock holds lamps so long
    digest_after_s: float = Field(default=300.0, gt=0)  # what turned longer ago than that goes into one message
    suspend_days: float = Field(default=90.0, gt=0, le=3660)  # days that a case may be suspended by one word
    tokens: bool = False  # whether nobody acts without the file that shows who they are

    @property
    def sweep_at_min(self) -> int:
        """Minutes after midnight of ``sweep_at``."""
        hour, _, minute = self.sweep_at.partition(":")
        return int(hour) * 60 + int(minute)
