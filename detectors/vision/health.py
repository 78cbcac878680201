"""Is this the street that a camera knows, in a picture that can be used? One reading for each of a batch's frames.

Cheap measures of one pixel in 64 for every frame; the others for each sixteenth frame of a camera, and at once where
the cheap ones are suspicious (docs/camera-health.md).
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.vision import structure, unusable
from detectors.vision.exposure import DISAGREE_GREY, Exposure, sample_chroma, sample_luma
from detectors.vision.grid import Arena, luma
from schemas.detections import SceneState
from schemas.health import Reading

EVERY = 16  # looks between two with all measures
SUSPECT_SHARE = 0.12  # of samples that do not fit: a view turned by 4 px has more
SLOW_S = 30.0  # captured s: frames further apart are all measured
STILL_SHARE = 0.005  # of samples that changed at all: what a clock may change; film of a street has over 0.02
FEW_SHARE = 0.03  # of a ninth of the samples: more, and the picture is another
STILL_FRAMES = 3  # so many such pictures in a row
NEAR_GREY, NEAR_SHARE = 3, 0.003  # a picture coded anew: no sample further off, but for a few
NEAR_FRAMES, NEAR_S = 20, 900.0  # few streets keep so still for so long
HELD_EDGE = 0.2  # of the rows, above and below: clocks, and the blocks of a JPEG that they lie in
STILL_NOTE = "or nothing moves"
OTHER_VIEW = 0.05  # close agreement below which it is another view: such have 0.03, day and night of one 0.07
NONE_LEFT, OTHER_VIEW_BOTH = 0.03, 0.075  # where the samples agree by less than the first: below the second
STRANGE_VIEW = 0.15  # below which lost edges mean a cover
DOUBT_VIEW = 0.35  # below which a picture is looked at closely; the same view in like light keeps more
LOST_BLUR, LOST_CLEAR = 0.12, 0.07  # share of blocks without fine edges: from where blurred, below which clear again
LOST_COVER, COVER_SHARE = 0.35, 0.35  # and so many samples of another level: covered
LIGHT_RATIO = 1.7  # gain or its inverse from which a strange picture is believed to be the same in another light
OFF_GREY = 3  # levels off grey that a JPEG of a grey picture does not have
COLOUR_SHARE, GREY_SHARE = 0.25, 0.01  # of samples off grey: of a street in colours at least, by infra-red at most
LIGHT_SHARE = 0.75  # of samples that do not fit though the edges do: sun and shade have changed places


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
        lost: share of blocks without their usual fine edges.
        share: of samples that do not fit after the gain.
        changed: by exposure and correlation alone.
        gain: of the exposure.
        agree: of slopes with the background's edges; nan where it has too few.
        coloured, usual_coloured: share of samples off grey, of frame and background.
        lost_before: share of blocks without fine edges when last measured.
    """

    frame: NDArray[np.uint8]
    background: NDArray[np.uint8]
    lost: float
    share: float
    changed: bool
    gain: float
    agree: float
    coloured: float
    usual_coloured: float
    lost_before: float


def check(arena: Arena, seen: Seen) -> list[Reading]:
    """One reading per frame, OK where it is the street that its camera knows; N may be 0.

    FROZEN only where no pixel changed: what ``still`` tells beside it is no reason to look away. Reads and ages
    ``arena.anchor`` and ``arena.health``.
    """
    readings = [OK] * len(seen.slots)
    if not readings:
        return readings
    health, slots = arena.health, seen.slots
    for index in np.flatnonzero(_frozen(arena, seen)):
        readings[index] = Reading(SceneState.FROZEN, float(health["still_frames"][slots[index]]))
    apart = seen.exposure.apart
    share = np.count_nonzero(apart > DISAGREE_GREY, axis=(1, 2)) / max(1, apart[0].size)
    coloured = _coloured(seen.planes, arena.shape)
    due = _due(arena, seen, share) | ((coloured <= GREY_SHARE) != (health["tint"][slots] <= GREY_SHARE))
    health["looks"][slots] += 1
    chosen = np.flatnonzero(due)
    if not len(chosen):
        return readings
    found = structure.slopes(seen.planes, arena.shape, chosen)
    states, values = unusable.judge(seen.planes[chosen], found, arena.shape)
    agree = structure.agreement(found, structure.slopes(arena.background, arena.shape, slots[chosen]))
    usual = _coloured(arena.background, arena.shape, slots[chosen])
    for place, index in enumerate(chosen):
        if states[place]:
            readings[index] = Reading(SceneState(int(states[place])), float(values[place]))
        elif seen.begun[index] and readings[index] is OK:
            tints = float(coloured[index]), float(usual[place])
            readings[index] = _beside(arena, seen, int(index), float(share[index]), float(agree[place]), tints)
    return readings


def still(arena: Arena, seen: Seen) -> dict[int, Reading]:
    """By their places in the batch, after ``check``: frames on which hardly a sample has moved for long.

    A frozen camera whose pictures are coded anew, or a street by night on which nothing moves: which of them cannot be
    told. So it is told of, and the frames are used: what is put down there then must be seen.
    """
    health = arena.health[seen.slots]
    long_s = (seen.captured_ns - health["still_ns"]) / 1e9
    coded_anew = (health["still_frames"] >= NEAR_FRAMES) & (long_s >= NEAR_S)
    places = np.flatnonzero((health["same_frames"] >= STILL_FRAMES) | coded_anew)
    return {int(k): Reading(SceneState.FROZEN, float(health["still_frames"][k]), STILL_NOTE) for k in places}


def comparable(told: Reading) -> bool:
    """Whether a frame may be that of another light's reference: not through a dirty lens, nor a little aside."""
    aside = told.state is SceneState.MOVED and told.value >= OTHER_VIEW_BOTH
    return told.state not in DIRTY and not aside


def hold(arena: Arena, slots: NDArray[np.int64], scene: NDArray[np.uint8]) -> None:
    """Let a picture that comes again byte for byte be what it was: a test card stays one. ``scene`` is changed."""
    before = arena.health["scene"][slots]
    for index in np.flatnonzero(scene == int(SceneState.FROZEN)):
        if before[index] in NO_PICTURE:
            scene[index] = before[index]


def elsewhere(told: Reading) -> bool:
    """Whether a frame shows another view, not its own a little aside."""
    return told.state is SceneState.MOVED and told.value < OTHER_VIEW_BOTH


def _due(arena: Arena, seen: Seen, share: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether a frame is measured in every way."""
    health, slots = arena.health, seen.slots
    due = ~seen.begun | (health["looks"][slots] % EVERY == 0) | (health["fines"][slots] < structure.FINES_MIN)
    due |= (health["scene"][slots] != 0) | (share > SUSPECT_SHARE)
    due |= seen.exposure.changed | (seen.elapsed_s >= SLOW_S)
    return np.asarray(due, np.bool_)


def _frozen(arena: Arena, seen: Seen) -> NDArray[np.bool_]:
    """(N,) whether a camera shows the same picture again, each of its pixels; ages the anchors.

    Rows above and below, where clocks stand, do not count. Byte for byte the same never comes here. A ninth of the
    samples tells most moving streets; the others are looked at for the rest.
    """
    slots, health = seen.slots, arena.health
    now = np.ascontiguousarray(sample_luma(seen.planes, arena.shape))
    rows = unusable.inner(now.shape[1])
    some = now[:, rows][:, ::3, ::3], arena.anchor[:, :, rows][:, :, ::3, ::3][slots]
    known = health["still_ns"][slots] > 0
    same = known & (np.count_nonzero(some[0] != some[1][:, 0], axis=(1, 2)) <= FEW_SHARE * some[0][:1].size)
    near = known & (np.count_nonzero(_off(some[0], some[1][:, 1]), axis=(1, 2)) <= FEW_SHARE * some[0][:1].size)
    for alike, which in ((same, 0), (near, 1)):
        for index in np.flatnonzero(alike):
            part, held = now[index, rows], arena.anchor[slots[index], which, rows]
            off = part != held if which == 0 else _off(part, held)
            alike[index] = off.mean() <= (STILL_SHARE if which == 0 else NEAR_SHARE)
    fresh = slots[~near]
    arena.anchor[slots, 0] = now
    arena.anchor[fresh, 1] = now[~near]
    health["still_ns"][fresh] = seen.captured_ns[~near]
    for name, again in (("still_frames", near), ("same_frames", same)):
        health[name][slots] = np.where(again, health[name][slots] + 1, 0)
    _hold_pixels(arena, seen, same)
    return np.asarray(health["held_frames"][slots] >= STILL_FRAMES, np.bool_)


def _hold_pixels(arena: Arena, seen: Seen, same: NDArray[np.bool_]) -> None:
    """Count the frames in a row of which every pixel is that of the one before; of ``same`` samples only.

    Samples alone are no proof: by night a picture without noise keeps them while a bag is put down between two.
    """
    health, height = arena.health, arena.shape[0]
    edge = round(HELD_EDGE * height)
    health["held_frames"][seen.slots[~same]] = 0
    for index in np.flatnonzero(same):
        slot = seen.slots[index]
        crc = zlib.crc32(seen.planes[index, edge : height - edge].tobytes())
        again = health["held_frames"][slot] > 0 and crc == health["held_crc"][slot]
        health["held_frames"][slot] = health["held_frames"][slot] + 1 if again else 1
        health["held_crc"][slot] = crc


def _off(part: NDArray[np.uint8], held: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where two sets of samples differ by more than another coding makes of a picture."""
    return np.asarray(np.maximum(part, held) - np.minimum(part, held) > NEAR_GREY, np.bool_)


def _beside(  # one argument per measure
    arena: Arena, seen: Seen, index: int, share: float, agree: float, coloured: tuple[float, float]
) -> Reading:
    """Look at one frame beside its background; learns what fine edges are usual there."""
    slot, health = seen.slots[index], arena.health
    if not arena.state["trained"][slot]:
        health["fines"][slot] = 0
    brightness = luma(seen.planes[index], arena.shape)
    fine, frames = structure.fine_edges(brightness), int(health["fines"][slot])
    strange = _Strange(
        brightness,
        luma(arena.background[slot], arena.shape),
        structure.lost_share(fine, arena.fine[slot], frames),
        share,
        bool(seen.exposure.changed[index]),
        float(seen.exposure.gain[index]),
        agree,
        *coloured,
        float(health["lost"][slot]),
    )
    reading = _diagnose(strange)
    if reading.state in DIRTY or reading is OK:
        health["lost"][slot] = strange.lost
    if reading is OK:
        structure.learn_fine(fine, arena.fine[slot], frames)
        health["tint"][slot] = coloured[0]
        health["fines"][slot] += 1
    return reading


def _coloured(
    stack: NDArray[np.uint8], shape: tuple[int, int], rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """(N,) share of samples that are off grey, of pictures (S, 1.5 H, W) or of their ``rows`` only."""
    half = sample_chroma(stack, shape)
    half = half[:, :, ::2] if rows is None else half[rows, :, ::2]
    off = half - np.uint8(128 - OFF_GREY) > np.uint8(2 * OFF_GREY)  # bytes below wrap round and are above
    return np.asarray(np.count_nonzero(off[:, 0] | off[:, 1], axis=(1, 2)) / max(1, off[0, 0].size))


def _diagnose(one: _Strange) -> Reading:
    """What is the matter with a frame; OK for nothing."""
    ratio = max(one.gain, 1 / one.gain)
    covered = one.agree < STRANGE_VIEW and one.lost >= LOST_COVER
    if (
        not covered
        and min(one.coloured, one.usual_coloured) <= GREY_SHARE
        and max(one.coloured, one.usual_coloured) >= COLOUR_SHARE
    ):
        gone = one.coloured <= GREY_SHARE
        return Reading(SceneState.LIGHT, one.coloured, "colours are gone" if gone else "colours are back")
    same = one.agree >= DOUBT_VIEW
    reading = OK
    if one.agree < DOUBT_VIEW and one.share >= SUSPECT_SHARE:
        agree = structure.close_agreement(one.frame, one.background)
        same = agree >= OTHER_VIEW if one.agree >= NONE_LEFT else agree >= OTHER_VIEW_BOTH
        reading = _view(one, agree, same=same) if agree < DOUBT_VIEW else OK
    if reading is OK:
        reading = _lens(one, ratio)
    if reading is OK:
        reading = _light(one, ratio, same=same)
    return reading


def _view(one: _Strange, agree: float, *, same: bool) -> Reading:
    """Judge a frame whose edges are not those of its background; OK where they may be, in another light."""
    if agree < STRANGE_VIEW and one.lost >= LOST_COVER:
        return Reading(SceneState.COVERED, one.lost)
    across, down = structure.shift_px(one.frame, one.background)
    if (across, down) != (0, 0):
        ways = ((across, "right", "left"), (down, "down", "up"))
        said = [f"{abs(px)} px {more if px > 0 else less}" for px, more, less in ways if px]
        return Reading(SceneState.MOVED, agree, "the picture lies " + " and ".join(said))
    return OK if same else Reading(SceneState.MOVED, agree, "another view")


def _lens(one: _Strange, ratio: float) -> Reading:
    """Covered or blurred; OK where its fine edges are there, or the light explains why not."""
    if one.lost >= LOST_COVER and one.share >= COVER_SHARE:
        return Reading(SceneState.COVERED, one.lost)
    limit = LOST_CLEAR if one.lost_before >= LOST_BLUR else LOST_BLUR
    return Reading(SceneState.BLURRED, one.lost) if one.lost >= limit and ratio < LIGHT_RATIO else OK


def _light(one: _Strange, ratio: float, *, same: bool) -> Reading:
    """Another light, or a change of unknown cause; OK where exposure makes good for it.

    ``same``: the edges say that it is the same view.
    """
    if same and ratio < LIGHT_RATIO:
        return OK if one.share < LIGHT_SHARE else Reading(SceneState.LIGHT, one.share, "much is brighter or darker")
    if not one.changed:
        return OK
    return Reading(SceneState.LIGHT if ratio >= LIGHT_RATIO else SceneState.CHANGED, one.share)
