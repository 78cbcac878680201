"""Things that only the operator's model sees: boxes that it finds again and again in whole pictures become tracks.

A find becomes a spot; a spot that was found in ``seen_min`` of the last ``seen_of`` looks is a track, counted from the
first of them, and stands once it is older than the dwell. It is gone when it is found in fewer, and for ``gone_s``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detectors.onnx.model import Finds
from detectors.onnx.opinion import EVENTS, FADE, best_scores, opinion, pool
from schemas.detections import CLASSES, Phase

OVERLAP = 0.3  # of the smaller box: the same thing (vision.md 7)
SPOTS_MAX = 64  # of one view: a model that finds more in an empty street finds noise
SPOT = np.dtype(
    [
        ("id", "i8"),
        ("corners", "f4", 4),
        ("appeared_ns", "i8"),
        ("seen_ns", "i8"),
        ("looks", "u8"),
        ("until_ns", "i8"),
        ("phase", "u1"),
        ("weight", "f8"),
        ("logs", "f8", len(CLASSES)),
    ]
)


@dataclass(frozen=True, slots=True)
class SpotRules:
    """When a spot is a track: k of n looks, captured seconds until it stands and until it is gone."""

    seen_min: int
    seen_of: int
    dwell_s: float
    gone_s: float
    known: NDArray[np.bool_]
    silence: float


@dataclass(slots=True)
class Spot:
    """One thing by the model's eyes alone.

    Attributes:
        id: negative, unique within the camera: tracks of other detectors are not.
        corners: (4,) float32 x1, y1, x2, y2 in native px, of the newest find.
        appeared_ns, seen_ns: captured times of the first and the newest find.
        looks: bits of the last looks, the newest lowest: 1 where it was found.
        phase: MATURING or STANDING; GONE only in the look in which it leaves.
        weight, logs: fading count and (6,) sum of the log probabilities.
        until_ns: captured time up to which a person will not hear of it; 0: no such order.
    """

    id: int
    corners: NDArray[np.float32]
    appeared_ns: int
    seen_ns: int
    looks: int = 0
    phase: Phase = Phase.MATURING
    weight: float = 0.0
    logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(CLASSES)))
    until_ns: int = 0

    def add(self, logs: NDArray[np.float64]) -> None:
        """Count the log probabilities of one find."""
        self.logs = self.logs * FADE + logs
        self.weight = self.weight * FADE + 1

    def posterior(self) -> NDArray[np.float32]:
        """(6,) of all finds."""
        even = np.full((1, len(CLASSES)), 1 / len(CLASSES), np.float32)
        return np.asarray(pool(even, (self.logs / max(self.weight, 1e-9))[None], 1.0)[0], np.float32)

    def count(self) -> int:
        """In how many of the looks that are remembered it was found."""
        return self.looks.bit_count()


def look_at(
    spots: list[Spot], finds: Finds, covered: NDArray[np.bool_], times_ns: Sequence[int], rules: SpotRules
) -> None:
    """Take over the finds of one whole picture, in place; new spots have the id 0, and there are ``SPOTS_MAX`` at most.

    Only stalls and waste make spots. ``covered``: (M,) finds where another detector has a track: they keep a spot that
    is there and make none. ``times_ns`` are those of the looks that are remembered, the newest first: that of this one.
    """
    known = list(spots)
    rows = np.flatnonzero(finds.classes < EVENTS)
    shared = overlaps(finds.corners[rows], corners_of(known))
    among = overlaps(finds.corners[rows], finds.corners[rows])
    free = np.ones(len(known), np.bool_)
    taken: list[int] = []
    found: set[int] = set()
    for number, row in enumerate(rows):
        at = np.where(free, shared[number], -1.0)
        if known and at.max() >= OVERLAP:
            spot = known[int(at.argmax())]
            free[int(at.argmax())] = False
            spot.corners, spot.seen_ns = finds.corners[row].copy(), times_ns[0]
        elif covered[row] or len(spots) >= SPOTS_MAX or (among[number, taken] >= OVERLAP).any():
            # Best first: a second find at one place, of another class, is the same thing.
            continue
        else:
            spot = Spot(0, finds.corners[row].copy(), times_ns[0], times_ns[0])
            spots.append(spot)
        scores = best_scores(finds.classes[row : row + 1], finds.scores[row : row + 1])
        spot.add(opinion(scores, rules.known, rules.silence))
        taken.append(number)
        found.add(id(spot))
    for spot in spots:
        _note_look(spot, times_ns, rules, hit=id(spot) in found)


def _note_look(spot: Spot, times_ns: Sequence[int], rules: SpotRules, *, hit: bool) -> None:
    steady = spot.count() >= rules.seen_min
    spot.looks = (spot.looks << 1 | hit) & ((1 << rules.seen_of) - 1)
    if spot.looks and spot.phase is Phase.MATURING and not steady:
        # It counts from the first of the finds that make it a track: what flickered before was none.
        spot.appeared_ns = times_ns[min(spot.looks.bit_length(), len(times_ns)) - 1]


def age(spots: list[Spot], held: set[int], now_ns: int, rules: SpotRules) -> list[Spot]:
    """Move spots on after a look, in place; returns those that left after standing, and drops every left one.

    ``held``: ids of spots where another detector's track stands: they stay as long as it does, because both are one
    incident.
    """
    left: list[Spot] = []
    for spot in list(spots):
        if 0 < spot.until_ns <= now_ns:
            spot.appeared_ns, spot.until_ns = spot.until_ns, 0
        if spot.id in held:
            spot.seen_ns = now_ns
        elif spot.phase is Phase.MATURING and spot.count() == 0:
            _drop(spots, spot)
        elif spot.phase is Phase.STANDING and _missed(spot, now_ns, rules):
            _drop(spots, spot)
            spot.phase = Phase.GONE
            left.append(spot)
        if spot.phase is Phase.MATURING and _ripe(spot, now_ns, rules):
            spot.phase = Phase.STANDING
    return left


def mute(spots: list[Spot], until_ns: int) -> None:
    """Let spots not be told of up to a captured time, or until they leave; in place."""
    for spot in spots:
        spot.until_ns = until_ns


def silenced(spots: list[Spot]) -> list[Spot]:
    """Spots that stood when they were muted, as gone: told once; they themselves go on unheard."""
    found = [spot for spot in spots if spot.until_ns and spot.phase is Phase.STANDING]
    told = [replace(spot, phase=Phase.GONE) for spot in found]
    for spot in found:
        spot.phase = Phase.MATURING
    return told


def _ripe(spot: Spot, now_ns: int, rules: SpotRules) -> bool:
    old = now_ns - spot.appeared_ns >= rules.dwell_s * 1e9
    return old and spot.count() >= rules.seen_min and not spot.until_ns


def _drop(spots: list[Spot], spot: Spot) -> None:
    """Remove by identity: two spots may be equal, and arrays have no single truth."""
    del spots[next(index for index, one in enumerate(spots) if one is spot)]


def _missed(spot: Spot, now_ns: int, rules: SpotRules) -> bool:
    return spot.count() < rules.seen_min and now_ns - spot.seen_ns >= rules.gone_s * 1e9


def tracks_of(spots: list[Spot], seen_min: int) -> list[Spot]:
    """Spots that are tracks: found often enough, or standing since they were; not those that nobody will hear of."""
    heard = [spot for spot in spots if not spot.until_ns]
    return [spot for spot in heard if spot.phase is not Phase.MATURING or spot.count() >= seen_min]


def corners_of(spots: Sequence[Spot]) -> NDArray[np.float32]:
    """(S, 4) corners of S spots; S may be 0."""
    return np.asarray([spot.corners for spot in spots], np.float32).reshape(-1, 4)


def overlaps(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, S) intersections over the smaller area of (M, 4) and (S, 4) corners, 0..1; M and S may be 0."""
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1) for corners in (left, right)]
    smaller = np.minimum(areas[0][:, None], areas[1][None, :])
    return np.asarray(common / np.maximum(smaller, 1e-6), np.float32)


def pack(spots: list[Spot]) -> NDArray[np.void]:
    """Spots as (S,) of SPOT, for a snapshot."""
    rows = np.zeros(len(spots), SPOT)
    for row, spot in zip(rows, spots, strict=True):
        for name in SPOT.names or ():
            row[name] = getattr(spot, name)
    return rows


def unpack(rows: NDArray[np.generic]) -> list[Spot]:
    """The reverse of ``pack``. Raises ValueError for rows of another type."""
    if rows.dtype != SPOT or rows.ndim != 1:
        raise ValueError("snapshot: spots are of another type")
    return [
        Spot(
            int(row["id"]),
            row["corners"].copy(),
            int(row["appeared_ns"]),
            int(row["seen_ns"]),
            int(row["looks"]),
            Phase(int(row["phase"])),
            float(row["weight"]),
            row["logs"].copy(),
            int(row["until_ns"]),
        )
        for row in rows
    ]
