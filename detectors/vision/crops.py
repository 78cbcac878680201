"""Looks at pieces of original pictures: the square window that the crop classifier sees, and the classifier."""

import hashlib
import json
from collections.abc import Sequence
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.crops import CropBatch
from schemas.detections import CLASSES
from schemas.errors import SetupError

NETWORK = "crops.onnx"  # made by curbwatch/tuning/train/crops.py; holds numbers only
FACTS = "crops.json"  # its SHA-256 and what it tells apart, written with it
INPUT_PX = 64  # side of the window that the network sees
MARGIN = 0.3  # of the box's longer side: what the window shows around it on each side

MEAN, SCALE = 118.0, 1 / 64.0  # grey level subtracted from a window, and what it is multiplied by
# What the network tells apart: CLASSES, and two of which nothing stands alone in CLASSES. An overflowing bin is waste.
KINDS = (*CLASSES, "bin", "overflow")
KIND_CLASS = (*range(len(CLASSES)), CLASSES.index("other"), CLASSES.index("waste"))

Box = tuple[float, float, float, float]


def window(
    piece: NDArray[np.uint8],
    piece_px: tuple[int, int, int, int],
    box_px: Box,
    side_px: int = INPUT_PX,
    margin: float = MARGIN,
) -> NDArray[np.uint8]:
    """(side_px, side_px, 3) uint8 BGR: the square around a box, its proportions kept.

    ``piece`` is (h, w, 3) uint8 BGR, ``piece_px`` its x, y, w, h in native px (it may have been decoded smaller),
    ``box_px`` the box in native px. What lies outside the piece is filled with its nearest pixels.
    """
    x, y, w, h = box_px
    across, down = piece.shape[1] / max(1, piece_px[2]), piece.shape[0] / max(1, piece_px[3])
    half = max(1.0, (0.5 + margin) * max(w, h))
    middle = (x + w / 2 - piece_px[0]) * across, (y + h / 2 - piece_px[1]) * down
    reach = max(1.0, half * across), max(1.0, half * down)
    left, right = _ends(middle[0], reach[0])
    top, bottom = _ends(middle[1], reach[1])
    inner = piece[_within(top, piece.shape[0]) : _within(bottom, piece.shape[0], 1)][
        :, _within(left, piece.shape[1]) : _within(right, piece.shape[1], 1)
    ]
    # A box that lies outside its piece altogether cannot ask for more than two windows' worth of filling.
    limit = 2 * max(bottom - top, right - left)
    above, below = min(limit, max(0, -top)), min(limit, max(0, bottom - piece.shape[0]))
    before, behind = min(limit, max(0, -left)), min(limit, max(0, right - piece.shape[1]))
    if above or below or before or behind:
        inner = np.asarray(cv2.copyMakeBorder(inner, above, below, before, behind, cv2.BORDER_REPLICATE), np.uint8)
    shrinks = inner.shape[0] >= side_px
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inner, (side_px, side_px), interpolation=way), np.uint8)


def _ends(middle: float, reach: float) -> tuple[int, int]:
    start = round(middle - reach)
    return start, max(start + 2, round(middle + reach))


def _within(end: int, limit: int, least: int = 0) -> int:
    return min(max(least, end), limit - 1 + least)


class CropNet:
    """A small convolutional network, run by OpenCV on the calling thread; ``network`` is its ONNX file's bytes."""

    def __init__(self, network: bytes) -> None:
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(network, np.uint8))

    def scores(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(len(KINDS),) scores of one window (INPUT_PX, INPUT_PX, 3) BGR, before they are normed."""
        self._net.setInput(cv2.dnn.blobFromImage(picture, SCALE, mean=(MEAN, MEAN, MEAN)))
        return np.asarray(self._net.forward(), np.float32).ravel()

    def posterior(self, windows: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(K, 6) probabilities over CLASSES of K windows (INPUT_PX, INPUT_PX, 3) BGR; rows sum to 1, K may be 0."""
        folded = np.zeros((len(windows), len(CLASSES)), np.float32)
        for row, picture in enumerate(windows):
            # One at a time: the same numbers whatever else is in the batch.
            scores = self.scores(picture)
            raised = np.exp(scores - scores.max())
            np.add.at(folded[row], list(KIND_CLASS), raised / raised.sum())
        return folded

    def logs(self, crops: CropBatch) -> NDArray[np.float64]:
        """(K, 6) log probabilities of the pieces of a batch, each at least that of one in ten thousand."""
        boxes, places = crops.box_px.tolist(), crops.piece_px.tolist()
        windows = [window(*one) for one in zip(crops.pieces, places, boxes, strict=True)]
        return np.asarray(np.log(np.maximum(self.posterior(windows).astype(np.float64), 1e-4)))


def load() -> CropNet:
    """Read the network that ships with the package.

    Raises SetupError where a file is missing or damaged, or was made for other classes.
    """
    folder = resources.files("detectors.vision")
    remedy = 'install curbwatch again, or set [vision] crop_model = "" to do without it'
    try:
        network = folder.joinpath(NETWORK).read_bytes()
        facts = json.loads(folder.joinpath(FACTS).read_text(encoding="utf-8"))
        wanted, kinds = str(facts["sha256"]), tuple(facts["kinds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"detectors/vision/{NETWORK}: cannot be read ({error}); {remedy}") from None
    if hashlib.sha256(network).hexdigest() != wanted:
        raise SetupError(f"detectors/vision/{NETWORK}: is damaged (its SHA-256 is not that of {FACTS}); {remedy}")
    if kinds != KINDS:
        raise SetupError(f"detectors/vision/{NETWORK}: was made for other classes; {remedy}")
    try:
        return CropNet(network)
    except cv2.error as error:
        raise SetupError(f"detectors/vision/{NETWORK}: OpenCV cannot run it ({error.err}); {remedy}") from None
