"""A picture into the size that a model wants, and boxes back out of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_GREY = 114  # what YOLO models are trained with around the picture


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a picture of ``size_px`` (width, height) lies in a model's input.

    Attributes:
        scale: input px per picture px, across and down; > 0.
        offset_px: left and top edge of the picture in the input.
        size_px: the picture's own width and height.
    """

    scale: tuple[float, float]
    offset_px: tuple[int, int]
    size_px: tuple[int, int]

    def back(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 4) corners in input px to corners in picture px, clipped to the picture; N may be 0."""
        offset = np.asarray([*self.offset_px, *self.offset_px], np.float64)
        scale = np.asarray([*self.scale, *self.scale], np.float64)
        limit = np.asarray([*self.size_px, *self.size_px], np.float64)
        return np.asarray(np.clip((corners - offset) / scale, 0, limit), np.float32)

    def forth(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 4) corners in picture px to corners in input px."""
        offset = np.asarray([*self.offset_px, *self.offset_px], np.float64)
        return np.asarray(corners * np.asarray([*self.scale, *self.scale], np.float64) + offset, np.float32)


def place(size_px: tuple[int, int], input_px: tuple[int, int], how: str) -> Fit:
    """Where a picture goes: ``centre`` and ``corner`` keep its shape and fill up, ``stretch`` fills the input."""
    width, height = size_px
    if how == "stretch":
        return Fit((input_px[0] / width, input_px[1] / height), (0, 0), size_px)
    scale = min(input_px[0] / width, input_px[1] / height)
    wide, tall = _inside(size_px, input_px, (scale, scale))
    offset = (0, 0) if how == "corner" else ((input_px[0] - wide) // 2, (input_px[1] - tall) // 2)
    # The sides were rounded: boxes go back by what was really drawn.
    return Fit((wide / width, tall / height), offset, size_px)


def draw(picture: NDArray[np.uint8], input_px: tuple[int, int], fit: Fit) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 into (H, W, 3) uint8 as ``fit`` says; grey around it."""
    wide, tall = _inside(fit.size_px, input_px, fit.scale)
    smaller = wide < fit.size_px[0]
    drawn = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    if (wide, tall) == input_px:
        return np.asarray(drawn, np.uint8)
    out = np.full((input_px[1], input_px[0], 3), PAD_GREY, np.uint8)
    left, top = fit.offset_px
    out[top : top + tall, left : left + wide] = drawn
    return out


def _inside(size_px: tuple[int, int], input_px: tuple[int, int], scale: tuple[float, float]) -> tuple[int, int]:
    """Whole px of the drawn picture, at least 1 and at most the input."""
    wide, tall = (
        min(limit, max(1, round(side * by))) for side, limit, by in zip(size_px, input_px, scale, strict=True)
    )
    return wide, tall
