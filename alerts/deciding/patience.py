"""How sure is sure enough: at once where the class is clear, later where it is not, as what passes has left by then."""

from dataclasses import dataclass, field

from config.alerts import AlertKnobs


@dataclass(slots=True)
class Patience:
    """Remembers how long each track had stood when its dwell was first fulfilled.

    People who wait and vehicles in a queue are called waste now and then, and are gone a little later; what was put
    down stays. So a class that is not clear must stand ``unsure_factor`` times as long, at most ``unsure_wait_s`` more.
    Counted from the first sight of a standing track, it holds for feeds of any period.
    """

    knobs: AlertKnobs
    _first_s: dict[tuple[str, int], float] = field(default_factory=dict)

    def least(self, camera_id: str, track_id: int, dwell_s: float, family: str) -> float:
        """The confidence, 0..1, that a track of a family needs after it has stood ``dwell_s`` captured seconds."""
        first_s = self._first_s.setdefault((camera_id, track_id), dwell_s)
        asked = self.knobs.stall_confidence if family == "stall" else self.knobs.waste_confidence
        wait_s = min((self.knobs.unsure_factor - 1) * first_s, self.knobs.unsure_wait_s)
        return asked if dwell_s >= first_s + wait_s else max(asked, self.knobs.sure_confidence)

    def forget(self, camera_id: str, track_id: int | None = None) -> None:
        """Drop one track, or all of a camera. Unknown ones are ignored."""
        if track_id is not None:
            self._first_s.pop((camera_id, track_id), None)
            return
        for key in [one for one in self._first_s if one[0] == camera_id]:
            del self._first_s[key]
