from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from curbwatch.bench import detector
from curbwatch.bench.baselines import MAKERS, CountedModel, Motion
from curbwatch.cli.bench import bench
from curbwatch.simulate.clips import CLIP_SIZE
from curbwatch.tuning.replay import batch_of
from schemas.errors import UsageError
from schemas.frame import Frame, FrameBatch

KEYS = {
    *("decode_gray4_us", "detector_us", "decode_detect_us", "detector_ratio", "total_ratio"),
    *("decode_isolated_us", "isolation_ratio", "isolation_wall_ratio"),
    *("baselines", "bytes_per_camera", "frames_per_s_core"),
    *("crops_per_frame", "crop_decode_us", "things_per_hour"),
}


@pytest.fixture(scope="module")
def reels() -> list[detector.Reel]:
    return detector.draw(scenes=1, frames=3)


def test_without_cameras_there_is_nothing_to_measure(reels: list[detector.Reel]) -> None:
    with pytest.raises(UsageError, match="at least one camera"):
        detector.measure(reels, 0, 0.0)


def test_the_result_has_every_key_and_pictures_of_the_promised_size(reels: list[detector.Reel]) -> None:
    found = detector.measure(reels, 2, 0.0)
    assert found.keys() >= KEYS
    assert found["baselines"].keys() == {"decode_gray4", "decode_colour4", *MAKERS}
    assert all(ratio > 0 for ratio in found["baselines"].values())
    parts = found["decode_colour4_us"] + found["detector_us"] + found["crop_decode_us"]
    assert found["decode_detect_us"] == pytest.approx(parts, abs=0.2)
    assert found["bytes_per_camera"] <= 400_000
    assert all(120 < kib < 200 for kib in found["jpeg_kib"])


def test_a_reel_plays_forth_and_back_so_that_nothing_jumps() -> None:
    reel = detector.Reel((b"a", b"b", b"c"))
    assert b"".join(reel.at(k) for k in range(9)) == b"abcbabcba"
    assert detector.Reel((b"a",)).at(5) == b"a"


def seen(*, bag: bool) -> FrameBatch:
    picture = np.empty((CLIP_SIZE[1], CLIP_SIZE[0], 3), np.uint8)
    picture[:] = np.linspace(40, 140, CLIP_SIZE[0]).astype(np.uint8)[None, :, None]
    if bag:
        picture[400:480, 600:720] = 230
    return batch_of(Frame("c", 0, 0, cv2.imencode(".jpg", picture)[1].tobytes(), *CLIP_SIZE))


def test_the_recreated_models_see_what_comes_and_nothing_in_an_empty_street() -> None:
    counted, motion = CountedModel(), Motion(None)
    empty, with_bag = seen(bag=False), seen(bag=True)
    for _ in range(20):
        counted.see(empty)
        assert motion.see(empty) == []
    foreground: Any = counted.see(with_bag)
    assert foreground[110, 165] > 0
    assert foreground[20, 20] == 0
    boxes: Any = motion.see(with_bag)
    assert len(boxes) == 1


def test_a_thing_that_stays_becomes_background_of_the_counted_model() -> None:
    counted = CountedModel()
    for batch in [seen(bag=False)] * 5 + [seen(bag=True)] * 40:
        foreground: Any = counted.see(batch)
    assert foreground[110, 165] == 0


def test_both_names_of_the_verb_are_the_same() -> None:
    for name in ("detector", "frames"):
        said = CliRunner().invoke(bench, [name, "--help"])
        assert "other models" in said.output
