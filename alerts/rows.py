"""Database rows to nouns."""

from typing import Any

from schemas.incident import EvidenceRecord, IncidentEvent, IncidentRow, Job
from schemas.units import ns_of


def incident_row(row: dict[str, Any]) -> IncidentRow:
    """Build an incident from a row of ``incident_view``."""
    values = {name: row[name] for name in IncidentRow.__dataclass_fields__}
    values["incident_id"] = str(row["incident_id"])
    values["box_px"] = tuple(row["box_px"])
    return IncidentRow(**values)


def event_row(row: dict[str, Any]) -> IncidentEvent:
    """Build a step from a row of ``incident_event``."""
    return IncidentEvent(row["at"], row["actor"], row["what"], row["detail"])


def evidence_row(row: dict[str, Any]) -> EvidenceRecord:
    """Build a record from a row of ``evidence``; times to the microsecond."""
    return EvidenceRecord(
        row["sha256"],
        row["camera_id"],
        ns_of(row["captured_at"]),
        ns_of(row["received_at"]),
        row["size_bytes"],
        row["stamped"],
    )


def job_row(row: dict[str, Any]) -> Job:
    """Build a job from a row of ``job`` joined with ``incident_view``."""
    return Job(
        job_id=str(row["job_id"]),
        unit_id=row["job_unit_id"],
        urgency=row["job_urgency"],
        state=row["job_state"],
        holder=row["holder"],
        lease_until=row["lease_until"],
        incident=incident_row(row),
        vehicle_id=row["vehicle_id"],
        distance_m=row["distance_m"],
        why=row["why"],
        stuck=row["stuck"],
    )
