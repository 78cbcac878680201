"""Is a blob an object, or light, shade, or the hole an object left? Looked at in the blob's crop only."""

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.exposure import BLACK
from detectors.vision.proposals import Crop

TEXTURE_MIN = 2.5  # grey levels rms of high-passed brightness below which a correlation means nothing
TEXTURE_GROWTH = 2.0  # light strengthens texture about as much as brightness; more is something new on a few specks
SHADE_SPREAD = 0.07  # spread of the brightness ratio within a shadow, of the ratio
SHADE_COLOUR = 4.0  # levels: shade changes brightness and hardly colour
SHADE_RATIO = (0.35, 2.8)  # plausible ratio of shade to light and of light to shade
FOREIGN_NCC = 0.3  # local correlation below which a textured part of a lit region is something of its own
FOREIGN_PX = 9  # side of the window it is measured in
FOREIGN_SHARE = 0.5  # of a region: more is not a thing in the light, but no light at all
RING = np.ones((7, 7), np.uint8)
BAND = np.ones((3, 3), np.uint8)


class Verdict(IntEnum):
    """What a blob is."""

    OBJECT = 0
    LIGHT = 1  # the ground's texture is still there, brighter or darker
    SHADE = 2  # the ground darker or brighter by one ratio, without new texture
    GHOST = 3  # the background shows an object that has left


@dataclass(frozen=True, slots=True)
class Look:
    """Measures of one crop, grey levels unless said otherwise.

    Attributes:
        ncc: correlation of high-passed candidate and background inside, -1..1.
        texture_background, texture_candidate: rms of the high-passed brightness inside.
        ratio, spread: median of candidate / background brightness inside, and its relative spread.
        colour: mean absolute change of colour inside, levels.
        edge_background, edge_candidate: mean gradient along the outline.
        ring_background, ring_candidate: how far the inside is from its surroundings, brightness and colour.
    """

    ncc: float
    texture_background: float
    texture_candidate: float
    ratio: float
    spread: float
    colour: float
    edge_background: float
    edge_candidate: float
    ring_background: float
    ring_candidate: float

    @property
    def ghost(self) -> float:
        """How much clearer the outline stands in the background than in the candidate, -1..1."""
        return (self.edge_background - self.edge_candidate) / (self.edge_background + self.edge_candidate + 4)


def look(crop: Crop) -> Look:
    """Measure one crop, whose mask must not be empty."""
    inside = np.flatnonzero(crop.mask)
    half = half_mask(crop)
    back, cand = crop.background.astype(np.float32), crop.candidate.astype(np.float32)
    high_back, high_cand = (picture - cv2.blur(picture, (7, 7)) for picture in (back, cand))
    high_back, high_cand = high_back.take(inside), high_cand.take(inside)
    power_back, power_cand = float(high_back @ high_back), float(high_cand @ high_cand)
    count = len(inside)
    ratios = (cand.take(inside) - BLACK) / np.maximum(back.take(inside) - BLACK, 4)
    ratio = float(np.partition(ratios, count // 2)[count // 2])
    near = cv2.dilate(crop.mask, BAND)
    band = cv2.subtract(near, cv2.erode(crop.mask, BAND))
    outside = np.asarray(cv2.subtract(cv2.dilate(crop.mask, RING), near), np.uint8)
    change = [cv2.mean(cv2.absdiff(*pair), half)[0] for pair in zip(*crop.colours(), strict=True)]
    return Look(
        ncc=float(high_back @ high_cand) / (np.sqrt(power_back * power_cand) + 1e-3),
        texture_background=float(np.sqrt(power_back / count)),
        texture_candidate=float(np.sqrt(power_cand / count)),
        ratio=ratio,
        spread=float(np.abs(ratios - ratio).sum()) / count / max(ratio, 0.05),
        colour=sum(change) / 2,
        edge_background=cv2.mean(gradient(crop.background), band)[0],
        edge_candidate=cv2.mean(gradient(crop.candidate), band)[0],
        ring_background=_contrast(crop.background, crop.background_colour, (crop.mask, outside), half),
        ring_candidate=_contrast(crop.candidate, crop.candidate_colour, (crop.mask, outside), half),
    )


def foreign(crop: Crop) -> NDArray[np.uint8] | None:
    """(h, w) uint8, 255 on things within a region of other light that the light does not explain; None: there are none.

    A cloud's shade and the bag put down in it make one blob: the shade may become background, the bag must not.
    """
    window = (FOREIGN_PX, FOREIGN_PX)
    back, cand = crop.background.astype(np.float32), crop.candidate.astype(np.float32)
    high_back, high_cand = (picture - cv2.blur(picture, (7, 7)) for picture in (back, cand))
    power_back, power_cand = cv2.blur(high_back * high_back, window), cv2.blur(high_cand * high_cand, window)
    shared = cv2.blur(high_back * high_cand, window)
    textured = power_cand > (2 * TEXTURE_MIN) ** 2
    apart = textured & (shared < FOREIGN_NCC * np.sqrt(power_back * power_cand)) & (crop.mask > 0)
    found = np.asarray(cv2.morphologyEx(apart.astype(np.uint8) * 255, cv2.MORPH_OPEN, BAND), np.uint8)
    count = cv2.countNonZero(found)
    if count == 0 or count > FOREIGN_SHARE * cv2.countNonZero(crop.mask):
        return None
    return np.asarray(cv2.dilate(found, RING), np.uint8)


def half_mask(crop: Crop) -> NDArray[np.uint8]:
    """(h/2, w/2) uint8: the mask on the colour planes, never empty."""
    half = np.ascontiguousarray(crop.mask[::2, ::2])
    if cv2.countNonZero(half):
        return half
    return np.ascontiguousarray(cv2.dilate(crop.mask, BAND)[::2, ::2])


def judge(seen: Look, *, ncc_light: float, ghost_margin: float) -> Verdict:
    """Say what a look shows; the thresholds are VisionKnobs of the same names."""
    if seen.ghost > ghost_margin and seen.ring_candidate < seen.ring_background:
        return Verdict.GHOST
    kept = seen.texture_candidate <= TEXTURE_GROWTH * max(seen.ratio, 1.0) * seen.texture_background
    if min(seen.texture_background, seen.texture_candidate) > TEXTURE_MIN and kept and seen.ncc >= ncc_light:
        return Verdict.LIGHT
    plain = seen.texture_candidate <= 1.3 * seen.texture_background + 1.0
    if plain and seen.spread < SHADE_SPREAD and seen.colour < SHADE_COLOUR and _plausible(seen.ratio):
        return Verdict.SHADE
    return Verdict.OBJECT


def gradient(picture: NDArray[np.uint8]) -> NDArray[np.int16]:
    """|dx| + |dy| of brightness by 3 x 3 Sobel, (h, w) int16."""
    across, down = cv2.spatialGradient(picture)
    return np.asarray(np.abs(across) + np.abs(down), np.int16)


def _plausible(ratio: float) -> bool:
    return SHADE_RATIO[0] <= ratio <= SHADE_RATIO[1]


def _contrast(
    picture: NDArray[np.uint8],
    colour: NDArray[np.uint8],
    masks: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    half: NDArray[np.uint8],
) -> float:
    """How far the inside is from the surroundings, the second of the masks; 0 where there are none."""
    inside, outside = masks
    if not cv2.countNonZero(outside):
        return 0.0
    (mean, spread), (mean_around, spread_around) = moments(picture, inside), moments(picture, outside)
    grey = abs(mean - mean_around) + abs(spread - spread_around)
    half_outside = np.ascontiguousarray(outside[::2, ::2])
    if not cv2.countNonZero(half_outside):
        return grey
    return grey + 2 * sum(abs(cv2.mean(plane, half)[0] - cv2.mean(plane, half_outside)[0]) for plane in colour)


def moments(picture: NDArray[np.uint8], mask: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation inside a mask."""
    mean, spread = cv2.meanStdDev(picture, mask=mask)
    return float(mean[0, 0]), float(spread[0, 0])
