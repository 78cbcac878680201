"""Who waits for whom: the rows of incidents, and the places at which something may open. Within one transaction."""

import uuid
from collections.abc import Sequence
from typing import Any

from alerts.incidents import sites
from alerts.incidents.sites import present
from alerts.store import Connection
from schemas.alarms import SOS

# All places that are one with those of the incidents, and where their own things stand, which may be the next tile.
PLACES = """
select i.family, o.camera_id, o.cell_id, o.lon, o.lat
from incident i join site t using (site_id)
join site o on coalesce(o.same_as, o.site_id) = coalesce(t.same_as, t.site_id)
where i.incident_id = any(%(ids)s)
union select family, camera_id, cell_id, lon, lat from incident where incident_id = any(%(ids)s) and family <> 'sos'
"""


def lock(conn: Connection, incident_id: uuid.UUID) -> dict[str, Any]:
    """An incident's row, or that of the one it was merged into; nobody else changes it before the transaction ends.

    Whoever locks an incident and its job locks the incident first.
    """
    while True:
        row = present(
            conn.execute("select * from incident where incident_id = %s for no key update", (incident_id,)).fetchone()
        )
        if row["merged_into"] is None:
            return row
        incident_id = row["merged_into"]


def hold_places(conn: Connection, incident_ids: Sequence[uuid.UUID]) -> None:
    """Wait until nobody opens anything at the places of incidents, up to the end of the transaction.

    To be called before their rows are locked, as a camera does.
    """
    sites.hold(conn, place_keys(conn, incident_ids))


def place_keys(conn: Connection, incident_ids: Sequence[uuid.UUID]) -> set[str]:
    """Name what is to be held at the places of incidents.

    Whoever opens something near a place holds the tile of its point, so that this one is enough here.
    """
    keys = set[str]()
    for row in conn.execute(PLACES, {"ids": list(incident_ids)}).fetchall():
        point = None if row["lon"] is None else (row["lon"], row["lat"])
        keys.update(sites.lock_keys(row["camera_id"], row["cell_id"], point, 0.0))
        if row["family"] == SOS:
            keys.add(call_key(row["camera_id"]))
    return keys


def call_key(vehicle_id: str) -> str:
    """What is held by whoever opens a call for help of a vehicle."""
    return f"sos/{vehicle_id}"
