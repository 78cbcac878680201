"""One recording's pictures, decoded once for any number of replays: grids, pieces, and the frames of a video.

What was decoded goes into one file without a name, which nobody else can open and which is gone with the process,
however that ends. It is read with ``preadv`` rather than mapped: a mapped file on a full disk would kill the process
where a write says so.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from config.model import Config
from curbwatch.tuning.evaluate import OURS, Bench, score
from curbwatch.tuning.recording import Recording
from curbwatch.tuning.replay import Played, Road, Watcher, batch_of, cut, play
from curbwatch.tuning.score import Result
from schemas.crops import Piece
from schemas.errors import FrameError
from schemas.frame import Frame, FrameBatch
from schemas.place import CameraView

CACHE_BYTES = 4_000_000_000  # of one recording: 23 000 grids of 320x180, more than a day at one frame in 4 s

Place = tuple[int, tuple[int, ...]]  # where it begins in the file, and its shape
Found = NDArray[np.uint8] | FrameError


class Store:
    """Arrays of bytes in one file, at most ``max_bytes`` of them; use as a context.

    A full disk is a full store: nothing more is kept, nothing is lost.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def size_bytes(self) -> int:
        """Bytes kept."""
        return self._bytes

    def put(self, array: NDArray[np.uint8]) -> Place | None:
        """Keep an array; None where there is no room."""
        if self._bytes + array.nbytes > self._max_bytes:
            return None
        data = np.ascontiguousarray(array)
        try:
            written = os.pwrite(self._file.fileno(), data.data, self._bytes)
        except OSError:
            written = -1
        if written != data.nbytes:
            self._max_bytes = self._bytes
            return None
        place = self._bytes, data.shape
        self._bytes += data.nbytes
        return place

    def get(self, place: Place) -> NDArray[np.uint8]:
        """Return a kept array, as a copy."""
        start, shape = place
        array = np.empty(shape, np.uint8)
        if array.nbytes:
            os.preadv(self._file.fileno(), [array.data], start)
        return array


class DecodedOnce:
    """A recording for many replays. One replay at a time: ``batch`` and ``cut`` belong to the frame yielded last.

    ``time_scale_s`` as of ``Recording.frames``. ``decoded`` and ``reused`` count grids.
    """

    def __init__(self, recording: Recording, store: Store, time_scale_s: float | None = None) -> None:
        self.recording = recording
        self.decoded = self.reused = 0
        self._store = store
        self._time_scale_s = time_scale_s
        self._index, self._jpeg = -1, b""  # of the frame yielded last
        self._grids: dict[int, Place | FrameError] = {}
        self._pieces: dict[tuple[int, Piece], Place | FrameError] = {}
        self._video: list[tuple[int, Place]] = []  # captured time and JPEG of each frame, once a replay saw them all

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield (captured_ns, JPEG) of each frame, as ``Recording.frames`` does.

        Raises UsageError where the recording's media cannot be opened.
        """
        known = bool(self._video)
        for index, (captured_ns, jpeg) in enumerate(self._kept() if known else self._read()):
            self._index, self._jpeg = index, jpeg
            yield captured_ns, jpeg

    def batch(self, frame: Frame) -> FrameBatch:
        """The frame's grid as a batch of its own. Raises FrameError where it cannot be decoded."""
        if frame.jpeg is not self._jpeg:
            return batch_of(frame)
        kept = self._grids.get(self._index)
        if isinstance(kept, FrameError):
            raise kept
        if kept is not None:
            self.reused += 1
            return FrameBatch.of([frame], self._store.get(kept)[None])
        self.decoded += 1
        try:
            batch = batch_of(frame)
        except FrameError as error:
            self._grids[self._index] = error
            raise
        place = self._store.put(batch.pixels[0])
        if place is not None:
            self._grids[self._index] = place
        return batch

    def cut(self, wanted: Sequence[tuple[Frame, Piece]]) -> list[Found]:
        """Pieces of original pictures, or why there is none, in order."""
        return [self._piece(frame, piece) for frame, piece in wanted]

    def _piece(self, frame: Frame, piece: Piece) -> Found:
        if frame.jpeg is not self._jpeg:
            return cut([(frame, piece)])[0]
        key = self._index, piece
        kept = self._pieces.get(key)
        if isinstance(kept, FrameError):
            return kept
        if kept is not None:
            return self._store.get(kept)
        (found,) = cut([(frame, piece)])
        place = found if isinstance(found, FrameError) else self._store.put(found)
        if place is not None:
            self._pieces[key] = place
        return found

    def _kept(self) -> Iterator[tuple[int, bytes]]:
        for captured_ns, place in self._video:
            yield captured_ns, self._store.get(place).tobytes()

    def _read(self) -> Iterator[tuple[int, bytes]]:
        """Read from the media; what a video gives is kept, because its frames are encoded anew each time."""
        keep = "*" not in self.recording.media
        seen: list[tuple[int, Place]] = []
        for captured_ns, jpeg in self.recording.frames(self._time_scale_s):
            place = self._store.put(np.frombuffer(jpeg, np.uint8)) if keep else None
            keep = place is not None
            if place is not None:
                seen.append((captured_ns, place))
            yield captured_ns, jpeg
        self._video = seen if keep else []


def judge(
    pictures: DecodedOnce, benches: Sequence[Bench], tick: Callable[[int], None] = lambda _looks: None
) -> list[Result]:
    """Play a recording through each configuration's road and score it, as ``evaluate`` does.

    Those that differ in ``[alerts]`` alone detect alike, and only one of them does it. ``tick(looks)`` is called once a
    frame of each replay, with the number of configurations that it was for. Raises UsageError where the recording's
    media cannot be opened, ConfigError where a configuration's detector cannot be made.
    """
    results: dict[int, Result] = {}
    for numbers in alike([bench.config for bench in benches]):
        played = _play(pictures, {number: benches[number] for number in numbers}, partial(tick, len(numbers)))
        for number in numbers:
            results[number] = score(pictures.recording, _of(played, str(number)), OURS, benches[number])
    return [results[number] for number in range(len(benches))]


def alike(configs: Sequence[Config]) -> list[list[int]]:
    """The configurations' numbers, those together that detect alike."""
    groups: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        groups.setdefault(config.model_dump_json(exclude={"alerts"}), []).append(number)
    return list(groups.values())


def _play(pictures: DecodedOnce, benches: Mapping[int, Bench], tick: Callable[[], None]) -> Played:
    """One replay for configurations that detect alike, each a watcher named by its number."""
    recording = pictures.recording
    view = CameraView(recording.name, recording.zones)
    watchers: dict[str, Watcher] = {}
    leader: Road | None = None
    for number, bench in benches.items():
        road = Road(bench.config, bench.city, view, pictures.cut, leader)
        leader = leader or road
        watchers[str(number)] = road
    config = next(iter(benches.values())).config
    return play(pictures.frames(), recording.name, watchers, config, tick, pictures.batch, recording.presets)


def _of(played: Played, watcher: str) -> Played:
    """What one watcher would have given alone."""
    notes = {OURS: played.notes[watcher]} if watcher in played.notes else {}
    return replace(played, alerts={OURS: played.alerts[watcher]}, notes=notes)
