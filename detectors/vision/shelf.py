"""Views of one camera that are not to be seen now: presets, and where it was turned before. Compressed, few, in order.

A camera that is turned and comes back goes on with what it knew: background, tracks, references, adoptions.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detectors.vision import structure
from detectors.vision.structure import Slopes

VIEWS_MAX = 7  # beside the one that is seen; the one not seen for longest is given up
BYTES_MAX = 480_000  # of all of them: seven at 320 x 180 with two references each have less
LIKE = 0.4  # agreement of slopes with a view from which a picture is taken for it
NEW = "~"  # of a view that is not on the shelf
UNNAMED = NEW  # first sign of the names that are given to views of cameras that name none

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Parked:
    """One view: its state as a snapshot, and (2, TH, TW) int8 slopes of its background to know it by.

    ``since_ns``: captured time from which it is not seen; 0: nothing stands there of which an end is to be told.
    """

    state: bytes
    slopes: NDArray[np.int8]
    since_ns: int = 0


@dataclass(slots=True)
class Shelf:
    """A camera's views that are not to be seen, the one seen last at the end; ``number`` of the next unnamed one."""

    views: OrderedDict[str, Parked] = field(default_factory=OrderedDict)
    number: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all views, compressed."""
        return sum(len(one.state) + one.slopes.nbytes for one in self.views.values())

    def put(self, name: str, state: bytes, slopes: Slopes, since_ns: int = 0) -> list[Parked]:
        """Park a view; ``slopes`` (1, 2, TH, TW) of its background. An empty name becomes a new unnamed one.

        Returns the views that are given up for it, the one not seen for longest first.
        """
        if not name:
            name, self.number = f"{UNNAMED}{self.number}", self.number + 1
        self.views.pop(name, None)
        self.views[name] = Parked(state, slopes[0].astype(np.int8), since_ns)
        given_up = []
        while len(self.views) > VIEWS_MAX or (len(self.views) > 1 and self.nbytes > BYTES_MAX):
            given_up.append(self.views.popitem(last=False)[1])
        return given_up

    def emptied(self, before_ns: int, empty: Callable[[bytes], bytes]) -> None:
        """Let ``empty`` change the states of views that are not seen since before, and in which something stands."""
        for name, one in self.views.items():
            if 0 < one.since_ns <= before_ns:
                self.views[name] = replace(one, state=empty(one.state), since_ns=0)

    def take(self, name: str) -> bytes | None:
        """Take a view off the shelf; None where it is not there."""
        found = self.views.pop(name, None)
        return None if found is None else found.state

    def like(self, seen: Slopes) -> tuple[str, float]:
        """The view that a picture's slopes (1, 2, TH, TW) agree with best, and how much; ("", 0.0) for none."""
        best, most = "", 0.0
        for name, one in self.views.items():
            if one.slopes.shape == seen.shape[1:]:
                agree = float(structure.agreement(seen, one.slopes[None].astype(np.float32))[0])
                if agree >= max(LIKE, most):
                    best, most = name, agree
        return best, most

    def pack(self) -> Arrays:
        """Arrays of a snapshot; none where nothing is parked."""
        arrays: Arrays = {}
        for index, (name, one) in enumerate(self.views.items()):
            arrays[f"view{index}_name"] = np.frombuffer(name.encode(), np.uint8)
            arrays[f"view{index}_state"] = np.frombuffer(one.state, np.uint8)
            arrays[f"view{index}_slopes"] = one.slopes
            arrays[f"view{index}_since"] = np.asarray([one.since_ns], np.int64)
        if arrays:
            arrays["view_number"] = np.asarray([self.number], np.int64)
        return arrays

    @classmethod
    def unpack(cls, arrays: Arrays) -> "Shelf":
        """The reverse of ``pack``. Raises ValueError for arrays of another kind."""
        shelf = cls()
        number = arrays.get("view_number")
        if number is None:
            return shelf
        if number.shape != (1,) or number.dtype != np.int64:
            raise ValueError("snapshot: the views are of another kind")
        for index in range(VIEWS_MAX):
            parts = ("name", "state", "slopes", "since")
            name, state, slopes, since = (arrays.get(f"view{index}_{part}") for part in parts)
            if name is None or state is None or slopes is None or since is None:
                break
            if since.shape != (1,) or since.dtype != np.int64:
                raise ValueError("snapshot: a view is of another kind")
            if slopes.dtype != np.int8 or slopes.ndim != 3 or name.dtype != np.uint8 or state.dtype != np.uint8:
                raise ValueError("snapshot: a view is of another kind")
            shelf.views[name.tobytes().decode()] = Parked(state.tobytes(), slopes.astype(np.int8), int(since[0]))
        shelf.number = int(number[0])
        return shelf
