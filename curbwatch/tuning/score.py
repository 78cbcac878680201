"""Compares alerts with what happened: found, false, doubled, late (vision.md 7, design 13.17). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from alerts.incidents import box_overlap
from curbwatch.tuning.recording import Event
from curbwatch.tuning.replay import Alert, Played
from schemas.incident import Box

SAME = 0.3  # intersection over the smaller box
WIDTHS_PX = ((0, 8), (8, 14), (14, 28), (28, 10_000))  # of an event, on the grid
KINDS = ("stall", "waste")


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened in one recording.

    Attributes:
        events: what must be found.
        spans_ns: (first, last) captured time of each event, in the same order.
        standing: boxes that were there from the first frame on: neither event nor fault.
        grid_share: grid px per native px.
    """

    events: tuple[Event, ...]
    spans_ns: tuple[tuple[int, int], ...]
    standing: tuple[Box, ...]
    grid_share: float


@dataclass(frozen=True, slots=True)
class Match:
    """How one event fared: the alert that found it (None: missed), and how many more there were."""

    event: Event
    alert: Alert | None
    duplicates: int
    delay_s: float
    width_px: float


@dataclass(frozen=True, slots=True)
class Result:
    """One recording's score by one watcher."""

    name: str
    path: str
    condition: str
    hours: float
    matches: tuple[Match, ...]
    false_alarms: tuple[Alert, ...]
    standing_found: int
    played: Played
    counted: bool = True


def match(truth: Truth, alerts: Sequence[Alert], *, dwell_s: float, tolerance_s: float) -> tuple[Match, ...]:
    """Match alerts to events that last at least the dwell, greedily by overlap; no events give no matches.

    An alert may come until ``tolerance_s`` after the event's end. Delay is captured seconds beyond the dwell.
    """
    pairs = []
    for number, (event, (start_ns, end_ns)) in enumerate(zip(truth.events, truth.spans_ns, strict=True)):
        for index, alert in enumerate(alerts):
            share = box_overlap(_floats(event.box), alert.box_px)
            if share >= SAME and start_ns <= alert.opened_ns <= end_ns + tolerance_s * 1e9:
                pairs.append((share, -alert.opened_ns, number, index))
    owner: dict[int, int] = {}
    for _, _, number, index in sorted(pairs, reverse=True):
        owner.setdefault(index, number)
    found = []
    for number, (event, (start_ns, end_ns)) in enumerate(zip(truth.events, truth.spans_ns, strict=True)):
        if (end_ns - start_ns) / 1e9 < dwell_s:
            continue
        own = sorted((alerts[index] for index in owner if owner[index] == number), key=lambda alert: alert.opened_ns)
        delay_s = (own[0].opened_ns - start_ns) / 1e9 - dwell_s if own else 0.0
        width_px = event.box[2] * truth.grid_share
        found.append(Match(event, own[0] if own else None, max(0, len(own) - 1), delay_s, width_px))
    return tuple(found)


def faults(truth: Truth, alerts: Sequence[Alert], *, tolerance_s: float) -> tuple[tuple[Alert, ...], int]:
    """Alerts that show no event at its time; those on what stood there from the start are only counted."""
    unwanted = []
    standing = 0
    for alert in alerts:
        at_event = any(
            box_overlap(_floats(event.box), alert.box_px) >= SAME
            and start_ns <= alert.opened_ns <= end_ns + tolerance_s * 1e9
            for event, (start_ns, end_ns) in zip(truth.events, truth.spans_ns, strict=True)
        )
        if at_event:
            continue
        if any(box_overlap(box, alert.box_px) >= SAME for box in truth.standing):
            standing += 1
        else:
            unwanted.append(alert)
    return tuple(unwanted), standing


def summary(results: Iterable[Result]) -> dict[str, Any]:
    """The keys of design 12 over all results; rates are None where there are no hours or no events."""
    every = list(results)
    counted = [result for result in every if result.counted]
    matches = [found for result in counted for found in result.matches]
    hits = [found for found in matches if found.alert is not None]
    hours = sum(result.hours for result in counted)
    wrong = sum(len(result.false_alarms) for result in counted)
    delays = np.asarray([found.delay_s for found in hits], np.float64)
    return {
        "hours": round(hours, 4),
        "events": len(matches),
        "found": len(hits),
        "recall_95": wilson(len(hits), len(matches)),
        "false_alarms": wrong,
        "unwanted_per_hour": round(wrong / hours, 4) if hours > 0 else None,
        "duplicates": sum(found.duplicates for found in matches),
        "standing_found": sum(result.standing_found for result in counted),
        "delay_s": {
            "median": round(float(np.median(delays)), 1) if len(delays) else None,
            "p90": round(float(np.percentile(delays, 90)), 1) if len(delays) else None,
        },
        "by_kind": {kind: _kind(kind, matches) for kind in KINDS},
        "by_condition": _by_condition(counted),
        "by_width_px": _by_width(matches),
        "frames": {
            name: sum(getattr(result.played, name) for result in every)
            for name in ("frames", "analysed", "decimated", "undecodable")
        },
        "recordings": [_recording(result) for result in every],
    }


def wilson(found: int, events: int) -> list[float] | None:
    """95 % Wilson interval of a share; None of nothing."""
    if events == 0:
        return None
    z, share = 1.96, found / events
    centre = share + z * z / (2 * events)
    reach = z * sqrt(share * (1 - share) / events + z * z / (4 * events * events))
    below = 1 + z * z / events
    return [round(max(0.0, (centre - reach) / below), 4), round(min(1.0, (centre + reach) / below), 4)]


def _kind(kind: str, matches: Sequence[Match]) -> dict[str, int]:
    own = [found for found in matches if found.event.kind == kind]
    hits = [found.alert for found in own if found.alert is not None]
    right = sum(alert.family == kind for alert in hits)
    return {"events": len(own), "found": len(hits), "right_class": right}


def _by_condition(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for result in results:
        row = table.setdefault(result.condition, {"hours": 0.0, "events": 0, "found": 0, "false_alarms": 0})
        row["hours"] = round(row["hours"] + result.hours, 4)
        row["events"] += len(result.matches)
        row["found"] += sum(found.alert is not None for found in result.matches)
        row["false_alarms"] += len(result.false_alarms)
    return table


def _by_width(matches: Sequence[Match]) -> dict[str, dict[str, int]]:
    table = {}
    for low, high in WIDTHS_PX:
        own = [found for found in matches if low <= found.width_px < high]
        name = f"{low}-{high}" if high < WIDTHS_PX[-1][1] else f">{low}"
        table[name] = {"events": len(own), "found": sum(found.alert is not None for found in own)}
    return table


def _recording(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "path": result.path,
        "condition": result.condition,
        "counted": result.counted,
        "hours": round(result.hours, 4),
        "events": len(result.matches),
        "found": sum(found.alert is not None for found in result.matches),
        "false_alarms": len(result.false_alarms),
        "duplicates": sum(found.duplicates for found in result.matches),
        "standing_found": result.standing_found,
        "frames": result.played.frames,
        "undecodable": result.played.undecodable,
        "alerts": [
            {
                "family": alert.family,
                "bbox": [round(side) for side in alert.box_px],
                "opened_ns": alert.opened_ns,
                "confidence": round(alert.confidence, 3),
            }
            for alert in sorted(
                [*result.false_alarms, *(found.alert for found in result.matches if found.alert is not None)],
                key=lambda alert: alert.opened_ns,
            )
        ],
    }


def _floats(box: tuple[int, int, int, int]) -> Box:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])
