"""What the memory holds of one place, to read: pictures, votes, masks, tracks, measures and why a class was chosen.

Nothing here changes a camera's state: a replay that is inspected at each frame gives the same detections.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import exposure, grid, memory
from detectors.vision.assembly import overlap
from detectors.vision.camera import Camera
from detectors.vision.classify import Classifier, fuse
from detectors.vision.features import NAMES
from detectors.vision.grid import TILE_PX, Plane, chroma, luma
from detectors.vision.proposals import Blob, Box, Levels, cut, find_blobs, grow
from detectors.vision.tracks import Track, presence
from detectors.vision.verify import Look, Verdict, judge, look
from schemas.detections import CLASSES, Phase

NativeBox = tuple[float, float, float, float]  # x, y, w, h in native px

SAME = 0.3  # of the smaller box: a blob or track that is the thing asked about (vision.md 7)


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """One track as the detector holds it; times captured, ns.

    Attributes:
        track_id, phase: as in Detections.
        box_px: x, y, w, h in native px.
        appeared_ns: when it came to stand.
        looks, doubts: how often looked at; how many of the last looks in a row said it is none.
        absent_s: capped seconds in which its background was seen instead.
        seen: ``present``, ``absent`` or ``hidden`` in the newest frame; empty where no frame was given.
        features: (F,) float32 of the newest look, in the order of ``features.NAMES``.
        shape: (6,) float32, what the looks say by hand features alone.
        pieces, crop: how many pieces of the original were looked at; (6,) float32 what they say, even without any.
    """

    track_id: int
    phase: Phase
    box_px: NativeBox
    appeared_ns: int
    looks: int
    doubts: int
    absent_s: float
    seen: str
    features: NDArray[np.float32]
    shape: NDArray[np.float32]
    pieces: int
    crop: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """What the memory says of the box that was asked about.

    Attributes:
        votes_s: captured seconds of votes that a quarter of its differing pixels exceed (of all pixels where none
            differs), 0..127.5.
        differs_grey, differs_colour: mean levels between candidate and background inside, brightness and colour.
        differing_share: share 0..1 of the box whose candidate differs from the background by more than the knobs ask.
        frame_share: the same of the newest frame; 0 where none was given.
        standing_share: share 0..1 of the box that stood long enough and differs.
        area_px: grid px of the largest blob that lies there; 0: none.
        verdict, look: what verification says of that blob, and its measures; None without a blob.
        activity, row_activity: share of recent time in which the surroundings, and the whole rows, were busy.
        zone_share: share 0..1 of the box's lower quarter inside the zones; 1 without zones.
    """

    votes_s: float
    differs_grey: float
    differs_colour: float
    differing_share: float
    frame_share: float
    standing_share: float
    area_px: float
    verdict: Verdict | None
    look: Look | None
    activity: float
    row_activity: float
    zone_share: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """One camera's memory after its newest frame; copies, so that they stay as they are.

    Attributes:
        captured_ns: of the newest frame.
        trained: whether the background is learned.
        native_px: width and height of the original picture.
        background, candidate: (H, W, 3) uint8 BGR.
        votes_s: (H, W) float32 captured seconds that the candidate was voted for, 0..127.5.
        differs: (H, W) uint8, the larger of the difference in brightness and twice that in colour.
        standing: (H, W) uint8, 255 where something else than the background has stood.
        verified: (H, W) uint8, 255 on the blob that was judged; empty of it: 0.
        zone: (H, W) uint8, 255 inside; None for the whole picture.
        activity: (TH, TW) float32, 0..1.
        tracks: oldest first; ``track`` is the one asked about, or None.
        place: measures of the box.
    """

    captured_ns: int
    trained: bool
    native_px: tuple[int, int]
    background: NDArray[np.uint8]
    candidate: NDArray[np.uint8]
    votes_s: NDArray[np.float32]
    differs: NDArray[np.uint8]
    standing: NDArray[np.uint8]
    verified: NDArray[np.uint8]
    zone: NDArray[np.uint8] | None
    activity: NDArray[np.float32]
    tracks: tuple[TrackFacts, ...]
    track: TrackFacts | None
    place: Place


def inspect(
    camera: Camera,
    box_px: NativeBox,
    pixels: NDArray[np.uint8] | None,
    knobs: VisionKnobs,
) -> Inspection:
    """Read what a camera's memory holds of ``box_px`` (x, y, w, h native px), cut to the picture.

    ``pixels`` is the newest frame's (H, W, 3) BGR grid; None: nothing is said of presence.
    """
    background, candidate, votes = camera.planes()
    shape = camera.arena.shape
    box = _on_grid(box_px, camera)
    frame = None if pixels is None else _plane(camera, pixels)
    tracks = tuple(_facts(camera, track, frame, knobs) for track in camera.tracks)
    asked = _asked(camera, box)
    state = camera.arena.state[camera.slot]
    standing = _standing(camera, knobs)
    differs = _differs(background, candidate, shape)
    votes_s = luma(votes, shape).astype(np.float32) * np.float32(knobs.quantum_s)
    judged = _judged(camera, standing, box, knobs)
    return Inspection(
        captured_ns=int(state["last_ns"]),
        trained=bool(state["trained"]),
        native_px=camera.native_px,
        background=_bgr(background),
        candidate=_bgr(candidate),
        votes_s=votes_s,
        differs=differs,
        standing=standing,
        verified=judged.mask,
        zone=None if camera.zone is None else camera.zone.copy(),
        activity=camera.arena.activity[camera.slot].copy(),
        tracks=tracks,
        track=None if asked is None else tracks[asked],
        place=Place(
            votes_s=_voted(votes_s, differs, box, knobs),
            differs_grey=_mean(cv2.absdiff(luma(candidate, shape), luma(background, shape)), box),
            differs_colour=_colour(background, candidate, box, shape),
            differing_share=_share(background, candidate, box, shape, knobs),
            frame_share=0.0 if frame is None else _share(background, frame, box, shape, knobs),
            standing_share=_mean(standing, box) / 255,
            area_px=judged.area_px,
            verdict=judged.verdict,
            look=judged.look,
            activity=_ring(camera, box),
            row_activity=_row(camera, box),
            zone_share=_in_zone(camera.zone, box),
        ),
    )


def contributions(classifier: Classifier, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F, 6) float32: how much each feature raises each class's log probability against its training mean.

    Each is put to the mean alone; what two features say together is in neither of them, so they do not add up.
    """
    whole = classifier.log_posterior(features)
    rows = np.zeros((len(features), len(CLASSES)), np.float32)
    for index in range(len(features)):
        rows[index] = whole - classifier.log_posterior(_without(classifier, features, [index]))
    return rows


def group_contributions(
    classifier: Classifier, features: NDArray[np.float32], groups: dict[str, list[int]]
) -> dict[str, NDArray[np.float32]]:
    """(6,) float32 of each group of feature rows, all of them put to their means at once."""
    whole = classifier.log_posterior(features)
    return {
        name: np.asarray(whole - classifier.log_posterior(_without(classifier, features, rows)), np.float32)
        for name, rows in groups.items()
    }


def standard(classifier: Classifier, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,) float32: how many standard deviations of the training set each feature is from its mean, cut at 4."""
    return np.asarray(np.clip((features - classifier.mean) / classifier.scale, -4, 4), np.float32)


def feature_groups() -> dict[str, list[int]]:
    """Rows of features that say one thing together: each plain one alone, the layouts and colours as wholes."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(NAMES):
        stem, _, tail = name.rpartition("_")
        laid_out = tail.isdigit()
        groups.setdefault(f"{stem}_layout" if laid_out else name, []).append(row)
    return groups


def _without(classifier: Classifier, features: NDArray[np.float32], rows: list[int]) -> NDArray[np.float32]:
    plain = np.array(features, np.float32)
    plain[rows] = classifier.mean[rows]
    return plain


def _asked(camera: Camera, box: Box) -> int | None:
    """Number of the track that lies most at a box, at least ``SAME`` of the smaller."""
    shares = [overlap(track.box, box) for track in camera.tracks]
    best = int(np.argmax(shares)) if shares else -1
    return best if best >= 0 and shares[best] >= SAME else None


def _on_grid(box_px: NativeBox, camera: Camera) -> Box:
    rows, columns = camera.arena.shape
    across, down = columns / camera.native_px[0], rows / camera.native_px[1]
    left = min(max(0, round(box_px[0] * across)), columns - 1)
    top = min(max(0, round(box_px[1] * down)), rows - 1)
    right = min(max(left + 1, round((box_px[0] + box_px[2]) * across)), columns)
    bottom = min(max(top + 1, round((box_px[1] + box_px[3]) * down)), rows)
    return left, top, right - left, bottom - top


def _native(box: Box, camera: Camera) -> NativeBox:
    rows, columns = camera.arena.shape
    across, down = camera.native_px[0] / columns, camera.native_px[1] / rows
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


@dataclass(frozen=True, slots=True)
class _Judged:
    """What verification says of the largest blob at a place; ``mask`` is (H, W) uint8."""

    verdict: Verdict | None
    look: Look | None
    area_px: float
    mask: NDArray[np.uint8]


def _judged(camera: Camera, standing: NDArray[np.uint8], box: Box, knobs: VisionKnobs) -> _Judged:
    shape = camera.arena.shape
    mask = np.zeros(shape, np.uint8)
    blob = _blob(standing, box)
    if blob is None:
        return _Judged(None, None, 0.0, mask)
    faint = Levels(knobs.differs_grey / 2, knobs.differs_chroma / 2, int(knobs.static_s / knobs.quantum_s / 2))
    blob = grow(camera.planes(), blob, faint, shape)
    crop = cut(camera.planes(), camera.planes()[1], blob, shape)
    high, wide = crop.mask.shape
    mask[crop.y : crop.y + high, crop.x : crop.x + wide] = crop.mask
    seen = look(crop)
    return _Judged(judge(seen, ncc_light=knobs.ncc_light, ghost_margin=knobs.ghost_margin), seen, blob.area, mask)


def _standing(camera: Camera, knobs: VisionKnobs) -> NDArray[np.uint8]:
    background, candidate, votes = camera.planes()
    work = memory.Scratch(camera.arena.shape)
    cv2.absdiff(candidate, background, dst=work.differs)
    static = max(1, int(knobs.static_s / knobs.quantum_s) - 2)
    mask = memory.standing_mask(votes, static, knobs.differs_grey, knobs.differs_chroma, work)
    return np.zeros(work.shape, np.uint8) if mask is None else mask.copy()


def _blob(standing: NDArray[np.uint8], box: Box) -> Blob | None:
    """The largest blob that overlaps the box; of any size, so that one that is too small can be named."""
    if not standing.any():
        return None
    blobs = [blob for blob in find_blobs(standing.copy(), 1.0) if overlap(blob.box, box) >= SAME]
    return max(blobs, key=lambda blob: blob.area, default=None)


def _plane(camera: Camera, pixels: NDArray[np.uint8]) -> Plane:
    """The frame at its background's exposure, as the detector compares it."""
    shape = camera.arena.shape
    planes = np.empty((1, shape[0] * 3 // 2, shape[1]), np.uint8)
    grid.to_i420([pixels], planes)
    seen = exposure.compare(planes, camera.arena.background, np.asarray([camera.slot], np.int64), shape)
    exposure.normalise(planes[0], float(seen.gain[0]), seen.shift[0], shape)
    return np.asarray(planes[0], np.uint8)


def _facts(camera: Camera, track: Track, frame: Plane | None, knobs: VisionKnobs) -> TrackFacts:
    background, candidate, _ = camera.planes()
    shape = camera.arena.shape
    seen = "" if frame is None else presence(track, frame, background, candidate, shape, knobs.match_grey)
    return TrackFacts(
        track_id=track.id,
        phase=track.phase,
        box_px=_native(track.box, camera),
        appeared_ns=track.appeared_ns,
        looks=track.looks,
        doubts=track.doubts,
        absent_s=track.absent_s,
        seen=seen,
        features=track.features.copy(),
        shape=fuse(track.hand_logs()[None])[0],
        pieces=track.crops,
        crop=fuse(track.crop_logs[None] / max(track.crops, 1))[0],
    )


def _bgr(plane: Plane) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(plane), cv2.COLOR_YUV2BGR_I420), np.uint8)


def _differs(background: Plane, candidate: Plane, shape: tuple[int, int]) -> NDArray[np.uint8]:
    grey = cv2.absdiff(luma(candidate, shape), luma(background, shape))
    halves = [cv2.absdiff(*pair) for pair in zip(chroma(candidate, shape), chroma(background, shape), strict=True)]
    colour = cv2.max(halves[0], halves[1])
    wide = cv2.resize(cv2.add(colour, colour), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.max(grey, wide), np.uint8)


def _share(background: Plane, other: Plane, box: Box, shape: tuple[int, int], knobs: VisionKnobs) -> float:
    return _mean(_differs(background, other, shape) > min(knobs.differs_grey, 2 * knobs.differs_chroma), box)


def _part(plane: NDArray[np.generic], box: Box) -> NDArray[np.generic]:
    x, y, w, h = box
    return plane[y : y + h, x : x + w]


def _mean(plane: object, box: Box) -> float:
    return float(np.asarray(_part(np.asarray(plane), box), np.float64).mean())


def _voted(votes_s: NDArray[np.float32], differs: NDArray[np.uint8], box: Box, knobs: VisionKnobs) -> float:
    votes = np.asarray(_part(votes_s, box), np.float64).ravel()
    other = np.asarray(_part(differs, box)).ravel() > knobs.differs_grey
    return float(np.percentile(votes[other] if other.any() else votes, 75))


def _colour(background: Plane, candidate: Plane, box: Box, shape: tuple[int, int]) -> float:
    x, y, w, h = box
    half = (x // 2, y // 2, max(1, w // 2), max(1, h // 2))
    pairs = zip(chroma(candidate, shape), chroma(background, shape), strict=True)
    return max(_mean(cv2.absdiff(*pair), half) for pair in pairs)


def _ring(camera: Camera, box: Box) -> float:
    """As the features measure it: the tiles of the box and one more on each side."""
    activity = camera.arena.activity[camera.slot]
    x, y, w, h = (side / TILE_PX for side in box)
    near = activity[max(0, int(y - 1)) : int(y + h + 2), max(0, int(x - 1)) : int(x + w + 2)]
    return float(near.mean()) if near.size else 0.0


def _row(camera: Camera, box: Box) -> float:
    activity = camera.arena.activity[camera.slot]
    rows = activity[max(0, int(box[1] / TILE_PX - 1)) : int((box[1] + box[3]) / TILE_PX + 2)]
    return float(rows.mean()) if rows.size else 0.0


def _in_zone(zone: NDArray[np.uint8] | None, box: Box) -> float:
    if zone is None:
        return 1.0
    x, y, w, h = box
    foot = max(1, round(h / 4))
    return float((zone[y + h - foot : y + h, x : x + w] > 0).mean())
