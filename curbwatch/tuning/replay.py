"""Plays recordings through the road's own code with a virtual clock: gate, slots, decode, detect, decide, merge.

No broker, no database: what the store would open is worked out here by the store's own rules, so that a replay
says what ``run`` would open.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alerts.deciding.decide import Decider, FrameTimes
from alerts.health.watch import HealthWatch, begun
from alerts.incidents.sites import box_overlap
from config.intake import IntakeKnobs
from config.model import Config
from curbwatch.camera_health import readings_of
from curbwatch.closer import Cut, FailedLooks, look_closer
from curbwatch.detector_choice import make_detector, whole
from detectors.base import Detector
from detectors.vision import VisionDetector
from ingest.decode import cut_piece, decode_grid
from ingest.jpeg import inspect
from ingest.slots import FrameSlots
from schemas.city import City
from schemas.crops import Piece
from schemas.detections import CLASSES, Detections, Phase, SceneState
from schemas.errors import FrameError, UsageError
from schemas.frame import Frame, FrameBatch
from schemas.incident import Box, Departure, Sighting
from schemas.place import CameraView


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident that would have been opened.

    Attributes:
        family: ``stall`` or ``waste``; empty from a watcher that knows no classes.
        box_px: x, y, w, h in native px.
        opened_ns, appeared_ns: captured times of the opening frame and of the object's coming.
        confidence: 0..1 of the class.
    """

    family: str
    box_px: Box
    opened_ns: int
    appeared_ns: int
    confidence: float


@dataclass(slots=True)
class Stood:
    """One track that stood for the dwell, alert or not: its newest box, when it was seen, and its newest class."""

    box_px: Box
    first_ns: int
    last_ns: int
    top_class: str
    confidence: float


@dataclass(slots=True)
class Notes:
    """What a watcher notes beside its alerts; empty where it knows nothing of the kind.

    Attributes:
        closed_ns: captured time at which the n-th alert (from 0) was closed, for those that were.
        stood: tracks by id that reached the dwell.
        scenes: how many frames had each state but OK, by the state's name in small letters.
        health: how many health events began (``alerts/health_watch``), by kind.
    """

    closed_ns: dict[int, int] = field(default_factory=dict)
    stood: dict[int, Stood] = field(default_factory=dict)
    scenes: Counter[str] = field(default_factory=Counter)
    health: Counter[str] = field(default_factory=Counter)

    def see(self, found: Detections, captured_ns: int) -> None:
        """Note what one frame gave."""
        for row in np.flatnonzero(found.phase == Phase.STANDING):
            x, y, w, h = (float(side) for side in found.box_px[row])
            best = int(found.posterior[row].argmax())
            known = self.stood.get(int(found.track_id[row]))
            first_ns = captured_ns if known is None else known.first_ns
            self.stood[int(found.track_id[row])] = Stood(
                (x, y, w, h), first_ns, captured_ns, CLASSES[best], float(found.posterior[row, best])
            )
        state = SceneState(int(found.scene[0])).name.lower()
        if state != "ok":
            self.scenes[state] += 1


class Watcher(Protocol):
    """Something that looks at one camera's frames and opens alerts."""

    @property
    def notes(self) -> Notes:
        """What it noted beside its alerts."""

    def see(self, batch: FrameBatch, frame: Frame) -> list[Alert]:
        """Alerts that this batch of one frame opens; ``frame`` is the original behind it."""

    def maturing(self) -> bool:
        """Whether something is about to become an alert, so that frames are wanted more often."""


@dataclass(slots=True)
class Sites:
    """The store's merging for one uncalibrated camera: one open incident per family and site (design 13.6).

    A site is a box; a sighting belongs to the one it overlaps most, at least ``merge_iou`` of the smaller box.
    """

    merge_iou: float
    _boxes: list[Box] = field(default_factory=list)
    # (family, site) -> track that opened it, and the incident's number from 0
    _open: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    _count: int = 0
    _of_track: dict[tuple[int, str], int] = field(default_factory=dict)  # newest captured time of its incident

    def opens(self, sighting: Sighting) -> bool:
        """Attach a sighting to what is open; True where it opens a new incident."""
        own = (sighting.track_id, sighting.family)
        if self._of_track.get(own, -1) >= sighting.appeared_ns:
            self._of_track[own] = sighting.captured_ns
            return False
        site = self._site(sighting.box_px)
        if (sighting.family, site) in self._open:
            return False
        self._open[sighting.family, site] = sighting.track_id, self._count
        self._count += 1
        self._of_track[own] = sighting.captured_ns
        return True

    def depart(self, track_id: int) -> int | None:
        """Close the newest incident that this track opened; its number from 0, None where none is open."""
        for key in reversed(self._open):
            if self._open[key][0] == track_id:
                return self._open.pop(key)[1]
        return None

    def _site(self, box: Box) -> int:
        shares = [(box_overlap(box, known), index) for index, known in enumerate(self._boxes)]
        share, index = max(shares, default=(0.0, -1))
        if share >= self.merge_iou:
            return index
        self._boxes.append(box)
        return len(self._boxes) - 1


class Road:
    """Detector, decision and merging of one camera, as ``run`` has them; a Watcher.

    ``detector`` may be looked into; ``found`` is what the newest frame gave. ``cutter`` cuts pieces of the pictures
    that are seen, where ``cut`` would do it again for each road. ``leader`` is a road that sees each frame just before
    this one and detects alike: its detections are taken.
    """

    def __init__(
        self, config: Config, city: City, view: CameraView, cutter: Cut | None = None, leader: "Road | None" = None
    ) -> None:
        self._views = {view.camera_id: view}
        self._cut = cutter or cut
        self._leader = leader
        self._eyes: Detector = make_detector(config, self._views) if leader is None else leader._eyes  # noqa: SLF001  # of our own kind
        self._decider = Decider(city, config.alerts)
        self._sites = Sites(config.alerts.merge_iou)
        self._maturing = False
        self.found = Detections.empty()
        self.notes = Notes()
        self._health = HealthWatch()
        self._failed_looks = FailedLooks()
        self.passed_over: dict[str, int] = {}

    @property
    def detector(self) -> VisionDetector:
        """Our own detector, to look into. Raises UsageError where the configuration names another one."""
        own = whole(self._eyes)
        if not isinstance(own, VisionDetector):
            raise UsageError("only our own detector can be looked into: set vision.detector to majority")
        return own

    def see(self, batch: FrameBatch, frame: Frame) -> list[Alert]:
        """Alerts that this batch of one frame opens."""
        if self._leader is None:
            found = look_closer(self._eyes, self._eyes.step(batch), batch, [frame], self._cut, self._failed_looks)
        else:
            found = self._leader.found
        self.found = found
        self.notes.see(found, int(batch.captured_ns[0]))
        events = self._health.see(batch, found, readings_of(self._eyes))
        events += self._health.coding(frame.camera_id, frame.captured_ns, progressive=frame.progressive)
        self.notes.health.update(event.kind.value for event in events if begun(event))
        self._maturing = bool((found.phase == Phase.MATURING).any())
        decisions = self._decider.decide(
            found, FrameTimes(batch.camera_ids, batch.captured_ns, batch.native_px, batch.presets), self._views
        )
        for reason, count in decisions.passed_over.items():
            self.passed_over[reason] = self.passed_over.get(reason, 0) + count
        opened = [self._alert(sighting) for sighting in decisions.sightings if self._attach(sighting)]
        for departure in decisions.departures:
            self._leave(departure)
        return opened

    def maturing(self) -> bool:
        """Whether a track is maturing."""
        return self._maturing

    def _attach(self, sighting: Sighting) -> bool:
        self._decider.stored(sighting)
        return self._sites.opens(sighting)

    def _leave(self, departure: Departure) -> None:
        number = self._sites.depart(departure.track_id)
        if number is not None:
            self.notes.closed_ns[number] = departure.captured_ns

    def _alert(self, sighting: Sighting) -> Alert:
        return Alert(sighting.family, sighting.box_px, sighting.captured_ns, sighting.appeared_ns, sighting.confidence)


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay of one camera gave.

    Attributes:
        alerts: by watcher, in the order of their opening.
        seconds: captured time from the first frame to the last, gaps included.
        frames, analysed, decimated: how many came, were looked at, were skipped by the analysis period.
        undecodable: how many could not be used.
        gap_s: median captured distance of two frames; 0 for fewer than two.
        times_ns: captured time of each frame, in playing order.
        notes: by watcher.
    """

    alerts: dict[str, tuple[Alert, ...]]
    seconds: float
    frames: int
    analysed: int
    decimated: int
    undecodable: int
    gap_s: float
    times_ns: tuple[int, ...] = ()
    notes: Mapping[str, Notes] = field(default_factory=dict)


def play(
    frames: Iterable[tuple[int, bytes]],
    camera_id: str,
    watchers: dict[str, Watcher],
    config: Config,
    tick: Callable[[], None] = lambda: None,
    decode: Callable[[Frame], FrameBatch] | None = None,
    presets: Sequence[str] = (),
) -> Played:
    """Play (captured_ns, JPEG) frames of one camera to ``watchers``; the first of them decides the analysis period.

    Unusable frames are counted. ``tick`` is called once a frame. ``decode`` gives a frame's batch where another than
    ``batch_of`` is to; a frame is looked at before the next one is asked for. ``presets``: of each frame, for a camera
    that turns; where they end, or are none, a frame has none.
    """
    slots = _slots(next(iter(watchers.values()), None), config)
    alerts: dict[str, list[Alert]] = {name: [] for name in watchers}
    times: list[int] = []
    undecodable = analysed = 0
    for captured_ns, jpeg in frames:
        tick()
        times.append(captured_ns)
        try:
            frame = gate(camera_id, captured_ns, jpeg, config.intake, "".join(presets[len(times) - 1 : len(times)]))
            if slots.put(frame):
                continue
            taken, _ = slots.take(1, captured_ns)
            batch = (decode or batch_of)(taken[0])
        except FrameError:
            undecodable += 1
            continue
        analysed += 1
        for name, watcher in watchers.items():
            alerts[name].extend(watcher.see(batch, taken[0]))
    return Played(
        {name: tuple(opened) for name, opened in alerts.items()},
        seconds=max(0.0, (max(times) - min(times)) / 1e9) if times else 0.0,
        frames=len(times),
        analysed=analysed,
        decimated=len(times) - analysed - undecodable,
        undecodable=undecodable,
        gap_s=_gap_s(times),
        times_ns=tuple(times),
        notes={name: watcher.notes for name, watcher in watchers.items()},
    )


def _slots(first: Watcher | None, config: Config) -> FrameSlots:
    """The live slots, whose analysis period depends on what the first watcher sees."""
    vision = config.vision

    def period_s(_: str) -> float:
        return vision.maturing_period_s if first is not None and first.maturing() else vision.analyse_period_s

    return FrameSlots(wait_max_s=config.intake.frame_wait_max_s, period_s=period_s)


def _gap_s(times_ns: Sequence[int]) -> float:
    gaps = np.diff(np.asarray(times_ns, np.int64)) / 1e9
    return float(np.median(gaps)) if len(gaps) else 0.0


def cut(wanted: Sequence[tuple[Frame, Piece]]) -> list[NDArray[np.uint8] | FrameError]:
    """Pieces of original pictures, as the shard's decoder process cuts them."""
    found: list[NDArray[np.uint8] | FrameError] = []
    for frame, piece in wanted:
        try:
            found.append(cut_piece(frame.jpeg, frame.width, frame.height, piece))
        except FrameError as error:
            found.append(error)
    return found


def gate(camera_id: str, captured_ns: int, jpeg: bytes, intake: IntakeKnobs, preset: str = "") -> Frame:
    """A picture as a frame whose receive time is its captured one. Raises FrameError as the live gate does."""
    header = inspect(jpeg, max_bytes=intake.frame_max_bytes, max_pixels=intake.frame_max_pixels)
    return Frame(
        camera_id,
        captured_ns,
        captured_ns,
        jpeg,
        header.width,
        header.height,
        preset=preset,
        grey=header.components == 1,
        progressive=header.progressive,
    )


def batch_of(frame: Frame) -> FrameBatch:
    """Decode one frame to a batch of its own. Raises FrameError where it cannot be decoded."""
    return FrameBatch.of([frame], decode_grid(frame.jpeg, frame.width, frame.height)[None])
