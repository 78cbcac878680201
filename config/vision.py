"""Knobs of the stationary-object detector; defaults and sources: docs/detectors.md."""

from typing import Literal

from pydantic import Field

from config.base import Knobs


class VisionKnobs(Knobs):
    """Everything in seconds of captured time, grey levels, grid pixels or metres."""

    dwell_s: float = Field(default=90.0, gt=0)  # the one knob: t_confirm, and what v_static, v_bg and t_prop scale by
    analyse_period_s: float = Field(default=4.0, ge=0)  # at most one frame per camera in this time; 0: every frame
    maturing_period_s: float = Field(default=1.0, ge=0)  # while a candidate matures
    vote_s: float = Field(default=0.5, gt=0)  # q: captured seconds per vote
    dt_max_s: float = Field(default=15.0, gt=0)  # never more than static_s / (sightings_min - 1)
    sightings_min: int = Field(default=5, ge=2, le=60)  # frames that must show an object or a background, however slow
    match_grey: int = Field(default=14, ge=1, le=127)  # t1
    differs_grey: int = Field(default=20, ge=1, le=127)  # t_f, luma
    differs_chroma: int = Field(default=9, ge=1, le=127)  # t_f, chroma
    gone_s: float = Field(default=30.0, gt=0)
    area_min_px: int = Field(default=18, ge=1)  # on the grid
    area_min_m2: float = Field(default=0.06, gt=0)  # where calibrated
    ncc_light: float = Field(default=0.55, ge=-1, le=1)
    ghost_margin: float = Field(default=0.12, ge=0)
    warmup_s: float = Field(default=30.0, ge=0)  # captured seconds before the first proposal; scales with the dwell
    relearn_s: float = Field(default=120.0, gt=0)  # captured seconds of another scene after which it is learned anew
    dirty_s: float = Field(default=3600.0, gt=0)  # captured seconds of a covered or blurred lens, likewise
    join_m: float = Field(default=1.2, ge=0)  # where calibrated: fragments nearer than this are one object
    other_after_s: float = Field(default=1800.0, ge=0)  # beyond the dwell, before what is surely other is background
    other_confidence: float = Field(default=0.95, ge=0, le=1)
    crop_model: Literal["own", ""] = "own"  # the crop classifier that ships with the package; empty: none
    detector: str = Field(default="majority", min_length=1, max_length=100)  # ours, or an entry point's name
    detector_knobs: dict[str, bool | int | float | str] = Field(default_factory=dict)  # for another detector

    @property
    def static_s(self) -> float:
        """v_static: votes a candidate needs before it is proposed (design 13.14)."""
        return min(60.0, self.dwell_s / 2)

    @property
    def scale(self) -> float:
        """How v_bg and t_prop scale with the dwell; 1 at the default 90 s and above."""
        return min(1.0, self.dwell_s / 90.0)

    @property
    def gap_s(self) -> float:
        """What one frame counts at most, so that ``sightings_min`` of them are needed at any cadence."""
        return min(self.dt_max_s, self.static_s / (self.sightings_min - 1))

    def slow(self, dt_s: float) -> bool:
        """Whether a frame ``dt_s`` after the one before counts for half of it or less: sightings count then."""
        return dt_s >= 2 * self.gap_s

    @property
    def quantum_s(self) -> float:
        """Q in use: finer than ``vote_s`` for short dwells, so that v_static is never less than 60 votes."""
        return min(self.vote_s, self.static_s / 60)

    @property
    def learn_s(self) -> float:
        """Warm-up in use."""
        return self.warmup_s * self.scale

    @property
    def background_s(self) -> float:
        """v_bg: votes at which a pixel that looks like the background is capped."""
        return 20.0 * self.scale

    @property
    def propose_s(self) -> float:
        """t_prop: captured seconds within which a change is followed: slow light, the votes' cap, a thing that left."""
        return 8.0 * self.scale

    @property
    def search_s(self) -> float:
        """Captured seconds between two searches: a dwell leaves time for three of them after v_static."""
        return min(2 * self.propose_s, (self.dwell_s - self.static_s) / 3)
