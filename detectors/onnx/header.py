"""What an ONNX file says of itself: its input and the names of its classes, where its exporter wrote them down.

OpenCV reads the graph and drops both. The file is a protobuf message (onnx.proto): fields with a number and a type, one
after another; the few that are wanted are picked out by number, everything else is skipped.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

GRAPH, METADATA = 7, 14  # of ModelProto
GRAPH_INITIALIZER, GRAPH_INPUT = 5, 11
TENSOR_NAME = 8
VALUE_NAME, VALUE_TYPE = 1, 2
TYPE_TENSOR, TENSOR_SHAPE, SHAPE_DIM, DIM_VALUE = 1, 2, 1, 1
NOTHING = memoryview(b"")
NAMES_MAX = 20_000  # classes; the largest public vocabulary has 9 000 and some

Field = tuple[int, int | memoryview]  # views: a model may have hundreds of megabytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says.

    Attributes:
        shape: of its one input, outermost first, 0 where a side is free; empty where there is not exactly one.
        names: of its classes by number; empty where the exporter wrote none.
    """

    shape: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height of the input, (1, 3, height, width); 0 where it does not say."""
        return (self.shape[3], self.shape[2]) if len(self.shape) == 4 else (0, 0)


def read_header(data: bytes) -> Header:
    """Read what is wanted of a file's bytes. Raises ValueError where they are no ONNX graph."""
    graph = NOTHING
    names: tuple[str, ...] = ()
    for number, value in _fields(memoryview(data)):
        if number == GRAPH:
            graph = _part(value)
        elif number == METADATA:
            entry = dict(_fields(_part(value)))
            if bytes(_part(entry.get(1))) == b"names":
                names = _names(bytes(_part(entry.get(2))))
    if not graph:
        raise ValueError("is no ONNX file: it holds no graph")
    return Header(_input_shape(graph), names)


def _input_shape(graph: memoryview) -> tuple[int, ...]:
    inputs: dict[bytes, tuple[int, ...]] = {}
    constants = set()
    for number, value in _fields(graph):
        if number == GRAPH_INPUT:
            entry = dict(_fields(_part(value)))
            inputs[bytes(_part(entry.get(VALUE_NAME)))] = _dims(_part(entry.get(VALUE_TYPE)))
        elif number == GRAPH_INITIALIZER:
            constants.add(bytes(_part(dict(_fields(_part(value))).get(TENSOR_NAME))))
    shapes = [shape for name, shape in inputs.items() if name not in constants]  # old files list weights as inputs
    return shapes[0] if len(shapes) == 1 else ()


def _dims(kind: memoryview) -> tuple[int, ...]:
    tensor = dict(_fields(_part(dict(_fields(kind)).get(TYPE_TENSOR))))
    found = []
    for number, dim in _fields(_part(tensor.get(TENSOR_SHAPE))):
        if number == SHAPE_DIM:
            side = dict(_fields(_part(dim))).get(DIM_VALUE, 0)
            found.append(side if isinstance(side, int) else 0)
    return tuple(found)


def _names(text: bytes) -> tuple[str, ...]:
    """Names by number of what ultralytics writes: ``{0: 'stall', 1: 'waste'}`` or ``['stall', 'waste']``."""
    try:
        told = ast.literal_eval(text.decode())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ()
    if isinstance(told, dict) and all(isinstance(key, int) and 0 <= key < NAMES_MAX for key in told):
        return tuple(str(told.get(number, number)) for number in range(max(told, default=-1) + 1))
    return tuple(map(str, told)) if isinstance(told, list | tuple) else ()


def _part(value: int | memoryview | None) -> memoryview:
    """A field that holds bytes; nothing where it is lacking or a number."""
    return value if isinstance(value, memoryview) else NOTHING


def _fields(data: memoryview) -> Iterator[Field]:
    """(number, value) of each field of a message. Raises ValueError where it is none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            whole, at = _varint(data, at)
            yield number, whole
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("is no ONNX file")
        if at + size > len(data) or number == 0:
            raise ValueError("is no ONNX file, or one that was cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("is no ONNX file, or one that was cut off")
