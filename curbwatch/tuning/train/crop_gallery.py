"""Pictures of the worst mistakes, for the eyes of whoever trains: private, as what they are cut from."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.train.crop_bank import Window
from curbwatch.tuning.train.crop_figures import WASTE
from curbwatch.tuning.train.crop_samples import shown
from curbwatch.tuning.train.pooling import Judged
from detectors.vision.classify import POOL, fuse
from detectors.vision.crops import CropNet
from schemas.detections import CLASSES

ACROSS, DOWN = 12, 6
SIZE_PX = 24


def keep_failures(folder: Path, net: CropNet, tune: Sequence[Window], judged: Judged) -> None:
    """Write one sheet for each kind of mistake: waste missed and wrongly seen, stalls missed, alerts on nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = np.stack([shown(one, SIZE_PX) for one in tune]) if tune else judged.windows[:0]
    score = net.posterior(list(pictures))[:, CLASSES.index("waste")]
    waste = np.asarray([one.kind == WASTE for one in tune], bool)
    _sheet(folder / "tune_waste_missed.png", pictures[waste], score[waste])
    _sheet(folder / "tune_rest_called_waste.png", pictures[~waste], -score[~waste])
    pooled = fuse(POOL.logs(judged.hand, judged.crop))
    for index, name in enumerate(CLASSES[:2]):
        own = judged.labels == index
        _sheet(folder / f"tracks_{name}_missed.png", judged.windows[own], pooled[own, index])
    nothing = judged.labels > 1
    _sheet(folder / "tracks_called_events.png", judged.windows[nothing], -pooled[nothing][:, :2].max(axis=1))


def _sheet(file: Path, pictures: NDArray[np.uint8], order: NDArray[np.float32]) -> None:
    """The pictures with the lowest ``order`` first, in rows."""
    chosen = pictures[np.argsort(order, kind="stable")[: ACROSS * DOWN]]
    if not len(chosen):
        return
    blank = np.zeros((ACROSS * DOWN - len(chosen), *chosen.shape[1:]), np.uint8)
    rows = np.concatenate([chosen, blank]).reshape(DOWN, ACROSS, *chosen.shape[1:])
    cv2.imwrite(str(file), np.concatenate([np.concatenate(list(row), axis=1) for row in rows]))
