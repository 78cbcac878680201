"""What each alert of a replay was worth: found, a duplicate, on something short or standing, or false. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alerts.incidents.sites import box_overlap
from curbwatch.tuning.recording import Distractor, Event
from curbwatch.tuning.replay import Alert
from schemas.incident import Box
from schemas.units import utc

SAME = 0.3  # intersection over the smaller box
# short: on an event that stays shorter than the dwell, which is neither missed nor false.
Verdict = Literal["found", "duplicate", "short", "standing", "false"]
Span = tuple[int, int]  # captured ns, both ends inclusive


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened in one recording.

    Attributes:
        events: what must be found.
        spans_ns: (first, last) captured time of each event, in the same order.
        standing: boxes that were there from the first frame on: neither event nor fault.
        grid_share: grid px per native px.
        standing_until_ns: when each of ``standing`` is gone; None, or nothing, where it stays.
        distractors, distractor_spans_ns: what must raise no alert, and when.
    """

    events: tuple[Event, ...]
    spans_ns: tuple[Span, ...]
    standing: tuple[Box, ...]
    grid_share: float
    standing_until_ns: tuple[int | None, ...] = ()
    distractors: tuple[Distractor, ...] = ()
    distractor_spans_ns: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """One alert with its verdict.

    Attributes:
        alert: what was opened.
        number: its place among the recording's alerts, from 0, by opening.
        verdict: what it was worth.
        event: number of the event that it showed; None where it showed none.
        distractor: label of the distractor that a false one showed; empty where it showed none.
        frame, appeared_frame: frames, from 0, at which it was opened and its object came.
        closed_ns: captured time of its closing; None where it was open at the end.
    """

    alert: Alert
    number: int
    verdict: Verdict
    event: int | None = None
    distractor: str = ""
    frame: int = 0
    appeared_frame: int = 0
    closed_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Events shorter than ``dwell_s`` do not count; an alert may come ``tolerance_s`` after the end."""

    dwell_s: float
    tolerance_s: float


def judged(truth: Truth, alerts: Sequence[Alert], rules: Rules) -> tuple[Judged, ...]:
    """A verdict for each alert, in their order; no alerts give none.

    Alerts are matched to events greedily by overlap, to one event each; the first on an event finds it.
    """
    owners = _owners(truth, alerts, rules)
    found: set[int] = set()
    verdicts: dict[int, Judged] = {}
    for index in sorted(range(len(alerts)), key=lambda k: (alerts[k].opened_ns, k)):
        alert, event = alerts[index], owners.get(index)
        if event is None:
            verdicts[index] = _elsewhere(truth, alert, index, rules)
        elif seconds(truth.spans_ns[event]) < rules.dwell_s:
            verdicts[index] = Judged(alert, index, "short", event)
        else:
            verdicts[index] = Judged(alert, index, "duplicate" if event in found else "found", event)
            found.add(event)
    return tuple(verdicts[index] for index in range(len(alerts)))


def seconds(span_ns: Span) -> float:
    """How long a span lasts."""
    return (span_ns[1] - span_ns[0]) / 1e9


def during(at_ns: int, span_ns: Span, tolerance_s: float) -> bool:
    """Whether a moment lies in a span or at most ``tolerance_s`` after it."""
    return span_ns[0] <= at_ns <= span_ns[1] + tolerance_s * 1e9


def floats(box: tuple[int, int, int, int]) -> Box:
    """A box of whole px as Box."""
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def alert_row(recording: str, one: Judged, event: Event | None) -> dict[str, Any]:
    """One alert as JSON; ``event`` is the one that it showed."""
    alert = one.alert
    return {
        "recording": recording,
        "number": one.number,
        "verdict": one.verdict,
        "family": alert.family,
        "confidence": round(alert.confidence, 3),
        "box_px": [round(side, 1) for side in alert.box_px],
        "frame": one.frame,
        "appeared_frame": one.appeared_frame,
        "opened_at": utc(alert.opened_ns).isoformat(),
        "appeared_at": utc(alert.appeared_ns).isoformat(),
        "closed_at": None if one.closed_ns is None else utc(one.closed_ns).isoformat(),
        "opened_ns": alert.opened_ns,
        "event": None if event is None else {"number": one.event, "kind": event.kind, "label": event.label},
        "distractor": one.distractor or None,
    }


def _owners(truth: Truth, alerts: Sequence[Alert], rules: Rules) -> dict[int, int]:
    """Number of the event that each alert shows, by the alert's number; those that show none are left out."""
    pairs = []
    for number, (event, span_ns) in enumerate(zip(truth.events, truth.spans_ns, strict=True)):
        for index, alert in enumerate(alerts):
            share = box_overlap(floats(event.box), alert.box_px)
            if share >= SAME and during(alert.opened_ns, span_ns, rules.tolerance_s):
                pairs.append((share, -alert.opened_ns, number, index))
    owners: dict[int, int] = {}
    for _, _, number, index in sorted(pairs, reverse=True):
        owners.setdefault(index, number)
    return owners


def _elsewhere(truth: Truth, alert: Alert, index: int, rules: Rules) -> Judged:
    """The verdict of an alert that shows no event at its time."""
    untils = truth.standing_until_ns or (None,) * len(truth.standing)
    for box, until_ns in zip(truth.standing, untils, strict=True):
        there = until_ns is None or alert.opened_ns <= until_ns + rules.tolerance_s * 1e9
        if there and box_overlap(box, alert.box_px) >= SAME:
            return Judged(alert, index, "standing")
    for other, span_ns in zip(truth.distractors, truth.distractor_spans_ns, strict=True):
        if other.box is None or not during(alert.opened_ns, span_ns, rules.tolerance_s):
            continue
        if box_overlap(floats(other.box), alert.box_px) >= SAME:
            return Judged(alert, index, "false", distractor=other.label or "distractor")
    return Judged(alert, index, "false")
