"""The second look: a detector gets the pieces it asked for, and its answer counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from curbwatch.closer import CAUSES_MAX, FailedLooks, look_closer
from curbwatch.tuning.replay import cut
from detectors.base import Detector
from ingest.decode_process import DecoderProcess
from schemas.crops import CropBatch, Piece
from schemas.detections import CLASSES, Detections, Evidence
from schemas.errors import FrameError
from schemas.feedback import Adoption, Feedback
from schemas.frame import Frame, FrameBatch
from schemas.meter import NullMeter
from tests.alerts.makers import standing
from tests.ingest.jpegs import jpeg


@dataclass
class Looker:
    """Calls everything it is shown a stall."""

    shown: list[CropBatch] = field(default_factory=list)

    def step(self, frames: FrameBatch) -> Detections:
        return Detections.empty(len(frames))

    def classify(self, crops: CropBatch) -> Detections:
        self.shown.append(crops)
        if not len(crops):
            return Detections.empty()
        told = replace(standing(family="stall"), evidence=np.asarray([Evidence.CROP], np.uint8))
        return replace(told, frame=crops.frame, track_id=crops.track_id)

    def forget(self, camera_id: str) -> None:
        raise AssertionError(camera_id)

    def apply(self, order: Feedback) -> None:
        raise AssertionError(order)

    def drain(self) -> list[Adoption]:
        return []

    def snapshot(self, camera_id: str) -> bytes:
        raise AssertionError(camera_id)

    def restore(self, camera_id: str, state: bytes) -> None:
        raise AssertionError(camera_id, state)


def seen(picture: bytes, *, wanted: bool) -> tuple[Detector, Looker, Detections, FrameBatch, list[Frame]]:
    frame = Frame("cam-1", 5, 6, picture, 1280, 720)
    found = replace(standing(family="waste"), wanted=np.asarray([wanted]))
    looker = Looker()
    return looker, looker, found, FrameBatch.of([frame], np.zeros((1, 180, 320, 3), np.uint8)), [frame]


def test_nothing_is_cut_where_nothing_is_wanted() -> None:
    detector, looker, found, batch, frames = seen(b"", wanted=False)
    assert look_closer(detector, found, batch, frames, cut) is found
    assert looker.shown == []


def test_a_wanted_piece_is_cut_from_the_original_and_its_class_counts() -> None:
    detector, looker, found, batch, frames = seen(jpeg(1280, 720), wanted=True)
    told = look_closer(detector, found, batch, frames, cut)
    assert looker.shown[0].pieces[0].shape == (151, 136, 3)  # 270 x 300 px around the box, at 1/2
    assert CLASSES[int(told.posterior[0].argmax())] == "stall"
    assert told.evidence.tolist() == [Evidence.CROP]


def test_a_picture_that_cannot_be_decoded_leaves_the_class_as_it_was() -> None:
    detector, looker, found, batch, frames = seen(b"no picture", wanted=True)
    told = look_closer(detector, found, batch, frames, cut)
    assert len(looker.shown[0]) == 0
    assert CLASSES[int(told.posterior[0].argmax())] == "waste"


class CountingMeter(NullMeter):
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        assert not labels
        self.counts[name] = self.counts.get(name, 0) + amount


@dataclass
class Failing(Looker):
    """Fails at each look, with words of its own each time where ``varies``."""

    varies: bool = False
    looks: int = 0

    def classify(self, crops: CropBatch) -> Detections:
        self.looks += 1
        raise ValueError(f"OpenCV cannot run it{f' {self.looks}' if self.varies else ''}")


def test_a_model_that_fails_costs_no_alert_and_is_counted_and_told_once() -> None:
    _, _, found, batch, frames = seen(jpeg(1280, 720), wanted=True)
    meter = CountingMeter()
    failed = FailedLooks(meter)
    with capture_logs() as logs:
        told = [look_closer(Failing(), found, batch, frames, cut, failed) for _ in range(3)]
    assert all(one is found for one in told)
    assert meter.counts == {"looks_failed": 3}
    assert [line["error"] for line in logs] == ["ValueError: OpenCV cannot run it"]
    with pytest.raises(ValueError, match="cannot run it"):
        look_closer(Failing(), found, batch, frames, cut)


def test_failures_with_other_words_each_time_do_not_fill_the_log() -> None:
    _, _, found, batch, frames = seen(jpeg(1280, 720), wanted=True)
    failing, failed = Failing(varies=True), FailedLooks()
    with capture_logs() as logs:
        for _ in range(CAUSES_MAX + 5):
            look_closer(failing, found, batch, frames, cut, failed)
    assert len(logs) == CAUSES_MAX


def test_the_decoder_process_cuts_the_same_pieces_as_a_replay(decoder: DecoderProcess) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
    picture = cv2.imencode(".jpg", cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC))[1].tobytes()
    frame = Frame("cam-1", 5, 6, picture, 1280, 720)
    pieces = [Piece((10, 20, 100, 50), 1), Piece((1, 3, 1279, 717), 4), Piece((1270, 715, 7, 3), 8)]
    wanted: Sequence[tuple[Frame, Piece]] = [(frame, piece) for piece in pieces]
    here, there = cut(wanted), decoder.cut(wanted)
    shapes = [piece.shape for piece in map(_picture, here)]
    assert shapes == [(50, 100, 3), (180, 320, 3), (1, 2, 3)]
    for left, right in zip(here, there, strict=True):
        np.testing.assert_array_equal(_picture(left), _picture(right))


def _picture(piece: NDArray[np.uint8] | FrameError) -> NDArray[np.uint8]:
    assert not isinstance(piece, FrameError)
    return piece
