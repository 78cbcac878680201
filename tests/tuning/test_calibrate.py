"""Known lengths become a ground scale: exact, near where points are off, refused where they say nothing."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from curbwatch.cli.app import app
from curbwatch.cli.calibrate import HEADS
from curbwatch.simulate.lens import FOCAL, Lens
from curbwatch.tuning import calibrate_ruler
from curbwatch.tuning.calibrate import Length, fit
from curbwatch.tuning.calibrate_ruler import draw, reaches
from schemas.errors import UsageError
from schemas.place import ImageZone
from tests.detectors.street import Street
from tests.tuning.clips import jpeg, recorded

SIZE = (1280, 720)
LENSES = st.builds(
    Lens,
    width=st.just(SIZE[0]),
    height=st.just(SIZE[1]),
    horizon=st.floats(-300, 250),
    centre=st.just(SIZE[0] / 2),
    height_m=st.floats(3, 12),
)


def across(lens: Lens, z_m: float, metres: float, x_m: float = 0.0) -> Length:
    return Length(lens.point(x_m, z_m), lens.point(x_m + metres, z_m), metres)


def away(lens: Lens, z_m: float, metres: float) -> Length:
    return Length(lens.point(1.0, z_m), lens.point(1.0, z_m + metres), metres)


def standing(lens: Lens, z_m: float, metres: float) -> Length:
    return Length(lens.point(0.5, z_m, metres), lens.point(0.5, z_m), metres, upright=True)


def test_no_length_is_refused() -> None:
    with pytest.raises(UsageError, match="no length"):
        fit([], SIZE)


@given(LENSES, st.floats(1.8, 4), st.floats(1, 3), st.floats(-2, 2))
def test_two_lengths_across_give_the_very_lens(lens: Lens, farther: float, metres: float, x_m: float) -> None:
    near = lens.nearest_m * 1.1
    lengths = [across(lens, near, metres, x_m), across(lens, near * farther, 2.0)]
    assume(min(length.px for length in lengths) > 40)
    found = fit(lengths, SIZE)
    assert found.horizon_row == pytest.approx(lens.horizon, abs=0.1)
    assert found.height_m == pytest.approx(lens.height_m, rel=1e-3)
    assert max(map(abs, found.residuals)) < 1e-4


@given(LENSES, st.floats(1.3, 3))
def test_lengths_in_every_direction_agree(lens: Lens, farther: float) -> None:
    near = lens.nearest_m * 1.1
    lengths = [across(lens, near, 1.5), away(lens, near, 3.0), standing(lens, near * farther, 1.7)]
    found = fit(lengths, SIZE, focal_px=FOCAL * SIZE[0])
    for row in (lens.horizon + 60, 700.0):
        assert found.px_per_m(row) == pytest.approx((row - lens.horizon) / lens.height_m, rel=0.01)


@given(LENSES, st.floats(2, 4), st.integers(0, 2**32 - 1))
def test_two_pixels_of_pointing_move_the_scale_little(lens: Lens, farther: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    near = lens.nearest_m * 1.2
    exact = [across(lens, near, 2.0, -1.0), across(lens, near * farther, 2.0), across(lens, near * 1.4, 2.5, 0.5)]
    assume(min(length.px for length in exact) > 40)

    def off(point: tuple[float, float]) -> tuple[float, float]:
        dx, dy = rng.uniform(-2, 2, 2)
        return point[0] + dx, point[1] + dy

    noisy = [Length(off(length.one), off(length.other), length.metres) for length in exact]
    found = fit(noisy, SIZE)
    for z_m in (near, near * (1 + farther) / 2):
        row = lens.point(0.0, z_m)[1]
        assert found.px_per_m(row) == pytest.approx(lens.scale(z_m), rel=0.15)


def test_one_length_needs_a_horizon_and_is_exact_with_it() -> None:
    lens = Lens(*SIZE, 150.0, 640.0, 6.0)
    one = across(lens, 12.0, 2.0)
    with pytest.raises(UsageError, match="--horizon"):
        fit([one], SIZE)
    assert fit([one], SIZE, horizon_row=150.0).height_m == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("lengths", "named"),
    [
        ([Length((10, 500), (10, 503), 1.0), Length((10, 300), (90, 300), 1.0)], "apart; choose a longer one"),
        ([Length((10, 500), (90, 500), 0.0)], "a length is above 0"),
        ([Length((10, 500), (90, 500), float("nan"))], "a length is above 0"),
        ([Length((10, 500), (float("inf"), 500), 1.0)], "must be numbers"),
        ([Length((10, 500), (90, 500), 1.0), Length((500, 501), (581, 501), 1.0)], "too near one another"),
        ([Length((10, 600), (90, 600), 1.0), Length((500, 300), (700, 300), 1.0)], "not smaller in the picture"),
        ([Length((10, 600), (400, 600), 1.0), Length((500, 590), (510, 590), 1.0)], "below the farthest|too near"),
    ],
)
def test_lengths_that_say_nothing_are_refused_in_one_line(lengths: list[Length], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        fit(lengths, SIZE)
    assert "\n" not in str(caught.value)


def test_a_horizon_below_a_length_is_refused() -> None:
    with pytest.raises(UsageError, match="not below it"):
        fit([Length((10, 300), (90, 300), 1.0)], SIZE, horizon_row=299.5)


def test_a_length_with_a_wrong_number_is_named_as_doubtful() -> None:
    lens = Lens(*SIZE, 150.0, 640.0, 6.0)
    lengths = [across(lens, z_m, 2.0) for z_m in (8.0, 12.0, 18.0)]
    wrong = Length(lengths[1].one, lengths[1].other, 3.0)
    assert fit(lengths, SIZE).doubtful == ()
    assert 1 in fit([lengths[0], wrong, lengths[2]], SIZE).doubtful


def test_a_zone_far_away_says_that_a_small_heap_is_not_seen_there() -> None:
    found = fit([across(Lens(*SIZE, 150.0, 640.0, 6.0), 12.0, 2.0)], SIZE, horizon_row=150.0)
    zones = [
        ImageZone("near", ((0, 650), (1280, 650), (1280, 719))),
        ImageZone("far", ((0, 170), (1280, 170), (1280, 719))),
        ImageZone("sky", ((0, 10), (1280, 10), (1280, 100))),
    ]
    near, far, sky = reaches(found, zones, SIZE)
    assert (near.limit, far.limit, sky.limit, sky.row) == ("fine", "unseen", "unseen", None)
    assert near.smallest_m < 0.3 < far.smallest_m
    assert near.smallest_m * near.grid_px_per_m == pytest.approx(18**0.5)


def test_the_ruler_is_drawn_below_the_horizon_only() -> None:
    found = fit([across(Lens(*SIZE, 150.0, 640.0, 6.0), 12.0, 2.0)], SIZE, horizon_row=150.0)
    plain = np.full((720, 1280, 3), 120, np.uint8)
    changed = (draw(plain, found, (), []) != plain).any(axis=(1, 2))
    assert changed[700:].any()
    assert not changed[:110].any()  # the horizon is at row 150, its name above it
    assert (plain == 120).all()


def words(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["calibrate", *arguments])
    assert done.exit_code == 0, done.exception
    return done.output


def test_the_verb_prints_what_the_registry_wants_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "view.png"
    picture.write_bytes(cv2.imencode(".png", np.full((720, 1280, 3), 120, np.uint8))[1].tobytes())
    near, far = ("--point", "500,600", "--point", "644,600"), ("--point", "600,300", "--point", "648,300")
    call = (str(picture), *near, "--length-m", "2", *far, "--length-m", "2", "--lang", "en")
    told = words(*call, "--ruler", str(tmp_path / "ruler.png"), "--lon", "104.6", "--lat", "30.1", "--bearing", "62")
    for line in ("[camera.calibration]", "px_per_m_slope = 0.16", "horizon_row = 150.0", "height_m = 6.25"):
        assert line in told
    assert "length 1: 2 m, fitted 2.00 m" in told
    assert HEADS[0][1] in told
    ruler = cv2.imread(str(tmp_path / "ruler.png"))
    assert ruler is not None
    assert ruler.shape == (720, 1280, 3)
    known = json.loads(words(*call, "--json"))
    assert known["missing"] == ["lon", "lat", "bearing"]


def test_a_recording_brings_its_zones(tmp_path: Path) -> None:
    zones = [{"name": "kerb", "polygon": [[0, 200], [639, 200], [639, 359]]}]
    folder = recorded(tmp_path / "seq-a", Street(), 1, zones=zones).folder
    told = words(str(folder), "--point", "100,300", "--point", "300,300", "--length-m", "2", "--horizon", "80")
    assert "kerb" in told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--point", "1,2", "--length-m", "2"), "two --point for each"),
        (("--point", "1;2", "--point", "3,4", "--length-m", "2"), "--point 1;2"),
        (("--point", "1,nan", "--point", "3,4", "--length-m", "2"), "--point 1,nan"),
        (("--point", "10,300", "--point", "900,300", "--length-m", "2"), "outside the picture"),
        (("--point", "10,300", "--point", "90,300", "--length-m", "2", "--upright", "2"), "--upright 2"),
        (("--point", "10,300", "--point", "90,300", "--length-m", "2"), "--horizon"),
        (("--point", "10,300", "--point", "90,300", "--length-m", "2", "--save"), "name the camera"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], named: str) -> None:
    picture = tmp_path / "view.jpg"
    picture.write_bytes(jpeg(Street(), 0))
    done = CliRunner().invoke(app, ["calibrate", str(picture), *arguments])
    assert isinstance(done.exception, UsageError)
    assert named in str(done.exception)


@pytest.mark.parametrize("name", ["nope.jpg", "nope.PNG", "pictures/nope"])
def test_a_picture_that_is_not_there_is_no_camera(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("curbwatch.cli.calibrate.open_office", lambda _: pytest.fail("no camera was asked for"))
    done = CliRunner().invoke(app, ["calibrate", name, "--point", "1,2", "--point", "3,4", "--length-m", "1"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == f"{name}: there is no such file"


@pytest.mark.parametrize("horizon", [-200.0, 40.0, 300.0])
def test_labels_of_the_ruler_never_lie_upon_each_other(monkeypatch: pytest.MonkeyPatch, horizon: float) -> None:
    rows: list[int] = []
    monkeypatch.setattr(
        calibrate_ruler, "_write", lambda _shown, text, _x, y, _c: rows.append(y) if "1 m" in text else 0
    )
    lens = Lens(width=SIZE[0], height=SIZE[1], horizon=horizon, centre=SIZE[0] / 2, height_m=6.0)
    near = lens.nearest_m * 1.1
    draw(
        np.zeros((SIZE[1], SIZE[0], 3), np.uint8),
        fit([across(lens, near, 2.0), across(lens, near * 2, 2.0)], SIZE),
        (),
        (),
    )
    assert len(rows) >= 3
    assert min(one - other for one, other in pairwise(rows)) >= 20  # a label is 16 px high
