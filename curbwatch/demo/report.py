"""What the demo says at its end: counts that balance, what was found of what really happened, latency. Mostly pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alerts.incidents.sites import box_overlap
from curbwatch.simulate.truth import Happening, Truth
from curbwatch.telemetry import Telemetry
from schemas.incident import IncidentRow

DUE_DWELLS = 1.5  # that must be found: proposals come in steps, and customers hide a stall now and then
OVERLAP = 0.3  # of the smaller box: the incident is about this thing (vision.md 7)
CLOSED = frozenset({"gone", "done", "void"})
KINDS = ("stall", "waste")
CLASSES = ("frames", "positions")


@dataclass(frozen=True, slots=True)
class Findings:
    """The incidents held against the truth.

    ``found`` and ``missed`` are events that stood for the dwell; ``young`` stood for less when the run ended;
    ``wrong_kind`` were found as the other kind; ``alarms`` are incidents about nothing of it.
    """

    found: tuple[Happening, ...]
    missed: tuple[Happening, ...]
    young: tuple[Happening, ...]
    wrong_kind: tuple[Happening, ...]
    alarms: tuple[IncidentRow, ...]


def judge(truth: Truth, incidents: Sequence[IncidentRow], *, seconds: float, dwell_s: float) -> Findings:
    """Hold incidents against what happened in ``seconds`` of the city. Nothing happened and nothing said: all empty."""
    due: list[Happening] = []
    young: list[Happening] = []
    for event in truth.events:
        if event.appear_s < seconds and not event.permitted:
            stood_s = min(seconds, event.leave_s) - event.appear_s
            (due if stood_s >= DUE_DWELLS * dwell_s else young).append(event)
    matched = {row.incident_id: _about(row, [*due, *young]) for row in incidents}
    hit = {(of.camera_id, of.number): row for row in incidents if (of := matched[row.incident_id]) is not None}
    found = tuple(event for event in due if (event.camera_id, event.number) in hit)
    return Findings(
        found=found,
        missed=tuple(event for event in due if event not in found),
        young=tuple(event for event in young if (event.camera_id, event.number) not in hit),
        wrong_kind=tuple(
            event
            for event in (*due, *young)
            if (told := hit.get((event.camera_id, event.number))) is not None and told.family != event.kind
        ),
        alarms=tuple(row for row in incidents if matched[row.incident_id] is None),
    )


def truth_told(findings: Findings, *, stood_s: float) -> str:
    """Return in a sentence how many that stood long enough were found; none did: that the run was too short."""
    due = len(findings.found) + len(findings.missed)
    alarms = f"{len(findings.alarms)} alarms without cause"
    if not due:
        return f"nothing stood {stood_s:.0f} s or longer: the run was too short to judge; {alarms}"
    return (
        f"{len(findings.found)} of {due} stalls and heaps that stood {stood_s:.0f} s or longer were found,"
        f" {len(findings.wrong_kind)} as the wrong kind; {alarms}"
    )


def summary(
    telemetry: Telemetry,
    incidents: Sequence[IncidentRow],
    jobs: Mapping[str, int],
    latency_ms: Sequence[float],
    evidence_dir: str,
    sent: Mapping[str, int],
) -> dict[str, Any]:
    """Return the machine-readable result; keys are fixed. ``latency_ms``: one value per dispatched incident.

    ``sent``: how many ``frames`` and ``positions`` the city sent; what is not named was not sent.
    """
    return {
        "sent": {name: sent.get(name, 0) for name in CLASSES},
        "frames": {
            "received": int(telemetry.total("frames_received")),
            "processed": int(telemetry.total("frames_processed")),
            "shed": int(telemetry.total("frames_shed")),
            "rejected": int(telemetry.total("frames_rejected")),
            "shed_by_reason": _whole(telemetry.split("frames_shed", "reason")),
            "rejected_by_reason": _whole(telemetry.split("frames_rejected", "reason")),
        },
        "positions": {
            "received": int(telemetry.total("positions_received")),
            "stored": int(telemetry.total("positions_stored")),
            "duplicate": int(telemetry.total("positions_duplicate")),
            "rejected": int(telemetry.total("positions_rejected")),
        },
        "incidents": {
            "opened": len(incidents),
            "closed": sum(row.state in CLOSED for row in incidents),
            "by_kind": {kind: sum(row.family == kind for row in incidents) for kind in KINDS},
        },
        "dispatch": {
            "queued": int(telemetry.total("jobs_queued")),
            "taken": jobs.get("taken", 0) + jobs.get("done", 0),
        },
        "latency_ms": {"p50": _percentile(latency_ms, 50), "p99": _percentile(latency_ms, 99)},
        "evidence_dir": evidence_dir,
    }


def permitted(truth: Truth, telemetry: Telemetry, seconds: float) -> dict[str, int]:
    """How many stalls ``stood`` under a permit, and in how many frames one was ``seen`` and left alone."""
    stood = sum(event.permitted and event.appear_s < seconds for event in truth.events)
    return {"stood": stood, "seen": int(telemetry.total("tracks_passed_over", reason="permit"))}


def balanced(result: Mapping[str, Any]) -> bool:
    """Whether everything that came in is accounted for."""
    frames, positions = result["frames"], result["positions"]
    return bool(
        frames["received"] == frames["processed"] + frames["shed"] + frames["rejected"]
        and positions["received"] == positions["stored"] + positions["duplicate"] + positions["rejected"]
    )


def missing(result: Mapping[str, Any]) -> dict[str, int]:
    """How many frames and positions were sent and never came; empty where all came.

    More may come than were sent: the broker sends again what it does not know to have arrived.
    """
    gaps = {name: result["sent"][name] - result[name]["received"] for name in CLASSES}
    return {name: gap for name, gap in gaps.items() if gap > 0}


def _about(row: IncidentRow, events: Sequence[Happening]) -> Happening | None:
    """The event an incident is about: most overlap on the same camera, of the same kind where two compete."""
    shares = [
        (box_overlap(row.box_px, event.bbox), event.kind == row.family, number)
        for number, event in enumerate(events)
        if event.camera_id == row.camera_id
    ]
    share, _, number = max(shares, default=(0.0, False, -1))
    return events[number] if share >= OVERLAP else None


def _whole(parts: Mapping[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in sorted(parts.items())}


def _percentile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 1) if values else None
