"""Tracks as the rows that a detector returns."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import classify, crops_wanted
from detectors.vision.camera import Camera
from detectors.vision.inspection import NativeBox
from detectors.vision.proposals import Box
from detectors.vision.tracks import Track
from schemas.detections import CLASSES, Detections


def native(box: Box, camera: Camera) -> NativeBox:
    """A grid box in px of the original picture."""
    rows, columns = camera.arena.shape
    across, down = camera.native_px[0] / columns, camera.native_px[1] / rows
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def detections(
    scene: NDArray[np.uint8], rows: list[tuple[int, Track]], cameras: Mapping[int, Camera], knobs: VisionKnobs | None
) -> Detections:
    """Rows of tracks, each with its frame's number; ``knobs``: say which pieces are wanted, None: none are."""
    now_ns = {index: int(camera.arena.state["last_ns"][camera.slot]) for index, camera in cameras.items()}
    found = [track for _, track in rows]
    logs = np.asarray([track.mean_logs() for track in found], np.float64).reshape(-1, len(CLASSES))
    wanted = [knobs is not None and crops_wanted.wanted(track, now_ns[index], knobs) for index, track in rows]
    return Detections(
        scene=scene,
        frame=np.asarray([index for index, _ in rows], np.int32),
        track_id=np.asarray([track.id for track in found], np.int64),
        phase=np.asarray([track.phase for track in found], np.uint8),
        box_px=np.asarray([native(track.box, cameras[index]) for index, track in rows], np.float32).reshape(-1, 4),
        appeared_ns=np.asarray([track.appeared_ns for track in found], np.int64),
        dwell_s=np.asarray([(now_ns[index] - track.appeared_ns) / 1e9 for index, track in rows], np.float32),
        posterior=classify.fuse(logs),
        evidence=np.asarray([crops_wanted.evidence(track) for track in found], np.uint8),
        wanted=np.asarray(wanted, np.bool_),
        wanted_frame=np.zeros(len(scene), np.bool_),
    )
