"""Which detector looks at the frames: ours or one that another package brings, with the operator's model beside it."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from config.faults import nearest
from config.model import Config
from config.vision import VisionKnobs
from curbwatch.own_model import load_model, measure_model
from detectors.base import Detector
from detectors.onnx.detector import OwnModelDetector
from detectors.onnx.views import inner_of
from detectors.vision import VisionDetector
from schemas.errors import ConfigError, Fault
from schemas.place import CameraView

log = structlog.get_logger()

GROUP = "curbwatch.detectors"  # entry points: name = "package.module:factory", factory(knobs, views) -> Detector
OURS = "majority"
METHODS = ("step", "classify", "forget", "apply", "drain", "snapshot", "restore")
PLACE = "configuration"  # where a fault stands for those who do not know the file


def make_detector(
    config: Config, views: Mapping[str, CameraView], file: str = PLACE, *, timed: bool = False
) -> Detector:
    """Return the detector that the configuration names. Raises ConfigError with every fault of it.

    ``timed``: a model that is slower than its limit is a fault too, and it has ``model.step_s`` after each step; in a
    replay it has all the time it needs, so that two replays are the same.
    """
    inner, faults = _named(config.vision, views, file)
    if not config.model.onnx_file:
        if inner is None:
            raise ConfigError(faults)
        return inner
    model, wrong = load_model(config.model, file)
    looks_most = None
    if model is not None and timed:
        took_ms, wrong = measure_model(model, config.model, file)
        looks_most = max(1, int(config.model.step_s * 1000 / took_ms))
        log.info("own_model", layout=model.layout, look_ms=round(took_ms, 1), looks_most=looks_most)
    if inner is None or model is None or wrong:
        raise ConfigError((*faults, *wrong))
    return OwnModelDetector(inner, model, config.model, config.vision, looks_most)


def examine_detector(config: Config, file: str) -> tuple[str, tuple[Fault, ...]]:
    """Make and measure what ``make_detector`` would return; what there is to tell, and every fault. Raises nothing."""
    _, faults = _named(config.vision, {}, file)
    if not config.model.onnx_file:
        return "", faults
    model, wrong = load_model(config.model, file)
    if model is None:
        return "", (*faults, *wrong)
    took_ms, slow = measure_model(model, config.model, file)
    shapes = ", ".join("x".join(map(str, shape)) for shape in model.shapes)
    return f"own model: {model.layout} ({shapes}), {took_ms:.1f} ms a look", (*faults, *slow)


def whole(detector: Detector) -> Detector:
    """Return the detector itself, without the operator's model around it."""
    return detector.inner if isinstance(detector, OwnModelDetector) else detector


def fitting(detector: Detector, state: bytes) -> bytes:
    """Return a snapshot as the detector can take it over: without the model's part where it has no model any more."""
    return state if isinstance(detector, OwnModelDetector) else inner_of(state)


def _named(knobs: VisionKnobs, views: Mapping[str, CameraView], file: str) -> tuple[Detector | None, tuple[Fault, ...]]:
    """Return the detector that ``vision.detector`` names, or None and why not."""
    name = knobs.detector
    if name == OURS:
        if knobs.detector_knobs:
            told = "are for another detector: ours has its knobs in [vision]"
            return None, (Fault(file, "vision.detector_knobs", ", ".join(knobs.detector_knobs), told),)
        return VisionDetector(knobs, views), ()
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted({OURS, *found}))
        told = f"there is no such detector{nearest(name, [OURS, *found])} ({known})"
        return None, (Fault(file, "vision.detector", name, told),)
    made, wrong = _made(found[name], _for_others(knobs), views)
    return made, (Fault(file, "vision.detector", name, wrong),) if wrong else ()


def _made(point: EntryPoint, knobs: dict[str, Any], views: Mapping[str, CameraView]) -> tuple[Detector | None, str]:
    """Return what an entry point's factory makes, or None and why it is no detector."""
    try:
        made = point.load()(knobs, views)
    except Exception as error:  # noqa: BLE001 - it is not our code
        return None, f"{point.value} cannot be made: {type(error).__name__}: {error}"
    lacking = [method for method in METHODS if not callable(getattr(made, method, None))]
    if lacking:
        return None, f"{point.value} makes no detector: it has no {', '.join(lacking)}"
    return made, ""


def _for_others(knobs: VisionKnobs) -> dict[str, Any]:
    """Return [vision] by name, and over it what ``detector_knobs`` holds."""
    own = knobs.model_dump()
    return {key: own[key] for key in own if key not in {"detector", "detector_knobs"}} | dict(knobs.detector_knobs)
