"""What really happened in the simulated city: boxes and times, kept beside the pictures."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from curbwatch.simulate.actors import body, draw
from curbwatch.simulate.plan import Plan
from curbwatch.simulate.script import EVENTS, Placement
from curbwatch.simulate.sprite import opaque_box

Box = tuple[int, int, int, int]  # x, y, width, height px
GROUP_M = (-1.2, -1.8, 1.2, 0.1)  # about where a group stands


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that was put down in a camera's view.

    Attributes:
        camera_id: which camera.
        number: its place in the camera's script.
        kind: "stall" or "waste": must be found; "car", "bike", "group": must not raise an alert.
        label: which sort: table, cart, tarp, umbrella; bag, heap, boxes, muck; car, scooter, standing.
        zone: the zone it stands in.
        bbox: of the thing alone, without people and shadow, native px.
        appear_s: since the start.
        leave_s: since the start; may lie beyond the end.
        permitted: a stall where the city allows one: seen rightly, no alert.
    """

    camera_id: str
    number: int
    kind: str
    label: str
    zone: str
    bbox: Box
    appear_s: float
    leave_s: float
    permitted: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """All that happened: ``events`` to be found, ``distractors`` to be left alone, both by time."""

    events: tuple[Happening, ...]
    distractors: tuple[Happening, ...]

    def of(self, camera_id: str) -> "Truth":
        """Return what happened at one camera."""
        return Truth(
            tuple(event for event in self.events if event.camera_id == camera_id),
            tuple(other for other in self.distractors if other.camera_id == camera_id),
        )

    def to_json(self) -> str:
        """Return the truth as JSON: {"events": […], "distractors": […]}, with the attributes of Happening."""
        rows = {"events": [asdict(event) for event in self.events]}
        rows["distractors"] = [asdict(other) for other in self.distractors]
        return json.dumps(rows, ensure_ascii=False, indent=1)


@lru_cache(maxsize=1024)
def outline_m(name: str) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a drawing, metres from its foot, y downwards."""
    sprite = draw(name)
    left, top, right, bottom = opaque_box(sprite.opacity)
    x, y = sprite.foot
    return (left - x) / sprite.ppm, (top - y) / sprite.ppm, (right - x) / sprite.ppm, (bottom - y) / sprite.ppm


def bbox_of(plan: Plan, placement: Placement) -> Box:
    """Return the box of a thing put down, clipped to the picture; of a group: about where they stand."""
    lens, scale = plan.lens, plan.lens.scale(placement.z_m)
    foot_x, foot_y = lens.point(placement.x_m, placement.z_m)
    name = body(plan, placement)
    x0, y0, x1, y1 = outline_m(name) if name else GROUP_M
    left, right = max(0, round(foot_x + x0 * scale)), min(lens.width, round(foot_x + x1 * scale))
    top, bottom = max(0, round(foot_y + y0 * scale)), min(lens.height, round(foot_y + y1 * scale))
    return left, top, right - left, bottom - top


def happenings(
    camera_id: str, plan: Plan, script: tuple[Placement, ...], permitted: frozenset[str] = frozenset()
) -> tuple[Happening, ...]:
    """Return the truth of one camera; stalls in zones named in ``permitted`` are marked so."""
    return tuple(
        Happening(
            camera_id,
            number,
            placed.kind,
            placed.label,
            placed.zone,
            bbox_of(plan, placed),
            placed.appear_s,
            placed.leave_s,
            permitted=placed.kind == "stall" and placed.zone in permitted,
        )
        for number, placed in enumerate(script)
    )


def truth_of(found: tuple[Happening, ...]) -> Truth:
    """Split into events and distractors, each by time."""
    ordered = sorted(found, key=lambda item: item.appear_s)
    return Truth(
        tuple(item for item in ordered if item.kind in EVENTS),
        tuple(item for item in ordered if item.kind not in EVENTS),
    )


def recording(truth: Truth, plan: Plan, *, media: str, period_s: float, seconds: float) -> dict[str, Any]:
    """Return one camera's truth as ``recording.json`` of format recording/1, frames counted from 0.

    Waste is unattended as soon as it lies there; a stall never is. What appears after the last frame is left out.
    What was there before the first one is no event but a standing stall or object, gone by a frame or for ever.
    """
    last = int(seconds / period_s) - 1

    def frame(t: float) -> int:
        return max(0, int(-(-t // period_s)))

    new = [event for event in truth.events if event.appear_s >= 0 and frame(event.appear_s) <= last]
    old = [event for event in truth.events if event.appear_s < 0]
    events = [
        {
            "kind": event.kind,
            "label": event.label,
            "appear_frame": frame(event.appear_s),
            "drop_frame": frame(event.appear_s),
            "unattended_frame": frame(event.appear_s) if event.kind == "waste" else None,
            "last_frame": min(last, frame(event.leave_s) - 1),
            "bbox": list(event.bbox),
        }
        for event in new
    ]
    distractors = [
        {
            "label": other.label,
            "first_frame": frame(other.appear_s),
            "last_frame": min(last, frame(other.leave_s) - 1),
            "bbox": list(other.bbox),
        }
        for other in truth.distractors
        if frame(other.appear_s) <= last
    ]
    zones = [{"name": name, "polygon": [list(point) for point in corners]} for name, corners in plan.zones().items()]
    return {
        "format": "recording/1",
        "media": media,
        "period_s": period_s,
        "frame_size": [plan.lens.width, plan.lens.height],
        "events": events,
        "zones": zones,
        "distractors": distractors,
        **_standing(old, frame, last),
    }


def _standing(found: Sequence[Happening], frame: Callable[[float], int], last: int) -> dict[str, Any]:
    """Return ``standing_stalls`` and ``standing_objects``, each where there are some."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for event in found:
        row: dict[str, Any] = {"label": event.label, "bbox": list(event.bbox), "first_frame": 0}
        if frame(event.leave_s) <= last:
            row["gone_by_frame"] = frame(event.leave_s)
        rows.setdefault("standing_stalls" if event.kind == "stall" else "standing_objects", []).append(row)
    return rows
