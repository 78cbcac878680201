"""Database rows to nouns."""

from typing import Any

from schemas.incident import IncidentRow, Job


def incident_row(row: dict[str, Any]) -> IncidentRow:
    """Build an incident from a row of ``incident_view``."""
    values = {name: row[name] for name in IncidentRow.__dataclass_fields__}
    values["incident_id"] = str(row["incident_id"])
    values["box_px"] = tuple(row["box_px"])
    return IncidentRow(**values)


def job_row(row: dict[str, Any]) -> Job:
    """Build a job from a row of ``job`` joined with ``incident_view``."""
    return Job(
        job_id=str(row["job_id"]),
        unit_id=row["job_unit_id"],
        urgency=row["urgency"],
        state=row["job_state"],
        holder=row["holder"],
        lease_until=row["lease_until"],
        incident=incident_row(row),
    )
