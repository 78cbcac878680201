import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.model import Config
from config.pack import load_pack
from curbwatch.tuning import composite, pasting
from curbwatch.tuning.evaluate import OURS
from curbwatch.tuning.recording import encode, read_recording
from curbwatch.tuning.replay import Road, play
from schemas.errors import UsageError
from schemas.place import CameraView

DATA = Path(__file__).parents[3] / "shared" / "data"
# Picture, box, width and place: named once, so that everybody means the same composite.
NAMED, WIDTH_PX, PLACE, FIRST_FRAME = "000251_jpg.rf.4663d0ee19eadff1d3289702b30c9bcb", 56, (420, 250), 60
GREY = np.full((240, 320, 3), 120, np.uint8)
STREET = np.broadcast_to(np.array((100, 120, 140), np.uint8), (240, 320, 3)).copy()


def data(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not there: the development data lies beside the repository, not in it")
    return DATA


def piece(kind: str = "waste") -> pasting.Piece:
    photograph = GREY.copy()
    photograph[100:140, 100:160] = (20, 20, 200)
    return pasting.cut_out(photograph, (100, 100, 60, 40), kind, "red", outline=False)


def test_without_pictures_there_is_no_place() -> None:
    with pytest.raises(UsageError, match="no picture"):
        pasting.Place.of([], clip=True)
    with pytest.raises(UsageError, match="no picture"):
        pasting.Place.of([b"", b"\x89PNG"], clip=False)


def test_a_thing_is_there_from_its_first_frame_to_its_last_and_throws_a_shadow() -> None:
    place = pasting.Place.of([encode(STREET)] * 6, clip=False)
    one = pasting.put(piece(), place.empty, (50, 60), 30, (2, 4))
    pictures = [
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in pasting.frames_with(place, [one], 90)
    ]
    found = [picture for picture in pictures if picture is not None]
    assert [bool(picture[70, 65, 2] > picture[70, 65, 0] + 80) for picture in found] == [
        *[False] * 2,
        *[True] * 3,
        False,
    ]
    x, y, w, h = one.box
    assert found[3][y + h, x + w // 2].mean() < found[0][y + h, x + w // 2].mean() - 8


def test_a_picture_that_is_no_jpeg_stays_as_it_is() -> None:
    png = cv2.imencode(".png", GREY)[1].tobytes()
    place = pasting.Place.of([encode(GREY), png, b""], clip=False)
    one = pasting.put(piece(), place.empty, (50, 60), 30, (0, 2))
    sent = list(pasting.frames_with(place, [one], 90))
    assert sent[1:] == [png, b""]


def test_who_passes_before_it_in_a_clip_hides_it() -> None:
    passing = STREET.copy()
    passing[60:90, 50:90] = 255
    place = pasting.Place.of([encode(STREET)] * 9 + [encode(passing)], clip=True)
    one = pasting.put(piece(), place.empty, (50, 60), 30, (0, 9))
    hidden = passing.copy()
    pasting.lay(hidden, one, place)
    assert np.abs(hidden[65:75, 58:72].astype(int) - 255).max() < 60
    shown = STREET.copy()
    pasting.lay(shown, one, place)
    assert np.abs(shown[65:75, 58:72].astype(int) - 120).max() > 50


def test_a_thing_takes_the_brightness_of_the_place() -> None:
    bright, dark = (
        pasting.put(piece(), np.full_like(GREY, level), (50, 60), 30, (0, 1)).colour.mean() for level in (180, 60)
    )
    assert dark < 0.7 * bright


def test_a_thing_in_a_picture_without_colour_has_none() -> None:
    assert float(np.ptp(pasting.put(piece(), GREY, (50, 60), 30, (0, 1)).colour, axis=2).max()) < 1e-3


@given(st.integers(-50, 330), st.integers(-50, 250), st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_a_thing_lies_within_the_picture_or_is_refused(x: int, y: int, width: int) -> None:
    fits = min(x, y) >= 0 and 4 <= width <= 320 - x and y + max(4, round(40 * width / 60)) <= 240
    if not fits:
        with pytest.raises(UsageError, match="not within"):
            pasting.put(piece(), GREY, (x, y), width, (0, 1))
        return
    one = pasting.put(piece(), GREY, (x, y), width, (0, 1))
    left, top, w, h = one.box
    assert 0 <= left < left + w <= 320
    assert 0 <= top < top + h <= 240


@pytest.mark.parametrize("quality", [40, 60, 75, 90, 95])
def test_the_quality_of_a_neighbour_is_read_from_its_table(quality: int) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, GREY.shape, np.uint8)
    jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    assert abs(pasting.jpeg_quality(jpeg) - quality) <= 2
    assert pasting.jpeg_quality(b"") == 85


def test_the_edge_of_a_piece_without_an_outline_fades() -> None:
    alpha = pasting.feather(20, 40)
    assert alpha[10, 20] == 1
    assert alpha[0, 0] < 0.2
    assert (alpha == alpha[::-1, ::-1]).all()


def test_places_keep_apart_lie_inside_the_zones_and_are_quiet() -> None:
    busy = GREY.copy()
    busy[150:, :100] = 250
    place = pasting.Place.of([encode(GREY), encode(busy)] * 4, clip=False)
    rng, taken = np.random.default_rng(3), list[pasting.Pasted]()
    for _ in range(4):
        spot = composite.find_spot(place, (), piece(), 24, taken, rng)
        assert spot is not None
        assert spot[0] >= 90 or spot[1] + 16 <= 160
        taken.append(pasting.put(piece(), place.empty, spot, 24, (0, 1)))
    boxes = [one.box for one in taken]
    assert all(composite._apart(a, b, 0) for k, a in enumerate(boxes) for b in boxes[:k])
    assert composite.find_spot(place, (), piece(), 319, [], rng) is None


def made_data(folder: Path) -> Path:
    """A data folder with the least that composites are made of: drawn here, nobody's pictures."""
    rng = np.random.default_rng(5)
    for part, label in ((f"{composite.PHOTOGRAPHS}/{composite.SPLIT}", "0 0.5 0.5 0.3 0.2\n1 0.2 0.2 0.2 0.2\n"),
                        (composite.CARTS, "0 0.5 0.5 0.3 0.3\n")):  # fmt: skip
        for kind in ("images", "labels"):
            (folder / part / kind).mkdir(parents=True)
        for k in range(3):
            photograph = rng.integers(90, 130, (200, 200, 3), np.uint8)
            photograph[80:120, 70:130] = (30, 30, 200)
            (folder / part / "images" / f"p{k}.jpg").write_bytes(encode(photograph))
            (folder / part / "labels" / f"p{k}.txt").write_text(label)
    clip = folder / "seq-ucsd-ped2" / "01"
    clip.mkdir(parents=True)
    for k in range(40):
        (clip / f"{k:03d}.jpg").write_bytes(encode(GREY))
    facts = {"format": "recording/1", "media": "*.jpg", "fps": 10, "frame_size": [320, 240], "events": []}
    (clip / "recording.json").write_text(json.dumps(facts))
    return folder


def test_the_suite_is_the_same_each_time_and_carries_its_truth(tmp_path: Path) -> None:
    place = made_data(tmp_path / "data")
    chosen = composite.composites(place)
    assert len(chosen) == 3
    assert len(composite.composites(place, full=True)) == 12
    first, again = (composite.Maker(place).make(chosen[0], tmp_path / name) for name in ("a", "b"))
    assert list(first.jpegs()) == list(again.jpegs())
    assert first.condition == "composite-crowd"
    assert first.events == again.events
    assert {event.kind for event in first.events} == {"stall", "waste"}
    assert [other.label for other in first.distractors] == ["no waste"]
    assert first.own_time
    assert first.count() == 40


def test_a_folder_without_the_recordings_is_refused(tmp_path: Path) -> None:
    place = made_data(tmp_path / "data")
    (place / "seq-ucsd-ped2" / "01" / "recording.json").unlink()
    with pytest.raises(UsageError, match="none of the recordings"):
        composite.composites(place)
    with pytest.raises(UsageError, match="holds no waste-street-cn"):
        composite.composites(tmp_path)


@pytest.mark.data
def test_waste_pasted_into_the_parking_clip_is_one_alert(tmp_path: Path) -> None:
    place = data("seq-intel-parking")
    made = composite.waste_composite(place, NAMED, 0, WIDTH_PX, PLACE, FIRST_FRAME, tmp_path / "made")
    config = Config()
    road = Road(config, load_pack(Path("yanjiang")).city, CameraView(made.name))
    alerts = play(made.frames(4.0), made.name, {OURS: road}, config).alerts[OURS]
    assert [alert.family for alert in alerts] == ["waste"]


@pytest.mark.data
def test_the_suite_of_the_data_folder_is_large_enough_that_one_is_not_luck() -> None:
    chosen = composite.composites(data("waste-street-cn"))
    assert 50 <= len(chosen) <= 70
    assert {one.base.name for one in chosen} == {base.name for base in composite.BASES}
    assert sum(one.base.things for one in chosen) >= 120


@pytest.mark.data
def test_an_unknown_picture_or_box_is_named(tmp_path: Path) -> None:
    place = data("waste-street-cn")
    with pytest.raises(UsageError, match="nothing-of-this-name"):
        composite.waste_composite(place, "nothing-of-this-name", 0, 50, (10, 10), 60, tmp_path)
    with pytest.raises(UsageError, match="none with number 99"):
        composite.waste_composite(place, NAMED, 99, 50, (10, 10), 60, tmp_path)


def test_a_recording_that_was_made_is_read_as_it_was_meant(tmp_path: Path) -> None:
    place = made_data(tmp_path / "data")
    made = composite.Maker(place).make(composite.composites(place)[1], tmp_path / "made")
    assert read_recording(tmp_path / "made").events == made.events
