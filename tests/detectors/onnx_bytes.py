"""Tiny ONNX graphs, written byte by byte (onnx.proto): models that find colours, in the layout of any family.

A graph averages the picture over a grid of cells and scores each cell by colour: class 0 is red, class 1 blue, as far
as the other colours are absent. Boxes are constant: one per cell, exactly the cell.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

CELL_PX = 16
TYPES = {np.dtype("float32"): 1, np.dtype("int64"): 7}
# Rows are scores of red and blue over channels red, green, blue, of values 0..1.
WEIGHTS = np.asarray([[1.2, -0.8, -0.8], [-0.8, -0.8, 1.2]], np.float32)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str, array: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    dims = b"".join(number(1, side) for side in array.shape)
    return dims + number(2, TYPES[array.dtype]) + part(8, name) + part(9, array.tobytes())


def value(name: str, shape: Iterable[int]) -> bytes:
    """A named input or output; a side of 0 is written as a name, which leaves it free."""
    dims = b"".join(part(1, number(1, side) if side else part(2, "n")) for side in shape)
    return part(1, name) + part(2, part(1, number(1, 1) + part(2, dims)))


def node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    names = b"".join(part(1, name) for name in inputs)
    return (
        names + part(2, output) + part(3, f"{output}_node") + part(4, kind) + b"".join(part(5, a) for a in attributes)
    )


def ints(name: str, values: Iterable[int]) -> bytes:
    return part(1, name) + b"".join(number(8, one) for one in values) + number(20, 7)


def integer(name: str, one: int) -> bytes:
    return part(1, name) + number(3, one) + number(20, 2)


def graph_bytes(
    nodes: Sequence[bytes],
    constants: Sequence[bytes],
    values: tuple[Sequence[bytes], Sequence[bytes]],
    names: str = "",
) -> bytes:
    """A model of inputs ``values[0]`` and outputs ``values[1]``; ``names`` is what ultralytics writes, or nothing."""
    graph = b"".join(part(1, one) for one in nodes) + part(2, "tiny") + b"".join(part(5, one) for one in constants)
    graph += b"".join(part(11, one) for one in values[0]) + b"".join(part(12, one) for one in values[1])
    told = part(14, part(1, "names") + part(2, names)) if names else b""
    return number(1, 8) + part(2, "tests") + part(7, graph) + part(8, number(2, 13)) + told


def constant_model(shape: tuple[int, ...], side_px: int = 64) -> bytes:
    """A model whose one output has a shape, all zeros, whatever it sees; ``shape`` begins with 1."""
    size = int(np.prod(shape))
    nodes = [
        node("GlobalAveragePool", ["x"], "mean"),
        node("Conv", ["mean", "none", "bias"], "flat", ints("kernel_shape", [1, 1])),
        node("Reshape", ["flat", "shape"], "y"),
    ]
    constants = [
        tensor("none", np.zeros((size, 3, 1, 1), np.float32)),
        tensor("bias", np.zeros(size, np.float32)),
        tensor("shape", np.asarray(shape, np.int64)),
    ]
    return graph_bytes(nodes, constants, ([value("x", (1, 3, side_px, side_px))], [value("y", shape)]))


def cell_boxes(side_px: int, cell_px: int = CELL_PX) -> NDArray[np.float32]:
    """(N, 4) corners of the cells, row by row."""
    at = np.arange(0, side_px, cell_px, dtype=np.float32)
    across, down = np.meshgrid(at, at)
    low = np.stack([across.ravel(), down.ravel()], axis=1)
    return np.concatenate([low, low + cell_px], axis=1)


def colour_model(side_px: int = 64, names: str = "{0: 'red', 1: 'blue'}", cell_px: int = CELL_PX) -> bytes:
    """Finds red and blue cells, as YOLOv8 puts them out: (1, 4 + 2, N), centres and sides in input px.

    N is that of the three grids of its family, so that the layout is recognised; the spare rows are empty.
    """
    corners = cell_boxes(side_px, cell_px)
    count, spare = len(corners), sum((side_px // stride) ** 2 for stride in (8, 16, 32)) - len(corners)
    boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)
    square = [cell_px, cell_px]
    nodes = [
        node("AveragePool", ["x"], "cells", ints("kernel_shape", square), ints("strides", square)),
        node("Conv", ["cells", "weights"], "raw", ints("kernel_shape", [1, 1])),
        node("Relu", ["raw"], "scores"),
        node("Reshape", ["scores", "flat"], "rows"),
        node("Concat", ["rows", "none"], "padded", integer("axis", 2)),
        node("Concat", ["boxes", "padded"], "y", integer("axis", 1)),
    ]
    constants = [
        tensor("weights", WEIGHTS[:, :, None, None]),
        tensor("flat", np.asarray([1, 2, count], np.int64)),
        tensor("none", np.zeros((1, 2, spare), np.float32)),
        tensor("boxes", np.pad(boxes.T, ((0, 0), (0, spare)))[None].astype(np.float32)),
    ]
    values = ([value("x", (1, 3, side_px, side_px))], [value("y", (1, 6, count + spare))])
    return graph_bytes(nodes, constants, values, names)
