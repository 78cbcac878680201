"""Why something was reported at a place, or nothing: the live code path played again, looked into at each frame."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from alerts.deciding.decide import Decider, FrameTimes
from alerts.incidents.naming import CASE_NO, whole_id
from alerts.incidents.sites import box_overlap
from config.model import Config
from curbwatch.build import RING_REACH
from curbwatch.parts.paths import home
from curbwatch.tuning.evaluate import Bench, captured_at, frame_at
from curbwatch.tuning.recording import Recording, find_recordings
from curbwatch.tuning.replay import Alert, Road, play
from curbwatch.tuning.synthetic import SETS, Street, kept
from detectors.vision import Adoption
from detectors.vision.inspection import Inspection, Place, TrackFacts
from schemas.city import City
from schemas.detections import Detections, Phase, SceneState
from schemas.errors import SaidError, UsageError
from schemas.frame import Frame, FrameBatch
from schemas.incident import Box
from schemas.place import CameraView
from schemas.units import ns_of, utc

NEAR = 0.3  # of the smaller box: a track or an adopted region that has to do with the place
AFTER_DWELLS = 1.0  # the replay goes on for so many dwells after the moment asked about, to show what became of it
GIVE_BOX = "give the place: --box x,y,w,h in px of the picture"
GIVE_BOX_ZH = "请给出位置:--box x,y,w,h,单位为画面像素"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: an alert of a recording, or a moment of it.

    Attributes:
        recording: as named.
        number: of the alert by its opening, from 0, as ``evaluate`` writes it; -1: a moment is asked for, or, without
            frame and time, every event.
        frame: counts from 0; -1: a time is given.
        at_ns: captured ns; 0: not given.
    """

    recording: Path
    number: int = -1
    frame: int = -1
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """The place in one analysed frame.

    Attributes:
        captured_ns: of the frame.
        scene: what the whole frame told.
        place: what the memory says there; None before the camera is known.
        track: the track that lies there, or None.
        phase: of that track in this frame, GONE in the frame in which it left; None without one.
        dwell_s: captured seconds it stood.
        posterior: (6,) of the row; empty without one.
        evidence: what carried the class, an Evidence; -1 without a row.
        decision: ``alert``, or why it would be none if its dwell were reached; empty without a row.
    """

    captured_ns: int
    scene: SceneState
    place: Place | None
    track: TrackFacts | None
    phase: Phase | None = None
    dwell_s: float = 0.0
    posterior: tuple[float, ...] = ()
    evidence: int = -1
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that is known of one place at one moment, and around it.

    Attributes:
        recording: what was played.
        config, city, view: what it was judged by.
        box_px: x, y, w, h in native px.
        asked_ns: the moment asked about; ``at`` is the first analysed frame from then on.
        at: index into ``samples``.
        samples: the analysed frames up to some time after the moment.
        inspection: the memory at the moment; None where no frame was analysed.
        jpeg, before: the picture of the moment, and the last one before the thing came; None where there is none.
        alert: what was opened there at the moment, or None.
        opened: every alert that was opened there in the frames played.
        adoptions: regions at the place that entered the background, oldest first.
        frame: number of the analysed frame of the moment, from 0.
    """

    recording: Recording
    config: Config
    city: City
    view: CameraView
    box_px: Box
    asked_ns: int
    at: int
    samples: tuple[Sample, ...]
    inspection: Inspection | None
    jpeg: bytes | None
    before: bytes | None
    alert: Alert | None
    opened: tuple[Alert, ...]
    adoptions: tuple[Adoption, ...]
    frame: int = 0

    @property
    def sample(self) -> Sample | None:
        """The place at the moment."""
        return self.samples[self.at] if self.samples else None


class Looker(Road):
    """A road that can look into its detector at a place after each frame."""

    def __init__(self, bench: Bench, view: CameraView) -> None:
        super().__init__(bench.config, bench.city, view)
        self._bench, self._view = bench, view

    def look(self, batch: FrameBatch, box_px: Box) -> tuple[Sample, Inspection | None]:
        """What the newest frame, which ``batch`` holds, told of a place, and the memory there."""
        found, seen = self.found, self.detector.inspect(self._view.camera_id, box_px, batch.pixels[0])
        row = row_at(found, box_px)
        captured_ns, scene = int(batch.captured_ns[0]), SceneState(int(found.scene[0]))
        here = Sample(captured_ns, scene, None if seen is None else seen.place, None if seen is None else seen.track)
        if row < 0:
            return here, seen
        whole = replace(
            here,
            phase=Phase(int(found.phase[row])),
            dwell_s=float(found.dwell_s[row]),
            posterior=tuple(float(share) for share in found.posterior[row]),
            evidence=int(found.evidence[row]),
            decision=self._decision(found, row, batch),
        )
        return whole, seen

    def _decision(self, found: Detections, row: int, batch: FrameBatch) -> str:
        """What a decision that remembers nothing says of one row, were its dwell reached."""
        alone = found.where(np.arange(len(found)) == row)
        alone = replace(alone, phase=np.full(1, Phase.STANDING, np.uint8))
        times = FrameTimes(batch.camera_ids, batch.captured_ns, batch.native_px, batch.presets)
        decider = Decider(self._bench.city, self._bench.config.alerts)
        decided = decider.decide(alone, times, {self._view.camera_id: self._view})
        return "alert" if decided.sightings else next(iter(decided.passed_over), "")


class Onlooker(Looker):
    """Looks at one place after each frame; ``at`` is the sample of the moment."""

    def __init__(self, bench: Bench, view: CameraView, box_px: Box, asked_ns: int) -> None:
        super().__init__(bench, view)
        self._box_px, self._asked_ns = box_px, asked_ns
        self.samples: list[Sample] = []
        self.inspection: Inspection | None = None
        self.jpeg: bytes | None = None
        self.opened: list[Alert] = []
        self.at = -1

    def see(self, batch: FrameBatch, frame: Frame) -> list[Alert]:
        """What the road opens; the sample is kept."""
        opened = super().see(batch, frame)
        sample, seen = self.look(batch, self._box_px)
        if self.at < 0 or self.samples[self.at].captured_ns < self._asked_ns:
            self.at, self.inspection, self.jpeg = len(self.samples), seen, frame.jpeg
        self.samples.append(sample)
        self.opened += [one for one in opened if box_overlap(one.box_px, self._box_px) >= NEAR]
        return opened


def parse(text: str) -> Asked | None:
    """``RECORDING#N``, ``RECORDING@FRAME``, ``RECORDING@TIME`` or ``RECORDING``; None: an incident's id or case number.

    Raises UsageError for a number or time that is none, and for what is none of these.
    """
    folder, mark, rest = text.rpartition("#")
    if mark and folder:
        if not rest.isascii() or not rest.isdigit():
            raise UsageError(f"{text}: after # stands the number of an alert, from 0, as evaluate --json writes it")
        return Asked(Path(folder), number=int(rest))
    folder, mark, rest = text.rpartition("@")
    if not (mark and folder):
        if Path(text).exists() or street_of(text):
            return Asked(Path(text))
        if whole_id(text) is not None or CASE_NO.fullmatch(text):
            return None
        raise UsageError(f"{text}: no folder, no drawn street, and not the id of an incident")
    if rest.isascii() and rest.isdigit():
        return Asked(Path(folder), frame=int(rest))
    try:
        return Asked(Path(folder), at_ns=ns_of(datetime.fromisoformat(rest)))
    except (ValueError, TypeError):
        message = f"{text}: after @ stands a frame's number, or a time as 2026-05-01T08:30:00+08:00"
        raise UsageError(message) from None


def parse_box(text: str) -> Box:
    """``x,y,w,h`` in native px. Raises UsageError for anything else, and for a box without an area."""
    try:
        x, y, w, h = (float(side) for side in text.split(","))
    except ValueError:
        raise SaidError(f"--box {text}: {GIVE_BOX}", f"--box {text}:{GIVE_BOX_ZH}") from None
    if not (np.isfinite([x, y, w, h]).all() and w > 0 and h > 0):
        raise SaidError(
            f"--box {text}: width and height must be above 0; {GIVE_BOX}", f"--box {text}:宽和高须大于 0;{GIVE_BOX_ZH}"
        )
    return x, y, w, h


def street_of(name: str) -> Street | None:
    """The street of a generated suite that has this name."""
    return next((one for streets in SETS.values() for one in streets if one.name == name), None)


def one_recording(folder: Path) -> Recording:
    """The one recording at or below a folder, or the street of a generated suite that has this name.

    Raises UsageError for none and for several, which it names.
    """
    street = street_of(str(folder))
    if street is not None and not folder.exists():
        with kept(street) as drawn:
            if (home() / "suites") in drawn.folder.parents:
                return drawn
        raise UsageError(f"{folder}: the disk of {home()} is too full to keep its pictures; make room")
    found = find_recordings(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"{folder}: no recording.json there or below")
    named = ", ".join(str(one.folder.relative_to(folder.absolute())) for one in found[:4])
    raise UsageError(f"{folder}: holds {len(found)} recordings ({named}{', …' if len(found) > 4 else ''}); name one")


def frames_of(recording: Recording, time_scale_s: float | None) -> Iterator[tuple[int, bytes]]:
    """Its frames as ``Recording.frames`` gives them. Raises UsageError for a picture that cannot be read."""
    try:
        yield from recording.frames(time_scale_s)
    except OSError as error:
        raise UsageError(f"{error.filename or recording.folder}: cannot be read: {error.strerror}") from None


def alerts_of(recording: Recording, bench: Bench, tick: Callable[[], None] = lambda: None) -> tuple[Alert, ...]:
    """Every alert that an evaluate run opens over a recording, in the order of their opening."""
    road = Road(bench.config, bench.city, CameraView(recording.name, recording.zones))
    frames = frames_of(recording, bench.time_scale_s)
    return play(frames, recording.name, {"": road}, bench.config, tick, presets=recording.presets).alerts[""]


def numbered(alerts: Sequence[Alert], number: int, name: str) -> Alert:
    """The alert of a number, from 0. Raises UsageError where there is none, saying how many there are."""
    if number < len(alerts):
        return alerts[number]
    there = {0: "raises no alert", 1: "raises 1 alert, number 0,"}.get(
        len(alerts), f"raises {len(alerts)} alerts, numbers 0 to {len(alerts) - 1},"
    )
    message = f"{name} {there} with this configuration, --time-scale and --dwell: there is no number {number}"
    raise UsageError(f"{message}; to ask why not: {name}@FRAME --box x,y,w,h")


def moment_of(asked: Asked, recording: Recording, time_scale_s: float | None) -> int:
    """Captured ns of the moment asked for. Raises UsageError for one that the recording does not have."""
    count = recording.count()
    if asked.frame >= count and "*" not in recording.media:
        count = sum(1 for _ in recording.jpegs())  # a video's header may be wrong
    last = (min(count, len(recording.times_ns)) if recording.times_ns else count) - 1
    if last < 0:
        raise UsageError(f"{recording.folder}: has no frames")
    if asked.frame > last:
        raise UsageError(f"{recording.folder}: has frames 0 to {last}; there is no frame {asked.frame}")
    if asked.frame >= 0:
        return captured_at(recording, asked.frame, time_scale_s)
    times_ns = recording.times_ns or tuple(captured_at(recording, frame, time_scale_s) for frame in (0, last))
    if not min(times_ns) <= asked.at_ns <= max(times_ns):
        first, end = (utc(ns).isoformat(timespec="seconds") for ns in (min(times_ns), max(times_ns)))
        remark = "" if recording.times_ns else " by its spacing alone, since it has no stamps: better name a frame"
        raise UsageError(f"{recording.folder}: lasts from {first} to {end}{remark}; nothing is known of that time")
    return asked.at_ns


def refuse_outside(box_px: Box, size: tuple[int, int]) -> None:
    """Raise UsageError for a box that has no part in a picture of this width and height."""
    x, y, w, h = box_px
    if x >= size[0] or y >= size[1] or x + w <= 0 or y + h <= 0:
        said = ",".join(f"{side:g}" for side in box_px)
        raise UsageError(f"--box {said}: outside the picture of {size[0]}x{size[1]} px")


def explain(
    recording: Recording,
    bench: Bench,
    box_px: Box,
    asked_ns: int,
    alert: Alert | None = None,
    tick: Callable[[], None] = lambda: None,
    *,
    view: CameraView | None = None,
) -> Explained:
    """Play a recording until some time after the moment, looking at one place of it; ``alert`` was opened there.

    ``view``: zones and calibration to judge it by; None: the recording's own zones.
    """
    view = CameraView(recording.name, recording.zones) if view is None else view
    watcher = Onlooker(bench, view, box_px, asked_ns)
    until_ns = asked_ns + round(AFTER_DWELLS * bench.config.vision.dwell_s * 1e9)
    frames = frames_of(recording, bench.time_scale_s)
    played = play(
        _until(frames, until_ns), view.camera_id, {"": watcher}, bench.config, tick, presets=recording.presets
    )
    moment = watcher.samples[watcher.at] if watcher.samples else None
    if alert is None and moment is not None:
        alert = next((one for one in watcher.opened if one.opened_ns == moment.captured_ns), None)
    came_ns = 0 if moment is None else _came(moment, alert)
    spacing_ns = round(RING_REACH * bench.config.vision.dwell_s / bench.config.alerts.before_ring * 1e9)
    return Explained(
        recording=recording,
        config=bench.config,
        city=bench.city,
        view=view,
        box_px=box_px,
        asked_ns=asked_ns,
        at=max(0, watcher.at),
        samples=tuple(watcher.samples),
        inspection=watcher.inspection,
        jpeg=watcher.jpeg,
        before=_last_before(frames_of(recording, bench.time_scale_s), came_ns, spacing_ns) if came_ns else None,
        alert=alert,
        opened=tuple(watcher.opened),
        adoptions=adoptions_at(watcher, box_px),
        frame=0 if moment is None else frame_at(played, moment.captured_ns),
    )


def adoptions_at(watcher: Road, box_px: Box) -> tuple[Adoption, ...]:
    """Regions at a place that entered the background, oldest first."""
    return tuple(one for one in watcher.detector.adoptions if box_overlap(one.box_px, box_px) >= NEAR)


def row_at(found: Detections, box_px: Box) -> int:
    """Row that overlaps a box most, at least ``NEAR`` of the smaller; -1: none."""
    shares = [box_overlap(_box(row), box_px) for row in found.box_px]
    best = int(np.argmax(shares)) if shares else -1
    return best if best >= 0 and shares[best] >= NEAR else -1


def _box(row: Iterable[float]) -> Box:
    x, y, w, h = (float(side) for side in row)
    return x, y, w, h


def _came(sample: Sample, alert: Alert | None) -> int:
    if alert is not None:
        return alert.appeared_ns
    return 0 if sample.track is None else sample.track.appeared_ns


def _until(frames: Iterable[tuple[int, bytes]], until_ns: int) -> Iterable[tuple[int, bytes]]:
    """Frames up to a moment, and the first one after it, so that a slow feed has an answer too."""
    for captured_ns, jpeg in frames:
        yield captured_ns, jpeg
        if captured_ns > until_ns:
            return


def _last_before(frames: Iterable[tuple[int, bytes]], came_ns: int, spacing_ns: int) -> bytes | None:
    """The picture that ``run`` keeps beside an opening one: one spacing older, where there is such a one."""
    last = surely = None
    for captured_ns, jpeg in frames:
        if captured_ns >= came_ns:
            break
        last = jpeg
        surely = jpeg if captured_ns < came_ns - spacing_ns else surely
    return surely or last
