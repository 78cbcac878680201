"""What tests of people's acts say and ask: who they are, a lead to act on, its job, why an act is refused."""

from typing import Any

import pytest

from alerts.desk.actions import CaseActions, RefusedError
from alerts.desk.lifecycle import Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from schemas.record import Actor
from tests.alerts.makers import picture, sighting

LEI = Actor("李雷", "dispatcher")
WANG = Actor("王芳", "dispatcher", proved=True)


def opened(incidents: IncidentStore, **changes: Any) -> str:  # noqa: ANN401
    """Id of a stall that waits for a person."""
    whole: dict[str, Any] = {"family": "stall", "class_code": "09006", "direct": False} | changes
    return incidents.open_or_refresh(sighting(**whole), None, picture(str(changes))).incident_id


def whats(incidents: IncidentStore, incident_id: str) -> list[str]:
    return [event.what for event in incidents.events(incident_id)]


def taken(jobs: JobStore, incident_id: str, person: str = "crew-1") -> str:
    job = jobs.of_incident(incident_id)
    assert job is not None
    assert jobs.take(job.job_id, person) is not None
    return job.job_id


def refused(desk: CaseActions, incident_id: str, wish: Wish, actor: Actor = LEI) -> str:
    with pytest.raises(RefusedError) as caught:
        desk.act(incident_id, wish, actor)
    return caught.value.refusal.code
