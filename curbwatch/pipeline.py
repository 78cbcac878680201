"""The road of a message, in order: start downstream first, stop upstream first.

positions ─ MqttSession ─▶ PositionWriter ─▶ TimescaleDB ─▶ PUBACK ─▶ vehicle/{id}/ack
frames ──── MqttSession ─▶ FrameIntake (gate, newest-wins slot, PUBACK) ─▶ LocalEngine ─▶ Shard (decode, detect,
decide, evidence) ─▶ IncidentStore + outbox ─▶ Relay ─▶ Redis Streams ─▶ crews
"""

import asyncio
import contextlib
import inspect
import time
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from config.quality import city_box
from curbwatch import build
from curbwatch.api.health import Checks, HealthServer
from curbwatch.devices import LiveRegistry
from curbwatch.feedback import FeedbackBook
from curbwatch.feedback_keeper import FeedbackKeeper
from curbwatch.memory import give_back
from curbwatch.shard import Shard
from curbwatch.telemetry import Telemetry
from ingest.cameras import FrameIntake, FrameOutlets, LetterWriter
from ingest.ledger import Ticket
from ingest.mqtt import MqttSession
from ingest.pictures import PictureForms
from ingest.positions import Outlets, PositionWriter
from ingest.presence import Presence
from ingest.slots import FrameSlots
from schemas.city import City
from schemas.detections import SceneState
from schemas.errors import CurbwatchError, FeedError
from schemas.feedback import Feedback
from schemas.position import RawMessage

log = structlog.get_logger()

STUCK_S = 60.0  # a message un-acknowledged for so long eats the window: the connection is dropped (reliability P15)
GIVE_BACK_S = 30.0  # between two times that freed memory is given back to the system
TAKE = 8  # frames drawn at once: few, so that the newest-wins slot and not the engine's queue is where frames wait


class Pipeline:
    """The running system. ``start``, then ``watch`` until it is to end, then ``stop``, each once."""

    def __init__(self, site: build.Site, telemetry: Telemetry) -> None:
        self._site = site
        self._meter = telemetry
        self._database = build.make_database(site)
        self._queue = build.make_queue(site)
        self._relay = build.RelayThread(site, self._queue, telemetry)
        self._chores = build.make_chores(site, telemetry)
        self._months = build.make_months(site, telemetry)
        self._sealer = build.make_sealer(site, telemetry)
        self._pack = build.make_pack_watch(site, telemetry)
        site.cities.tell(self._city_turned)
        self._registry = LiveRegistry(site.endpoints.database_url, self._views_changed)
        self._book = build.make_book(site, self._registry)
        self._keeper = build.make_keeper(site, self._book, telemetry)
        told = FeedbackBook()
        self._health_database = build.make_database(site)
        self._events = build.make_health(self._health_database, telemetry)
        incidents = build.make_incidents(site, self._database)
        self._shards = build.make_shards(site, self._registry, incidents, self._events, told, telemetry)
        self._feedback = FeedbackKeeper(site.endpoints.database_url, told, telemetry, self._ordered)
        self._engine = build.make_engine(site, self._shards)
        knobs = site.config.intake
        self._slots = FrameSlots(
            wait_max_s=knobs.frame_wait_max_s, period_s=self._period_s, max_bytes=knobs.frames_buffer_bytes
        )
        pictures = PictureForms(site.config.codecs)
        self._frames = FrameIntake(knobs, site.scheme, pictures, self._slots, self._registry, telemetry)
        self._letters = LetterWriter(self._frames, build.make_store(site), telemetry)
        self._sos_database = build.make_database(site)
        self._watch = build.make_watch(site, self._book, self._sos_database)
        self._positions = PositionWriter(
            site.config.intake,
            build.position_forms(site),
            build.make_sinks(site),
            self._watch,
            self._registry,
            telemetry,
        )
        self._presence = Presence(site.scheme, self._registry, self._book, telemetry)
        self._frame_session = MqttSession(*build.frame_session(site), telemetry, self._frame_came)
        self._position_session = MqttSession(
            *build.position_session(site), telemetry, self._position_came, self._ask_again, lambda: self._positions.full
        )
        self._outlets = build.make_outlet_threads(site, self._position_session.publish_kept, telemetry)
        self._needed = self._checks()
        self.health = HealthServer(site.config.http, telemetry, self._needed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._ready_task: asyncio.Task[None] | None = None
        self._pumping = True

    async def start(self) -> None:
        """Bring everything up, downstream first. Raises CurbwatchError with the remedy."""
        self._loop = asyncio.get_running_loop()
        self.health.start()
        self._relay.start()
        self._chores.start()
        self._months.start()
        self._sealer.start()
        await asyncio.to_thread(self._registry.start)
        self._reckon()
        await asyncio.to_thread(self._keeper.start)
        self._watch.quality.seed(await asyncio.to_thread(self._keeper.last_fixes))
        await self._engine.start()
        await self._engine.each(Shard.start)
        self._pack.start()
        self._feedback.start()
        self._events.start()
        self._pump_task = asyncio.create_task(self._pump(), name="pump")
        self._letters.start()
        session = self._position_session
        self._positions.start(Outlets(session.finish, session.drop, session.publish, lambda: session.generation))
        self._frames.connect(
            FrameOutlets(
                self._frame_session.finish,
                self._frame_session.publish,
                self._book.status,
                self._book.frame,
                lambda letter: self._book.letter(letter, "camera"),
            )
        )
        await asyncio.to_thread(self._frame_session.start)
        await asyncio.to_thread(self._position_session.start)
        self._outlets.start()
        self._ready_task = asyncio.create_task(self._say_ready(), name="ready")

    async def watch(self, ending: asyncio.Event) -> None:
        """Wait until ``ending`` is set.

        Raises FeedError where the broker is given up for good, CurbwatchError where a part has ended by a defect: then
        a fresh start is better than half a system, and the broker keeps what is not acknowledged.
        """
        # Beside the watch: a shard may wait long for the database, and neither a signal nor a stuck window may.
        retrying = asyncio.create_task(self._engine.each(Shard.retry), name="retry")
        trimmed_s = time.monotonic()
        try:
            while not ending.is_set():
                refusal = self._frame_session.refusal or self._position_session.refusal
                if refusal:
                    raise FeedError(refusal)
                dead = [name for name, alive in self._parts().items() if not alive]
                if dead:
                    raise CurbwatchError(f"{', '.join(dead)} ended unexpectedly: see the log above, and start again")
                if self._position_session.oldest_age_s() > STUCK_S:
                    self._position_session.drop("stuck")
                if retrying.done():
                    retrying.result()  # raises what it raised
                    retrying = asyncio.create_task(self._engine.each(Shard.retry), name="retry")
                self._gauges()
                if time.monotonic() - trimmed_s > GIVE_BACK_S:
                    await asyncio.to_thread(give_back)
                    trimmed_s = time.monotonic()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), 1.0)
        finally:
            retrying.cancel()

    def reload_pack(self) -> None:
        """Load the city pack again now; one with a fault changes nothing. Waits for nothing."""
        self._pack.ask()

    def scenes(self) -> dict[str, str]:
        """What each camera's last frame told, in words: the names of ``SceneState`` in small letters."""
        return {name: state.name.lower() for shard in self._shards for name, state in dict(shard.scenes).items()}

    async def stop(self) -> None:
        """Drain, upstream first: nothing new comes in, what came is finished, what must survive is written.

        Each part is stopped whatever becomes of the others.
        """
        log.info("draining")
        if self._ready_task is not None:
            self._ready_task.cancel()
        self._position_session.pause()
        self._frame_session.pause()
        self._pumping = False
        in_order: tuple[tuple[str, Callable[[], object]], ...] = (
            ("pack", self._pack.stop),
            ("positions", self._positions.stop),
            ("outlets", self._outlets.stop),
            ("position session", self._position_session.stop),
            ("pump", self._pumped),
            ("engine", self._engine.drain),
            ("slots", lambda: self._frames.shed_waiting("shutdown")),
            ("frame session", self._frame_session.stop),
            ("dead letters", self._letters.stop),
            ("feedback", self._feedback.stop),
            ("camera health", self._events.stop),
            ("camera health database", self._health_database.close),
            ("calls for help", self._sos_database.close),
            ("health", self._keeper.stop),
            ("relay", self._relay.stop),
            ("chores", self._chores.stop),
            ("months", self._months.stop),
            ("seals", self._sealer.stop),  # behind all that write steps
            ("registry", self._registry.stop),
            ("database", self._database.close),
            ("queue", self._queue.close),
            ("http", self.health.stop),
        )
        for name, stop in in_order:
            try:
                if inspect.iscoroutinefunction(stop):
                    await stop()
                else:
                    await asyncio.to_thread(stop)
            except Exception:
                log.exception("stop_failed", part=name)
        log.info("stopped")

    async def _say_ready(self) -> None:
        """Log ``ready`` once everything answers; before that, once, ``started`` with what is waited for."""
        told = False
        while waiting := [name for name, check in self._needed.items() if not await asyncio.to_thread(check)]:
            if not told:
                log.warning("started", health=self.health.url, waiting_for=waiting)
                told = True
            await asyncio.sleep(1.0)
        log.info("ready", health=self.health.url, timescaledb=self._site.edition.value)

    async def _pumped(self) -> None:
        if self._pump_task is not None:
            await self._pump_task

    async def _pump(self) -> None:
        """Frames from their slots to the engine, in turn; waits while the engine is full."""
        while self._pumping:
            if not await asyncio.to_thread(self._slots.wait, 0.1):
                continue
            for delivery in self._frames.take(TAKE, time.time_ns()):
                await self._engine.submit(delivery.payload.camera_id, [delivery])

    def _position_came(self, message: RawMessage, ticket: Ticket | None) -> None:
        if not self._presence.put(message):
            self._positions.put(message, ticket)
        elif ticket is not None:
            self._position_session.finish([ticket])

    def _frame_came(self, message: RawMessage, ticket: Ticket | None) -> None:
        if not self._presence.put(message):
            self._frames.put(message, ticket)
        elif ticket is not None:
            self._frame_session.finish([ticket])

    def _ask_again(self) -> None:
        """The broker lost our session: vehicles send again what they were not told is kept."""
        for device_id, rule in self._registry.rules.items():
            if rule.kind == "vehicle" and device_id == rule.device_id:  # and no alias
                self._position_session.publish(self._site.scheme.of("vehicle", device_id, "resync"), b"{}")

    def _views_changed(self, camera_ids: Iterable[str]) -> None:
        """Cameras with other zones or calibration are told so, in their shards' own threads."""
        changed = tuple(camera_ids)
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._engine.each(lambda shard: shard.review(changed)), self._loop)

    def _city_turned(self, city: City) -> None:
        """Another city pack holds: shards decide by it from their next frame on, and positions are measured by it."""
        self._watch.quality.adopt(city_box(city, self._site.config.quality.box_margin_m))
        if self._loop is not None:
            given = self._engine.each(lambda shard: shard.adopt(city))
            asyncio.run_coroutine_threadsafe(given, self._loop)

    def _ordered(self, orders: list[Feedback]) -> None:
        """What people ordered goes to every shard; the one that has the camera carries it out, in its own thread."""
        if self._loop is not None:
            given = self._engine.each(lambda shard: shard.take_orders(orders))
            asyncio.run_coroutine_threadsafe(given, self._loop)

    def _period_s(self, camera_id: str) -> float:
        knobs = self._site.config.vision
        rising = any(shard.maturing(camera_id) for shard in self._shards)
        return knobs.maturing_period_s if rising else knobs.analyse_period_s

    def _reckon(self) -> None:
        """Say where memory is small for the pictures from before of so many cameras."""
        cameras, fit = len(self._registry.views), self._site.config.alerts.before_cameras
        if cameras > fit:
            log.warning("before_pictures_short", cameras=cameras, fit=fit, remedy="raise alerts.before_ring_bytes")

    def _parts(self) -> dict[str, bool]:
        """Everything that must go on by itself, and whether it does."""
        return {
            "position writer": self._positions.alive,
            "position session": self._position_session.alive,
            "frame session": self._frame_session.alive,
            "frame pump": self._pump_task is not None and not self._pump_task.done(),
            "dead letter writer": self._letters.alive,
            "picture decoder": all(shard.alive for shard in self._shards),
            "relay": self._relay.alive,
            "chores": self._chores.alive,
            "months": self._months.alive,
            "seals": self._sealer.alive,
            "pack watch": self._pack.alive,
            "registry": self._registry.alive,
            "outlets": self._outlets.alive,
            "health keeper": self._keeper.alive,
            "feedback keeper": self._feedback.alive,
            "camera health keeper": self._events.alive,
        }

    def _checks(self) -> Checks:
        def connected() -> bool:
            return self._frame_session.connected and self._position_session.connected

        return {
            "broker": connected,
            "database": build.make_store(self._site).alive,
            "queue": self._queue.alive,
            "parts": lambda: all(self._parts().values()),
        }

    def _gauges(self) -> None:
        seen = Counter(self.scenes().values())
        for state in SceneState:
            self._meter.set("camera_health", seen[state.name.lower()], state=state.name.lower())
        self._meter.set("positions_waiting", self._positions.waiting)
        self._meter.set("spool_messages", self._positions.spooled)
        self._meter.set("spool_bytes", self._positions.spooled_bytes)
        self._meter.set("spool_damaged", self._positions.spool_damaged)
        self._meter.set("frames_waiting", len(self._slots))
        self._meter.set("frames_waiting_bytes", self._slots.size_bytes)
        self._meter.set("oldest_unacked_seconds", self._position_session.oldest_age_s())
