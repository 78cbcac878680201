"""One camera inside an arena: begin, learn, age; the passes that look for standing objects."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from config.vision import VisionKnobs
from detectors.vision import exposure, memory, overlay
from detectors.vision.assembly import join
from detectors.vision.bank import Bank
from detectors.vision.classify import Classifier, look_logs
from detectors.vision.features import measure
from detectors.vision.feedback_ledger import HOLE_SHARE, Ledger, Region, Standing, Why, covered
from detectors.vision.grid import Arena, Plane, chroma, luma
from detectors.vision.proposals import Blob, Crop, Levels, blobs_of, cut, grow, opened
from detectors.vision.sizes import area_min, in_zone, is_huge, is_large
from detectors.vision.tracks import DOUBTS, Track, captured, mark, own, pack, presence
from detectors.vision.verify import Verdict, foreign, judge, look
from schemas.detections import Phase
from schemas.place import Calibration

LARGE_PX = 300.0  # grid px of a region of other light in which a thing may be hidden
CAP = 2.0  # times v_static: votes that a thing keeps at most, so that another in its place is seen in time
SPECK = 0.4  # of the least area: a compact blob has more than that left when it is opened
NEAR_PX = 3  # around a track's box: what stands there is its part (assembly.GAP_PX)
SURE = 0.8  # of the votes a background may keep: what a place where people pass surely had, so that no dwell is early


@dataclass(frozen=True, slots=True)
class Judge:
    """What a look is judged by; ``slow``: the frame counts for less than the time since the one before."""

    knobs: VisionKnobs
    classifier: Classifier
    slow: bool


@dataclass(slots=True)
class Camera:
    """What is not an array: where the state lives, what stands there.

    Attributes:
        arena, slot: the planes.
        native_px: width and height of the original picture.
        zone: (H, W) mask or None for the whole picture.
        calibration: None where uncalibrated.
        tracks: standing objects, oldest first.
        dormant: tracks of a view that is not to be seen, until it is again.
        waking: tracks of a view that has come back, until they are seen in it.
        leaving: tracks that ended since the last report, to be reported with the next.
        ledger: what entered the background, and the fixtures.
        bank: what the empty street looks like in each light.
        preset: the view as the camera names it; empty: it named none.
        bound: whether any of its zones is drawn in one view only.
        unbound: whether all its zones are drawn in other views, so that nothing counts.
    """

    arena: Arena
    slot: int
    native_px: tuple[int, int]
    zone: Plane | None = None
    calibration: Calibration | None = None
    tracks: list[Track] = field(default_factory=list)
    dormant: list[Track] = field(default_factory=list)
    waking: list[Track] = field(default_factory=list)
    leaving: list[Track] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    preset: str = ""
    bound: bool = False
    unbound: bool = False
    bank: Bank = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty bank."""
        self.bank = Bank(self.arena.shape)

    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Background, candidate and votes: views."""
        return self.arena.background[self.slot], self.arena.candidate[self.slot], self.arena.votes[self.slot]

    def end(self, dropped: list[Track]) -> None:
        """Have those of some dropped tracks that stood reported as gone: what was told of has an end that is told."""
        for track in dropped:
            if track.phase is Phase.STANDING:
                track.phase = Phase.GONE
                self.leaving.append(track)

    def px_per_m(self, row: int) -> float:
        """Grid px per metre at a grid row; 0 where uncalibrated or above the horizon."""
        if self.calibration is None:
            return 0.0
        native_row = row * self.native_px[1] / self.arena.shape[0]
        scale = self.calibration.px_per_m_slope * (native_row - self.calibration.horizon_row)
        return max(0.0, scale * self.arena.shape[1] / self.native_px[0])


def begin(camera: Camera, frame: Plane) -> None:
    """Start learning from this frame: tracks are dropped, their numbers are not used again."""
    background, candidate, votes = camera.planes()
    background[:] = frame
    candidate[:] = frame
    votes[:] = 0
    state = camera.arena.state[camera.slot]
    for name in ("slow_ns", "look_ns", "mark_ns", "changed_ns", "changed_frames", "clock_s", "pending_s", "gain_log"):
        state[name] = 0
    state["shift_u"] = state["shift_v"] = 0
    state["trained"], state["begun"], state["frames"] = False, True, 1
    # Milliseconds of captured time: later than any number given before, as nothing makes 1000 tracks a second.
    state["next_id"] = max(int(state["next_id"]), int(state["last_ns"]) // 1_000_000)
    camera.arena.history_s[camera.slot] = 0
    camera.arena.history_ns[camera.slot] = 0
    camera.arena.activity[camera.slot] = 0
    camera.tracks.clear()


def vote(camera: Camera, frame: Plane, dt_s: float, knobs: VisionKnobs, work: memory.Scratch) -> float:
    """Count ``dt_s`` captured seconds for this frame: those that it voted for, 0 where they are no whole vote yet."""
    state = camera.arena.state[camera.slot]
    pending = float(state["pending_s"]) + min(dt_s, knobs.gap_s)
    increment = min(255, int(pending / knobs.quantum_s + 1e-9))
    state["pending_s"] = pending - increment * knobs.quantum_s
    if increment == 0:
        return 0.0
    _, candidate, votes = camera.planes()
    memory.vote(frame, candidate, votes, increment, knobs.match_grey, work)
    state["clock_s"] += increment * knobs.quantum_s
    state["frames"] += 1
    now_ns = int(state["last_ns"])
    if now_ns - int(state["mark_ns"]) >= knobs.static_s / 24 * 1e9:
        slot = camera.slot
        mark(camera.arena.history_s[slot], camera.arena.history_ns[slot], float(state["clock_s"]), now_ns)
        state["mark_ns"] = now_ns
    return increment * knobs.quantum_s


def learn(camera: Camera, knobs: VisionKnobs) -> bool:
    """Whether the background is learned; takes the majority as background when the warm-up is over."""
    state = camera.arena.state[camera.slot]
    if not state["trained"] and state["clock_s"] >= knobs.learn_s and state["frames"] >= knobs.sightings_min:
        background, candidate, _ = camera.planes()
        background[:] = candidate
        state["trained"] = True
        state["slow_ns"] = state["last_ns"]
    return bool(state["trained"])


def relevel(camera: Camera) -> None:
    """Bring the models half way to the camera's own exposure once that has moved for good."""
    state = camera.arena.state[camera.slot]
    shape = camera.arena.shape
    background, candidate, _ = camera.planes()
    log = float(state["gain_log"])
    if abs(log) > exposure.RELEVEL_LOG:
        for plane in (background, candidate):
            exposure.level(luma(plane, shape), float(np.exp(-log / 2)))
        state["gain_log"] = log / 2
    for index, name in enumerate(("shift_u", "shift_v")):
        whole = int(state[name])
        if abs(whole) >= 2:
            for plane in (background, candidate):
                half = chroma(plane, shape)[index]
                cv2.convertScaleAbs(half, dst=half, alpha=1.0, beta=-float(whole))
            state[name] -= whole


def watch(camera: Camera, frame: Plane, counted_s: float, knobs: VisionKnobs) -> list[Track]:
    """See which tracks are still there; returns those that have left after standing, and drops every left one.

    ``counted_s``: captured seconds since the frame for which this was called before.

    What was there is looked after once in ``propose_s``; what is missed, or about to stand, in every frame.
    """
    if not camera.tracks:
        return []
    background, candidate, votes = camera.planes()
    shape = camera.arena.shape
    now_ns = int(camera.arena.state[camera.slot]["last_ns"])
    left: list[Track] = []
    for track in list(camera.tracks):
        if not track.watched(now_ns, knobs.propose_s, knobs.dwell_s):
            continue
        seen = presence(track, frame, background, candidate, shape, knobs.match_grey)
        track.seen_ns, track.there = now_ns, seen == "present"
        if seen == "present":
            track.absent_s = 0.0
        elif seen == "absent":
            track.absent_s += counted_s
        if track.absent_s >= knobs.gone_s:
            camera.tracks.remove(track)
            memory.forget(candidate, background, votes, track.box, shape)
            if track.phase is Phase.STANDING:
                track.phase = Phase.GONE
                left.append(track)
    return left


def promote(camera: Camera, knobs: VisionKnobs) -> None:
    """Let what has stood its dwell, was looked at twice and is there in this frame count as standing."""
    now_ns = int(camera.arena.state[camera.slot]["last_ns"])
    for track in camera.tracks:
        stood = track.phase is Phase.MATURING and now_ns - track.appeared_ns >= knobs.dwell_s * 1e9
        if stood and track.looks >= 2 and track.there and track.seen_ns == now_ns:
            track.phase = Phase.STANDING
            track.name()


def settle(camera: Camera, frame: Plane, dt_s: float, knobs: VisionKnobs, work: memory.Scratch) -> None:
    """Let both models follow slow light, in the step of a vote, and cap the votes of what looks like the background.

    Where something stands the background keeps still: it would take over the faint parts of the thing bit by bit.
    """
    background, candidate, votes = camera.planes()
    memory.follow(frame, candidate, knobs.match_grey, work)  # by what the vote found of this frame
    shape = camera.arena.shape
    there = [where for track in camera.tracks for where in memory.parts(background, track.box, shape)]
    held = [(part, part[where].copy(), where) for part, where in there]
    memory.drift(frame, background, knobs.match_grey, work)
    for part, kept, where in held:
        part[where] = kept
    relevel(camera)
    cv2.absdiff(candidate, background, dst=work.differs)
    most = min(255, int(CAP * knobs.static_s / knobs.quantum_s))
    memory.cap(votes, _limit(knobs, slow=knobs.slow(dt_s)), most, knobs.match_grey, work)


def propose(camera: Camera, frame: Plane, judge_by: Judge, work: memory.Scratch) -> list[Track]:
    """Look for standing objects; returns standing tracks that turned out to be none, which are dropped."""
    knobs = judge_by.knobs
    background, candidate, votes = camera.planes()
    shape = camera.arena.shape
    cv2.absdiff(candidate, background, dst=work.differs)
    # Of slow frames the last but one brings the first look, so that the last brings the second, which decides.
    asked_s = knobs.static_s - (knobs.gap_s if judge_by.slow else 0.0)
    static = max(1, int(asked_s / knobs.quantum_s) - 2)
    mask = memory.standing_mask(votes, static, knobs.differs_grey, knobs.differs_chroma, work)
    kept = None if mask is None else opened(mask)
    if kept is None or not _news(camera, kept, knobs):
        return []
    blobs = [blob for blob in blobs_of(kept, area_min(camera, knobs)) if is_large(camera, blob, knobs)]
    reach = max((camera.px_per_m(blob.box[1] + blob.box[3]) for blob in blobs), default=0.0) * knobs.join_m
    dropped: list[Track] = []
    for blob in join(blobs, reach):
        # What reaches far out of the zones, as a change of light does, must not hide what stands in them.
        for part in [blob] if in_zone(camera.zone, blob) else blob.parts():
            if in_zone(camera.zone, part) and not overlay.is_writing(
                luma(background, shape), luma(candidate, shape), part.box
            ):
                dropped.extend(_consider(camera, frame, part, reach, judge_by))
    return dropped


def _news(camera: Camera, kept: Plane, knobs: VisionKnobs) -> bool:
    """Whether anything in an opened mask is more than tracks that want no look yet; leaves the mask as it was."""
    least = SPECK * area_min(camera, knobs)
    if cv2.countNonZero(kept) < least:
        return False
    now_ns = int(camera.arena.state[camera.slot]["last_ns"])
    hidden = []
    for track in camera.tracks:
        if not track.due(now_ns, knobs.propose_s):
            x, y, w, h = track.box
            part = kept[max(0, y - NEAR_PX) : y + h + NEAR_PX, max(0, x - NEAR_PX) : x + w + NEAR_PX]
            hidden.append((part, part.copy()))
            part[:] = 0
    rest = cv2.countNonZero(kept)
    for part, content in reversed(hidden):
        part[:] = content
    return rest >= least


def _consider(camera: Camera, frame: Plane, seed: Blob, reach: float, judge_by: Judge) -> list[Track]:
    knobs = judge_by.knobs
    state = camera.arena.state[camera.slot]
    now_ns = int(state["last_ns"])
    track = _owner(camera, seed, reach)
    if track is not None and not track.due(now_ns, knobs.propose_s):
        return []
    faint = Levels(knobs.differs_grey / 2, knobs.differs_chroma / 2, int(knobs.static_s / knobs.quantum_s / 2))
    blob = grow(camera.planes(), seed, faint, camera.arena.shape)
    track = _owner(camera, blob, reach)
    if track is not None and track.look_ns == now_ns:
        return []
    crop = cut(camera.planes(), frame, blob, camera.arena.shape)
    seen = look(crop)
    fixture = camera.ledger.fixture_of(blob.box)
    # Where a fixture stood a hole is likely: its outline need not be any clearer in the background.
    margin = knobs.ghost_margin if fixture is None else 0.0
    verdict = judge(seen, ncc_light=knobs.ncc_light, ghost_margin=margin)
    if verdict is not Verdict.OBJECT and not (track is not None and track.vouched):
        if fixture is not None and verdict is Verdict.GHOST and covered(blob.box, fixture.box) >= HOLE_SHARE:
            camera.ledger.fixtures.remove(fixture)
        return _doubt(camera, track, crop, blob, verdict, judge_by)
    if fixture is not None and track is None and _is_fixture(camera, fixture, crop, blob, judge_by):
        return []
    if track is None and is_huge(camera, blob):
        return []
    if track is None:
        track = Track(int(state["next_id"]), blob.box, blob.area, _appeared(camera, crop, judge_by), now_ns)
        state["next_id"] += 1
        camera.tracks.append(track)
    track.follow(blob)
    features = measure(crop, blob, seen, camera.arena.activity[camera.slot], camera.arena.shape)
    side_px = max(blob.box[2:]) * 320.0 / camera.arena.shape[1]
    track.add(features, look_logs(judge_by.classifier, features, side_px), now_ns)
    return []


def _is_fixture(camera: Camera, fixture: Standing, crop: Crop, blob: Blob, judge_by: Judge) -> bool:
    """Whether a new thing in a fixture's box is the fixture, which is then adopted, or a part of it not yet whole.

    What is small beside a fixture that stands is a thing before it. One whose pixels could not be kept until its end
    is passed over and not adopted.
    """
    if covered(blob.box, fixture.box) < HOLE_SHARE:
        return fixture.adoption_id == 0
    region = _around(crop, None)
    if fixture.until_ns and not camera.ledger.can_end(camera.planes()[0], region, camera.arena.shape):
        return True
    now_ns = int(camera.arena.state[camera.slot]["last_ns"])
    why = Why("fixture", now_ns, blob.box, pack([_first(camera, crop, blob, judge_by)]))
    camera.ledger.settle(fixture, _adopt_region(camera, crop, None, why))
    return True


def _owner(camera: Camera, blob: Blob, reach: float) -> Track | None:
    """The track a blob belongs to; others that it covers are given up, and those that stood have left."""
    owner, spares = own(camera.tracks, blob, reach)
    camera.tracks = [track for track in camera.tracks if not any(track is spare for spare in spares)]
    camera.end(spares)
    return owner


def _first(camera: Camera, crop: Crop, blob: Blob, judge_by: Judge) -> Track:
    """What would be a track, had it not been adopted at the first look; without a number."""
    now_ns = int(camera.arena.state[camera.slot]["last_ns"])
    return Track(0, blob.box, blob.area, _appeared(camera, crop, judge_by), now_ns)


def _doubt(
    camera: Camera, track: Track | None, crop: Crop, blob: Blob, verdict: Verdict, judge_by: Judge
) -> list[Track]:
    if track is not None:
        track.doubts += 1
        track.look_ns = int(camera.arena.state[camera.slot]["last_ns"])
        if track.doubts < DOUBTS:
            return []
        camera.tracks.remove(track)
    lit = verdict is not Verdict.GHOST and blob.area >= LARGE_PX
    now_ns = int(camera.arena.state[camera.slot]["last_ns"])
    why = Why(verdict.name.lower(), now_ns, blob.box, pack([track or _first(camera, crop, blob, judge_by)]))
    _adopt_region(camera, crop, foreign(crop) if lit else None, why)
    if track is None or track.phase is not Phase.STANDING:
        return []
    track.phase = Phase.GONE
    return [track]


def _limit(knobs: VisionKnobs, *, slow: bool) -> int:
    """Votes that a background pixel keeps at most: with slow frames one of them, so that one turns it."""
    most_s = knobs.gap_s if slow else min(knobs.background_s, 2 * knobs.gap_s)
    return max(1, int(most_s / knobs.quantum_s))


def _appeared(camera: Camera, crop: Crop, judge_by: Judge) -> int:
    """When the object came: its own votes ago, and before that the time it took to vote the background out."""
    cast = crop.votes[crop.mask > 0]
    state = camera.arena.state[camera.slot]
    upper = 3 * (len(cast) - 1) // 4  # three quarters came no earlier; np.percentile takes 20 times as long
    won = 0.0 if judge_by.slow else SURE * _limit(judge_by.knobs, slow=False)  # one slow frame turns a background
    age_s = (float(np.partition(cast, upper)[upper]) + won) * judge_by.knobs.quantum_s
    slot = camera.slot
    marks_s, marks_ns = camera.arena.history_s[slot], camera.arena.history_ns[slot]
    return captured(int(state["last_ns"]), float(state["clock_s"]), age_s, marks_s, marks_ns)


def _adopt_region(camera: Camera, crop: Crop, spared: Plane | None, why: Why) -> int:
    """Take the candidate's pixels of a judged region, two px around it too, into the background: the adoption's number.

    ``spared``: (h, w) mask of what stays out of it; None: nothing.
    """
    background, candidate, _ = camera.planes()
    return camera.ledger.adopt(background, candidate, _around(crop, spared), why, camera.arena.shape)


def _around(crop: Crop, spared: Plane | None) -> Region:
    mask = np.asarray(cv2.dilate(crop.mask, np.ones((5, 5), np.uint8)), np.uint8)
    return Region(crop.x, crop.y, mask if spared is None else np.asarray(cv2.subtract(mask, spared), np.uint8))
