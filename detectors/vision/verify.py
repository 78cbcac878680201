"""Is a blob an object, or light, shade, or the hole an object left? Looked at in the blob's crop only."""

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.exposure import BLACK
from detectors.vision.proposals import Crop

TEXTURE_MIN = 2.5  # grey levels rms of high-passed brightness below which a correlation means nothing
SHADE_SPREAD = 0.07  # spread of the brightness ratio within a shadow, of the ratio
SHADE_COLOUR = 4.0  # levels: shade changes brightness and hardly colour
SHADE_RATIO = (0.35, 2.8)  # plausible ratio of shade to light and of light to shade
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
    inside = crop.mask > 0
    half = inside[::2, ::2]
    if not half.any():
        half = np.asarray(cv2.dilate(crop.mask, BAND)[::2, ::2] > 0)
    back, cand = crop.background.astype(np.float32), crop.candidate.astype(np.float32)
    high_back, high_cand = (back - cv2.blur(back, (7, 7)))[inside], (cand - cv2.blur(cand, (7, 7)))[inside]
    power_back, power_cand = float(high_back @ high_back), float(high_cand @ high_cand)
    count = len(high_back)
    ratios = (cand[inside] - BLACK) / np.maximum(back[inside] - BLACK, 4)
    ratio = float(np.median(ratios))
    back_colour, cand_colour = crop.background_colour.astype(np.float32), crop.candidate_colour.astype(np.float32)
    band = cv2.dilate(crop.mask, BAND) != cv2.erode(crop.mask, BAND)
    outside = (cv2.dilate(crop.mask, RING) > 0) & (cv2.dilate(crop.mask, BAND) == 0)
    return Look(
        ncc=float(high_back @ high_cand) / (np.sqrt(power_back * power_cand) + 1e-3),
        texture_background=float(np.sqrt(power_back / count)),
        texture_candidate=float(np.sqrt(power_cand / count)),
        ratio=ratio,
        spread=float(np.mean(np.abs(ratios - ratio))) / max(ratio, 0.05),
        colour=float(np.abs(cand_colour - back_colour)[:, half].mean()),
        edge_background=float(gradient(crop.background)[band].mean()),
        edge_candidate=float(gradient(crop.candidate)[band].mean()),
        ring_background=_contrast(back, back_colour, inside, outside, half),
        ring_candidate=_contrast(cand, cand_colour, inside, outside, half),
    )


def judge(seen: Look, *, ncc_light: float, ghost_margin: float) -> Verdict:
    """Say what a look shows; the thresholds are VisionKnobs of the same names."""
    if seen.ghost > ghost_margin and seen.ring_candidate < seen.ring_background:
        return Verdict.GHOST
    if min(seen.texture_background, seen.texture_candidate) > TEXTURE_MIN and seen.ncc >= ncc_light:
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
    picture: NDArray[np.float32],
    colour: NDArray[np.float32],
    inside: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    half: NDArray[np.bool_],
) -> float:
    if not outside.any():
        return 0.0
    values, around = picture[inside], picture[outside]
    grey = abs(float(values.mean()) - float(around.mean())) + abs(float(values.std()) - float(around.std()))
    half_outside = outside[::2, ::2]
    if not half_outside.any():
        return grey
    shift = np.abs(colour[:, half].mean(axis=1) - colour[:, half_outside].mean(axis=1))
    return grey + 2 * float(shift.sum())
