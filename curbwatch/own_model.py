"""The operator's own model out of a configuration: read, checked, measured; every fault with its key and value."""

import time
from collections.abc import Sequence
from pathlib import Path

from config.faults import Faults, nearest
from config.own_model import ModelKnobs
from config.reading import read_bytes, to_text
from detectors.onnx.header import Header, read_header
from detectors.onnx.model import OnnxModel, Reading
from ingest.decode import one_thread
from schemas.detections import CLASSES
from schemas.errors import Fault

MODEL_MAX_BYTES = 500_000_000  # larger ones are no detectors that a processor runs
NAMES_MAX_BYTES = 1_000_000


def load_model(knobs: ModelKnobs, file: str) -> tuple[OnnxModel | None, tuple[Fault, ...]]:
    """Return the model, run once, or None and what is wrong; ``file`` is the configuration's name. Raises nothing."""
    faults = Faults()
    data = _read(knobs.onnx_file, MODEL_MAX_BYTES, (file, "model.onnx_file"), faults)
    names = _names(knobs.names_file, file, faults)
    if data is None or names is None:
        return None, tuple(faults)
    try:
        header = read_header(data)
    except ValueError as error:
        faults.add(file, "model.onnx_file", knobs.onnx_file, str(error))
        return None, tuple(faults)
    names = names or header.names
    classes = class_numbers(knobs, names, file, faults)
    input_px = _input(knobs, header, file, faults)
    if len(faults):
        return None, tuple(faults)
    reading = Reading(
        layout=knobs.layout,
        input_px=input_px,
        fit=knobs.fit,
        rgb=knobs.colours == "rgb",
        divide_by=knobs.divide_by,
        mean=knobs.mean,
        std=knobs.std,
        classes=classes,
        names=len(names),
        least=knobs.confidence,
        overlap_max=knobs.overlap_max,
    )
    try:
        return OnnxModel(data, reading), ()
    except ValueError as error:
        faults.add(file, "model.onnx_file", knobs.onnx_file, str(error))
        return None, tuple(faults)


def measure_model(model: OnnxModel, knobs: ModelKnobs, file: str) -> tuple[float, tuple[Fault, ...]]:
    """Return ms per look of one core, and a fault where that is beyond ``limit_ms``.

    The thread's own processor time counts, so that other work on the machine does not.
    """
    one_thread()
    took_ms = model.cost_s(time.thread_time) * 1000
    if took_ms <= knobs.limit_ms:
        return took_ms, ()
    told = f"{knobs.onnx_file} takes {took_ms:.0f} ms a look: give a smaller model or input_px, or raise the limit"
    return took_ms, (Fault(file, "model.limit_ms", f"{knobs.limit_ms:g}", told),)


def class_numbers(knobs: ModelKnobs, names: Sequence[str], file: str, faults: Faults) -> dict[int, int]:
    """Return the model's class number to the index in CLASSES; what is not a name or number of a class is noted."""
    found: dict[int, int] = {}
    if not knobs.classes:
        known = f" (it has {', '.join(names[:20])})" if names else ""
        faults.add(file, "model.classes", "", f'is empty: say which class is what, as {{"cart" = "stall"}}{known}')
    for told, ours in knobs.classes.items():
        key = f"model.classes.{told}"
        number = names.index(told) if told in names else int(told) if told.isdecimal() and len(told) < 7 else -1
        if number < 0:
            hint = nearest(told, names) if names else "; it says no names: give its number, or names_file"
            faults.add(file, key, ours, f"is no class of the model{hint}")
        elif names and number >= len(names):
            faults.add(file, key, ours, f"the model has {len(names)} classes, 0 to {len(names) - 1}")
        elif found.setdefault(number, CLASSES.index(ours)) != CLASSES.index(ours):
            faults.add(file, key, ours, f"class {number} is given twice, as {CLASSES[found[number]]} too")
    return found


def _input(knobs: ModelKnobs, header: Header, file: str, faults: Faults) -> tuple[int, int]:
    """Width and height of the input: as the configuration says, else as the file does."""
    said, own = knobs.input_px, header.input_px
    if header.shape and (len(header.shape) != 4 or header.shape[1] not in {0, 3}):
        shape = "x".join(map(str, header.shape))
        faults.add(file, "model.onnx_file", knobs.onnx_file, f"its input is {shape}, not 1x3xheightxwidth")
    elif said != (0, 0) and any(mine not in {0, one} for one, mine in zip(said, own, strict=True)):
        faults.add(file, "model.input_px", list(said), f"the ONNX file says {own[0]} and {own[1]}")
    elif said == (0, 0) and not all(0 < side <= 4096 for side in own):
        faults.add(file, "model.input_px", list(said), "the ONNX file leaves it free: give the size it was trained at")
    return said if said != (0, 0) else own


def _names(path: str, file: str, faults: Faults) -> tuple[str, ...] | None:
    """Return the names of a file, one a line; none where no file is given, None after noting a fault."""
    if not path:
        return ()
    data = _read(path, NAMES_MAX_BYTES, (file, "model.names_file"), faults)
    text = None if data is None else to_text(data, faults, path)
    if text is None:
        return None
    names = tuple(line.strip() for line in text.strip().splitlines())
    if not any(names):
        faults.add(file, "model.names_file", path, "is empty: one name a line")
        return None
    return names


def _read(path: str, limit: int, place: tuple[str, str], faults: Faults) -> bytes | None:
    found = Faults()
    data = read_bytes(Path(path), limit, found, path)
    for fault in found:
        faults.add(*place, path, f"{fault.message} ({fault.value})" if fault.value else fault.message)
    return data
