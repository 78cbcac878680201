import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from config.model import Config
from curbwatch.detector_choice import make_detector
from curbwatch.tuning import cache
from curbwatch.tuning.cache import DecodedOnce, Store, judge
from curbwatch.tuning.compare import bench_of
from curbwatch.tuning.evaluate import OURS, evaluate
from curbwatch.tuning.replay import gate
from detectors.base import Detector
from schemas.crops import Piece
from schemas.errors import FrameError
from schemas.frame import Frame
from schemas.place import CameraView
from tests.detectors.street import Street
from tests.tuning.clips import EVENT, THING, filmed, recorded

BASE = Config()
INTAKE = BASE.intake


def seen(pictures: DecodedOnce) -> list[Frame]:
    return [gate("c", ns, jpeg, INTAKE) for ns, jpeg in pictures.frames()]


def looked(pictures: DecodedOnce) -> list[bytes]:
    """Bytes of each grid, looked at while its frame is the newest, as a replay does."""
    return [pictures.batch(gate("c", ns, jpeg, INTAKE)).pixels.tobytes() for ns, jpeg in pictures.frames()]


def test_a_store_keeps_nothing_as_it_keeps_anything() -> None:
    arrays = [np.zeros((0, 3), np.uint8), np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.full(5, 7, np.uint8)]
    with Store() as store:
        places = [store.put(array) for array in arrays]
        assert [store.get(place).tolist() for place in places if place is not None] == [one.tolist() for one in arrays]
        assert store.size_bytes == 29


def test_a_full_store_keeps_no_more_and_loses_nothing() -> None:
    with Store(max_bytes=10) as store:
        first = store.put(np.arange(8, dtype=np.uint8))
        assert first is not None
        assert store.put(np.zeros(3, np.uint8)) is None
        assert store.get(first).tolist() == list(range(8))


def test_a_full_disk_is_a_full_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with Store() as store:
        monkeypatch.setattr("os.pwrite", full)
        assert store.put(np.zeros(3, np.uint8)) is None
        monkeypatch.undo()
        assert store.put(np.zeros(3, np.uint8)) is None  # and it is not tried again


def test_its_file_has_no_name_so_that_even_a_killed_process_leaves_none() -> None:
    with Store() as store:
        assert os.fstat(store._file.fileno()).st_nlink == 0
    assert store._file.closed


@pytest.mark.parametrize("make", [recorded, filmed])
def test_the_second_replay_sees_the_same_pictures_and_decodes_none(tmp_path: Path, make: type) -> None:
    recording = make(tmp_path / "clip", Street(), 5)
    with Store() as store:
        pictures = DecodedOnce(recording, store)
        first, second = looked(pictures), looked(pictures)
        frames = [(frame.captured_ns, frame.jpeg) for frame in seen(pictures)]
    assert (len(first), first) == (5, second)
    assert (pictures.decoded, pictures.reused) == (5, 5)
    assert frames == list(recording.frames())


@pytest.mark.parametrize("make", [recorded, filmed])
def test_without_room_all_is_decoded_again_and_nothing_else_differs(tmp_path: Path, make: type) -> None:
    recording = make(tmp_path / "clip", Street(), 3)
    with Store(max_bytes=320 * 192 * 3 + 10) as store:
        pictures = DecodedOnce(recording, store)
        assert looked(pictures) == looked(pictures)
        assert [frame.jpeg for frame in seen(pictures)] == [jpeg for _, jpeg in recording.frames()]


def test_a_picture_that_cannot_be_decoded_is_refused_each_time(tmp_path: Path) -> None:
    recording = recorded(tmp_path / "clip", Street(), 1)
    file = next((tmp_path / "clip" / "frames").iterdir())
    file.write_bytes(file.read_bytes()[:-2000])
    with Store() as store:
        pictures = DecodedOnce(recording, store)
        (_, jpeg), *_ = pictures.frames()
        frame = Frame("c", 1, 1, jpeg, 64, 64)
        reasons = []
        for _ in range(2):
            with pytest.raises(FrameError) as refused:
                pictures.batch(frame)
            reasons.append(refused.value.reason)
            assert isinstance(pictures.cut([(frame, Piece((0, 0, 9, 9), 1))])[0], FrameError)
    assert reasons == ["corrupt"] * 2


def test_a_piece_is_cut_once_and_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(tmp_path / "clip", Street(), 1)
    with Store() as store:
        pictures = DecodedOnce(recording, store)
        frame = seen(pictures)[0]
        piece = Piece((10, 20, 30, 40), 2)
        (first,) = pictures.cut([(frame, piece)])
        monkeypatch.setattr(cache, "cut", lambda _: pytest.fail("cut again"))
        (second,) = pictures.cut([(frame, piece)])
    assert not isinstance(first, FrameError)
    assert not isinstance(second, FrameError)
    assert (first.shape, first.tolist()) == ((20, 15, 3), second.tolist())


def test_what_comes_of_it_is_what_evaluate_says_of_each_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorded(tmp_path / "clip", Street((THING,)), 45, events=[EVENT])
    benches = [
        bench_of(
            BASE.model_copy(
                update={
                    "vision": BASE.vision.model_copy(update={"dwell_s": dwell_s}),
                    "alerts": BASE.alerts.model_copy(update={"waste_confidence": share, "stall_confidence": share}),
                }
            ),
            None,
        )
        for dwell_s, share in ((30.0, 0.0), (90.0, 0.5), (30.0, 1.0), (30.0, 0.5))
    ]
    alone = [evaluate(recording, bench)[OURS] for bench in benches]
    made: list[Config] = []

    def counted(config: Config, views: Mapping[str, CameraView]) -> Detector:
        made.append(config)
        return make_detector(config, views)

    monkeypatch.setattr("curbwatch.tuning.replay.make_detector", counted)
    looks: list[int] = []
    with Store() as store:
        pictures = DecodedOnce(recording, store)
        assert judge(pictures, benches, looks.append) == alone
        assert judge(pictures, []) == []
    assert (len(made), looks) == (2, [3] * 45 + [1] * 45)
    assert len({len(result.alerts) for result in alone}) > 1
    assert alone[0].played.analysed > 40


def test_a_camera_that_turns_is_judged_by_the_view_of_each_frame(tmp_path: Path) -> None:
    corners = [[0, 0], [640, 0], [640, 384], [0, 384]]
    zones = [{"name": "kerb", "polygon": corners, "preset": "north"}]
    alerts = BASE.alerts.model_copy(update={"waste_confidence": 0.0, "stall_confidence": 0.0})
    vision = BASE.vision.model_copy(update={"dwell_s": 30.0})
    bench = bench_of(BASE.model_copy(update={"vision": vision, "alerts": alerts}), None)
    opened = []
    for view in ("north", "south"):
        recording = recorded(tmp_path / view, Street((THING,)), 45, zones=zones, presets=[view] * 45)
        with Store() as store:
            (result,) = judge(DecodedOnce(recording, store), [bench])
        assert result == evaluate(recording, bench)[OURS]
        opened.append(len(result.alerts))
    assert opened == [1, 0]
