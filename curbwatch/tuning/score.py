"""Scores replays: found, false, doubled, late, of which class (vision.md 7, design 13.17). Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from alerts.incidents.sites import box_overlap
from curbwatch.tuning.recording import Event
from curbwatch.tuning.replay import Alert, Notes, Played, Stood
from curbwatch.tuning.verdicts import SAME, Judged, Rules, Truth, alert_row, floats, judged, seconds

WIDTHS_PX = ((0, 8), (8, 14), (14, 28), (28, 10_000))  # of an event, on the grid
KINDS = ("stall", "waste")
MISSED, UNSEEN = "missed", "unseen"


@dataclass(frozen=True, slots=True)
class Match:
    """How one event fared: the alert that found it (None: missed), and how many more there were.

    Attributes:
        delay_s: captured seconds beyond the dwell until the first alert; 0 where there is none.
        width_px: of the event, on the grid.
        closed_s: captured seconds from the event's end to the closing of that alert, negative where it closed before;
            None where it was never closed or the recording ends with the event.
        ended: whether the recording goes on after the event.
        seen_as: newest class of what stood there longest, alert or not; ``unseen`` where nothing stood there.
        tracks: how many tracks stood there, one after the other or side by side.
        number: of the event among the recording's.
    """

    event: Event
    alert: Alert | None
    duplicates: int
    delay_s: float
    width_px: float
    closed_s: float | None = None
    ended: bool = False
    seen_as: str = UNSEEN
    tracks: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One recording's score by one watcher; ``alerts`` holds every alert with its verdict."""

    name: str
    path: str
    condition: str
    hours: float
    matches: tuple[Match, ...]
    false_alarms: tuple[Alert, ...]
    standing_found: int
    played: Played
    counted: bool = True
    alerts: tuple[Judged, ...] = ()
    events: tuple[Event, ...] = ()
    notes: Notes | None = None


def match(truth: Truth, alerts: Sequence[Alert], *, dwell_s: float, tolerance_s: float) -> tuple[Match, ...]:
    """Match alerts to events that last at least the dwell; see ``judged``. No events give no matches."""
    return matches_of(truth, judged(truth, alerts, Rules(dwell_s, tolerance_s)), dwell_s)


def matches_of(truth: Truth, found: Sequence[Judged], dwell_s: float) -> tuple[Match, ...]:
    """How each event that lasts at least the dwell fared."""
    fared = []
    for number, (event, span_ns) in enumerate(zip(truth.events, truth.spans_ns, strict=True)):
        if seconds(span_ns) < dwell_s:
            continue
        own = sorted((one for one in found if one.event == number), key=lambda one: one.alert.opened_ns)
        first = own[0] if own else None
        delay_s = 0.0 if first is None else (first.alert.opened_ns - span_ns[0]) / 1e9 - dwell_s
        closed_ns = None if first is None else first.closed_ns
        fared.append(
            Match(
                event,
                None if first is None else first.alert,
                max(0, len(own) - 1),
                delay_s,
                event.box[2] * truth.grid_share,
                closed_s=None if closed_ns is None else (closed_ns - span_ns[1]) / 1e9,
                number=number,
            )
        )
    return tuple(fared)


def noted(found: Sequence[Match], truth: Truth, played: Played, notes: Notes, tolerance_s: float) -> tuple[Match, ...]:
    """Add what the watcher noted to each match: whether the recording goes on, and what stood there."""
    end_ns = max(played.times_ns, default=0)
    full = []
    for one in found:
        first_ns, last_ns = truth.spans_ns[one.number]
        there = [
            stood
            for stood in notes.stood.values()
            if stood.first_ns <= last_ns + tolerance_s * 1e9
            and stood.last_ns >= first_ns
            and box_overlap(floats(one.event.box), stood.box_px) >= SAME
        ]
        longest = max(there, key=_stood_ns, default=None)
        seen_as = UNSEEN if longest is None else longest.top_class
        ended = end_ns > last_ns + tolerance_s * 1e9
        closed_s = one.closed_s if ended else None
        full.append(replace(one, ended=ended, closed_s=closed_s, seen_as=seen_as, tracks=len(there)))
    return tuple(full)


def faults(truth: Truth, alerts: Sequence[Alert], *, tolerance_s: float) -> tuple[tuple[Alert, ...], int]:
    """Alerts that show no event at its time; those on what stood there from the start are only counted."""
    found = judged(truth, alerts, Rules(0.0, tolerance_s))
    unwanted = tuple(one.alert for one in found if one.verdict == "false")
    return unwanted, sum(one.verdict == "standing" for one in found)


def summary(results: Iterable[Result]) -> dict[str, Any]:
    """The keys of design 12 over all results, and more; rates are None where there are no hours or no events."""
    every = list(results)
    counted = [result for result in every if result.counted]
    matches = [found for result in counted for found in result.matches]
    hours = sum(result.hours for result in counted)
    wrong = sum(len(result.false_alarms) for result in counted)
    figures = rates(matches)
    return {
        "hours": round(hours, 4),
        "events": figures["events"],
        "found": figures["found"],
        "recall_95": figures["recall_95"],
        "false_alarms": wrong,
        "unwanted_per_hour": round(wrong / hours, 4) if hours > 0 else None,
        "on_distractors": _on_distractors(counted),
        "duplicates": figures["duplicates"],
        "standing_found": sum(result.standing_found for result in counted),
        "delay_s": figures["delay_s"],
        "close_s": _closing(matches),
        "track_switches": sum(max(0, found.tracks - 1) for found in matches),
        "by_kind": {kind: rates([one for one in matches if one.event.kind == kind]) for kind in KINDS},
        "by_condition": _by_condition(counted),
        "by_width_px": _by_width(matches),
        "confusion": _confusion(matches),
        "frames": {
            name: sum(getattr(result.played, name) for result in every)
            for name in ("frames", "analysed", "decimated", "undecodable")
        },
        "recordings": [_recording(result) for result in every],
        "alerts": [row for result in every for row in _alerts(result)],
        "health_events": dict(sorted(_health(every).items())),
        "missed": [row for result in every for row in _missed(result)],
    }


def rates(matches: Sequence[Match]) -> dict[str, Any]:
    """Events, found, their share's 95 % interval, right class, duplicates and delay; of nothing: zeros and None."""
    hits = [found for found in matches if found.alert is not None]
    return {
        "events": len(matches),
        "found": len(hits),
        "recall_95": wilson(len(hits), len(matches)),
        "right_class": sum(found.alert is not None and found.alert.family == found.event.kind for found in hits),
        "duplicates": sum(found.duplicates for found in matches),
        "delay_s": median_p90([found.delay_s for found in hits]),
    }


def median_p90(values: Sequence[float]) -> dict[str, float | None]:
    """Median and 90th percentile; None of nothing."""
    return {
        "median": round(float(np.median(values)), 1) if values else None,
        "p90": round(float(np.percentile(values, 90)), 1) if values else None,
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


def _stood_ns(stood: Stood) -> int:
    return stood.last_ns - stood.first_ns


def _health(results: Sequence[Result]) -> Counter[str]:
    """Health events that began, by kind, over all recordings, also those that count for nothing."""
    total: Counter[str] = Counter()
    for result in results:
        total.update({} if result.notes is None else result.notes.health)
    return total


def _closing(matches: Sequence[Match]) -> dict[str, Any]:
    """How soon an alert closes after its thing has left: of found events that end within their recording."""
    ended = [found for found in matches if found.ended and found.alert is not None]
    closed = [found.closed_s for found in ended if found.closed_s is not None]
    return {
        "ended": len(ended),
        "closed": len(closed),
        "early": sum(after_s < 0 for after_s in closed),
        **median_p90([after_s for after_s in closed if after_s >= 0]),
    }


def _confusion(matches: Sequence[Match]) -> dict[str, dict[str, dict[str, int]]]:
    """By kind of event: families of the alerts that found it, and classes of what stood there, alert or not."""
    families: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    classes: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for found in matches:
        kind = found.event.kind
        families.setdefault(kind, Counter())[MISSED if found.alert is None else found.alert.family or "any"] += 1
        classes.setdefault(kind, Counter())[found.seen_as] += 1
    return {
        "alerts": {kind: dict(sorted(row.items())) for kind, row in families.items()},
        "classes": {kind: dict(sorted(row.items())) for kind, row in classes.items()},
    }


def _on_distractors(results: Sequence[Result]) -> dict[str, int]:
    labels = Counter(one.distractor for result in results for one in result.alerts if one.distractor)
    return dict(sorted(labels.items()))


def _by_condition(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    table = {}
    for condition in dict.fromkeys(result.condition for result in results):
        own = [result for result in results if result.condition == condition]
        hours, wrong = sum(result.hours for result in own), sum(len(result.false_alarms) for result in own)
        table[condition] = {
            "hours": round(hours, 4),
            **rates([found for result in own for found in result.matches]),
            "false_alarms": wrong,
            "unwanted_per_hour": round(wrong / hours, 4) if hours > 0 else None,
        }
    return table


def _by_width(matches: Sequence[Match]) -> dict[str, dict[str, Any]]:
    table = {}
    for low, high in WIDTHS_PX:
        name = f"{low}-{high}" if high < WIDTHS_PX[-1][1] else f">{low}"
        table[name] = rates([found for found in matches if low <= found.width_px < high])
    return table


def _recording(result: Result) -> dict[str, Any]:
    notes = result.notes or Notes()
    return {
        "name": result.name,
        "path": result.path,
        "condition": result.condition,
        "counted": result.counted,
        "hours": round(result.hours, 4),
        "events": len(result.matches),
        "found": sum(found.alert is not None for found in result.matches),
        "false_alarms": len(result.false_alarms),
        "on_distractors": sum(bool(one.distractor) for one in result.alerts),
        "duplicates": sum(found.duplicates for found in result.matches),
        "standing_found": result.standing_found,
        "frames": result.played.frames,
        "undecodable": result.played.undecodable,
        "frames_not_ok": dict(sorted(notes.scenes.items())),
        "health_events": dict(sorted(notes.health.items())),
    }


def _alerts(result: Result) -> list[dict[str, Any]]:
    """Every alert of a recording, by opening."""
    return [
        alert_row(result.name, one, None if one.event is None else result.events[one.event])
        for one in sorted(result.alerts, key=lambda one: (one.alert.opened_ns, one.number))
    ]


def _missed(result: Result) -> list[dict[str, Any]]:
    return [
        {
            "recording": result.name,
            "kind": found.event.kind,
            "label": found.event.label,
            "box_px": list(found.event.box),
            "first_frame": found.event.first_frame,
            "last_frame": found.event.last_frame,
            "width_px": round(found.width_px, 1),
            "seen_as": found.seen_as,
        }
        for found in result.matches
        if found.alert is None
    ]
