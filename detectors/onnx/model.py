"""One ONNX detector, read by OpenCV: a picture in, boxes of the classes that count out."""

import contextlib
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.onnx import layouts, nms
from detectors.onnx.fit import draw, place

TRIES = 3  # runs of which the middle one counts as what a piece costs


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model is fed and read.

    Attributes:
        layout: one of ``layouts.LAYOUTS``, or ``auto``: by the shapes of its outputs.
        input_px: width and height of its input.
        fit: ``centre``, ``corner`` or ``stretch``.
        rgb: True where it was trained with red first.
        divide_by, mean, std: a value v becomes (v / divide_by - mean) / std, by channel in the model's order.
        classes: the model's class number to the index in CLASSES; the others are of no interest.
        names: how many classes it has; 0 where nobody says.
        least: score from which a box counts.
        overlap_max: intersection over union above which the lower of two boxes of one class goes.
    """

    layout: str
    input_px: tuple[int, int]
    fit: str
    rgb: bool
    divide_by: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: Mapping[int, int]
    names: int
    least: float
    overlap_max: float


@dataclass(frozen=True, slots=True)
class Finds:
    """What was found in one picture, best first, as columns over M finds.

    Attributes:
        corners: (M, 4) float32 x1, y1, x2, y2 in px of the picture.
        scores: (M,) float32, 0..1.
        classes: (M,) int64, index in CLASSES.
    """

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    @classmethod
    def none(cls) -> "Finds":
        """Nothing was found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def __len__(self) -> int:
        """Number of finds M."""
        return len(self.scores)

    def first(self, most: int) -> "Finds":
        """The best ones, ``most`` of them at most."""
        return Finds(self.corners[:most], self.scores[:most], self.classes[:most])


class Finder(Protocol):
    """Something that finds things in a picture. Pure: the same picture gives the same finds."""

    def find(self, picture: NDArray[np.uint8]) -> Finds:
        """Finds in an (h, w, 3) uint8 BGR picture of any size of at least 1 px."""

    @property
    def families(self) -> frozenset[int]:
        """Indices in CLASSES of what it can find."""


class OnnxModel:
    """A Finder. Not thread-safe: each shard has its own. Pure but for its own working memory.

    Raises ValueError where OpenCV cannot read ``data`` or run it on the input, or where its outputs are not of the
    layout; the text says what is wrong, in words.
    """

    def __init__(self, data: bytes, reading: Reading) -> None:
        self._reading = reading
        try:
            with _quiet():
                self._net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
                self._outputs = list(self._net.getUnconnectedOutLayersNames())
        except (cv2.error, SystemError) as error:
            raise ValueError(f"OpenCV cannot read it: {_told(error)}") from None
        shapes = [output.shape for output in self._run(_grey(reading.input_px))]
        self.layout = reading.layout if reading.layout != "auto" else self._recognised(shapes)
        self.shapes: tuple[tuple[int, ...], ...] = tuple(shapes)
        self.count = layouts.count_classes(self.layout, shapes)
        self._check_classes()
        self.find(_grey(reading.input_px))

    @property
    def families(self) -> frozenset[int]:
        """Indices in CLASSES of what it can find."""
        return frozenset(self._reading.classes.values())

    def find(self, picture: NDArray[np.uint8]) -> Finds:
        """Finds in an (h, w, 3) uint8 BGR picture of any size of at least 1 px, in px of that picture."""
        reading = self._reading
        fit = place((picture.shape[1], picture.shape[0]), reading.input_px, reading.fit)
        raw = layouts.decode(
            self.layout, self._run(draw(picture, reading.input_px, fit)), reading.input_px, reading.least
        )
        raw = raw.where(np.isin(raw.classes, list(reading.classes)))
        overlap_max = reading.overlap_max if self.layout in layouts.SUPPRESSED else 1.0
        raw = raw.where(nms.keep(raw.corners, raw.scores, raw.classes, overlap_max))
        corners = fit.back(raw.corners)
        real = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        classes = np.asarray([reading.classes[int(number)] for number in raw.classes[real]], np.int64)
        return Finds(corners[real], raw.scores[real], classes)

    def cost_s(self, clock_s: Callable[[], float]) -> float:
        """Seconds that one look takes, the middle of three, by the caller's clock."""
        took = []
        for _ in range(TRIES):
            began_s = clock_s()
            self.find(_grey(self._reading.input_px))
            took.append(clock_s() - began_s)
        return statistics.median(took)

    def _run(self, picture: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        """Every output for an (H, W, 3) BGR picture of the input's size."""
        reading = self._reading
        values = np.asarray(picture[..., ::-1] if reading.rgb else picture, np.float32)
        for plane, mean, std in zip(np.moveaxis(values, 2, 0), reading.mean, reading.std, strict=True):
            plane[:] = (plane / reading.divide_by - mean) / std
        try:
            self._net.setInput(np.ascontiguousarray(values.transpose(2, 0, 1)[None]))
            return [np.asarray(output, np.float32) for output in self._net.forward(self._outputs)]
        except (cv2.error, SystemError) as error:
            size = f"{reading.input_px[0]}x{reading.input_px[1]}"
            raise ValueError(f"OpenCV cannot run it on {size} px: {_told(error)}") from None

    def _recognised(self, shapes: Sequence[tuple[int, ...]]) -> str:
        reading = self._reading
        try:
            return layouts.recognise(shapes, reading.input_px, reading.names)
        except ValueError:
            # With names too many or too few none fits: that is what is to be told.
            return layouts.recognise(shapes, reading.input_px, 0)

    def _check_classes(self) -> None:
        count, names = self.count, self._reading.names
        if count and names and count != names:
            raise ValueError(f"has {count} classes by its outputs, {names} names are given")
        beyond = [number for number in self._reading.classes if count and number >= count]
        if beyond:
            raise ValueError(f"has {count} classes, 0 to {count - 1}; there is no class {beyond[0]}")


def _grey(input_px: tuple[int, int]) -> NDArray[np.uint8]:
    return np.full((input_px[1], input_px[0], 3), 128, np.uint8)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV from writing to stderr what its exception says too: one fault is one line."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _told(error: Exception) -> str:
    """OpenCV's words without its build path, on one line; of an operator that it does not have only the name."""
    text = " ".join(str(error).split())
    unknown = re.search(r"Node \[(\w+)@", text)
    if unknown:
        return f"it cannot take the operator {unknown[1]}"
    return text.split("error: ", 1)[-1][:200]
