"""Plays the demo: pipeline, simulated city and crews together, until its time is over and everything has arrived."""

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.build import make_incidents
from curbwatch.console.board import BoardState, render
from curbwatch.demo.crews import Crews
from curbwatch.demo.dispatcher import Dispatcher
from curbwatch.demo.lines import board_state
from curbwatch.demo.setting import Setting
from curbwatch.demo.timelines import Way
from curbwatch.device import Broker, Client
from curbwatch.pipeline import Pipeline
from curbwatch.service import serve
from curbwatch.simulate.city import City
from curbwatch.simulate.painter import Painter
from curbwatch.telemetry import Telemetry
from schemas.errors import SinkError
from schemas.incident import IncidentRow
from schemas.record import State

BOARD_PERIOD_S = 0.5
LINE_PERIOD_S = 5.0  # where there is no terminal to draw on
ARRIVE_S = 10.0  # that what was sent may take to the broker, and again from there

# The city stamps each frame with the moment at which it is published. What waited for a person has no latency of ours.
LATENCY = """
select case when first.state = 'dispatched' then extract(epoch from min(o.sent_at) - i.opened_at) * 1000 end,
       extract(epoch from min(o.sent_at))
from incident i join job j using (incident_id) join outbox o using (job_id)
join incident_event first on first.incident_id = i.incident_id and first.seq = 1
where o.sent_at is not null group by i.incident_id, first.state
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What is left after the demo.

    Attributes:
        sent: ``frames`` and ``positions`` that the city sent.
        jobs: number by state.
        latency_ms: of each job that was sent to the queue without waiting for a person.
        first_job_s: seconds from ready to the first of them; None where there was none.
        ways: each incident with every step of its record.
    """

    telemetry: Telemetry
    sent: Mapping[str, int]
    incidents: Sequence[IncidentRow]
    jobs: dict[str, int]
    latency_ms: list[float]
    seconds: float
    first_job_s: float | None
    ways: Sequence[Way]


class Demo:
    """One run of ``seconds`` from ready; SIGINT and SIGTERM end it early, with its summary."""

    def __init__(
        self,
        setting: Setting,
        city: City,
        seconds: float,
        say: Callable[[str], None],
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._setting = setting
        self._city = city
        self._seconds = seconds
        self._say = say
        self._leave = leave
        self._sent: Counter[str] = Counter()
        self._telemetry = Telemetry()
        self._database = AlertDatabase(setting.site.endpoints.database_url)
        self._incidents: IncidentStore = make_incidents(setting.site, self._database)
        self._jobs = JobStore(self._database, lease_s=setting.site.config.dispatch.lease_s)
        self._started_s = self._ended_s = 0.0
        self._started_at = 0.0  # the same on the wall clock, seconds since 1970

    def run(self) -> Played:
        """Play, drain, and say what became of everything. Raises CurbwatchError."""
        try:
            asyncio.run(serve(self._setting.site, self._telemetry, self._meanwhile, leave=self._leave))
            with db.session(self._setting.site.endpoints.database_url) as conn:
                sent = conn.execute(LATENCY).fetchall()
            first_s = min((float(at) for _, at in sent), default=None)
            rows = self._incidents.recent(1000)
            return Played(
                self._telemetry,
                self._sent,
                rows,
                self._jobs.counts(),
                [float(latency_ms) for latency_ms, _ in sent if latency_ms is not None],
                self._ended_s - self._started_s,
                None if first_s is None else first_s - self._started_at,
                [(row, self._incidents.events(row.incident_id)) for row in rows],
            )
        finally:
            self._database.close()

    async def _meanwhile(self, pipeline: Pipeline) -> None:
        endpoints = self._setting.site.endpoints
        broker = Broker(endpoints.broker_url, endpoints.devices_user, endpoints.devices_password)
        self._say("drawing the streets …")
        async with (
            Painter(self._city.views) as painter,
            Client(broker, self._setting.site.scheme, self._city.devices) as client,
        ):
            await painter.warm()
            self._started_s, self._started_at = time.monotonic(), time.time()
            people = [
                asyncio.create_task(Crews(self._setting.site).run(), name="crews"),
                asyncio.create_task(Dispatcher(self._setting.site).run(), name="dispatcher"),
            ]
            board = asyncio.create_task(self._show(pipeline), name="board")
            try:
                await self._play(client, painter)
            finally:
                self._ended_s = self._ended_s or time.monotonic()
                for task in (board, *people):
                    task.cancel()
                await asyncio.gather(board, *people, return_exceptions=True)

    async def _play(self, client: Client, painter: Painter) -> None:
        """Let the city send, to its end or until cancelled; either way wait for what was sent to arrive."""
        stop = asyncio.Event()
        city = asyncio.create_task(self._city.run(client, painter, seconds=self._seconds, stop=stop), name="city")
        try:
            await asyncio.shield(city)
        finally:
            stop.set()
            self._sent = await city
            self._ended_s = time.monotonic()
            with contextlib.suppress(TimeoutError):  # what is missing then, the summary says
                await asyncio.wait_for(client.flush(), ARRIVE_S)
                await asyncio.wait_for(self._arrived(), ARRIVE_S)

    async def _arrived(self) -> None:
        """Wait until everything that was sent is counted, nothing waits for a person, and a crew has every job."""
        total = self._telemetry.total
        while True:
            ended = total("frames_processed") + total("frames_shed") + total("frames_rejected")
            if ended >= self._sent["frames"] and total("positions_received") >= self._sent["positions"]:
                with contextlib.suppress(SinkError):
                    waiting = await asyncio.to_thread(self._incidents.recent, 1, state=State.VERIFY)
                    jobs = await asyncio.to_thread(self._jobs.counts)
                    if not waiting and not jobs.get("queued"):
                        return
            await asyncio.sleep(0.2)

    async def _show(self, pipeline: Pipeline) -> None:
        """Draw the board on a terminal; elsewhere say a line now and then."""
        console = Console(stderr=True)
        if not console.is_terminal:
            while True:
                state = await self._state(pipeline)
                self._say(_line(state))
                await asyncio.sleep(LINE_PERIOD_S)
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while True:
                live.update(render(await self._state(pipeline)))
                await asyncio.sleep(BOARD_PERIOD_S)

    async def _state(self, pipeline: Pipeline) -> BoardState:
        elapsed_s = time.monotonic() - self._started_s
        rows: list[IncidentRow] = []
        jobs: dict[str, int] = {}
        with contextlib.suppress(SinkError):  # the board is not worth an end
            rows = await asyncio.to_thread(self._incidents.recent, 12)
            jobs = await asyncio.to_thread(self._jobs.counts)
        return board_state(
            self._setting, self._telemetry, rows, jobs, pipeline.scenes(), elapsed_s=elapsed_s, total_s=self._seconds
        )


def _line(state: BoardState) -> str:
    return (
        f"{state.elapsed_s:4.0f} s  frames {state.frames.get('received', 0)}"
        f"  positions {state.positions.get('received', 0)}  incidents {len(state.incidents)}"
        f"  jobs {sum(state.jobs.values())}"
    )


def now() -> datetime:
    """Return the present moment, aware."""
    return datetime.now(UTC)


def to_stderr(text: str) -> None:
    """Say a line to a person."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
