"""What the numbers that a model puts out mean: boxes, scores and classes, by the layout of its family.

Sources: ultralytics/yolov5 `export.py` (1, N, 5+C); ultralytics 8 `AutoBackend` (1, 4+C, N); THU-MIG/yolov10 (1, N, 6);
Megvii-BaseDetection/YOLOX `demo_postprocess`; facebookresearch/detr and RT-DETR (logits and boxes).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)  # input px per cell of the three grids that these families predict on
ANCHORS = 3  # boxes per cell of YOLOv5
LAYOUTS = ("yolov5", "yolov8", "end_to_end", "yolox", "detr", "rtdetr")
SUPPRESSED = frozenset({"yolov5", "yolov8", "yolox"})  # these find one thing several times; the others do not

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Raw:
    """What a model said of one picture, as columns over N boxes.

    Attributes:
        corners: (N, 4) float32 x1, y1, x2, y2 in input px.
        scores: (N,) float32, 0..1.
        classes: (N,) int64, the model's own numbers.
    """

    corners: Array
    scores: Array
    classes: NDArray[np.int64]

    def where(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Raw":
        """Some of the rows, by mask or by number."""
        return Raw(self.corners[rows], self.scores[rows], self.classes[rows])


def cells(input_px: tuple[int, int]) -> int:
    """How many cells the three grids have together."""
    return sum((input_px[0] // stride) * (input_px[1] // stride) for stride in STRIDES)


def recognise(shapes: Sequence[tuple[int, ...]], input_px: tuple[int, int], names: int) -> str:
    """The layout that outputs of these shapes have. ``names``: how many classes the model has; 0 where unknown.

    Raises ValueError where none fits, or more than one.
    """
    found = [layout for layout in LAYOUTS if _fits(layout, [_flat(shape) for shape in shapes], input_px, names)]
    told = ", ".join("x".join(map(str, shape)) for shape in shapes)
    if not found:
        raise ValueError(f"outputs of {told} are of no known layout: one of {', '.join(LAYOUTS)} is wanted")
    if len(found) > 1:
        raise ValueError(f"outputs of {told} may be {' or '.join(found)}: say which, or name its classes")
    return found[0]


def count_classes(layout: str, shapes: Sequence[tuple[int, ...]]) -> int:
    """How many classes outputs of a layout have; 0 where they do not say. Raises ValueError for other shapes."""
    flat = [_flat(shape) for shape in shapes]
    if layout == "end_to_end":
        if len(flat) == 1 and flat[0][1] == 6:
            return 0
    elif layout in {"detr", "rtdetr"}:
        spare = 1 if layout == "detr" else 0
        if len(flat) == 2 and (pair := _pair(flat)) is not None and pair[0][1] > spare:
            return pair[0][1] - spare
        if layout == "rtdetr" and len(flat) == 1 and flat[0][1] > 4:
            return flat[0][1] - 4
    elif len(flat) == 1 and min(flat[0]) > (spare := 4 if layout == "yolov8" else 5):
        return (min(flat[0]) if layout == "yolov8" else flat[0][1]) - spare
    told = ", ".join("x".join(map(str, shape)) for shape in shapes)
    raise ValueError(f"outputs of {told} are not those of {layout}")


def decode(layout: str, outputs: Sequence[Array], input_px: tuple[int, int], least: float) -> Raw:
    """Boxes of one picture with a score of at least ``least``; values that are no numbers are left out.

    ``outputs`` are (1, …) or without the 1, of shapes that ``count_classes`` takes. Raises ValueError for others.
    """
    count_classes(layout, [output.shape for output in outputs])
    arrays = [np.asarray(output, np.float32).reshape(_flat(output.shape)) for output in outputs]
    with np.errstate(all="ignore"):  # what is not finite goes below
        corners, scores, classes = READERS[layout](arrays, input_px)
        sound = np.isfinite(corners).all(axis=1) & np.isfinite(scores) & (scores >= least)
    return Raw(corners[sound], np.clip(scores[sound], 0, 1), np.asarray(classes[sound], np.int64))


Columns = tuple[Array, Array, NDArray[np.int64]]


def _yolov5(arrays: list[Array], _: tuple[int, int]) -> Columns:
    rows = arrays[0]
    best = rows[:, 5:].argmax(axis=1)
    return _corners(rows[:, :4]), rows[:, 4] * _taken(rows[:, 5:], best), best


def _yolov8(arrays: list[Array], _: tuple[int, int]) -> Columns:
    rows = arrays[0].T if arrays[0].shape[0] < arrays[0].shape[1] else arrays[0]
    best = rows[:, 4:].argmax(axis=1)
    return _corners(rows[:, :4]), _taken(rows[:, 4:], best), best


def _end_to_end(arrays: list[Array], _: tuple[int, int]) -> Columns:
    rows = arrays[0]
    classes = np.where(np.isfinite(rows[:, 5]), rows[:, 5], -1)
    return rows[:, :4], rows[:, 4], np.asarray(np.rint(classes), np.int64)


def _yolox(arrays: list[Array], input_px: tuple[int, int]) -> Columns:
    rows = arrays[0]
    places, strides = _grid(input_px)
    if len(places) != len(rows):
        raise ValueError(f"{len(rows)} boxes, an input of {input_px[0]}x{input_px[1]} px has {len(places)}")
    centres = (rows[:, :2] + places) * strides
    best = rows[:, 5:].argmax(axis=1)
    boxes = np.concatenate([centres, np.exp(rows[:, 2:4]) * strides], axis=1)
    return _corners(boxes), rows[:, 4] * _taken(rows[:, 5:], best), best


def _detr(arrays: list[Array], input_px: tuple[int, int]) -> Columns:
    logits, boxes = _ordered(arrays)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = (raised / raised.sum(axis=1, keepdims=True))[:, :-1]  # the last one is "no object"
    best = shares.argmax(axis=1)
    return _corners(boxes * np.asarray([*input_px, *input_px], np.float32)), _taken(shares, best), best


def _rtdetr(arrays: list[Array], input_px: tuple[int, int]) -> Columns:
    if len(arrays) == 2:
        logits, boxes = _ordered(arrays)
        shares = np.asarray(1 / (1 + np.exp(-logits)), np.float32)
    else:  # as ultralytics writes it: scores already
        boxes, shares = arrays[0][:, :4], arrays[0][:, 4:]
    best = shares.argmax(axis=1)
    return _corners(boxes * np.asarray([*input_px, *input_px], np.float32)), _taken(shares, best), best


READERS = {
    "yolov5": _yolov5,
    "yolov8": _yolov8,
    "end_to_end": _end_to_end,
    "yolox": _yolox,
    "detr": _detr,
    "rtdetr": _rtdetr,
}


def _fits(layout: str, shapes: list[tuple[int, int]], input_px: tuple[int, int], names: int) -> bool:
    """Whether outputs may be of a layout; ``names`` 0: the number of classes is not known."""
    if len(shapes) == 2:
        pair = _pair(shapes)
        # Without names a "no object" column cannot be told from a class.
        spare = {"detr": 1, "rtdetr": 0}.get(layout)
        return pair is not None and spare is not None and names in {0, pair[0][1] - spare}
    if len(shapes) != 1:
        return False
    (rows, columns), count = shapes[0], cells(input_px)
    gridded = {count, ANCHORS * count}
    fits = {
        "yolov5": rows == ANCHORS * count and columns > 5 and names in {0, columns - 5},
        "yolov8": (columns == count and rows > 4 and names in {0, rows - 4})
        or (rows == count and columns > 4 and names in {0, columns - 4}),
        "end_to_end": columns == 6 and rows not in gridded,
        "yolox": rows == count and columns > 5 and names in {0, columns - 5},
        "rtdetr": columns != 6 and columns == names + 4 and names > 0 and rows not in gridded,
    }
    return fits.get(layout, False)


def _flat(shape: tuple[int, ...]) -> tuple[int, int]:
    """(N, K) of a shape with any number of 1 in front. Raises ValueError for other shapes."""
    left = list(shape)
    while len(left) > 2 and left[0] == 1:
        left.pop(0)
    if len(left) != 2 or min(left) < 1:
        raise ValueError(f"an output of {'x'.join(map(str, shape))} is no list of boxes for one picture")
    return left[0], left[1]


def _pair(shapes: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Shapes of logits and of boxes; None where they are not such a pair. Of two (N, 4) the boxes come second."""
    first, second = shapes
    if first[0] != second[0]:
        return None
    if second[1] == 4:
        return first, second
    return (second, first) if first[1] == 4 else None


def _ordered(arrays: list[Array]) -> tuple[Array, Array]:
    logits, boxes = arrays
    return (logits, boxes) if boxes.shape[1] == 4 else (boxes, logits)


def _corners(boxes: Array) -> Array:
    """(N, 4) centre x, centre y, width, height to corners."""
    half = boxes[:, 2:4] / 2
    return np.asarray(np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1), np.float32)


def _taken(table: Array, columns: NDArray[np.intp]) -> Array:
    return np.asarray(np.take_along_axis(table, columns[:, None], axis=1)[:, 0], np.float32)


def _grid(input_px: tuple[int, int]) -> tuple[Array, Array]:
    """(N, 2) column and row of each cell of the three grids, and (N, 1) its stride."""
    places, strides = [], []
    for stride in STRIDES:
        across, down = np.meshgrid(np.arange(input_px[0] // stride), np.arange(input_px[1] // stride))
        places.append(np.stack([across.ravel(), down.ravel()], axis=1))
        strides.append(np.full((across.size, 1), stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(strides).astype(np.float32)
