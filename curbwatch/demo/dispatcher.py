"""The demo's dispatcher: looks at what waits for a person, and says that it is real."""

import asyncio
from contextlib import ExitStack

from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.store import AlertDatabase
from curbwatch.build import Site, make_incidents
from schemas.errors import SinkError, UsageError
from schemas.record import Actor, State

LOOK_S = 0.5
PERSON = Actor("demo-dispatcher", "dispatcher")


class Dispatcher:
    """One person at the desk. ``run`` until cancelled."""

    def __init__(self, site: Site) -> None:
        self._database = AlertDatabase(site.endpoints.database_url)
        self._incidents = make_incidents(site, self._database)
        self._actions = CaseActions(self._database, site.cities.city)

    async def run(self) -> None:
        """Confirm what waits, a moment after it came."""
        with ExitStack() as ends:
            ends.callback(self._database.close)
            while True:
                await asyncio.to_thread(self._round)
                await asyncio.sleep(LOOK_S)

    def _round(self) -> None:
        try:
            for row in self._incidents.recent(100, state=State.VERIFY):
                self._actions.act(row.incident_id, Wish(Act.CONFIRM), PERSON)
        except (SinkError, UsageError):
            return  # away, or it left at this moment: the next round looks again
