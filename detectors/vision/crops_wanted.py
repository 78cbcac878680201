"""When a track's piece of the original picture is worth its decoding, what it changed, and what carried a class."""

import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision.classify import POOL, fuse
from detectors.vision.tracks import EVENTS, Track
from schemas.detections import Evidence, Phase

LOOKS = 2  # looks of the hand features before the first piece: what is seen once may be a shade
FLOOR = 0.002  # hand features' probability of stall or waste below which no piece is asked for
SOON = 3  # pieces asked for one proposal period apart, so that a passer-by before the thing is outvoted
UNSURE = (0.02, 0.98)  # probability of stall or waste between which more are asked for
LATER_S, MOST = 60.0, 10  # those wait so long, twice as long each time; and there are no more than so many


def wanted(track: Track, now_ns: int, knobs: VisionKnobs) -> bool:
    """Whether a piece of this frame should be looked at; notes the time where so.

    A piece that cannot be cut is not wanted again at once: its next turn is that of one that was looked at.
    """
    if not _due(track, now_ns, knobs):
        return False
    track.crop_ns = now_ns
    return True


def _due(track: Track, now_ns: int, knobs: VisionKnobs) -> bool:
    if track.phase is Phase.GONE or track.looks < LOOKS or track.crops >= MOST or track.absent_s > 0:
        return False
    wait_s = knobs.propose_s if track.crops < SOON else LATER_S * 2 ** (track.crops - SOON)
    if now_ns - track.crop_ns < wait_s * 1e9:
        return False
    if track.crops == 0:
        return bool(fuse(track.hand_logs()[None])[0, :EVENTS].sum() >= FLOOR)
    likely = float(fuse(track.mean_logs()[None])[0, :EVENTS].sum())
    return track.crops < SOON or UNSURE[0] < likely < UNSURE[1]


def add(track: Track, logs: NDArray[np.float64], now_ns: int) -> None:
    """Count one piece's (6,) log probabilities."""
    track.crop_logs = track.crop_logs + logs
    track.crops += 1
    track.crop_ns = now_ns
    track.name()


def evidence(track: Track) -> Evidence:
    """What puts the class before the next one most: hand features or pieces."""
    if track.crops == 0:
        return Evidence.SHAPE
    order = np.argsort(track.mean_logs())
    first, next_ = int(order[-1]), int(order[-2])
    hand, crop = POOL.hand * track.hand_logs(), POOL.crop * track.crop_logs / track.crops
    return Evidence.CROP if crop[first] - crop[next_] > hand[first] - hand[next_] else Evidence.SHAPE
