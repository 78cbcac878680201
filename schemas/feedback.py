"""What entered a camera's background, and what an operator orders about it."""

from dataclasses import dataclass

NativeBox = tuple[float, float, float, float]  # x, y, w, h in native px

# Why a region became background; the place in this list is how a snapshot writes it.
REASONS = ("light", "shade", "ghost", "other", "operator_ignore", "relearned", "fixture", "recalled", "forgotten")


@dataclass(frozen=True, slots=True)
class Adoption:
    """A region that became background, and why.

    Attributes:
        camera_id: where.
        captured_ns: when, by the frame's clock.
        reason: one of REASONS: ``light``, ``shade``, ``ghost`` (what was background has left), ``other`` (long surely
            neither stall nor waste), ``operator_ignore``, ``fixture``; for the whole picture ``relearned``, and
            ``recalled`` where a reference of the bank was taken over, ``forgotten`` where another view was given up.
        box_px: x, y, w, h in native px.
        adoption_id: unique within the camera; 0 where nobody may refer to it.
        undoable: whether the replaced pixels were kept; the oldest of them are given up when room is needed.
        preset: the view that was shown, as the camera names it; empty: it named none.
    """

    camera_id: str
    captured_ns: int
    reason: str
    box_px: NativeBox
    adoption_id: int = 0
    undoable: bool = False
    preset: str = ""


@dataclass(frozen=True, slots=True)
class Undo:
    """That was real: put the replaced pixels of an adoption back, and doubt no more that a thing stands there."""

    adoption_id: int


@dataclass(frozen=True, slots=True)
class Ignore:
    """This is nothing and becomes background: the track, wherever it is now; with none (-1) what stands in the box."""

    box_px: NativeBox
    track_id: int = -1


@dataclass(frozen=True, slots=True)
class Fixture:
    """This object is legitimate: never reported while it stands, up to ``until_ns`` captured time (None: for ever)."""

    box_px: NativeBox
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """One order of a person to one camera's detector.

    Attributes:
        order_id: unique within the camera, above 0, never used again; one that was applied does nothing the next time.
        camera_id: whose.
        person: who says so.
        what: what to do.
        preset: the view in which it is meant, as the camera names it; empty: the one that is shown.
    """

    order_id: int
    camera_id: str
    person: str
    what: Undo | Ignore | Fixture
    preset: str = ""
