"""What becomes of a camera whose frame is not its street: it waits, takes up a view it knows, or learns anew."""

from config.vision import VisionKnobs
from detectors.vision import bank_views, health, views
from detectors.vision.camera import Camera, begin
from detectors.vision.feedback_ledger import Why
from detectors.vision.grid import Plane
from detectors.vision.shelf import NEW, Shelf
from schemas.detections import SceneState
from schemas.health import Reading

TAKEN_MAX = 3  # references taken over without a frame that fits them: then the street is learned anew in its time
AGAIN_FRAMES = 2  # in a row that do not fit: not one lorry
WARMING = Reading(SceneState.WARMING)


def handle(camera: Camera, shelf: Shelf, plane: Plane, told: Reading, knobs: VisionKnobs) -> tuple[Camera, Reading]:
    """Handle a first frame, or one that does not fit; returns the camera, which may be turned, and what to say of it.

    ``plane``: (1.5 H, W), its exposure not normalised.
    """
    state = camera.arena.state[camera.slot]
    if told.state in health.NO_PICTURE:
        return camera, told
    if not state["begun"]:
        begin(camera, plane)
        return camera, WARMING
    if state["taken"] < TAKEN_MAX and health.comparable(told) and bank_views.take_over(camera, plane, knobs):
        state["taken"] += 1
        return camera, WARMING
    return _wait(camera, shelf, plane, told, knobs)


def _wait(camera: Camera, shelf: Shelf, plane: Plane, told: Reading, knobs: VisionKnobs) -> tuple[Camera, Reading]:
    """Count one more frame that does not fit: a view that is known is taken up, another learned when its time comes."""
    state = camera.arena.state[camera.slot]
    if state["changed_frames"] == 0:
        state["changed_ns"] = state["last_ns"]
    state["changed_frames"] += 1
    again = bool(state["changed_frames"] >= AGAIN_FRAMES)
    if health.elsewhere(told):
        name, agree = views.like(camera, shelf, plane)
        if name and camera.preset:
            told = Reading(SceneState.PRESET, agree, f"named {camera.preset}, looks like {name}")
        elif name and again:
            return _noted(views.turn(camera, shelf, name), "recalled"), told
    if state["trained"]:
        return _anew(camera, shelf, plane, told, knobs)
    if again:  # what was begun with may itself have been a lorry
        begin(camera, plane)
    return camera, told


def _anew(camera: Camera, shelf: Shelf, plane: Plane, told: Reading, knobs: VisionKnobs) -> tuple[Camera, Reading]:
    """Learn a street anew where it has been another one for long enough."""
    state = camera.arena.state[camera.slot]
    lasted_s = (int(state["last_ns"]) - int(state["changed_ns"])) / 1e9
    # A view that zones are bound to was perhaps taught anew: somebody has an hour to put name and zones right.
    patient = told.state in health.DIRTY or (told.state is SceneState.PRESET and camera.bound)
    patience_s = knobs.dirty_s if patient else knobs.relearn_s
    if lasted_s < patience_s or state["changed_frames"] < knobs.sightings_min:
        return camera, told
    if health.elsewhere(told) and not camera.preset:
        camera = views.turn(camera, shelf, NEW)
    else:
        bank_views.put_to_sleep(camera)
    begin(camera, plane)
    return _noted(camera, "relearned"), WARMING


def _noted(camera: Camera, reason: str) -> Camera:
    """Write down that the whole background is another now."""
    rows, columns = camera.arena.shape
    now_ns = int(camera.arena.state["last_ns"][camera.slot])
    camera.ledger.note(Why(reason, now_ns, (0, 0, columns, rows)))
    return camera
