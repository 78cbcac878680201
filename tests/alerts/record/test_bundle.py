"""A bundle goes from its incident's last seal up to the newest one, however many lie between."""

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from alerts.incidents.store import IncidentStore
from alerts.record.bundle import export
from alerts.record.seals import Sealer, newest_seal
from alerts.record.standalone import check
from alerts.record.steps import record
from alerts.store import AlertDatabase
from schemas.record import Actor, What
from tests.alerts.makers import picture, sighting

pytestmark = pytest.mark.servers


def zipped(files: dict[str, bytes]) -> zipfile.ZipFile:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
    return zipfile.ZipFile(made)


def test_many_seals_are_one_question_and_all_of_them_are_in_the_bundle(
    incidents: IncidentStore, database: AlertDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (
        incidents.open_or_refresh(sighting(track_id=track, camera_id=f"cam-{track}"), None, picture(str(track)))
        for track in range(2)
    )
    sealer = Sealer(database)
    asked: list[int] = []
    sealer.seal(datetime.now(UTC))
    ask = psycopg.Connection.execute

    def counted(conn: Any, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        asked[-1] += 1
        return ask(conn, *arguments, **more)

    def bundle() -> dict[str, bytes]:
        asked.append(0)
        with monkeypatch.context() as patch:
            patch.setattr("alerts.record.bundle.FETCHED", 2)
            patch.setattr(psycopg.Connection, "execute", counted)
            return export(database, None, one.incident_id)

    bundle()
    for _ in range(5):
        with database.transaction() as conn:
            record(conn, other.incident_id, Actor("li", "dispatcher"), What.URGED, {})
        sealer.seal(datetime.now(UTC))
    files = bundle()
    seals = [json.loads(line) for line in files["seals.jsonl"].splitlines()]
    newest = newest_seal(database)
    assert newest is not None
    assert (len(seals), len(seals[0]["entries"]), seals[-1]["hash"]) == (6, 2, newest.hash.hex())
    assert check(zipped(files), newest.hash.hex())[0] == []
    assert asked[0] == asked[1]
    halfway = json.loads(export(database, None, one.incident_id, seals[2]["hash"])["seals.jsonl"].splitlines()[-1])
    assert halfway["hash"] == seals[2]["hash"]
