"""Plays the demo: pipeline, simulated city and crews together, until its time is over and everything has arrived."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

import curbwatch.database as db
from alerts.incidents import IncidentStore
from alerts.jobs import JobStore
from alerts.store import AlertDatabase
from curbwatch.build import make_incidents
from curbwatch.console.board import BoardState, render
from curbwatch.demo.crews import Crews
from curbwatch.demo.lines import board_state
from curbwatch.demo.setting import Setting
from curbwatch.pipeline import Pipeline
from curbwatch.player import Broker, Player
from curbwatch.service import serve
from curbwatch.simulate.city import City
from curbwatch.simulate.painter import Painter
from curbwatch.telemetry import Telemetry
from schemas.errors import SinkError
from schemas.incident import IncidentRow

BOARD_PERIOD_S = 0.5
LINE_PERIOD_S = 5.0  # where there is no terminal to draw on
ARRIVE_S = 10.0  # that what was sent may take to arrive

# The city stamps each frame with the moment at which it is published.
LATENCY = """
select extract(epoch from min(o.sent_at) - i.opened_at) * 1000, extract(epoch from min(o.sent_at))
from incident i join job j using (incident_id) join outbox o using (job_id)
where o.sent_at is not null group by i.incident_id
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What is left after the demo: counters, incidents, jobs by state, latency of each job, when the first came."""

    telemetry: Telemetry
    incidents: Sequence[IncidentRow]
    jobs: dict[str, int]
    latency_ms: list[float]
    seconds: float
    first_job_s: float | None


class Demo:
    """One run of ``seconds`` from ready; SIGINT and SIGTERM end it early, with its summary."""

    def __init__(self, setting: Setting, city: City, seconds: float, say: Callable[[str], None]) -> None:
        self._setting = setting
        self._city = city
        self._seconds = seconds
        self._say = say
        self._telemetry = Telemetry()
        self._database = AlertDatabase(setting.site.endpoints.database_url)
        self._incidents: IncidentStore = make_incidents(setting.site, self._database)
        self._jobs = JobStore(self._database, lease_s=setting.site.config.dispatch.lease_s)
        self._started_s = self._ended_s = 0.0
        self._started_at = 0.0  # the same on the wall clock, seconds since 1970

    def run(self) -> Played:
        """Play, drain, and say what became of everything. Raises CurbwatchError."""
        try:
            asyncio.run(serve(self._setting.site, self._telemetry, self._meanwhile))
            with db.session(self._setting.site.endpoints.database_url) as conn:
                sent = [(float(latency_ms), float(at)) for latency_ms, at in conn.execute(LATENCY)]
            first_s = min((at for _, at in sent), default=None)
            return Played(
                self._telemetry,
                self._incidents.recent(1000),
                self._jobs.counts(),
                [latency_ms for latency_ms, _ in sent],
                self._ended_s - self._started_s,
                None if first_s is None else first_s - self._started_at,
            )
        finally:
            self._database.close()

    async def _meanwhile(self, pipeline: Pipeline) -> None:
        endpoints = self._setting.site.endpoints
        broker = Broker(endpoints.broker_url, endpoints.devices_user, endpoints.devices_password)
        self._say("drawing the streets …")
        async with (
            Painter(self._city.views) as painter,
            Player(broker, self._setting.site.scheme, self._city.devices) as player,
        ):
            await painter.warm()
            self._started_s, self._started_at = time.monotonic(), time.time()
            crews = asyncio.create_task(Crews(self._setting.site).run(), name="crews")
            board = asyncio.create_task(self._show(pipeline), name="board")
            try:
                sent = await self._city.run(player, painter, seconds=self._seconds)
                self._ended_s = time.monotonic()
                await player.flush()
                await self._arrived(sent["frames"], sent["positions"])
            finally:
                self._ended_s = self._ended_s or time.monotonic()
                for task in (board, crews):
                    task.cancel()
                await asyncio.gather(board, crews, return_exceptions=True)

    async def _arrived(self, frames: int, positions: int) -> None:
        """Wait until everything that was sent is counted and no job is on its way."""
        total = self._telemetry.total
        deadline_s = time.monotonic() + ARRIVE_S
        while time.monotonic() < deadline_s:
            ended = total("frames_processed") + total("frames_shed") + total("frames_rejected")
            if ended >= frames and total("positions_received") >= positions:
                await asyncio.sleep(0.5)  # the relay's turn
                return
            await asyncio.sleep(0.1)

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
