"""Pictures that show no street at all: black, white, one colour, snow, a card, too dark. From samples only."""

import numpy as np
from numpy.typing import NDArray

from detectors.vision.exposure import sample_chroma, sample_luma
from detectors.vision.structure import Slopes
from schemas.detections import SceneState

MARGIN = 2  # rows of samples above and below, where clocks and captions stand, that do not count
BLACK_GREY, DARK_GREY, WHITE_GREY = 30, 44, 220  # I420: black is 16, white 235
BLACK_SHARE, DARK_SHARE, WHITE_SHARE = 0.004, 0.04, 0.02  # of samples beyond the level that a picture may have
CARD_SHARE = 0.65  # of samples without any slope; film of the emptiest real street at hand has 0.6
CARD_LEVELS, CARD_LEVELS_SHARE = 8, 0.8  # so many levels make so much of a card
CARD_CONTENT = 0.004  # of samples far from the card's own colour: its words
NEAR_GREY, NEAR_CHROMA, FAR_GREY = 3, 2, 40  # levels: of the one colour; surely another
FLAT_SHARE, VIVID_SHARE = 0.8, 0.4  # of samples of one colour; of a strong one not half a picture is a street's
VIVID = 22  # levels off grey: the green that a decoder makes of nothing has 44
NOISE_SHARE = 0.7  # slopes against those of unrelated pixels from which it may be snow; leaves have 0.8 too
COMMON_MAX = 0.4  # correlation of pixels side by side; leaves have 0.7
NOISE_SIGMA = 12.0  # grey levels
EXPECTED_MAX = 27.0  # root mean square of clipped slopes of snow


def judge(
    planes: NDArray[np.uint8], slopes: Slopes, shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(N,) scene states, OK where it may be a street, and (N,) the share that decided; N is at least 1."""
    rows = inner(slopes.shape[2])
    grey = sample_luma(planes, shape)[:, rows]
    state = np.zeros(len(planes), np.uint8)
    value = np.zeros(len(planes), np.float32)
    one, vivid, far = _colour(planes, grey, shape)
    blank = (slopes[:, :, rows] == 0).all(axis=1).mean(axis=(1, 2))
    above_dark = _share(grey > DARK_GREY)
    # From the weakest finding to the strongest: the last that is true is said.
    rules = (
        (SceneState.DARK, above_dark <= DARK_SHARE, above_dark),
        (SceneState.NOISE, *_noise(planes, grey, slopes)),
        (SceneState.FLAT, (one >= FLAT_SHARE) | (vivid & (one >= VIVID_SHARE)), one),
        (SceneState.CARD, (blank >= CARD_SHARE) & (far >= CARD_CONTENT) & ~vivid & _few_levels(grey, blank), blank),
        (SceneState.WHITE, _share(grey < WHITE_GREY) <= WHITE_SHARE, _share(grey >= WHITE_GREY)),
        (SceneState.BLACK, _share(grey > BLACK_GREY) <= BLACK_SHARE, _share(grey <= BLACK_GREY)),
    )
    for name, true, share in rules:
        state[true] = name
        value[true] = share[true]
    return state, value


def inner(rows: int) -> slice:
    """The rows of samples that count; of a small picture all do."""
    return slice(MARGIN, rows - MARGIN) if rows > 4 * MARGIN else slice(0, rows)


def _share(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(mask.mean(axis=(1, 2)))


def _colour(
    planes: NDArray[np.uint8], grey: NDArray[np.uint8], shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Share of samples of the commonest colour, whether it is a strong one, and the share far from its brightness."""
    half = np.asarray(sample_chroma(planes, shape), np.int16)
    usual = _middle(half)
    tint = (np.abs(half - usual) <= NEAR_CHROMA).all(axis=1).mean(axis=(1, 2))
    off = np.abs(grey.astype(np.int16) - _middle(grey))
    one = np.minimum(tint, (off <= NEAR_GREY).mean(axis=(1, 2)))
    vivid = np.abs(usual - 128).max(axis=(1, 2, 3)) >= VIVID
    return one, vivid, (off > FAR_GREY).mean(axis=(1, 2))


def _middle(values: NDArray[np.generic]) -> NDArray[np.int16]:
    """Median over the last two axes, which stay with length 1; of an even number the upper one."""
    flat = np.asarray(values, np.int16).reshape(*values.shape[:-2], -1)
    middle = flat.shape[-1] // 2
    return np.asarray(np.partition(flat, middle, axis=-1)[..., middle, None, None], np.int16)


def _few_levels(grey: NDArray[np.uint8], blank: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a drawn picture's few levels make most of a blank one; dusk over asphalt has dozens."""
    few = np.zeros(len(grey), np.bool_)
    for index in np.flatnonzero(blank >= CARD_SHARE):
        counts = np.sort(np.bincount(grey[index].ravel(), minlength=256))
        few[index] = counts[-CARD_LEVELS:].sum() >= CARD_LEVELS_SHARE * grey[index].size
    return few


def _noise(
    planes: NDArray[np.uint8], grey: NDArray[np.uint8], slopes: Slopes
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Snow: neighbouring pixels of it have nothing in common.

    Over 3 px leaves have nothing in common either, so the pixels side by side decide where the slopes allow it.
    """
    sigma = np.maximum(grey.std(axis=(1, 2)), 1.0)
    expected = np.minimum(np.sqrt(2.0) * sigma, EXPECTED_MAX)
    share = np.sqrt((slopes * slopes).mean(axis=(1, 2, 3))) / expected
    common = np.ones(len(planes))
    for index in np.flatnonzero((sigma >= NOISE_SIGMA) & (share >= NOISE_SHARE)):
        rows = planes[index][: len(planes[index]) * 2 // 3 : 4].astype(np.float32)
        rows -= rows.mean()
        common[index] = (rows[:, 1:] * rows[:, :-1]).mean() / max(1.0, float((rows * rows).mean()))
    return common <= COMMON_MAX, 1 - common
