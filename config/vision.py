"""Knobs of the stationary-object detector; defaults and sources: docs/detectors.md."""

from pydantic import Field

from config.base import Knobs


class VisionKnobs(Knobs):
    """Everything in seconds of captured time, grey levels, grid pixels or metres."""

    dwell_s: float = Field(default=90.0, gt=0)  # the one knob: t_confirm, and what v_static, v_bg and t_prop scale by
    analyse_period_s: float = Field(default=4.0, ge=0)  # at most one frame per camera in this time; 0: every frame
    maturing_period_s: float = Field(default=1.0, ge=0)  # while a candidate matures
    vote_s: float = Field(default=0.5, gt=0)  # q: captured seconds per vote
    dt_max_s: float = Field(default=10.0, gt=0)
    match_grey: int = Field(default=14, ge=1, le=127)  # t1
    differs_grey: int = Field(default=20, ge=1, le=127)  # t_f, luma
    differs_chroma: int = Field(default=9, ge=1, le=127)  # t_f, chroma
    gone_s: float = Field(default=30.0, gt=0)
    area_min_px: int = Field(default=18, ge=1)  # on the grid
    area_min_m2: float = Field(default=0.06, gt=0)  # where calibrated
    ncc_light: float = Field(default=0.55, ge=-1, le=1)
    ghost_margin: float = Field(default=0.12, ge=0)
    warmup_s: float = Field(default=30.0, ge=0)  # captured seconds before the first proposal

    @property
    def static_s(self) -> float:
        """v_static: votes a candidate needs before it is proposed (design 13.14)."""
        return min(60.0, self.dwell_s / 2)

    @property
    def scale(self) -> float:
        """How v_bg and t_prop scale with the dwell; 1 at the default 90 s and above."""
        return min(1.0, self.dwell_s / 90.0)

    @property
    def background_s(self) -> float:
        """v_bg: votes at which a pixel that looks like the background is capped."""
        return 20.0 * self.scale

    @property
    def propose_s(self) -> float:
        """t_prop: captured seconds between two proposal passes."""
        return 8.0 * self.scale
