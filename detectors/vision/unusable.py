"""Pictures that show no street at all: black, white, one colour, snow, a card, too dark. From samples only."""

import numpy as np
from numpy.typing import NDArray

from detectors.vision.exposure import sample_chroma, sample_luma
from detectors.vision.structure import Slopes
from schemas.detections import SceneState

MARGIN = 2  # rows of samples above and below, where clocks and captions stand, that do not count
BLACK_GREY, DARK_GREY, WHITE_GREY = 30, 44, 220  # I420: black is 16, white 235
BLACK_SHARE, DARK_SHARE, WHITE_SHARE = 0.004, 0.04, 0.02  # of samples beyond the level that a picture may have
CARD_SHARE = 0.7  # of samples without slope; film of the emptiest real street at hand has 0.6
CARD_CONTENT = 0.004  # of samples far from the card's own colour: its words
NEAR_GREY, NEAR_CHROMA, FAR_GREY = 3, 2, 40  # levels: of the one colour; surely another
FLAT_SHARE, VIVID_SHARE = 0.8, 0.4  # of samples of one colour; of a strong one not half a picture is a street's
VIVID = 22  # levels off grey: the green that a decoder makes of nothing has 44
NOISE_SHARE = 0.8  # mean square of the slopes against that of unrelated pixels; streets have up to 0.5
NOISE_SIGMA = 12.0  # grey levels
EXPECTED_MAX = 27.0  # root mean square of clipped slopes of snow


def judge(
    planes: NDArray[np.uint8], slopes: Slopes, shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(N,) scene states, OK where it may be a street, and (N,) the share that decided; N may be 0."""
    grey = sample_luma(planes, shape)[:, MARGIN:-MARGIN]
    state = np.zeros(len(planes), np.uint8)
    value = np.zeros(len(planes), np.float32)
    one, vivid, far = _colour(planes, grey, shape)
    level = np.abs(slopes[:, :, MARGIN:-MARGIN]).max(axis=1) <= 1
    blank = level.mean(axis=(1, 2))
    above_dark = _share(grey > DARK_GREY)
    # From the weakest finding to the strongest: the last that is true is said.
    rules = (
        (SceneState.DARK, above_dark <= DARK_SHARE, above_dark),
        (SceneState.NOISE, *_noise(grey, slopes)),
        (SceneState.FLAT, (one >= FLAT_SHARE) | (vivid & (one >= VIVID_SHARE)), one),
        (SceneState.CARD, (blank >= CARD_SHARE) & (far >= CARD_CONTENT) & ~vivid, blank),
        (SceneState.WHITE, _share(grey < WHITE_GREY) <= WHITE_SHARE, _share(grey >= WHITE_GREY)),
        (SceneState.BLACK, _share(grey > BLACK_GREY) <= BLACK_SHARE, _share(grey <= BLACK_GREY)),
    )
    for name, true, share in rules:
        state[true] = name
        value[true] = share[true]
    return state, value


def _share(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(mask.mean(axis=(1, 2)))


def _colour(
    planes: NDArray[np.uint8], grey: NDArray[np.uint8], shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Share of samples of the commonest colour, whether it is a strong one, and the share far from its brightness."""
    half = np.asarray(sample_chroma(planes, shape), np.int16)
    usual = np.median(half, axis=(2, 3), keepdims=True)
    tint = (np.abs(half - usual) <= NEAR_CHROMA).all(axis=1).mean(axis=(1, 2))
    off = np.abs(grey - np.median(grey, axis=(1, 2), keepdims=True))
    one = np.minimum(tint, (off <= NEAR_GREY).mean(axis=(1, 2)))
    vivid = np.abs(usual - 128).max(axis=(1, 2, 3)) >= VIVID
    return one, vivid, (off > FAR_GREY).mean(axis=(1, 2))


def _noise(grey: NDArray[np.uint8], slopes: Slopes) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Unrelated pixels differ by twice their variance; slopes are clipped, so is what they are measured against."""
    sigma = np.maximum(grey.std(axis=(1, 2)), 1.0)
    expected = np.minimum(np.sqrt(2.0) * sigma, EXPECTED_MAX)
    share = np.sqrt((slopes * slopes).mean(axis=(1, 2, 3))) / expected
    return (sigma >= NOISE_SIGMA) & (share >= NOISE_SHARE), share
