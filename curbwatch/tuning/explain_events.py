"""How each event of a recording fared: reported or not as ``evaluate`` says, and what its place told when due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from curbwatch.tuning.evaluate import OURS, Bench, captured_at, frame_at, score
from curbwatch.tuning.explain import Explained, Looker, Sample, adoptions_at, frames_of
from curbwatch.tuning.recording import Event, Recording
from curbwatch.tuning.replay import Alert, play
from curbwatch.tuning.verdicts import floats
from detectors.vision.inspection import Inspection
from schemas.frame import Frame, FrameBatch
from schemas.incident import Box
from schemas.place import CameraView

LATE_S = 40.0  # beyond the dwell: by then nine in ten are reported (docs/evaluation.md)


@dataclass(frozen=True, slots=True)
class Fared:
    """One event.

    Attributes:
        number: among the recording's events, from 0.
        event: what must be found.
        told: its place when it should have been reported, or at its last frame before that.
        alert: the first one that showed it, by the rules of ``evaluate``; None: it was not reported.
        seen_as: class of what stood there longest, as ``evaluate`` has it; empty for an event that is too short.
    """

    number: int
    event: Event
    told: Explained
    alert: Alert | None
    seen_as: str


class Rounds(Looker):
    """Looks once at each of several places: at the first frame from its moment on, or at the last one of all."""

    def __init__(self, bench: Bench, view: CameraView, places: Sequence[tuple[Box, int]]) -> None:
        super().__init__(bench, view)
        self._places = places
        self._last: FrameBatch | None = None
        self._seen: dict[int, tuple[Sample, Inspection | None]] = {}

    def see(self, batch: FrameBatch, frame: Frame) -> list[Alert]:
        """What the road opens; places whose moment has come are looked at."""
        opened = super().see(batch, frame)
        self._last = batch
        for number, (box_px, asked_ns) in enumerate(self._places):
            if number not in self._seen and int(batch.captured_ns[0]) >= asked_ns:
                self._seen[number] = self.look(batch, box_px)
        return opened

    def at(self, number: int) -> tuple[Sample | None, Inspection | None]:
        """What one place told; None where no frame was analysed."""
        if number in self._seen:
            return self._seen[number]
        return (None, None) if self._last is None else self.look(self._last, self._places[number][0])


def each_event(recording: Recording, bench: Bench, tick: Callable[[], None] = lambda: None) -> list[Fared]:
    """Play the whole recording once, as ``evaluate`` does, and tell how each of its events fared; none: none."""
    view = CameraView(recording.name, recording.zones)
    places = [(floats(event.box), _due_ns(recording, event, bench)) for event in recording.events]
    rounds = Rounds(bench, view, places)
    frames = frames_of(recording, bench.time_scale_s)
    played = play(frames, recording.name, {OURS: rounds}, bench.config, tick, presets=recording.presets)
    result = score(recording, played, OURS, replace(bench, baseline=False))
    seen_as = {one.number: one.seen_as for one in result.matches}
    told = []
    for number, (event, (box_px, asked_ns)) in enumerate(zip(recording.events, places, strict=True)):
        sample, inspection = rounds.at(number)
        own = (one.alert for one in result.alerts if one.event == number)
        opened = tuple(sorted(own, key=lambda alert: alert.opened_ns))
        here = Explained(
            recording=recording,
            config=bench.config,
            city=bench.city,
            view=view,
            box_px=box_px,
            asked_ns=asked_ns,
            at=0,
            samples=() if sample is None else (sample,),
            inspection=inspection,
            jpeg=None,
            before=None,
            alert=None,
            opened=opened,
            adoptions=adoptions_at(rounds, box_px),
            frame=0 if sample is None else frame_at(played, sample.captured_ns),
        )
        told.append(Fared(number, event, here, opened[0] if opened else None, seen_as.get(number, "")))
    return told


def _due_ns(recording: Recording, event: Event, bench: Bench) -> int:
    """When an event should have been reported, or its last frame before that."""
    first_ns, last_ns = (
        captured_at(recording, frame, bench.time_scale_s) for frame in (event.first_frame, event.last_frame)
    )
    return min(first_ns + round((bench.config.vision.dwell_s + LATE_S) * 1e9), last_ns)
