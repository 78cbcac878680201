"""Is this the street that a camera knows, in a picture that can be used? One reading for each of a batch's frames.

Cheap measures of one pixel in 64 for every frame; the others for each eighth frame of a camera, and at once where the
cheap ones are suspicious (docs/camera-health.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.vision import structure, unusable
from detectors.vision.exposure import DISAGREE_GREY, Exposure, sample_chroma, sample_luma
from detectors.vision.grid import Arena, luma
from detectors.vision.structure import Slopes
from schemas.detections import SceneState
from schemas.health import Reading

EVERY = 8  # looks between two with all measures
SUSPECT_SHARE = 0.12  # of samples that do not fit: a view turned by 4 px has more
SLOW_S = 30.0  # captured s: frames further apart are all measured
STILL_SHARE = 0.005  # of samples that changed at all: what a clock may change; film of a street has over 0.02
STILL_FRAMES = 3  # so many such pictures in a row
NEAR_GREY, NEAR_SHARE = 3, 0.003  # a picture coded anew: no sample further off, but for a few
NEAR_FRAMES, NEAR_S = 20, 900.0  # no street on which anything can be seen keeps so still for so long
OTHER_VIEW = 0.15  # agreement below which it is another view; the same view keeps 0.3
DOUBT_VIEW = 0.35  # agreement below which a shift is looked for
EDGES_MIN = 60  # of 1 760: fewer, as on bare asphalt, and the agreement says nothing
LOST_BLUR, LOST_CLEAR = 0.12, 0.07  # share of blocks without fine edges: from where blurred, below which clear again
LOST_COVER, COVER_SHARE = 0.35, 0.35  # and so many samples of another level: covered
LIGHT_RATIO = 1.7  # gain or its inverse from which a strange picture is believed to be the same in another light
COLOURS, GREYS = 2.5, 1.0  # mean levels off grey: of a picture in colours, of one by infra-red


OK = Reading(SceneState.OK)
# Of no street at all: nothing is learned from them, however long they stay.
NO_PICTURE = frozenset(
    {
        SceneState.FROZEN,
        SceneState.BLACK,
        SceneState.WHITE,
        SceneState.FLAT,
        SceneState.NOISE,
        SceneState.CARD,
        SceneState.DARK,
    }
)
# A lens that somebody should clean: learned anew only when nobody does.
DIRTY = frozenset({SceneState.BLURRED, SceneState.COVERED})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a batch of frames is judged by.

    Attributes:
        planes: (N, 1.5 H, W) I420, exposure not yet normalised.
        slots: (N,) int64, whose frames they are.
        exposure: how they compare with their backgrounds.
        captured_ns: (N,) int64.
        elapsed_s: (N,) captured seconds since each camera's last frame.
        begun: (N,) bool, whether the camera has a background to compare with.
    """

    planes: NDArray[np.uint8]
    slots: NDArray[np.int64]
    exposure: Exposure
    captured_ns: NDArray[np.int64]
    elapsed_s: NDArray[np.float64]
    begun: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Strange:
    """One suspicious frame beside its background.

    Attributes:
        frame, background: (H, W) brightness.
        share: of samples that do not fit after the gain.
        changed: by exposure and correlation alone.
        gain: of the exposure.
        agree: of slopes; 1 where the background has too few edges.
        off_grey: mean levels off grey of frame and background.
        lost_before: share of blocks without fine edges when last measured.
    """

    frame: NDArray[np.uint8]
    background: NDArray[np.uint8]
    share: float
    changed: bool
    gain: float
    agree: float
    off_grey: tuple[float, float]
    lost_before: float


def check(arena: Arena, seen: Seen) -> list[Reading]:
    """One reading per frame, OK where it is the street that its camera knows; N may be 0.

    Reads and ages ``arena.anchor`` and ``arena.health``.
    """
    readings = [OK] * len(seen.slots)
    if not readings:
        return readings
    health, slots = arena.health, seen.slots
    for index in np.flatnonzero(_still(arena, seen)):
        readings[index] = Reading(SceneState.FROZEN, float(health["still_frames"][slots[index]]))
    apart = np.abs(seen.exposure.luma - sample_luma(arena.background, arena.shape)[slots])
    share = (apart > DISAGREE_GREY).mean(axis=(1, 2))
    due = ~seen.begun | (health["looks"][slots] % EVERY == 0) | health["unfit"][slots]
    due |= (share > SUSPECT_SHARE) | seen.exposure.changed | (seen.elapsed_s >= SLOW_S)
    health["looks"][slots] += 1
    chosen = np.flatnonzero(due)
    found = structure.slopes(seen.planes, arena.shape, chosen)
    states, values = unusable.judge(seen.planes[chosen], found, arena.shape)
    agree = _agreement(arena, slots[chosen], found)
    off_grey = _off_grey(arena, seen, chosen)
    for place, index in enumerate(chosen):
        if states[place] != SceneState.OK:
            readings[index] = Reading(SceneState(int(states[place])), float(values[place]))
        elif seen.begun[index] and readings[index] is OK:
            slot = slots[index]
            strange = _Strange(
                luma(seen.planes[index], arena.shape),
                luma(arena.background[slot], arena.shape),
                float(share[index]),
                bool(seen.exposure.changed[index]),
                float(seen.exposure.gain[index]),
                float(agree[place]),
                (float(off_grey[0, place]), float(off_grey[1, place])),
                float(health["lost"][slot]) if health["unfit"][slot] else 0.0,
            )
            readings[index], health["lost"][slot] = _diagnose(strange)
    health["unfit"][slots] = [reading is not OK for reading in readings]
    return readings


def _still(arena: Arena, seen: Seen) -> NDArray[np.bool_]:
    """(N,) whether a camera shows the same picture again and again; ages the anchors.

    Rows above and below, where clocks stand, do not count. Byte for byte the same never comes here.
    """
    slots, health, margin = seen.slots, arena.health, unusable.MARGIN
    now = sample_luma(seen.planes, arena.shape)
    part, held = now[:, margin:-margin], arena.anchor[slots][:, margin:-margin]
    exact = (part != held).mean(axis=(1, 2)) <= STILL_SHARE
    near = exact.copy()
    doubt = np.flatnonzero(~exact)
    off = np.abs(part[doubt].astype(np.int16) - held[doubt]) > NEAR_GREY
    near[doubt] = off.mean(axis=(1, 2)) <= NEAR_SHARE
    near &= health["still_ns"][slots] > 0
    fresh = slots[~near]
    arena.anchor[fresh] = now[~near]
    health["still_ns"][fresh] = seen.captured_ns[~near]
    health["still_frames"][slots] = np.where(near, health["still_frames"][slots] + 1, 0)
    frames = health["still_frames"][slots]
    long_s = (seen.captured_ns - health["still_ns"][slots]) / 1e9
    return np.asarray((exact & (frames >= STILL_FRAMES)) | ((frames >= NEAR_FRAMES) & (long_s >= NEAR_S)), np.bool_)


def _agreement(arena: Arena, slots: NDArray[np.int64], found: Slopes) -> NDArray[np.float32]:
    """(M,) agreement of slopes with the backgrounds; 1 where these have too few edges to tell."""
    known = structure.slopes(arena.background, arena.shape, slots)
    agree = structure.agreement(found, known)
    return np.asarray(np.where(structure.edges(known) >= EDGES_MIN, agree, 1.0), np.float32)


def _off_grey(arena: Arena, seen: Seen, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """(2, M) mean distance from grey of frames and backgrounds, levels."""
    frames = sample_chroma(seen.planes, arena.shape)[chosen]
    known = sample_chroma(arena.background, arena.shape)[seen.slots[chosen]]
    both = np.stack([frames, known]).astype(np.int16)
    return np.asarray(np.abs(both - 128).mean(axis=(2, 3, 4)))


def _diagnose(one: _Strange) -> tuple[Reading, float]:
    """What is the matter with a frame, OK for nothing, and the share of blocks that lost their fine edges."""
    lost = structure.lost_share(structure.fine_edges(one.frame), structure.fine_edges(one.background))
    ratio = max(one.gain, 1 / one.gain)
    if min(one.off_grey) <= GREYS and max(one.off_grey) >= COLOURS:
        what = "colours are gone" if one.off_grey[0] <= GREYS else "colours are back"
        return Reading(SceneState.LIGHT, one.off_grey[0], what), lost
    if one.agree < DOUBT_VIEW:
        reading = _other_view(one, lost, ratio)
        if reading is not OK:
            return reading, lost
    if lost >= LOST_COVER and one.share >= COVER_SHARE:
        return Reading(SceneState.COVERED, lost), lost
    if lost >= (LOST_CLEAR if one.lost_before >= LOST_BLUR else LOST_BLUR) and ratio < LIGHT_RATIO:
        return Reading(SceneState.BLURRED, lost), lost
    if one.changed:
        bright = ratio >= LIGHT_RATIO or one.agree >= DOUBT_VIEW
        return Reading(SceneState.LIGHT if bright else SceneState.CHANGED, one.share), lost
    return OK, lost


def _other_view(one: _Strange, lost: float, ratio: float) -> Reading:
    """Judge a frame whose edges are not those of its background; OK where they may be, in another light."""
    if one.agree < OTHER_VIEW and lost >= LOST_COVER and ratio < LIGHT_RATIO:
        return Reading(SceneState.COVERED, lost)
    across, down = structure.shift_px(one.frame, one.background)
    if (across, down) != (0, 0):
        ways = ((across, "right", "left"), (down, "down", "up"))
        said = [f"{abs(px)} px {more if px > 0 else less}" for px, more, less in ways if px]
        return Reading(SceneState.MOVED, one.agree, "the picture lies " + " and ".join(said))
    if one.agree >= OTHER_VIEW:
        return OK
    if ratio >= LIGHT_RATIO:
        return Reading(SceneState.LIGHT, ratio, "its edges are others, its brightness too")
    return Reading(SceneState.MOVED, one.agree, "another view")
