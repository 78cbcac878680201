"""Standing objects over time: where, since when, still there, and what they probably are."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.assembly import neighbours, overlap
from detectors.vision.classify import POOL, fuse
from detectors.vision.features import NAMES
from detectors.vision.grid import HISTORY, Plane, chroma, luma
from detectors.vision.proposals import Blob, Box
from schemas.detections import CLASSES, Phase

QUICK = 3  # looks at an object in every search
LOOKS = 12  # looks that tell all there is to tell
LOOK_S = 60.0  # longest time between two looks
FADE = 0.95  # weight of the older looks at each new one
OVERLAP = 0.3  # of the smaller box: the same object (vision.md 7)
FRAGMENT = 0.5  # of its area: a smaller neighbour is a part that came late, not another object
GROWTH = 1.7  # a standing object's box is not replaced at once by a blob larger or smaller by more than this
DOUBTS = 3  # looks in a row that say light, shade or ghost before a track is given up
EVENTS = 2  # the first of CLASSES, stall and waste, can become incidents
SURE = 0.5  # probability from which a thing has its name
PRESENT = 0.4  # share of an object's pixels that must look as before
ABSENT = 0.5  # share that shows the background instead
NEARLY_S = 1e-6  # the vote clock is a sum of fractions
CAPPED = 1.5  # captured time over the vote clock's from which a gap is a capped one
FADED = 0.25  # share of its area below which the memory has forgotten it
TRACK = np.dtype(
    [
        ("id", "i8"),
        ("box", "i4", 4),
        ("area", "f8"),
        ("rival", "f8"),
        ("appeared_ns", "i8"),
        ("seen_ns", "i8"),
        ("look_ns", "i8"),
        ("absent_s", "f8"),
        ("looks", "i4"),
        ("doubts", "i4"),
        ("phase", "u1"),
        ("named", "i4"),
        ("vouched", "?"),
        ("weight", "f8"),
        ("logs", "f8", len(CLASSES)),
        ("crops", "i4"),
        ("crop_ns", "i8"),
        ("crop_logs", "f8", len(CLASSES)),
        ("features", "f4", len(NAMES)),
    ]
)


@dataclass(slots=True)
class Track:
    """One standing object. Boxes in grid px, times captured.

    Attributes:
        id: unique within the camera.
        box, area: of the blob it was last taken from.
        appeared_ns: when it came to stand.
        seen_ns: when its place was last looked after.
        look_ns: when it was last looked at.
        absent_s: capped seconds in which its background was seen instead.
        rival: area of a blob that was too different to be believed at once; 0: none.
        looks, doubts: how often looked at; how many of the last looks in a row said it is none.
        phase: MATURING or STANDING; GONE only in the step in which it leaves.
        named: class, stall or waste, that it was first surely called while standing; -1: none yet.
        vouched: a person said that it is a thing: no look doubts it.
        weight, logs: fading count and (6,) sum of the log probabilities.
        crops, crop_ns, crop_logs: pieces of the original looked at, when last asked for, (6,) sum of their logs.
        features: (F,) of the newest look.
        there: whether it was to be seen at ``seen_ns``; of use in that step only.
    """

    id: int
    box: Box
    area: float
    appeared_ns: int
    seen_ns: int
    look_ns: int = 0
    absent_s: float = 0.0
    rival: float = 0.0
    looks: int = 0
    doubts: int = 0
    phase: Phase = Phase.MATURING
    named: int = -1
    vouched: bool = False
    weight: float = 0.0
    logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(CLASSES)))
    crops: int = 0
    crop_ns: int = 0
    crop_logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(CLASSES)))
    features: NDArray[np.float32] = field(default_factory=lambda: np.zeros(len(NAMES), np.float32))
    there: bool = False

    def due(self, now_ns: int, spacing_s: float) -> bool:
        """Whether another look is worth its time: at once, then after ``spacing_s`` and twice as long each time.

        A thing that does not change looks the same each time; one that grows or goes is looked at within a minute.
        """
        wait_s = 0.0 if self.looks < QUICK else min(LOOK_S, spacing_s * 2 ** min(self.looks - QUICK, 8))
        return now_ns - self.look_ns >= wait_s * 1e9

    def watched(self, now_ns: int, spacing_s: float, dwell_s: float) -> bool:
        """Whether its place must be looked after in this frame."""
        if self.absent_s > 0 or now_ns - self.seen_ns >= spacing_s * 1e9:
            return True
        return self.phase is Phase.MATURING and now_ns - self.appeared_ns >= dwell_s * 1e9

    def add(self, features: NDArray[np.float32], log_posterior: NDArray[np.float64], now_ns: int) -> None:
        """Count one look's (F,) features and their (6,) log probabilities."""
        self.features = features
        self.logs = self.logs * FADE + log_posterior
        self.weight = self.weight * FADE + 1
        self.looks += 1
        self.doubts = 0
        self.look_ns = now_ns
        self.name()

    def name(self) -> None:
        """Note what a standing thing is called, once that is sure."""
        if self.phase is Phase.STANDING and self.named < 0:
            posterior = fuse(self.mean_logs()[None])[0]
            if posterior[:EVENTS].max() >= SURE:
                self.named = int(posterior[:EVENTS].argmax())

    def hand_logs(self) -> NDArray[np.float64]:
        """(6,) mean log probability of the looks by hand features alone."""
        return np.asarray(self.logs / max(self.weight, 1e-9))

    def mean_logs(self) -> NDArray[np.float64]:
        """(6,) mean log probability of the looks, pooled with that of the pieces where there are any.

        What was once called waste is not called a stall later, nor the other way about: one thing would become two
        incidents. Where a later look prefers the other, the two exchange their values.
        """
        means = self.hand_logs()
        if self.crops:
            means = POOL.logs(means, self.crop_logs / self.crops)
        if self.named >= 0 and means[1 - self.named] > means[self.named]:
            means[:EVENTS] = means[EVENTS - 1 :: -1]
        return means

    def follow(self, blob: Blob) -> None:
        """Take the blob's box; one that changes a standing object much is believed the second time.

        What was looked at before such a change was another thing, or more than one: those looks are forgotten.
        """
        fits = self.area / GROWTH <= blob.area <= self.area * GROWTH
        again = self.rival / GROWTH <= blob.area <= self.rival * GROWTH
        if fits or again or self.phase is Phase.MATURING:
            if not fits:
                self.looks, self.weight, self.logs = 0, 0.0, np.zeros(len(CLASSES))
                self.crops, self.crop_ns, self.crop_logs = 0, 0, np.zeros(len(CLASSES))
            self.box, self.area, self.rival = blob.box, blob.area, 0.0
        else:
            self.rival = blob.area


def assign(tracks: list[Track], blob: Blob, reach_px: float) -> list[Track]:
    """Tracks that a blob belongs to, oldest first: those it overlaps, else one it is a late part of."""
    hit = [track for track in tracks if overlap(track.box, blob.box) >= OVERLAP]
    if hit:
        return hit
    near = [track for track in tracks if neighbours(track.box, blob.box, reach_px)]
    return [track for track in near if blob.area < FRAGMENT * track.area][:1]


def own(tracks: list[Track], blob: Blob, reach_px: float) -> tuple[Track | None, list[Track]]:
    """The track a blob belongs to, None: none, and those that are given up for it.

    Of several the oldest that has a name owns it, else the oldest. Those that stand and have names are not given up:
    each of them may be an incident.
    """
    owners = assign(tracks, blob, reach_px)
    first = next((track for track in owners if track.named >= 0), owners[0] if owners else None)
    return first, [track for track in owners if track is not first and track.named < 0]


def presence(track: Track, frame: Plane, background: Plane, candidate: Plane, shape: tuple[int, int], grey: int) -> str:
    """``present``, ``absent`` or ``hidden``: what a frame shows where the object stood, at half resolution."""
    x, y, w, h = track.box
    across = slice(x // 2, max(x // 2 + 1, (x + w + 1) // 2))
    down = slice(y // 2, max(y // 2 + 1, (y + h + 1) // 2))
    new, old, stood = (_halves(plane, shape, down, across) for plane in (frame, background, candidate))
    own = _distance(stood, old) > 1.4 * grey
    count = int(np.count_nonzero(own))
    if count * 4 < FADED * track.area:
        return "absent"
    to_stood, to_old = _distance(new, stood)[own], _distance(new, old)[own]
    if np.count_nonzero(to_stood <= grey) >= PRESENT * count:
        return "present"
    gone = np.count_nonzero((to_old <= grey) & (to_old < to_stood))
    return "absent" if gone >= ABSENT * count else "hidden"


def _halves(plane: Plane, shape: tuple[int, int], down: slice, across: slice) -> NDArray[np.uint8]:
    u, v = chroma(plane, shape)
    return np.stack([luma(plane, shape)[::2, ::2][down, across], u[down, across], v[down, across]])


def _distance(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int16]:
    delta = np.asarray(cv2.absdiff(left, right), np.int16)
    return np.asarray(np.maximum(delta[0], 2 * np.maximum(delta[1], delta[2])), np.int16)


def pack(tracks: list[Track]) -> NDArray[np.void]:
    """Tracks as (T,) of TRACK, for a snapshot."""
    rows = np.zeros(len(tracks), TRACK)
    for row, track in zip(rows, tracks, strict=True):
        for name in TRACK.names or ():
            row[name] = getattr(track, name)
    return rows


def unpack(rows: NDArray[np.void]) -> list[Track]:
    """The reverse of ``pack``. Raises ValueError for rows of another type."""
    if rows.dtype != TRACK or rows.ndim != 1:
        raise ValueError("snapshot: tracks are of another type")
    tracks = []
    for row in rows:
        plain = {
            name: row[name].item()
            for name in TRACK.names or ()
            if name not in {"box", "logs", "crop_logs", "phase", "features"}
        }
        box = (int(row["box"][0]), int(row["box"][1]), int(row["box"][2]), int(row["box"][3]))
        arrays = {name: row[name].copy() for name in ("logs", "crop_logs", "features")}
        tracks.append(Track(box=box, phase=Phase(int(row["phase"])), **arrays, **plain))
    return tracks


def captured(
    now_ns: int, clock_s: float, age_s: float, marks_s: NDArray[np.float64], marks_ns: NDArray[np.int64]
) -> int:
    """When the vote clock showed ``clock_s - age_s``: votes of capped gaps turned back into captured time.

    Within a gap that was capped nobody knows: its end counts, so that a dwell is rather late than early.
    ``marks_s`` and ``marks_ns`` are (48,) and ascending; unused ones are 0 in ``marks_ns`` and come first.
    """
    used = marks_ns > 0
    times = np.append(marks_ns[used] - now_ns, 0).astype(np.float64)
    clocks = np.append(marks_s[used], clock_s)
    then = clock_s - age_s
    if then < clocks[0]:
        return now_ns + int(times[0] - (clocks[0] - then) * 1e9)
    upper = int(np.searchsorted(clocks, then - NEARLY_S))
    if upper > 0 and times[upper] - times[upper - 1] > CAPPED * 1e9 * (clocks[upper] - clocks[upper - 1]):
        return now_ns + int(times[upper])
    return now_ns + int(np.interp(then, clocks, times))


def mark(history_s: NDArray[np.float64], history_ns: NDArray[np.int64], clock_s: float, now_ns: int) -> None:
    """Remember what the vote clock shows now, in place; the oldest of 48 marks is dropped."""
    history_s[: HISTORY - 1] = history_s[1:]
    history_ns[: HISTORY - 1] = history_ns[1:]
    history_s[-1] = clock_s
    history_ns[-1] = now_ns
