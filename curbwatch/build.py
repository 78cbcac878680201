"""Makes the parts of the pipeline out of a configuration: which object gets which, and nothing else."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import curbwatch.database as db
from alerts.clocks.store import CityTime, Clocks
from alerts.clocks.sweep import Sweep, SweepRules
from alerts.deciding.decide import Decider
from alerts.dispatch import JobQueue
from alerts.durable import sync_folder
from alerts.health.store import HealthStore
from alerts.incidents.before import BeforeRing
from alerts.incidents.case_numbers import numbering_of
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.sos import SosDesk
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.relay import Relay
from alerts.jobs.rerouting import Rerouting
from alerts.jobs.store import JobStore
from alerts.kpi.store import KpiStore
from alerts.record.seals import Sealer
from alerts.store import AlertDatabase
from config.model import Config
from config.pack import Pack, load_pack
from config.quality import city_box
from curbwatch.camera_health_keeper import CameraHealthKeeper
from curbwatch.chores import MONTHS_LOCK, SEALS_LOCK, Chore, ChoreThread
from curbwatch.city_book import CityBook
from curbwatch.detector_choice import make_detector
from curbwatch.devices import LiveRegistry, LiveViews
from curbwatch.endpoints import Endpoints
from curbwatch.engine.local import LocalEngine
from curbwatch.feedback import FeedbackBook
from curbwatch.health_keeper import HealthKeeper
from curbwatch.journal import DecisionJournal
from curbwatch.keeping import make_keeping
from curbwatch.outlet_threads import OutletThreads, Publish, make_outlets
from curbwatch.pack_left import log_left
from curbwatch.pack_reload import PackWatch
from curbwatch.parts.paths import home
from curbwatch.registry import sync_pack
from curbwatch.shard import Shard, Tools
from curbwatch.snapshots import SnapshotFolder
from ingest.decode import one_thread
from ingest.decode_process import DecoderLimits, DecoderProcess
from ingest.forms import Forms, PositionForms
from ingest.health import HealthBook
from ingest.mqtt import DROPPED_TOPIC, VERSION_TOPIC
from ingest.positions import Sinks, Watch
from ingest.quality import Quality
from ingest.session_plan import SessionPlan, secret_of
from ingest.spool import Spool
from ingest.store import IntakeStore
from ingest.topics import TopicScheme
from schemas.meter import Meter

BROKER_TOPICS = (VERSION_TOPIC, DROPPED_TOPIC)
RING_REACH = 2.0  # the evidence ring reaches back this many dwells: past the moment at which the object came


@dataclass(frozen=True, slots=True)
class Site:
    """What stands before anything runs: configuration, checked pack, addresses, the database brought up to date.

    ``pack`` is the one of the start; ``cities`` has the one that holds now, which a reload changes.
    """

    config: Config
    pack: Pack
    endpoints: Endpoints
    edition: db.Edition
    cities: CityBook = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Open the book of cities. Raises ConfigError for a direct class that the pack does not have."""
        object.__setattr__(self, "cities", CityBook(self.pack, self.config.alerts.direct_classes))

    @property
    def scheme(self) -> TopicScheme:
        """Topics of this site."""
        return TopicScheme(self.config.site.topic_prefix, self.config.site.site)

    @property
    def evidence_dir(self) -> Path:
        """Where original pictures are kept."""
        return Path(self.config.alerts.evidence_dir) if self.config.alerts.evidence_dir else home() / "evidence"

    @property
    def snapshot_dir(self) -> Path:
        """Where learned backgrounds are kept, and decisions that a stop found no database for."""
        return Path(self.config.engine.snapshot_dir) if self.config.engine.snapshot_dir else home() / "snapshots"


def prepare(config: Config, endpoints: Endpoints) -> Site:
    """Load the pack, migrate the database, enter the pack's devices. Raises ConfigError, SetupError or SinkError."""
    pack = load_pack(Path(config.site.pack))
    edition = db.migrate(endpoints.database_url, community=config.keeping.community)
    with db.session(endpoints.database_url) as conn:
        sync_pack(conn, pack, past_limit_s=config.intake.past_limit_s)
        log_left(conn, pack)
    return Site(config, pack, endpoints, edition)


def make_shards(
    site: Site,
    registry: LiveRegistry,
    incidents: IncidentStore,
    health: CameraHealthKeeper,
    book: FeedbackBook,
    meter: Meter,
) -> list[Shard]:
    """As many shards as the configuration says, each with a detector and memory of its own."""
    one_thread()
    config = site.config
    city = site.cities.city()
    spacing_s = RING_REACH * config.vision.dwell_s / config.alerts.before_ring
    views = LiveViews(registry)
    knobs = config.intake
    limits = DecoderLimits(knobs.decode_limit_s, knobs.frame_max_bytes, knobs.frame_max_pixels)
    journal = DecisionJournal(site.snapshot_dir)
    return [
        Shard(
            Tools(
                decoder=DecoderProcess(limits, meter),
                detector=make_detector(config, views, timed=True),
                decider=Decider(city, config.alerts),
                ring=BeforeRing(
                    config.alerts.before_ring,
                    spacing_s,
                    config.vision.dwell_s,
                    max_bytes=config.alerts.before_ring_bytes // config.engine.shards,
                ),
                evidence=EvidenceFolder(site.evidence_dir),
                store=incidents,
                snapshots=SnapshotFolder(site.snapshot_dir, every_s=config.engine.snapshot_s, monotonic_s=monotonic),
                journal=journal,
                views=views,
                meter=meter,
                book=book,
                health=health,
            )
        )
        for _ in range(config.engine.shards)
    ]


def make_engine(site: Site, shards: list[Shard]) -> LocalEngine[Shard]:
    """Return the engine; few frames wait in it, so that the newest-wins slots are where frames wait."""
    batch_max = site.config.engine.batch_max
    return LocalEngine(shards, batch_max=batch_max, waiting_max=batch_max)


def make_database(site: Site) -> AlertDatabase:
    """Return the connection of the incident store."""
    return AlertDatabase(site.endpoints.database_url)


def make_health(database: AlertDatabase, meter: Meter) -> CameraHealthKeeper:
    """Return the thread that keeps the cameras' health events; the connection should be its own."""
    return CameraHealthKeeper(HealthStore(database), meter)


def make_incidents(site: Site, database: AlertDatabase) -> IncidentStore:
    """Return the incident store."""
    knobs = site.config.alerts
    return IncidentStore(
        database,
        merge_m=knobs.merge_m,
        merge_iou=knobs.merge_iou,
        knobs=site.config.incidents,
        numbering=lambda: numbering_of(site.cities.city()),
        city=site.cities.city,
    )


def make_store(site: Site) -> IntakeStore:
    """Return an intake store, on a connection of its own, made when first used."""
    knobs = site.config.intake
    return IntakeStore(
        site.endpoints.database_url,
        payload_bytes=knobs.dead_letter_payload_bytes,
        cap_bytes=knobs.dead_letter_cap_bytes,
    )


def make_sinks(site: Site) -> Sinks:
    """Return where positions go: a store of their own, and the spool unless there is to be none."""
    knobs = site.config.intake
    folder = Path(knobs.spool_dir) if knobs.spool_dir else home() / "spool" / site.config.site.site
    spool = Spool(folder, max_bytes=knobs.spool_max_bytes, sync_folder=sync_folder) if knobs.spool_max_bytes else None
    return Sinks(make_store(site), spool)


def position_forms(site: Site) -> PositionForms:
    """Return every form of positions that is read here. Raises ConfigError for codecs that do not exist."""
    return PositionForms(site.scheme, site.config.intake.future_limit_s, Forms(site.config.codecs, "vehicle"))


def make_queue(site: Site) -> JobQueue:
    """Return the queue's client."""
    return JobQueue(site.endpoints.redis_url, claim_idle_s=site.config.dispatch.claim_idle_s)


def disown_queue(url: str) -> None:
    """Make a queue nobody's, where the database that it belonged to was dropped. Raises SinkError."""
    queue = JobQueue(url)
    try:
        queue.disown()
    finally:
        queue.close()


def make_book(site: Site, registry: LiveRegistry) -> HealthBook:
    """Return the book of the devices."""
    return HealthBook(registry, silence_s=site.config.intake.silence_s)


def make_watch(site: Site, book: HealthBook, database: AlertDatabase) -> Watch:
    """Return who looks at stored positions: flags, measured against the pack's grid, the book, and calls for help.

    ``database`` should be its own: a call waits for nothing else.
    """
    knobs = site.config.quality
    hear = SosDesk(database, site.cities.city).hear
    return Watch(Quality(knobs, city_box(site.pack.city, knobs.box_margin_m)), book, hear)


def make_keeper(site: Site, book: HealthBook, meter: Meter) -> HealthKeeper:
    """Return the thread that writes the book down, on a database connection of its own."""
    return HealthKeeper(site.endpoints.database_url, book, meter, every_s=site.config.intake.health_s)


def make_pack_watch(site: Site, meter: Meter) -> PackWatch:
    """Return the thread that loads the city pack again where it changed."""

    def sync(pack: Pack) -> None:
        with db.session(site.endpoints.database_url) as conn:
            sync_pack(conn, pack, past_limit_s=site.config.intake.past_limit_s)
            log_left(conn, pack)

    return PackWatch(site.cities, sync, meter)


def make_sealer(site: Site, meter: Meter) -> ChoreThread:
    """Return the thread that seals the record each second, on a database connection of its own."""
    database = make_database(site)
    seals = Chore("seals", 1.0, Sealer(database).seal)
    return ChoreThread((seals,), database, meter, lock=SEALS_LOCK, name="seals")


def make_months(site: Site, meter: Meter) -> ChoreThread:
    """Return the thread that closes each month's figures, on a database connection of its own: it may take minutes."""
    database = make_database(site)
    months = Chore("months", 600.0, KpiStore(database, site.cities.city).close_month)
    return ChoreThread((months,), database, meter, lock=MONTHS_LOCK, name="months")


def make_chores(site: Site, meter: Meter) -> ChoreThread:
    """Return the thread that does what is due now and then, on a database connection of its own."""
    database = make_database(site)
    moves = JobMoves(database, make_picker(site))
    incidents = make_incidents(site, database)
    knobs = site.config.desk
    time_of = CityTime(site.cities.city, take_s=knobs.take_s, sos_take_s=knobs.sos_take_s)
    clocks = Clocks(database, time_of)
    rules = SweepRules(knobs.chief_h, knobs.sweep_at_min, knobs.clock_settle_s, knobs.digest_after_s)
    sweep = Sweep(database, time_of, rules, meter)
    chores: tuple[Chore, ...] = (
        Chore("clocks", 1.0, clocks.do),
        Chore("sweep", 5.0, sweep.do),
        Chore("escalations", 5.0, lambda _now: moves.follow_sweep()),
        Chore("grace", 5.0, lambda _now: incidents.end_grace()),
        *make_keeping(database, site.config, site.pack.city.timezone, site.edition, meter).chores(),
    )
    return ChoreThread(chores, database, meter)


def make_outlet_threads(site: Site, publish: Publish, meter: Meter) -> OutletThreads:
    """Return the threads that tell other systems. Raises ConfigError for the file of a secret."""
    scheme = site.scheme
    outlets = make_outlets(site.config.outlets, lambda incident_id: f"{scheme.base}incident/{incident_id}", publish)
    return OutletThreads(outlets, site.endpoints.database_url, meter)


def make_picker(site: Site) -> Picker:
    """Return who says which unit gets a job."""
    return Picker(site.cities.city, site.config.dispatch.position_fresh_s)


class RelayThread:
    """The one relay in a thread, on a database connection of its own, which holds its lock."""

    def __init__(self, site: Site, queue: JobQueue, meter: Meter) -> None:
        self._database = AlertDatabase(site.endpoints.database_url)
        self._ending = threading.Event()
        jobs = JobStore(self._database, lease_s=site.config.dispatch.lease_s)
        picker = make_picker(site)
        relay = Relay(jobs, queue, meter, picker=picker, rerouting=Rerouting(self._database, picker))
        self._thread = threading.Thread(
            target=relay.run, args=(self._ending, site.config.dispatch.relay_poll_s), name="relay", daemon=True
        )

    def start(self) -> None:
        """Begin to relay."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still relays."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End after the present round; jobs that still wait are relayed by the next start."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._database.close()


def position_session(site: Site) -> tuple[SessionPlan, str]:
    """Session of the positions and its password: kept by the broker while we are away."""
    scheme, knobs = site.scheme, site.config.intake
    topics = (
        (scheme.wildcard("vehicle", "position"), False),
        (scheme.wildcard("vehicle", "status"), True),
        *((topic, True) for topic in BROKER_TOPICS),
    )
    foreign = tuple((topic, False) for topic in Forms(site.config.codecs, "vehicle").filters)
    return _session(site, "positions", topics + foreign, window=knobs.positions_window, expiry_s=knobs.session_expiry_s)


def frame_session(site: Site) -> tuple[SessionPlan, str]:
    """Session of the frames: what the broker would hold while we are away nobody wants any more."""
    scheme = site.scheme
    topics = ((scheme.wildcard("camera", "frame"), False), (scheme.wildcard("camera", "status"), True))
    foreign = tuple((topic, False) for topic in Forms(site.config.codecs, "camera").filters)
    return _session(site, "frames", topics + foreign, window=site.config.intake.frames_window, expiry_s=0)


def _session(
    site: Site, name: str, topics: tuple[tuple[str, bool], ...], *, window: int, expiry_s: int
) -> tuple[SessionPlan, str]:
    broker = site.config.broker
    user = broker.positions_user if name == "positions" else broker.frames_user
    password = site.endpoints.passwords.get(user, "")
    # The site is part of it: another site's session, and its queue at the broker, is none of ours.
    client_id = f"{site.config.intake.client_id}-{site.config.site.site}-{name}"
    plan = SessionPlan(
        url=site.endpoints.broker_url,
        client_id=client_id,
        secret=secret_of(client_id, password),
        user=user,
        window=window,
        expiry_s=expiry_s,
        topics=topics,
        keepalive_s=broker.keepalive_s,
        reconnect_max_s=broker.reconnect_max_s,
        ca_file=broker.ca_file,
        optional=(*BROKER_TOPICS, *(topic for topic, _ in topics if not topic.startswith(site.scheme.prefix))),
    )
    return plan, password
