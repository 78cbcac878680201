"""What the operator's model said of each camera: of another detector's tracks, and what only it sees; as bytes too."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.onnx.opinion import FADE
from detectors.onnx.spots import Spot, pack, unpack
from detectors.vision import snapshot
from detectors.vision.feedback_ledger import APPLIED
from schemas.detections import CLASSES, Phase

MAGIC = b"CWMODEL1"
HEAD = len(MAGIC) + 4  # magic, length of what is ours; the other detector's own bytes follow
PLACES_MAX = 16  # views of a camera that are remembered; the one not seen for longest is given up
AWAY_S = 172_800.0  # longer than any track of ours is kept for a view that is not to be seen
AWAY_MAX = 256  # tracks that are not to be seen of which is known what they are called, the latest of them
VIEW = np.dtype(
    [
        ("track_id", "i8"),
        ("looks", "i4"),
        ("look_ns", "i8"),
        ("seen_ns", "i8"),
        ("named", "i4"),
        ("weight", "f8"),
        ("logs", "f8", len(CLASSES)),
    ]
)


@dataclass(slots=True)
class View:
    """What was said of one track.

    Attributes:
        looks: how often it was looked at, pieces of it only.
        look_ns: when such a look was last asked for; 0: never.
        seen_ns: captured time of the newest frame that the track was in.
        named: class, stall or waste, that it was first surely called while standing; -1: none yet.
        weight, logs: fading count and (6,) sum of the log probabilities.
    """

    looks: int = 0
    look_ns: int = 0
    seen_ns: int = 0
    named: int = -1
    weight: float = 0.0
    logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(CLASSES)))

    def add(self, logs: NDArray[np.float64]) -> None:
        """Count the log probabilities of one look."""
        self.logs = self.logs * FADE + logs
        self.weight = self.weight * FADE + 1

    def mean_logs(self) -> NDArray[np.float64]:
        """(6,) mean log probability of the looks; zeros, which say nothing, before the first."""
        return self.logs / self.weight if self.weight else np.zeros(len(CLASSES))


@dataclass(slots=True)
class Place:
    """One view of a camera, by the name that the camera gives it.

    Attributes:
        spots: what only the model sees there.
        whole_ns: captured time of the last whole picture that was asked for; 0: none.
        seen_ns: captured time of the newest frame of it; 0: none.
        look_times: captured ns of the last whole pictures that the model saw, the newest first.
    """

    spots: list[Spot] = field(default_factory=list)
    whole_ns: int = 0
    seen_ns: int = 0
    look_times: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Seen:
    """One camera.

    Attributes:
        views: by track id of the other detector, whose numbers are the camera's, whatever it looks at.
        places: by name of the view, the one that is seen at the end; "" until the camera names one.
        preset: the view that is seen.
        next_id: number of the newest spot; the next one has a lower one.
        applied: numbers of the newest orders that were carried out, in their order.
    """

    views: dict[int, View] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    preset: str = ""
    next_id: int = 0
    applied: list[int] = field(default_factory=list)

    @property
    def here(self) -> Place:
        """The view that is seen."""
        return self.places.setdefault(self.preset, Place())

    @property
    def spots(self) -> list[Spot]:
        """What only the model sees in any of the views."""
        return [spot for place in self.places.values() for spot in place.spots]

    def view(self, track_id: int, now_ns: int) -> View:
        """What was said of a track that is in a frame of ``now_ns``; a new one where nothing was."""
        return self.views.setdefault(track_id, View(seen_ns=now_ns))

    def was_here(self, track_id: int) -> bool:
        """Whether a track was in the last frame of the view that is seen, as far as anything was said of it."""
        return track_id in self.views and self.views[track_id].seen_ns == self.here.seen_ns

    def turn(self, preset: str) -> list[Spot]:
        """Go on with a view, with the one that is seen where ``preset`` is empty.

        Returns the standing spots of a view that is given up for it, as gone. The first name that a camera gives is
        that of the view it had.
        """
        if not preset or preset == self.preset:
            return []
        unnamed = self.places.pop("", Place())
        self.places[preset] = self.places.pop(preset, unnamed)
        self.preset = preset
        given_up = [self.places.pop(name) for name in list(self.places)[:-PLACES_MAX]]
        left = [spot for place in given_up for spot in place.spots if spot.phase is Phase.STANDING]
        for spot in left:
            spot.phase = Phase.GONE
        return left

    def note_order(self, number: int) -> None:
        """Note that an order was carried out; it counts once."""
        self.applied = sorted({*self.applied, number})[-APPLIED:]

    def set_back(self, now_ns: int) -> None:
        """Go on with a clock that says ``now_ns``, earlier than before."""
        for view in self.views.values():
            view.look_ns, view.seen_ns = min(view.look_ns, now_ns), min(view.seen_ns, now_ns)
        for place in self.places.values():
            place.whole_ns, place.seen_ns = min(place.whole_ns, now_ns), min(place.seen_ns, now_ns)
            place.look_times = [min(time_ns, now_ns) for time_ns in place.look_times]
        for spot in self.spots:
            spot.seen_ns, spot.appeared_ns = min(spot.seen_ns, now_ns), min(spot.appeared_ns, now_ns)

    def see(self, present: Iterable[int], ended: Iterable[int], now_ns: int) -> None:
        """Note which tracks a frame has, and drop what was said of those that ended and of others.

        Of a thing that has its name it is kept while the camera looks elsewhere, or in another light.
        """
        self.here.seen_ns = now_ns
        for track_id in ended:
            self.views.pop(track_id, None)
        for track_id in present:
            if track_id in self.views:
                self.views[track_id].seen_ns = now_ns
        absent = [track for track, view in self.views.items() if view.seen_ns != now_ns]
        away = [track for track in absent if self._may_return(self.views[track], now_ns)]
        away.sort(key=lambda track: (-self.views[track].seen_ns, track))
        for track_id in set(absent).difference(away[:AWAY_MAX]):
            del self.views[track_id]

    @staticmethod
    def _may_return(view: View, now_ns: int) -> bool:
        return view.named >= 0 and now_ns - view.seen_ns < AWAY_S * 1e9


def encode(seen: Seen, inner: bytes) -> bytes:
    """What is ours and the other detector's snapshot as one; the same state gives the same bytes."""
    rows = np.zeros(len(seen.views), VIEW)
    for row, (track_id, view) in zip(rows, seen.views.items(), strict=True):
        row["track_id"] = track_id
        for name in ("looks", "look_ns", "seen_ns", "named", "weight", "logs"):
            row[name] = getattr(view, name)
    arrays: dict[str, NDArray[np.generic]] = {
        "views": rows,
        "marks": np.asarray([seen.next_id, *seen.applied], np.int64),
        "preset": _letters(seen.preset),
    }
    for index, (name, place) in enumerate(seen.places.items()):
        arrays[f"place{index}_name"] = _letters(name)
        arrays[f"place{index}_spots"] = pack(place.spots)
        arrays[f"place{index}_marks"] = np.asarray([place.whole_ns, place.seen_ns, *place.look_times], np.int64)
    own = snapshot.encode(arrays)
    return MAGIC + len(own).to_bytes(4, "big") + own + inner


def inner_of(state: bytes) -> bytes:
    """The other detector's own bytes in what ``encode`` made; bytes without our mark are all its own."""
    if not state.startswith(MAGIC):
        return state
    return state[HEAD + int.from_bytes(state[len(MAGIC) : HEAD], "big") :]


def decode(state: bytes) -> tuple[Seen, bytes]:
    """The reverse of ``encode``; bytes without our mark are all the other detector's. Raises ValueError if damaged."""
    if not state.startswith(MAGIC):
        return Seen(), state
    size = int.from_bytes(state[len(MAGIC) : HEAD], "big")
    arrays = snapshot.decode(state[HEAD : HEAD + size])
    rows, marks = arrays.get("views"), arrays.get("marks")
    if rows is None or rows.dtype != VIEW or rows.ndim != 1:
        raise ValueError("snapshot: views are of another type")
    if marks is None or marks.ndim != 1 or len(marks) < 1 or marks.dtype != np.int64:
        raise ValueError("snapshot: marks are of another type")
    views = {
        int(row["track_id"]): View(
            int(row["looks"]),
            int(row["look_ns"]),
            int(row["seen_ns"]),
            int(row["named"]),
            float(row["weight"]),
            row["logs"].copy(),
        )
        for row in rows
    }
    places = {}
    for index in range(PLACES_MAX):
        if f"place{index}_name" in arrays:
            places[_text(arrays.get(f"place{index}_name"))] = _place(arrays, index)
    return Seen(views, places, _text(arrays.get("preset")), int(marks[0]), marks[1:].tolist()), state[HEAD + size :]


def _place(arrays: dict[str, NDArray[np.generic]], index: int) -> Place:
    spots, marks = arrays.get(f"place{index}_spots"), arrays.get(f"place{index}_marks")
    if spots is None or marks is None or marks.ndim != 1 or len(marks) < 2 or marks.dtype != np.int64:
        raise ValueError("snapshot: a view is of another type")
    return Place(unpack(spots), int(marks[0]), int(marks[1]), marks[2:].tolist())


def _letters(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _text(letters: NDArray[np.generic] | None) -> str:
    if letters is None or letters.dtype != np.uint8 or letters.ndim != 1:
        raise ValueError("snapshot: a name is of another type")
    return letters.tobytes().decode()  # UnicodeDecodeError is a ValueError
