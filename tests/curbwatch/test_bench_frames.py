import pytest

from curbwatch.bench import detector
from schemas.errors import UsageError

KEYS = {
    *("decode_gray4_us", "detector_us", "decode_detect_us", "detector_ratio", "total_ratio"),
    *("decode_isolated_us", "isolation_ratio", "isolation_wall_ratio"),
    *("baselines", "bytes_per_camera", "frames_per_s_core"),
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
    assert found["baselines"].keys() == {"mog2", "dual_mog2"}
    assert found["bytes_per_camera"] <= 400_000
    assert all(120 < kib < 200 for kib in found["jpeg_kib"])


def test_a_reel_plays_forth_and_back_so_that_nothing_jumps() -> None:
    reel = detector.Reel((b"a", b"b", b"c"))
    assert b"".join(reel.at(k) for k in range(9)) == b"abcbabcba"
    assert detector.Reel((b"a",)).at(5) == b"a"
