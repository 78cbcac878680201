"""Crews of the demo: one for each unit, which take jobs as real ones do and report them done after a while."""

import asyncio
from contextlib import ExitStack
from time import monotonic

from alerts.dispatch import JobQueue
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.build import Site, make_queue
from curbwatch.crew import Crew
from schemas.errors import SinkError

LOOK_S = 0.5
DRIVE_S = 12.0  # to the place, and to deal with it


class Crews:
    """Every unit of the pack with one person. ``run`` until cancelled."""

    def __init__(self, site: Site) -> None:
        self._database = AlertDatabase(site.endpoints.database_url)
        self._queue: JobQueue = make_queue(site)
        self._jobs = JobStore(self._database, lease_s=site.config.dispatch.lease_s)
        resend_s = site.config.dispatch.claim_idle_s
        self._crews = {
            f"crew-{unit_id}": Crew(self._jobs, self._queue, unit_id, f"crew-{unit_id}", resend_s=resend_s)
            for unit_id in site.pack.city.units
        }
        self._busy: dict[str, tuple[str, float]] = {}  # job -> who, since when

    async def run(self) -> None:
        """Take what comes, and report what was taken ``DRIVE_S`` ago as done."""
        with ExitStack() as ends:
            ends.callback(self._queue.close)
            ends.callback(self._database.close)
            while True:
                await asyncio.to_thread(self._round)
                await asyncio.sleep(LOOK_S)

    def _round(self) -> None:
        try:
            for person, crew in self._crews.items():
                taken = crew.take_next()
                if taken is not None:
                    crew.shown(taken.job)
                    self._busy[taken.job.job_id] = (person, monotonic())
            for job_id, (person, since_s) in list(self._busy.items()):
                if monotonic() - since_s >= DRIVE_S:
                    del self._busy[job_id]
                    self._jobs.done(job_id, person)
        except SinkError:
            return  # the next round tries again
