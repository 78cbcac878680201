"""Views of one camera that are not to be seen now: presets, and where it was turned before. Compressed, few, in order.

A camera that is turned and comes back goes on with what it knew: background, tracks, references, adoptions.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.vision import structure
from detectors.vision.structure import Slopes

VIEWS_MAX = 3  # beside the one that is seen; the one not seen for longest is given up
LIKE = 0.4  # agreement of slopes with a view from which a picture is taken for it
NEW = "~"  # of a view that is not on the shelf
UNNAMED = NEW  # first sign of the names that are given to views of cameras that name none

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Parked:
    """One view: its state as a snapshot, and (2, TH, TW) int8 slopes of its background to know it by."""

    state: bytes
    slopes: NDArray[np.int8]


@dataclass(slots=True)
class Shelf:
    """A camera's views that are not to be seen, the one seen last at the end; ``number`` of the next unnamed one."""

    views: OrderedDict[str, Parked] = field(default_factory=OrderedDict)
    number: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all views, compressed."""
        return sum(len(one.state) + one.slopes.nbytes for one in self.views.values())

    def put(self, name: str, state: bytes, slopes: Slopes) -> None:
        """Park a view; ``slopes`` (1, 2, TH, TW) of its background. An empty name becomes a new unnamed one."""
        if not name:
            name, self.number = f"{UNNAMED}{self.number}", self.number + 1
        self.views.pop(name, None)
        self.views[name] = Parked(state, slopes[0].astype(np.int8))
        while len(self.views) > VIEWS_MAX:
            self.views.popitem(last=False)

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
            name, state, slopes = (arrays.get(f"view{index}_{part}") for part in ("name", "state", "slopes"))
            if name is None or state is None or slopes is None:
                break
            if slopes.dtype != np.int8 or slopes.ndim != 3 or name.dtype != np.uint8 or state.dtype != np.uint8:
                raise ValueError("snapshot: a view is of another kind")
            shelf.views[name.tobytes().decode()] = Parked(state.tobytes(), slopes.astype(np.int8))
        shelf.number = int(number[0])
        return shelf
