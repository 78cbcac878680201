"""A camera's health: what is wrong with its pictures, since when, until when. Facts for the operator, no alerts."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.detections import SceneState


class HealthKind(StrEnum):
    """What can be wrong; one event has one kind."""

    FROZEN = "frozen"  # the same picture again and again, whatever its clock says
    BLACK = "black"
    WHITE = "white"
    FLAT = "flat"  # one colour: a decoder's green or grey
    NOISE = "noise"  # snow
    CARD = "card"  # test card, "No Video", service picture
    DARK = "dark"  # too dark to see what stands there
    BLURRED = "blurred"  # out of focus, rain drops on the dome
    COVERED = "covered"  # sprayed, a hand, a bag
    MOVED = "moved"  # turned, or another view altogether
    PRESET = "preset"  # a view that its zones are not bound to
    LIGHT = "light"  # day, night or infra-red switched
    CHANGED = "changed"  # not the street it knows, for a reason that cannot be told
    RESOLUTION = "resolution"  # another size of picture
    PROGRESSIVE = "progressive"  # a coding that takes four times as long to decode


SCENE_KINDS: dict[SceneState, HealthKind] = {
    state: HealthKind[state.name] for state in SceneState if state.name in HealthKind.__members__
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a detector measured at one frame that is not the street its camera knows.

    Attributes:
        state: as in ``Detections.scene``.
        value: the number that decided; its meaning goes with the kind (docs/camera-health.md).
        note: what more is known, ``12 px right``; empty: nothing.
    """

    state: SceneState
    value: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """One span in which a camera was not well.

    Attributes:
        camera_id: device id.
        kind: what was wrong.
        since_ns, until_ns: captured times of the first frame that showed it, and of the first that did not; None: it
            lasts.
        value: the number that decided, of the frame with which the event was confirmed.
        note: what more is known.
        times: how often it came within the span: more than 1 where it came and went.
        sha256: digest of the picture kept as evidence; empty: none was kept.
    """

    camera_id: str
    kind: HealthKind
    since_ns: int
    until_ns: int | None
    value: float
    note: str = ""
    times: int = 1
    sha256: str = ""
