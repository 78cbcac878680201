"""Knobs of the operator's own ONNX detector; how they are chosen: docs/own-model.md."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.base import Knobs

Class = Literal["stall", "waste", "vehicle", "bike", "crowd", "other"]
Side = Annotated[int, Field(ge=0, le=4096)]


class ModelKnobs(Knobs):
    """Which file, how it is fed and read, when it is asked, and how much it counts."""

    onnx_file: str = ""  # empty: none
    names_file: str = ""  # one class name a line; empty: as the ONNX file says
    classes: dict[str, Class] = Field(default_factory=dict)  # its class, by name or number, to ours
    layout: Literal["auto", "yolov5", "yolov8", "end_to_end", "yolox", "detr", "rtdetr"] = "auto"
    input_px: tuple[Side, Side] = (0, 0)  # width and height; 0: as the ONNX file says
    fit: Literal["centre", "corner", "stretch"] = "centre"
    colours: Literal["rgb", "bgr"] = "rgb"
    divide_by: float = Field(default=255.0, gt=0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    confidence: float = Field(default=0.25, gt=0, le=1)
    overlap_max: float = Field(default=0.45, ge=0, le=1)  # of boxes of one class, intersection over union
    on_tracks: bool = True
    likely_min: float = Field(default=0.05, ge=0, le=1)
    look_s: float = Field(default=20.0, ge=0)  # captured seconds between two looks at one track
    looks_max: int = Field(default=6, ge=1, le=1000)
    every_s: float = Field(default=0.0, ge=0)  # captured seconds between two whole pictures; 0: never
    seen_min: int = Field(default=3, ge=2, le=60)
    seen_of: int = Field(default=5, ge=2, le=60)
    weight: float = Field(default=1.0, ge=0, le=10)
    silence: float = Field(default=1.0, ge=0, le=1)
    limit_ms: float = Field(default=500.0, gt=0)
    step_s: float = Field(default=1.0, gt=0)  # of looks after one step of a shard; one look at least

    @model_validator(mode="after")
    def _together(self) -> Self:
        """What each is right by itself and not together."""
        if self.seen_min > self.seen_of:
            raise ValueError(f"seen_min = {self.seen_min} is more than seen_of = {self.seen_of} looks")
        if min(self.std) <= 0:
            raise ValueError(f"std = {list(self.std)}: each must be more than 0")
        if bool(self.input_px[0]) != bool(self.input_px[1]) or 0 < min(self.input_px) < 16:
            raise ValueError(f"input_px = {list(self.input_px)}: give width and height, 16 to 4096 px each, or 0 and 0")
        if self.onnx_file and not (self.on_tracks or self.every_s):
            raise ValueError("onnx_file is never asked: set on_tracks = true, or every_s above 0")
        return self
