"""Incidents and jobs as other programs read them: plain JSON values. Pure."""

from datetime import datetime
from typing import Any

from schemas.incident import IncidentRow, Job
from schemas.units import EPOCH


def instant(when: datetime | None) -> str | None:
    """An aware moment as RFC 3339 in UTC, to the microsecond; None stays None."""
    return None if when is None else when.astimezone(EPOCH.tzinfo).isoformat().replace("+00:00", "Z")


def incident_state(row: IncidentRow) -> dict[str, Any]:
    """The whole state of an incident, as ``schemas/wire/incident.v1.json`` describes it."""
    return {
        "incident_id": row.incident_id,
        "family": row.family,
        "class_code": row.class_code,
        "state": row.state,
        "camera_id": row.camera_id,
        "zone": row.zone,
        "cell_id": row.cell_id,
        "unit_id": row.unit_id,
        "lon": row.lon,
        "lat": row.lat,
        "box_px": [round(value, 2) for value in row.box_px],
        "appeared_at": instant(row.appeared_at),
        "opened_at": instant(row.opened_at),
        "last_seen_at": instant(row.last_seen_at),
        "closed_at": instant(row.closed_at),
        "confidence": round(row.confidence, 4),
        "evidence": {"before": row.before_sha256, "opening": row.opening_sha256, "after": row.after_sha256},
        "rule_version": row.rule_version,
        "version": row.version,
        "source": row.source,
        "case_no": row.case_no,
        "outcome": row.outcome,
        "urgent": row.urgent,
        "check": row.check,
        "reworks": row.reworks,
        "reopenings": row.reopenings,
        "grace_until": instant(row.grace_until),
    }


def job_state(job: Job) -> dict[str, Any]:
    """A job and the incident it is about."""
    return {
        "job_id": job.job_id,
        "unit_id": job.unit_id,
        "urgency": job.urgency,
        "state": job.state,
        "holder": job.holder,
        "lease_until": instant(job.lease_until),
        "why": job.why,
        "vehicle_id": job.vehicle_id,
        "distance_m": None if job.distance_m is None else round(job.distance_m),
        "stuck": job.stuck,
        "incident": incident_state(job.incident),
    }
