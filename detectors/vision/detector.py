"""The detector of frames: admits, normalises, votes, proposes, verifies, tracks and classifies a batch."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import (
    bank_views,
    classify,
    crops,
    crops_wanted,
    entry,
    exposure,
    feedback,
    grid,
    health,
    inspection,
    memory,
    misfit,
    snapshot,
    telling,
    views,
)
from detectors.vision import camera as single
from detectors.vision.camera import Camera
from detectors.vision.grid import Arena
from detectors.vision.inspection import Inspection, NativeBox
from detectors.vision.shelf import Shelf
from detectors.vision.snapshot_state import bring_back, grid_of, remembered
from detectors.vision.tracks import QUICK, Track
from schemas.crops import CropBatch
from schemas.detections import Detections, Phase, SceneState
from schemas.errors import UsageError
from schemas.feedback import Adoption, Feedback
from schemas.frame import FrameBatch
from schemas.health import Reading
from schemas.place import CameraView

ADOPTIONS = 256  # kept for whoever reads them
ACTIVITY_S = 120.0  # time constant of the activity (vision.md 4)


class VisionDetector:
    """Standing objects on any number of cameras; implements ``detectors.base.Detector``.

    Pure: the only clock is ``captured_ns``, the only file read is the classifier's weights, at construction.
    ``readings`` says what was the matter with the frames of the last step that did not show a known street.
    ``adoptions`` holds the last 256 regions that entered a background, newest last.
    """

    def __init__(self, knobs: VisionKnobs, views: Mapping[str, CameraView]) -> None:
        self._knobs = knobs
        self._views = views
        self._classifier = classify.load()
        self._net = crops.load() if knobs.crop_model == "own" else None
        self._arenas: dict[tuple[int, int], Arena] = {}
        self._scratch: dict[tuple[int, int], memory.Scratch] = {}
        self._pictures: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._cameras: dict[str, Camera] = {}
        self._shelves: dict[str, Shelf] = {}
        self._sizes = entry.Sizes()
        self.readings: dict[str, Reading] = {}
        self.adoptions: deque[Adoption] = deque(maxlen=ADOPTIONS)

    def step(self, frames: FrameBatch) -> Detections:
        """Advance each camera by its frame; rows are its tracks, in the order of the batch and of their age.

        Frames that are late, frozen, of another scene, or before the background is learned bring no rows.
        """
        if not len(frames):
            return Detections.empty()
        scene = np.asarray([self._admitted(frames, index) for index in range(len(frames))], np.uint8)
        if not scene.any():
            return self._step(frames)
        rows = np.flatnonzero(scene == SceneState.OK)
        found = self._step(entry.some(frames, rows)) if len(rows) else Detections.empty()
        if not len(rows):
            self.readings = {}
        return entry.spread(found, rows, scene)

    def _step(self, frames: FrameBatch) -> Detections:
        count = len(frames)
        shape = (int(frames.pixels.shape[1]), int(frames.pixels.shape[2]))
        cameras = [self._camera(frames, k, shape) for k in range(count)]
        arena = self._arena(shape)
        slots = np.asarray([camera.slot for camera in cameras], np.int64)
        scene, elapsed_s = _admit(arena, slots, frames)
        health.hold(arena, slots, scene)
        unbound = np.asarray([camera.unbound for camera in cameras], np.bool_) & (scene == SceneState.OK)
        scene[unbound] = SceneState.PRESET
        live = np.flatnonzero(scene == SceneState.OK)
        planes = self._planes(shape, len(live))
        grid.to_i420([frames.pixels[index] for index in live], planes)
        seen = exposure.compare(planes, arena.background, slots[live], shape)
        begun = arena.state["begun"][slots[live]]
        looked = health.Seen(planes, slots[live], seen, frames.captured_ns[live], elapsed_s[live], begun)
        told = health.check(arena, looked)
        fits = begun & np.asarray([reading is health.OK for reading in told], np.bool_)
        self.readings = {frames.camera_ids[index]: told[k] for k, index in enumerate(live) if not fits[k]}
        self.readings |= {frames.camera_ids[live[k]]: one for k, one in health.still(arena, looked).items() if fits[k]}
        for index in np.flatnonzero(unbound):
            note = f"no zone is drawn in view {cameras[index].preset!r}"
            self.readings[frames.camera_ids[index]] = Reading(SceneState.PRESET, 0.0, note)
        _follow(arena, slots[live], seen, elapsed_s[live], fits)
        rows: list[tuple[int, Track]] = []
        for k, index in enumerate(live):
            camera, camera_id = cameras[index], frames.camera_ids[index]
            if not fits[k]:
                scene[index] = self._unfit(camera_id, planes[k], told[k])
                self._tell(self._cameras[camera_id], camera_id)
                continue
            exposure.normalise(planes[k], float(seen.gain[k]), seen.shift[k], shape)
            views.expire(camera, self._shelf(camera_id))
            found = self._advance(camera, planes[k], float(elapsed_s[index]))
            if not arena.state["trained"][camera.slot]:
                scene[index] = SceneState.WARMING
            self._tell(camera, camera_id)
            rows.extend((int(index), track) for track in found)
        on_time = scene != SceneState.LATE
        arena.health["scene"][slots[on_time]] = scene[on_time]
        knobs = None if self._net is None else self._knobs
        return telling.detections(scene, rows, dict(enumerate(cameras)), knobs)

    def classify(self, pieces: CropBatch) -> Detections:
        """Look at pieces of tracks, if the crop classifier is there; returns the rows of those tracks."""
        count = int(pieces.frame.max(initial=-1)) + 1
        if self._net is None or not len(pieces):
            return Detections.empty(count)
        rows: list[tuple[int, Track]] = []
        cameras: dict[int, Camera] = {}
        for k, logs in enumerate(self._net.logs(pieces)):
            camera = self._cameras.get(pieces.camera_ids[k])
            track = None if camera is None else next((t for t in camera.tracks if t.id == pieces.track_id[k]), None)
            if camera is not None and track is not None:
                crops_wanted.add(track, logs, int(pieces.captured_ns[k]))
                rows.append((int(pieces.frame[k]), track))
                cameras[int(pieces.frame[k])] = camera
        return telling.detections(np.zeros(count, np.uint8), rows, cameras, None)

    def forget(self, camera_id: str) -> None:
        """Drop one camera's state. Unknown cameras are ignored."""
        self._sizes.forget(camera_id)
        self._shelves.pop(camera_id, None)
        camera = self._cameras.pop(camera_id, None)
        if camera is not None:
            camera.arena.give(camera.slot)

    def restart(self, camera_id: str, captured_ns: int) -> None:
        """Go on with a camera whose clock says ``captured_ns``, earlier than before.

        Up to an hour earlier everything is kept. Else its street is learned anew, and what stood is told gone then.
        """
        camera = self._cameras.get(camera_id)
        if camera is not None and not entry.set_back(camera, captured_ns):
            self._anew(camera_id, (*camera.arena.shape, *camera.native_px), camera.preset)

    def snapshot(self, camera_id: str) -> bytes:
        """State of one camera; empty bytes for an unknown one."""
        camera = self._cameras.get(camera_id)
        return b"" if camera is None else snapshot.encode(remembered(camera) | self._shelf(camera_id).pack())

    def restore(self, camera_id: str, state: bytes) -> None:
        """Take over a snapshot: later steps give identical results. Raises ValueError if it is not one of ours."""
        arrays = snapshot.decode(state)
        shape, native_px = grid_of(arrays)
        arena = self._arena(shape)
        camera = Camera(arena, arena.take(), native_px)
        try:
            bring_back(camera, arrays)
            shelf = Shelf.unpack(arrays)
        except ValueError:
            arena.give(camera.slot)
            raise
        self.forget(camera_id)
        self._shelves[camera_id] = shelf
        self._cameras[camera_id] = self._place(camera_id, camera)

    def apply(self, order: Feedback) -> None:
        """Carry out a person's order. Raises UsageError where it cannot be done, or the camera is not known.

        NotShownError where it may be about a view that the camera does not show now.
        """
        camera = self._cameras.get(order.camera_id)
        if camera is None:
            raise UsageError(f"camera {order.camera_id}: nothing is known of it yet")
        feedback.apply(camera, order, self._knobs, others=bool(self._shelf(order.camera_id).views))
        self._tell(camera, order.camera_id)

    def drain(self) -> list[Adoption]:
        """What entered a background since the last call, oldest first, of all cameras; 256 at most."""
        news = list(self.adoptions)
        self.adoptions.clear()
        return news

    def hear_name(self, camera_id: str, track_id: int, family: int) -> None:
        """Let a standing track without a name have that of another opinion: 0 stall, 1 waste. Unknown ones: nothing.

        What has a name is an incident perhaps: it is not given up for a neighbour, nor adopted as something else.
        """
        camera = self._cameras.get(camera_id)
        for track in [] if camera is None else camera.tracks:
            if track.id == track_id and track.phase is Phase.STANDING and track.named < 0:
                track.named = family

    def features(self, camera_id: str) -> dict[int, NDArray[np.float32]]:
        """Newest (F,) features of each of a camera's tracks by track id, in the order of ``features.NAMES``."""
        camera = self._cameras.get(camera_id)
        return {} if camera is None else {track.id: track.features for track in camera.tracks}

    def inspect(self, camera_id: str, box_px: NativeBox, pixels: NDArray[np.uint8] | None) -> Inspection | None:
        """What the memory holds of a place, x, y, w, h native px, after its newest frame; None: unknown camera."""
        camera = self._cameras.get(camera_id)
        return None if camera is None else inspection.inspect(camera, box_px, pixels, self._knobs)

    def bytes_per_camera(self) -> float:
        """Resident bytes of planes, samples, history, zone masks, references and kept pixels per camera; 0 for none."""
        cameras = self._cameras.values()
        zones = [0 if camera.zone is None else camera.zone.nbytes for camera in cameras]
        kept = [camera.bank.nbytes + camera.ledger.nbytes for camera in cameras]
        sizes = [c.arena.bytes_per_slot() + zone + more for c, zone, more in zip(cameras, zones, kept, strict=True)]
        return float(np.mean(sizes)) if sizes else 0.0

    def kept_bytes_per_camera(self) -> float:
        """Bytes per camera of the views not shown, compressed, beside those of ``bytes_per_camera``; 0 for none."""
        return sum(shelf.nbytes for shelf in self._shelves.values()) / max(1, len(self._cameras))

    def _planes(self, shape: tuple[int, int], count: int) -> NDArray[np.uint8]:
        """(count, 1.5 H, W) working pictures, the same memory at each step: fresh pages cost more than the colours."""
        kept = self._pictures.get(shape)
        if kept is None or len(kept) < count:
            kept = self._pictures[shape] = np.empty((count, shape[0] * 3 // 2, shape[1]), np.uint8)
        return kept[:count]

    def _unfit(self, camera_id: str, plane: NDArray[np.uint8], told: Reading) -> SceneState:
        """Handle a frame that does not fit its camera; what to say of it."""
        camera = self._cameras[camera_id]
        turned, told = misfit.handle(camera, self._shelf(camera_id), plane, told, self._knobs)
        if turned is not camera:
            self._cameras[camera_id] = self._place(camera_id, turned)
        self.readings[camera_id] = told
        return told.state

    def _advance(self, camera: Camera, plane: NDArray[np.uint8], dt_s: float) -> list[Track]:
        """Vote, and where the background is known look after the tracks; returns those to report."""
        state = camera.arena.state[camera.slot]
        state["changed_frames"] = state["taken"] = 0
        work = self._scratch[camera.arena.shape]
        counted_s = single.vote(camera, plane, dt_s, self._knobs, work)
        learning = not state["trained"]
        if not single.learn(camera, self._knobs):
            return []
        if learning:
            bank_views.recall(camera, self._knobs)
        left, camera.leaving = camera.leaving, []
        if camera.waking:
            left += bank_views.wake(camera, plane, dt_s, self._knobs)
        if counted_s > 0:
            left += single.watch(camera, plane, counted_s, self._knobs)
            if _elapsed(camera, "slow_ns", self._knobs.propose_s):
                single.settle(camera, plane, dt_s, self._knobs, work)
                feedback.end_fixtures(camera, self._knobs)
                left += feedback.adopt_others(camera, self._knobs)
                bank_views.keep(camera, self._knobs)
            if _elapsed(camera, "look_ns", self._search_s(camera, dt_s)):
                judge = single.Judge(self._knobs, self._classifier, slow=self._knobs.slow(dt_s))
                left += single.propose(camera, plane, judge, work)
            single.promote(camera, self._knobs)
        ended, camera.leaving = camera.leaving, []
        return camera.tracks + left + ended

    def _tell(self, camera: Camera, camera_id: str) -> None:
        """Take over what a camera's ledger has new."""
        kept = {one.adoption_id for one in camera.ledger.kept} if camera.ledger.news else set()
        for one in camera.ledger.news:
            where = telling.native(one.why.box, camera)
            undoable, why = one.adoption_id in kept, one.why
            told = Adoption(camera_id, why.captured_ns, why.reason, where, one.adoption_id, undoable, camera.preset)
            self.adoptions.append(told)
        camera.ledger.news.clear()

    def _search_s(self, camera: Camera, dt_s: float) -> float:
        """Captured seconds after which a camera is searched again: sooner for the first looks at what is new."""
        if self._knobs.slow(dt_s):
            return 0.0
        new = any(track.looks < QUICK for track in camera.tracks)
        return self._knobs.search_s / 4 if new else self._knobs.search_s

    def _camera(self, frames: FrameBatch, index: int, shape: tuple[int, int]) -> Camera:
        """The camera of a frame, turned to the view that the frame names; anew where its size of picture is another."""
        camera_id, preset = frames.camera_ids[index], frames.preset(index)
        size = (int(frames.native_px[index, 0]), int(frames.native_px[index, 1]))
        known = self._cameras.get(camera_id)
        if known is not None and known.arena.shape == shape and known.native_px == size:
            late = int(frames.captured_ns[index]) <= int(known.arena.state["last_ns"][known.slot])
            if not preset or preset == known.preset or late:
                return known
            turned = self._place(camera_id, views.turn(known, self._shelf(camera_id), preset))
            self._cameras[camera_id] = turned
            return turned
        return self._anew(camera_id, (*shape, *size), preset)

    def _anew(self, camera_id: str, size: entry.Size, preset: str) -> Camera:
        """A camera that has seen nothing, in the place of the one that was known by this name."""
        arena = self._arena(size[:2])
        camera, known = Camera(arena, arena.take(), size[2:], preset=preset), self._cameras.get(camera_id)
        if known is not None:
            entry.carry(known, views.parked(self._shelf(camera_id)), camera)
        self.forget(camera_id)
        self._cameras[camera_id] = self._place(camera_id, camera)
        return camera

    def _admitted(self, frames: FrameBatch, index: int) -> SceneState:
        """OK, or why a frame of another size than its camera's may not be used: it is late, or it is not settled."""
        camera_id = frames.camera_ids[index]
        known, size = self._cameras.get(camera_id), entry.size_of(frames, index)
        if known is None or (*known.arena.shape, *known.native_px) == size:
            self._sizes.forget(camera_id)
            return SceneState.OK
        if int(frames.captured_ns[index]) <= int(known.arena.state["last_ns"][known.slot]):
            return SceneState.LATE
        return SceneState.OK if self._sizes.settled(camera_id, size) else SceneState.CHANGED

    def _shelf(self, camera_id: str) -> Shelf:
        return self._shelves.setdefault(camera_id, Shelf())

    def _place(self, camera_id: str, camera: Camera) -> Camera:
        view = self._views.get(camera_id)
        if view is not None:
            zones = view.zones_in(camera.preset)
            camera.zone = grid.zone_mask(zones, camera.arena.shape, camera.native_px)
            camera.calibration, camera.unbound = view.calibration, view.unbound(camera.preset)
            camera.bound = any(zone.preset for zone in view.zones)
        return camera

    def _arena(self, shape: tuple[int, int]) -> Arena:
        if shape not in self._arenas:
            self._arenas[shape] = Arena(shape)
            self._scratch[shape] = memory.Scratch(shape)
        return self._arenas[shape]


def _admit(arena: Arena, slots: NDArray[np.int64], frames: FrameBatch) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(N,) scene states, OK where a frame may be used, and (N,) captured seconds since the camera's last frame."""
    state = arena.state
    begun = state["begun"][slots]
    last_ns = state["last_ns"][slots]
    late = begun & (frames.captured_ns <= last_ns)
    frozen = begun & ~late & (frames.crc32 == state["crc"][slots])
    elapsed_s = np.where(begun, frames.captured_ns - last_ns, 0) / 1e9
    fresh = slots[~late]
    state["last_ns"][fresh] = frames.captured_ns[~late]
    state["crc"][fresh] = frames.crc32[~late]
    scene = np.where(late, SceneState.LATE, np.where(frozen, SceneState.FROZEN, SceneState.OK))
    return scene.astype(np.uint8), np.asarray(elapsed_s, np.float64)


def _follow(
    arena: Arena,
    slots: NDArray[np.int64],
    seen: exposure.Exposure,
    elapsed_s: NDArray[np.float64],
    fits: NDArray[np.bool_],
) -> None:
    """Age the slow exposure and the activity of the cameras whose frame fits."""
    chosen = slots[fits]
    state = arena.state
    share = 1 - np.exp(-elapsed_s[fits] / exposure.SLOW_S)
    fresh = (np.log(seen.gain[fits]), seen.shift[fits, 0], seen.shift[fits, 1])
    for name, value in zip(("gain_log", "shift_u", "shift_v"), fresh, strict=True):
        state[name][chosen] += share * (value - state[name][chosen])
    stood = exposure.sample_luma(arena.candidate, arena.shape)[chosen]
    busy = np.minimum(seen.apart[fits], np.abs(seen.luma[fits] - stood)) > exposure.DISAGREE_GREY
    weight = (1 - np.exp(-elapsed_s[fits] / ACTIVITY_S)).astype(np.float32)[:, None, None]
    arena.activity[chosen] += weight * (busy - arena.activity[chosen])


def _elapsed(camera: Camera, mark: str, period_s: float) -> bool:
    """Whether ``period_s`` captured seconds have passed since a mark of the camera's state; sets it where so."""
    state = camera.arena.state[camera.slot]
    if int(state["last_ns"]) - int(state[mark]) < period_s * 1e9:
        return False
    state[mark] = state["last_ns"]
    return True
