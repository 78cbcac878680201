"""From what each frame told of a camera's health to events: with hysteresis, few, and each once. Pure.

Whoever steps a detector calls ``HealthWatch.see`` with each batch, its detections and the detector's ``readings``
(``VisionDetector.readings``), and gets the events that began, ended or came again by it: the shard stores them, a
replay (``curbwatch evaluate``) counts those without an end or with ``times`` 1 as they come: ``begun(event)`` says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.detections import Detections, SceneState
from schemas.frame import FrameBatch
from schemas.health import SCENE_KINDS, HealthEvent, HealthKind, Reading

FRAMES = 2  # in a row that show the same, and in a row that show nothing, until it is believed
FRAMES_FROZEN = 3  # some cameras send each picture twice
FRAMES_MIXED = 4  # in a row that show one thing or another
HOLD_S = 10.0  # captured s that these span at least: a lorry before the lens is no event
AGAIN_S = 600.0  # captured s since an event began within which the same is no new one
WELL = frozenset({SceneState.OK, SceneState.WARMING})


@dataclass(slots=True)
class _Doubt:
    """Something that was seen and is not believed yet."""

    kind: HealthKind
    since_ns: int
    value: float
    note: str
    frames: int = 0  # that showed this kind, in a row
    mixed: int = 0  # that showed anything, in a row
    mixed_ns: int = 0  # captured time of the first of those


@dataclass(slots=True)
class _Camera:
    """What is known of one camera in one respect (its pictures, or their coding).

    Attributes:
        lasting: the event that lasts.
        doubt: what may become one.
        well_ns, well: captured time of the first frame in a row without it, and how many.
        last: newest event of each kind.
    """

    lasting: HealthEvent | None = None
    doubt: _Doubt | None = None
    well_ns: int = 0
    well: int = 0
    last: dict[HealthKind, HealthEvent] = field(default_factory=dict)


class HealthWatch:
    """Watches over any number of cameras; one thread at a time."""

    def __init__(self) -> None:
        self._pictures: dict[str, _Camera] = {}
        self._coding: dict[str, _Camera] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def known(self, camera_id: str) -> bool:
        """Whether the camera was seen, or its past told, before."""
        return camera_id in self._pictures

    def forget(self, camera_id: str) -> None:
        """Drop what is known of a camera. Unknown cameras are ignored."""
        for held in (self._pictures, self._coding, self._sizes):
            held.pop(camera_id, None)

    def resume(self, camera_id: str, past: Sequence[HealthEvent]) -> list[HealthEvent]:
        """Go on with what an earlier process stored of a camera: its events, oldest first. None: a new camera.

        It may have been seen already. Returns what had no end and has one now, as something else lasts since.
        """
        ended: list[HealthEvent] = []
        for found, coding in ((self._pictures, False), (self._coding, True)):
            held = found.setdefault(camera_id, _Camera())
            events = [event for event in past if (event.kind is HealthKind.PROGRESSIVE) is coding]
            held.last = {event.kind: event for event in events} | held.last
            lasting = [event for event in events if event.until_ns is None]
            for event, after in zip(lasting, [*lasting[1:], held.lasting], strict=False):
                if after is None:
                    held.lasting = event
                else:
                    ended.append(replace(event, until_ns=max(event.since_ns, after.since_ns)))
        return ended

    def see(self, batch: FrameBatch, detections: Detections, readings: Mapping[str, Reading]) -> list[HealthEvent]:
        """Events that began, ended or came again by this batch, each as it is now; an empty batch brings none."""
        found: list[HealthEvent] = []
        for index, camera_id in enumerate(batch.camera_ids):
            state = SceneState(int(detections.scene[index]))
            if state is SceneState.LATE:
                continue
            if camera_id not in self._pictures:
                self.resume(camera_id, ())
            captured_ns = int(batch.captured_ns[index])
            size = int(batch.native_px[index, 0]), int(batch.native_px[index, 1])
            before = self._sizes.get(camera_id, size)
            self._sizes[camera_id] = size
            if before != size:
                found.extend(self._resized(camera_id, captured_ns, before, size))
            told = _told(state, readings.get(camera_id))
            kind = None if told is None else SCENE_KINDS[told.state]
            held = self._pictures[camera_id]
            if kind is not None or held.lasting is not None or held.doubt is not None:
                found.extend(_step(camera_id, held, captured_ns, kind, told or Reading(state)))
        return found

    def coding(self, camera_id: str, captured_ns: int, *, progressive: bool) -> list[HealthEvent]:
        """As ``see``, for what the header of a frame told; after ``see`` for the same frame."""
        held = self._coding.setdefault(camera_id, _Camera())
        if not progressive and held.lasting is None and held.doubt is None:
            return []
        kind = HealthKind.PROGRESSIVE if progressive else None
        return _step(camera_id, held, captured_ns, kind, Reading(SceneState.OK, 1.0))

    def illustrate(self, event: HealthEvent, sha256: str) -> HealthEvent:
        """Note the picture that shows an event which lasts; the event with it."""
        held = self._coding if event.kind is HealthKind.PROGRESSIVE else self._pictures
        shown = replace(event, sha256=sha256)
        one = held[event.camera_id]
        one.last[event.kind] = shown
        if one.lasting is not None and one.lasting.kind is event.kind:
            one.lasting = shown
        return shown

    def _resized(
        self, camera_id: str, captured_ns: int, before: tuple[int, int], size: tuple[int, int]
    ) -> list[HealthEvent]:
        """One event that ends as it begins; another one within ten minutes only counts on."""
        last = self._pictures[camera_id].last
        note = f"{before[0]}x{before[1]} px before, now {size[0]}x{size[1]}"
        kind, value = HealthKind.RESOLUTION, float(size[0])
        event = _again(last.get(kind), captured_ns) or HealthEvent(camera_id, kind, captured_ns, None, value, note)
        last[kind] = replace(event, until_ns=captured_ns, value=value, note=note)
        return [last[kind]]


def _told(state: SceneState, measured: Reading | None) -> Reading | None:
    """What is the matter at one frame; None: nothing. A frame that is used may be of a picture that stands still."""
    if state in WELL:
        return measured if measured is not None and measured.state is SceneState.FROZEN else None
    return measured or Reading(state)


def begun(event: HealthEvent) -> bool:
    """Whether what ``see`` returned is the beginning of an event, not its end or its coming again."""
    at_once = event.kind is HealthKind.RESOLUTION
    return event.times == 1 and (event.until_ns is None or at_once)


def _step(camera_id: str, held: _Camera, captured_ns: int, kind: HealthKind | None, told: Reading) -> list[HealthEvent]:
    """Advance one camera in one respect by one frame."""
    if kind is None:
        held.doubt = None
        return _well(held, captured_ns)
    held.well = 0
    if held.lasting is not None and held.lasting.kind is kind:
        held.doubt = None
        return []
    doubt = held.doubt
    if doubt is None or doubt.kind is not kind:
        first_ns, mixed = (captured_ns, 0) if doubt is None else (doubt.mixed_ns, doubt.mixed)
        doubt = held.doubt = _Doubt(kind, captured_ns, told.value, told.note, 0, mixed, first_ns)
    doubt.frames, doubt.mixed = doubt.frames + 1, doubt.mixed + 1
    doubt.value, doubt.note = told.value, told.note
    needed = FRAMES_FROZEN if kind is HealthKind.FROZEN else FRAMES
    sure = doubt.frames >= needed and captured_ns - doubt.since_ns >= HOLD_S * 1e9
    mixed = held.lasting is None and doubt.mixed >= FRAMES_MIXED and captured_ns - doubt.mixed_ns >= HOLD_S * 1e9
    if not sure and not mixed:
        return []
    since_ns = doubt.since_ns if sure else doubt.mixed_ns
    ended = [] if held.lasting is None else [_end(held, held.lasting, since_ns)]
    event = _again(held.last.get(kind), since_ns)
    held.lasting = event or HealthEvent(camera_id, kind, since_ns, None, doubt.value, doubt.note)
    held.last[kind] = held.lasting
    held.doubt = None
    return [*ended, held.lasting]


def _well(held: _Camera, captured_ns: int) -> list[HealthEvent]:
    if held.lasting is None:
        return []
    if held.well == 0:
        held.well_ns = captured_ns
    held.well += 1
    if held.well < FRAMES or captured_ns - held.well_ns < HOLD_S * 1e9:
        return []
    held.well = 0
    return [_end(held, held.lasting, held.well_ns)]


def _end(held: _Camera, event: HealthEvent, at_ns: int) -> HealthEvent:
    ended = replace(event, until_ns=max(at_ns, event.since_ns))
    held.last[event.kind] = ended
    held.lasting = None
    return ended


def _again(last: HealthEvent | None, since_ns: int) -> HealthEvent | None:
    """The event of which this is one more time; None: it is a new one."""
    if last is None or not 0 <= since_ns - last.since_ns < AGAIN_S * 1e9:
        return None
    return replace(last, until_ns=None, times=last.times + 1)
