"""Runs the detector over composites and event-free feeds, and labels the looks it took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.tuning.recording import Box, encode
from curbwatch.tuning.train.clips import Clip, Paste, batches
from curbwatch.tuning.train.cutouts import CutOut, Rng, fit
from detectors.vision import VisionDetector
from detectors.vision.assembly import overlap
from detectors.vision.crops import window
from detectors.vision.features import NAMES
from ingest.decode import decode_full
from schemas.crops import CONTEXT
from schemas.detections import CLASSES
from schemas.errors import FrameError
from schemas.place import CameraView

PIECE = 64  # frames of a composite: the background, the pasting, and time for a dozen looks
PASTED = 14  # frame of a piece from which the cut-outs are there
NIGHTS = 0.12  # share of composites without colours, as by infra-red light
SAME = 0.35  # intersection over union from which a track is the labelled thing
WINDOW_PX = 80  # side of a kept window: what the crop classifier sees and a quarter more, so that it can be moved
WINDOW_LOOKS = (2, 4, 8)  # looks at a track of which the window is kept
ANY_OTHER = -1  # label of what is neither stall nor waste, and nobody knows which of the rest


@dataclass(frozen=True, slots=True)
class Known:
    """A labelled thing: its box in native px, its class, the captured times between which it stands."""

    box: Box
    label: int
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Looks:
    """Labelled looks.

    Attributes:
        features: (L, F) float32.
        labels: (L,) int64 class.
        groups: (L,) int64, one per track.
        sources: (L,) camera or clip.
        sizes: (L,) float32, longer side of the box, native px.
        window: (L,) int64, row of the look's window; -1: none was kept.
        windows: (W, WINDOW_PX, WINDOW_PX, 3) uint8 BGR around boxes, from the original pictures.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    sources: NDArray[np.str_]
    sizes: NDArray[np.float32]
    window: NDArray[np.int64]
    windows: NDArray[np.uint8]

    def __len__(self) -> int:
        """Number of looks L."""
        return len(self.labels)


def nothing() -> Looks:
    """No looks."""
    return Looks(
        np.zeros((0, len(NAMES)), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
        np.zeros(0, "U1"),
        np.zeros(0, np.float32),
        np.zeros(0, np.int64),
        np.zeros((0, WINDOW_PX, WINDOW_PX, 3), np.uint8),
    )


def stack(parts: Sequence[Looks]) -> Looks:
    """Join looks of several runs; groups stay apart. No parts: no looks."""
    groups = np.cumsum([0, *(int(part.groups.max(initial=-1)) + 1 for part in parts)])
    rows = np.cumsum([0, *(len(part.windows) for part in parts)])
    moved = [
        replace(part, groups=part.groups + groups[k], window=np.where(part.window < 0, -1, part.window + rows[k]))
        for k, part in enumerate(parts)
    ]
    every = [nothing(), *moved]
    return Looks(*(np.concatenate([getattr(part, f.name) for part in every]) for f in fields(Looks)))


def composite(clip: Clip, cuts: Sequence[CutOut], rng: Rng) -> Looks:
    """Paste cut-outs into a piece of a clip at free places; looks are labelled by the cut-out they overlap."""
    start = int(rng.integers(0, max(1, len(clip.jpegs) - PIECE)))
    piece = replace(clip, jpegs=clip.jpegs[start : start + PIECE], times_ns=clip.times_ns[start : start + PIECE])
    if rng.random() < NIGHTS:
        piece = replace(piece, jpegs=tuple(_by_night(piece.jpegs, float(rng.uniform(0.35, 0.9)))))
    first = min(PASTED, len(piece.jpegs) // 3)
    pasted = _places(piece, cuts, first, rng)
    ends_ns = (piece.times_ns[0], piece.times_ns[-1]) if piece.times_ns else (0, 0)
    known = [Known(paste.box, CLASSES.index(label), *ends_ns) for paste, label in pasted]
    return watch(piece, [paste for paste, _ in pasted], known, "", VisionKnobs())


def _by_night(jpegs: Sequence[bytes], level: float) -> Iterator[bytes]:
    """Yield the pictures as an infra-red camera would send them: grey, and ``level`` as bright."""
    for jpeg in jpegs:
        try:
            grey = cv2.cvtColor(decode_full(jpeg), cv2.COLOR_BGR2GRAY)
        except FrameError:
            yield jpeg
            continue
        yield encode(np.asarray(cv2.cvtColor(cv2.convertScaleAbs(grey, alpha=level), cv2.COLOR_GRAY2BGR), np.uint8))


def event_free(clip: Clip, label: str, dwell_s: float = 90.0) -> Looks:
    """Everything the detector takes for an object in a feed without events, under one class."""
    return watch(clip, (), (), label, VisionKnobs(dwell_s=dwell_s))


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
    kept = _Kept([], [], [], [], [], [])
    seen: dict[int, tuple[bytes, int]] = {}
    for batch, jpeg in batches(clip, pastes):
        result = detector.step(batch)
        features = detector.features(clip.name)
        picture: NDArray[np.uint8] | None = None
        now = [thing for thing in known if thing.since_ns <= int(batch.captured_ns[0]) <= thing.until_ns]
        for track_id, sides in zip(result.track_id.tolist(), result.box_px.tolist(), strict=True):
            values = features.get(track_id)
            before, looks = seen.get(track_id, (b"", 0))
            if values is None or before == values.tobytes():
                continue
            seen[track_id] = values.tobytes(), looks + 1
            label = _label((int(sides[0]), int(sides[1]), int(sides[2]), int(sides[3])), now, unlabelled)
            if label is None:
                continue
            cut = None
            if looks + 1 in WINDOW_LOOKS:
                picture = decode_full(jpeg) if picture is None else picture
                whole = (0, 0, picture.shape[1], picture.shape[0])
                cut = window(picture, whole, (sides[0], sides[1], sides[2], sides[3]), WINDOW_PX, CONTEXT)
            kept.add(values, label, list(seen).index(track_id), max(sides[2:]), cut)
    return kept.looks(clip.name)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Looks of one run as they are collected."""

    features: list[NDArray[np.float32]]
    labels: list[int]
    groups: list[int]
    sizes: list[float]
    rows: list[int]
    windows: list[NDArray[np.uint8]]

    def add(
        self, features: NDArray[np.float32], label: int, group: int, size_px: float, cut: NDArray[np.uint8] | None
    ) -> None:
        self.features.append(features)
        self.labels.append(label)
        self.groups.append(group)
        self.sizes.append(size_px)
        self.rows.append(-1 if cut is None else len(self.windows))
        if cut is not None:
            self.windows.append(cut)

    def looks(self, source: str) -> Looks:
        none = nothing()
        return Looks(
            np.stack(self.features) if self.features else none.features,
            np.asarray(self.labels, np.int64),
            np.asarray(self.groups, np.int64),
            np.full(len(self.labels), source),
            np.asarray(self.sizes, np.float32),
            np.asarray(self.rows, np.int64),
            np.stack(self.windows) if self.windows else none.windows,
        )


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
