"""The same frames give the same bytes; a disturbed feed or a restart changes little or nothing."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from schemas.detections import Phase
from schemas.frame import FrameBatch
from tests.detectors.street import CAMERA, START_NS, Street, Thing, as_bytes, one

KNOBS = VisionKnobs(dwell_s=40.0)
PERIOD_S, COUNT = 2.0, 80
THINGS = (Thing((60, 40, 24, 20), 40.0, 120.0), Thing((20, 60, 16, 14), 60.0, seed=5))
FRAMES = [one(Street(THINGS, gain=1.1, gain_s=70.0), PERIOD_S * k) for k in range(COUNT)]


def openings(frames: Sequence[FrameBatch]) -> list[tuple[float, tuple[int, ...]]]:
    """Seconds since the start at which a thing was first reported, with its box, in the order of the boxes."""
    by = VisionDetector(KNOBS, {})
    first: dict[int, tuple[float, tuple[int, ...]]] = {}
    for frame in frames:
        found = by.step(frame)
        for row in np.flatnonzero(found.phase == Phase.STANDING):
            opened_s = (int(frame.captured_ns[0]) - START_NS) / 1e9
            first.setdefault(int(found.track_id[row]), (opened_s, tuple(np.rint(found.box_px[row] / 20).astype(int))))
    return sorted(first.values(), key=lambda opening: opening[1])


def disturbed(seed: int, *, drop: float, double: float, swap: float) -> list[FrameBatch]:
    """The frames with some left out, some sent again as they are, some before their predecessor."""
    rng = np.random.default_rng(seed)
    sent: list[FrameBatch] = []
    for frame in FRAMES:
        if rng.random() >= drop:
            sent.append(frame)
        if sent and rng.random() < double:
            sent.append(sent[-1])
    for k in range(1, len(sent)):
        if rng.random() < swap:
            sent[k - 1], sent[k] = sent[k], sent[k - 1]
    return sent


def test_the_same_frames_and_times_give_the_same_bytes() -> None:
    runs = [VisionDetector(KNOBS, {}) for _ in range(2)]
    for frame in FRAMES:
        first, second = (as_bytes(by.step(frame)) for by in runs)
        assert first == second
    assert runs[0].snapshot(CAMERA) == runs[1].snapshot(CAMERA)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["drop", "double", "swap", "all"])
def test_a_disturbed_feed_moves_no_report_by_more_than_one_pass(kind: str, seed: int) -> None:
    shares = {"drop": 0.1, "double": 0.05, "swap": 0.05}
    chosen = {name: share if kind in {name, "all"} else 0.0 for name, share in shares.items()}
    plain, other = openings(FRAMES), openings(disturbed(seed, **chosen))
    assert [box for _, box in other] == [box for _, box in plain]
    assert max(abs(a - b) for (a, _), (b, _) in zip(plain, other, strict=True)) <= KNOBS.propose_s + PERIOD_S


@given(st.sets(st.integers(1, COUNT - 1), min_size=1, max_size=12))
@settings(max_examples=10, deadline=None)
def test_restarts_at_any_frames_change_nothing(cuts: set[int]) -> None:
    straight, restarted = VisionDetector(KNOBS, {}), VisionDetector(KNOBS, {})
    for k, frame in enumerate(FRAMES):
        if k in cuts:
            state = restarted.snapshot(CAMERA)
            restarted = VisionDetector(KNOBS, {})
            restarted.restore(CAMERA, state)
        assert as_bytes(straight.step(frame)) == as_bytes(restarted.step(frame))
