"""What every detector must keep, as functions that anybody's tests can call; each raises AssertionError in plain words.

``check(make)`` runs them all on a made-up street of three minutes; ``make`` returns a new detector each time, with a
dwell of 20 s. They need no test library and no files.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cache

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector
from schemas.crops import CropBatch, wishes_of
from schemas.detections import CLASSES, OF_FRAMES, Detections, Evidence, Phase, SceneState
from schemas.errors import UsageError
from schemas.feedback import Feedback, Ignore
from schemas.frame import FrameBatch

GRID = (96, 160)  # rows, columns
NATIVE = (640, 384)  # width, height: four times the grid
START_NS = 1_700_000_000_000_000_000
PERIOD_S = 4.0
FRAMES = 46  # three minutes: something is put down after one, and taken away 68 s later
PUT_S, TAKEN_S = 60.0, 128.0
THING = (60, 40, 30, 24)  # x, y, w, h on the grid
NOISE_GREY = 2
CUTS = (17, 30)  # the thing has just come; it stands
LATE_AFTER = (9, 18, 29)
COLUMNS = {
    "scene": (np.uint8, ()),
    "frame": (np.int32, ()),
    "track_id": (np.int64, ()),
    "phase": (np.uint8, ()),
    "box_px": (np.float32, (4,)),
    "appeared_ns": (np.int64, ()),
    "dwell_s": (np.float32, ()),
    "posterior": (np.float32, (len(CLASSES),)),
    "evidence": (np.uint8, ()),
    "wanted": (np.bool_, ()),
    "wanted_frame": (np.bool_, ()),
}

NOTHING = "the thing that is put down must be told as STANDING, and once it is taken away as GONE"

Make = Callable[[], Detector]
Pixels = NDArray[np.uint8]


def check(make: Make) -> None:
    """Run every rule of ``RULES`` in their order; raises AssertionError at the first that is broken."""
    for rule in RULES.values():
        rule(make)


def check_empty_batch(make: Make) -> None:
    """No frames give no rows, and no pieces give none, before a camera is known and after."""
    detector = make()
    for _ in range(2):
        found = detector.step(batch([]))
        _demand(len(found) == 0 and len(found.scene) == 0, "an empty batch must give no rows and no scenes")
        _columns(found, 0)
        none = detector.classify(CropBatch.of(batch([]), [], []))
        _demand(len(none) == 0, "no pieces must give no rows")
        detector.step(street(0))


def check_columns(make: Make) -> None:
    """Every column has the type, the shape and the range that ``schemas/detections.py`` says, in each step."""
    detector = make()
    for k, frames in _play():
        found = detector.step(frames)
        _columns(found, 1)
        _columns(detector.classify(cut(found, frames, [street_pixels(k)])), 1)


def check_input_is_left_alone(make: Make) -> None:
    """A step does not write into the pictures that it is given: others look at them too."""
    detector = make()
    for _, frames in _play():
        before = frames.pixels.copy()
        detector.step(frames)
        _demand(np.array_equal(before, frames.pixels), "a step must not change the pictures that it is given")


def check_deterministic(make: Make) -> None:
    """The same frames give the same bytes."""
    first, second = run(make()), run(make())
    _demand(first == second, f"the same frames must give the same bytes; step {_differs(first, second)} differs")


def check_cameras_apart(make: Make) -> None:
    """A camera gives the same rows whether others are in its batch or not."""
    alone, together = make(), make()
    for k, frames in _play():
        pixels = street_pixels(k)
        both = batch([("other", k, pixels[:, ::-1].copy()), ("cam-1", k, pixels)])
        found = _looked(together, both, [pixels[:, ::-1].copy(), pixels])
        wanted = _looked(alone, frames, [pixels])
        mine = found.where(found.frame == 1)
        same = _bytes(mine, scenes=False) == _bytes(wanted, scenes=False, frame=1)
        _demand(
            same and found.scene[1] == wanted.scene[0], f"step {k}: a camera must not depend on others in its batch"
        )


def check_snapshot(make: Make) -> None:
    """A detector that takes over a snapshot goes on as the one that it was taken from would have."""
    straight = run(make())
    _demand(any(len(step) > len(straight[0]) for step in straight), NOTHING)
    for cut_at in CUTS:
        detector = make()
        steps = [_bytes(_looked(detector, frames, [street_pixels(k)])) for k, frames in _play(until=cut_at)]
        state = detector.snapshot("cam-1")
        _demand(isinstance(state, bytes), "a snapshot must be bytes")
        resumed = make()
        resumed.restore("cam-1", state)
        steps += [_bytes(_looked(resumed, frames, [street_pixels(k)])) for k, frames in _play(begin=cut_at)]
        told = f"restored before step {cut_at}, step {_differs(straight, steps)} differs from the run without a break"
        _demand(straight == steps, told)


def check_snapshot_of_others(make: Make) -> None:
    """Bytes that are no snapshot are refused with ValueError and change nothing; an unknown camera's are empty."""
    detector = make()
    _demand(detector.snapshot("nobody") == b"", "the snapshot of an unknown camera must be empty")
    for _, frames in _play(until=20):
        detector.step(frames)
    before = detector.snapshot("cam-1")
    _demand(before != b"", "the snapshot of a known camera must not be empty")
    for rubbish in (b"", b"rubbish", before[: len(before) // 2], before[:-1] + bytes([before[-1] ^ 255])):
        try:
            detector.restore("cam-1", rubbish)
        except ValueError:
            continue
        raise AssertionError(f"restore must raise ValueError for {rubbish[:12]!r}…, which is no snapshot")
    _demand(detector.snapshot("cam-1") == before, "a snapshot that is refused must change nothing")


def check_forget(make: Make) -> None:
    """A camera that is forgotten begins as one that was never seen; an unknown one is ignored."""
    detector, new = make(), make()
    detector.forget("nobody")
    for _, frames in _play(until=26):
        detector.step(frames)
    detector.forget("cam-1")
    _demand(detector.snapshot("cam-1") == b"", "a forgotten camera must have no snapshot")
    for k, frames in _play(begin=26, until=36):
        known = detector.step(frames), new.step(frames)
        same = _bytes(known[0]) == _bytes(known[1])
        _demand(same, f"step {k}: a forgotten camera must begin as one that was never seen")


def check_late_frames(make: Make) -> None:
    """A frame captured before the newest one is told as LATE, brings no rows and changes nothing that follows."""
    straight, detector = run(make()), make()
    for k, frames in _play():
        now = _bytes(_looked(detector, frames, [street_pixels(k)]))
        _demand(now == straight[k], f"step {k}: a late frame must change nothing that follows")
        for late in (k - 7, k) if k in LATE_AFTER else ():
            found = detector.step(street(late))
            _demand(found.scene.tolist() == [SceneState.LATE], "a frame that is not newer must be told as LATE")
            _demand(len(found) == 0, "a late frame must bring no rows")


def check_lost_pieces(make: Make) -> None:
    """A detector goes on where no piece that it wanted could be cut."""
    detector = make()
    for _, frames in _play():
        detector.step(frames)
        none = detector.classify(CropBatch.of(frames, [], []))
        _demand(len(none) == 0, "no pieces must give no rows")


def check_orders(make: Make) -> None:
    """An order is carried out or refused with UsageError; what is told of a background is told once."""
    detector = make()
    for k, frames in _play(until=30):
        found = _looked(detector, frames, [street_pixels(k)])
    (x, y, w, h), first = (side * 4.0 for side in THING), detector.drain()
    _demand(isinstance(first, list), "drain must return a list")
    _demand(detector.drain() == [], "what was drained once must not be told again")
    _demand(bool((found.phase == Phase.STANDING).any()), NOTHING)
    try:
        detector.apply(Feedback(1, "cam-1", "tester", Ignore((x, y, w, h))))
    except UsageError:
        return
    for k, frames in _play(begin=30, until=32):
        found = _looked(detector, frames, [street_pixels(k)])
        told = f"step {k}: what a person ignores must not stand any more"
        _demand(not (found.phase == Phase.STANDING).any(), told)


def check_tracks(make: Make) -> None:
    """A track keeps its number, its coming and the order of its phases; GONE is told once."""
    detector = make()
    phases: dict[int, int] = {}
    told_of: set[int] = set()
    for k, frames in _play():
        found = _looked(detector, frames, [street_pixels(k)])
        ids = found.track_id.tolist()
        _demand(len(set(ids)) == len(ids), f"step {k}: two rows have the same track_id")
        for track_id, phase in zip(ids, found.phase.tolist(), strict=True):
            last = phases.get(track_id, int(Phase.MATURING))
            _demand(last != Phase.GONE, f"step {k}: track {track_id} was told as GONE before")
            _demand(phase >= last, f"step {k}: track {track_id} went back from {Phase(last).name}")
            _demand(phase != Phase.GONE or last == Phase.STANDING, f"step {k}: only what stood can be GONE")
            phases[track_id] = phase
            told_of.add(phase)
        now_ns = int(frames.captured_ns[0])
        told = np.abs((now_ns - found.appeared_ns) / 1e9 - found.dwell_s) <= 1.0
        _demand(bool(told.all()), f"step {k}: dwell_s must be the time since appeared_ns")
    _demand({int(Phase.STANDING), int(Phase.GONE)} <= told_of, NOTHING)


RULES: dict[str, Callable[[Make], None]] = {
    "empty_batch": check_empty_batch,
    "columns": check_columns,
    "input_is_left_alone": check_input_is_left_alone,
    "deterministic": check_deterministic,
    "cameras_apart": check_cameras_apart,
    "snapshot": check_snapshot,
    "snapshot_of_others": check_snapshot_of_others,
    "forget": check_forget,
    "late_frames": check_late_frames,
    "lost_pieces": check_lost_pieces,
    "orders": check_orders,
    "tracks": check_tracks,
}


@cache
def street_pixels(k: int) -> Pixels:
    """(96, 160, 3) BGR of step ``k``: paving with a little noise, on it for two minutes something red and white."""
    rng = np.random.default_rng(7)
    coarse = rng.normal(0, 25, (12, 20)).repeat(8, axis=0).repeat(8, axis=1)
    picture = np.repeat((118 + coarse + rng.normal(0, 6, GRID))[..., None], 3, axis=2)
    if PUT_S <= k * PERIOD_S < TAKEN_S:
        x, y, w, h = THING
        checks = np.indices((h, w)).sum(axis=0) // 6 % 2
        picture[y : y + h, x : x + w] = np.where(checks[..., None] > 0, (40.0, 40.0, 205.0), (225.0, 225.0, 225.0))
    noise = np.random.default_rng([11, k]).normal(0, NOISE_GREY, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def street(k: int) -> FrameBatch:
    """Step ``k`` as a batch of one frame of camera ``cam-1``."""
    return batch([("cam-1", k, street_pixels(k))])


def batch(frames: Sequence[tuple[str, int, Pixels]]) -> FrameBatch:
    """A batch of (camera, step, pixels); none is an empty one."""
    pixels = [picture for _, _, picture in frames]
    return FrameBatch(
        camera_ids=tuple(camera for camera, _, _ in frames),
        captured_ns=np.asarray([START_NS + round(k * PERIOD_S * 1e9) for _, k, _ in frames], np.int64),
        pixels=np.stack(pixels) if pixels else np.zeros((0, *GRID, 3), np.uint8),
        native_px=np.asarray([NATIVE for _ in frames], np.int32).reshape(-1, 2),
        crc32=np.asarray([k * 31 + len(camera) for camera, k, _ in frames], np.uint32),
    )


def cut(found: Detections, frames: FrameBatch, pixels: Sequence[Pixels]) -> CropBatch:
    """The pieces that a step wants, cut out of the grids, whose originals are four times as wide."""
    wishes = wishes_of(found, frames)
    pieces = []
    for wish in wishes:
        x, y, w, h = (side // 4 for side in wish.piece.box_px)
        piece = pixels[wish.frame][y : y + max(1, h), x : x + max(1, w)]
        pieces.append(np.ascontiguousarray(piece.repeat(4, axis=0).repeat(4, axis=1)))
    return CropBatch.of(frames, wishes, pieces)


def run(detector: Detector) -> list[bytes]:
    """Every column of every step of the street, second looks included."""
    return [_bytes(_looked(detector, frames, [street_pixels(k)])) for k, frames in _play()]


def _looked(detector: Detector, frames: FrameBatch, pixels: Sequence[Pixels]) -> Detections:
    found = detector.step(frames)
    crops = cut(found, frames, pixels)
    return found.replaced(detector.classify(crops)) if len(crops) else found


def _play(begin: int = 0, until: int = FRAMES) -> Iterator[tuple[int, FrameBatch]]:
    for k in range(begin, until):
        yield k, street(k)


def _columns(found: Detections, frames: int) -> None:
    """Raise AssertionError where a column has not the type, shape or range that it must have."""
    rows = len(found.track_id)
    for field in fields(found):
        column = getattr(found, field.name)
        kind, inner = COLUMNS[field.name]
        _demand(column.dtype == kind, f"{field.name} is {column.dtype}, it must be {np.dtype(kind)}")
        if field.name not in OF_FRAMES:
            shape = (rows, *inner)
            _demand(column.shape == shape, f"{field.name} has the shape {column.shape}, it must be {shape}")
    if rows == 0:
        return
    _demand(bool((found.frame >= 0).all() and (found.frame < frames).all()), "frame must be a row of the batch")
    _demand(bool(np.isin(found.phase, list(Phase)).all()), "phase must be a Phase")
    _demand(bool(np.isin(found.evidence, list(Evidence)).all()), "evidence must be an Evidence")
    _demand(bool((found.dwell_s >= 0).all()), "dwell_s must not be negative")
    _demand(bool(np.isfinite(found.box_px).all() and (found.box_px[:, 2:] > 0).all()), "boxes must have a size")
    posterior = found.posterior
    sound = bool((posterior >= 0).all()) and bool(np.allclose(posterior.sum(axis=1), 1, atol=1e-3))
    _demand(sound, "each row of posterior must sum to 1 and hold nothing below 0")


def _bytes(found: Detections, *, scenes: bool = True, frame: int | None = None) -> bytes:
    """Every column, to compare byte by byte; ``frame``: as if the rows were of that frame."""
    rows = [np.full_like(found.frame, frame) if frame is not None else found.frame]
    names = [field.name for field in fields(found) if field.name not in OF_FRAMES | {"frame", "wanted"}]
    columns = [*rows, *(getattr(found, name) for name in names), *([found.scene] if scenes else [])]
    return b"|".join(column.tobytes() for column in columns)


def _differs(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    """The first step in which two runs differ."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((k for k, (one, other) in pairs if one != other), min(len(left), len(right)))


def _demand(kept: bool, told: str) -> None:
    if not kept:
        raise AssertionError(told)
