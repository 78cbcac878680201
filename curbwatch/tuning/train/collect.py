"""Runs the detector over composites and event-free feeds, and labels the looks it took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.tuning.recording import Box
from curbwatch.tuning.train.clips import Clip, Paste, batches
from curbwatch.tuning.train.cutouts import CutOut, Rng, fit
from detectors.vision import VisionDetector
from detectors.vision.assembly import overlap
from detectors.vision.features import NAMES
from schemas.detections import CLASSES
from schemas.place import CameraView

PIECE = 64  # frames of a composite: the background, the pasting, and time for a dozen looks
PASTED = 14  # frame of a piece from which the cut-outs are there
SAME = 0.35  # intersection over union from which a track is the labelled thing


@dataclass(frozen=True, slots=True)
class Known:
    """A labelled thing: its box in native px, its class, the captured times between which it stands."""

    box: Box
    label: int
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Looks:
    """Labelled looks: (L, F) float32 features, (L,) int64 classes, (L,) int64 group (one per track), (L,) source."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    sources: NDArray[np.str_]

    def __len__(self) -> int:
        """Number of looks L."""
        return len(self.labels)


def stack(parts: Sequence[Looks]) -> Looks:
    """Join looks of several runs; groups stay apart. No parts: no looks."""
    offsets = np.cumsum([0, *(int(part.groups.max(initial=-1)) + 1 for part in parts)])
    empty = Looks(
        np.zeros((0, len(NAMES)), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, "U1")
    )
    return Looks(
        np.concatenate([empty.features, *(part.features for part in parts)]),
        np.concatenate([empty.labels, *(part.labels for part in parts)]),
        np.concatenate([empty.groups, *(part.groups + o for part, o in zip(parts, offsets, strict=False))]),
        np.concatenate([empty.sources, *(part.sources for part in parts)]),
    )


def composite(clip: Clip, cuts: Sequence[CutOut], rng: Rng) -> Looks:
    """Paste cut-outs into a piece of a clip at free places; looks are labelled by the cut-out they overlap."""
    start = int(rng.integers(0, max(1, len(clip.jpegs) - PIECE)))
    piece = replace(clip, jpegs=clip.jpegs[start : start + PIECE], times_ns=clip.times_ns[start : start + PIECE])
    first = min(PASTED, len(piece.jpegs) // 3)
    pasted = _places(piece, cuts, first, rng)
    ends_ns = (piece.times_ns[0], piece.times_ns[-1]) if piece.times_ns else (0, 0)
    known = [Known(paste.box, CLASSES.index(label), *ends_ns) for paste, label in pasted]
    return watch(piece, [paste for paste, _ in pasted], known, "", VisionKnobs())


def event_free(clip: Clip, label: str) -> Looks:
    """Everything the detector takes for an object in a feed without events, under one class."""
    return watch(clip, (), (), label, VisionKnobs())


def _places(clip: Clip, cuts: Sequence[CutOut], first: int, rng: Rng) -> list[tuple[Paste, str]]:
    grid = clip.size[0] / (320 if clip.size[0] % 320 == 0 else 384 if clip.size[0] == 768 else clip.size[0])
    taken: list[Box] = []
    found = []
    for cut in cuts:
        low, high = cut.width_px
        width = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))) * grid)
        picture, alpha = fit(cut, width, rng)
        height = picture.shape[0]
        if width >= clip.size[0] - 2 or height >= clip.size[1] - 2:
            continue
        for _ in range(8):
            x, y = int(rng.integers(0, clip.size[0] - width)), int(rng.integers(0, clip.size[1] - height))
            wide = (x - 20, y - 20, width + 40, height + 40)
            if not any(overlap(wide, other) > 0 for other in taken):
                taken.append((x, y, width, height))
                found.append((Paste(picture, alpha, x, y, first, len(clip.jpegs)), cut.label))
                break
    return found


def watch(clip: Clip, pastes: Sequence[Paste], known: Sequence[Known], unlabelled: str, knobs: VisionKnobs) -> Looks:
    """Run the detector over a clip and label each look by the known thing it shows.

    A look at nothing known is ``unlabelled``, a class; it is left out where that is empty.
    """
    detector = VisionDetector(knobs, {clip.name: CameraView(clip.name)})
    rows: list[NDArray[np.float32]] = []
    classes: list[int] = []
    groups: list[int] = []
    seen: dict[int, bytes] = {}
    for batch in batches(clip, pastes):
        result = detector.step(batch)
        features = detector.features(clip.name)
        for track_id, box in zip(result.track_id.tolist(), result.box_px, strict=True):
            values = features.get(track_id)
            if values is None or seen.get(track_id) == values.tobytes():
                continue
            seen[track_id] = values.tobytes()
            now = [thing for thing in known if thing.since_ns <= int(batch.captured_ns[0]) <= thing.until_ns]
            label = _label((int(box[0]), int(box[1]), int(box[2]), int(box[3])), now, unlabelled)
            if label is not None:
                rows.append(values)
                classes.append(label)
                groups.append(list(seen).index(track_id))
    table = np.stack(rows) if rows else np.zeros((0, len(NAMES)), np.float32)
    source = np.full(len(rows), clip.name)
    return Looks(table, np.asarray(classes, np.int64), np.asarray(groups, np.int64), source)


def _label(box: Box, known: Sequence[Known], unlabelled: str) -> int | None:
    shares = [_iou(box, thing.box) for thing in known]
    if shares and max(shares) >= SAME:
        return known[int(np.argmax(shares))].label
    if not unlabelled or any(overlap(box, thing.box) > 0.2 for thing in known):
        return None
    return CLASSES.index(unlabelled)


def _iou(left: Box, right: Box) -> float:
    smaller = max(1, min(left[2] * left[3], right[2] * right[3]))
    common = overlap(left, right) * smaller
    return common / (left[2] * left[3] + right[2] * right[3] - common)
