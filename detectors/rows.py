"""Rows one by one into columns: for detectors that find few things and need no arrays of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.detections import CLASSES, Detections, Evidence, Phase


class Row(NamedTuple):
    """One thing in one frame; the fields are the columns of ``schemas.detections.Detections``."""

    frame: int
    track_id: int
    phase: Phase
    box_px: tuple[float, float, float, float]
    appeared_ns: int
    dwell_s: float
    posterior: Sequence[float]
    wanted: bool = False
    evidence: Evidence = Evidence.SHAPE


def detections(scene: NDArray[np.uint8], rows: Sequence[Row]) -> Detections:
    """Return rows as Detections; ``scene`` is the (N,) SceneState of the batch's frames, N and the rows may be none."""
    return Detections(
        scene=scene,
        frame=np.asarray([row.frame for row in rows], np.int32),
        track_id=np.asarray([row.track_id for row in rows], np.int64),
        phase=np.asarray([row.phase for row in rows], np.uint8),
        box_px=np.asarray([row.box_px for row in rows], np.float32).reshape(-1, 4),
        appeared_ns=np.asarray([row.appeared_ns for row in rows], np.int64),
        dwell_s=np.asarray([row.dwell_s for row in rows], np.float32),
        posterior=np.asarray([row.posterior for row in rows], np.float32).reshape(-1, len(CLASSES)),
        evidence=np.asarray([row.evidence for row in rows], np.uint8),
        wanted=np.asarray([row.wanted for row in rows], np.bool_),
        wanted_frame=np.zeros(len(scene), np.bool_),
    )
