"""What the verbs ``dispatch`` and ``incident`` work with, made out of a configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import curbwatch.database as db
from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.store import JobStore
from alerts.messages import Lang, class_name, headline, unit_name, why_line
from alerts.store import AlertDatabase
from alerts.wire import instant, job_state
from config.faults import nearest
from config.load import load_config
from config.model import Config
from config.pack import Pack, load_pack
from config.quality import city_box
from curbwatch.build import Site, make_incidents, make_picker, make_queue
from curbwatch.endpoints import resolve
from curbwatch.packs_kept import keep_pack
from curbwatch.people import People
from curbwatch.registry import load_registry
from curbwatch.reports import Atlas
from curbwatch.spoken import spoken
from curbwatch.telemetry import configure_logs
from schemas.city import City
from schemas.errors import SaidError
from schemas.incident import Job
from schemas.place import CameraView
from schemas.record import Actor


@dataclass(frozen=True, slots=True)
class Desk:
    """Stores and names of one city. ``names`` maps a camera to what a person calls it, ``views`` to where it looks."""

    site: Site
    names: dict[str, str]
    views: dict[str, CameraView]
    units: frozenset[str]
    incidents: IncidentStore
    jobs: JobStore
    moves: JobMoves
    queue: JobQueue
    database: AlertDatabase
    lang: Lang

    def unit(self, asked: str, person: str = "") -> str:
        """The unit that was asked for by id or name, else that of a person of the pack, else the only one there is.

        Raises UsageError, naming those there are.
        """
        if not asked:
            staff = self.site.pack.city.rules.staff.values()
            asked = next((one.unit_id for one in staff if person and person in {one.person_id, one.name}), "")
        units = self.site.pack.city.units.values()
        named = [one.unit_id for one in units if asked and asked in {one.name_zh, one.name_en}]
        if asked in self.units:
            return asked
        if len(named) == 1:
            return named[0]
        if not asked and len(self.units) == 1:
            return next(iter(self.units))
        listed = ", ".join(sorted(self.units))
        if asked:
            english = f"no unit {asked!r}{nearest(asked, sorted(self.units))}; there are: {listed}"
            raise SaidError(english, f"没有单位 {asked!r}{nearest(asked, sorted(self.units), 'zh')};现有:{listed}")
        raise SaidError(f"whose jobs? --unit U, one of: {listed}", f"哪个单位的任务?--unit 单位,可用:{listed}")

    def actor(self, person: str, token_file: Path | None = None, *, unlisted: str = "dispatcher") -> Actor:
        """Who acts, in their role by the pack's staff; see ``People.actor``. Raises UsageError."""
        return self.people.actor(person, token_file, unlisted=unlisted)

    def crew(self, person: str, token_file: Path | None = None) -> str:
        """Who works on jobs here, as the record and the jobs call them; a name that the pack lacks is of a crew.

        Raises UsageError as ``actor``, and for an auditor.
        """
        actor = self.actor(person, token_file, unlisted="crew")
        if actor.role == "auditor":
            english = f"{actor.name} is an auditor, who reads only: no jobs"
            raise SaidError(english, f"{actor.name}是审计员,只能查看,不能办任务")
        self.jobs.know(actor)
        return actor.name

    def rules(self) -> City:
        """The city to decide by, its pack kept before a record names it: `run` may be away, or have another one.

        Raises SinkError.
        """
        with self.database.transaction() as conn:
            keep_pack(conn, self.site.pack)
        return self.site.cities.city()

    @property
    def atlas(self) -> Atlas:
        """What is known of the ground, by which a report is placed and classed."""
        config, pack = self.site.config, self.site.pack
        sizes = {camera_id: (camera.width, camera.height) for camera_id, camera in pack.cameras.items()}
        return Atlas(self.views, sizes, city_box(pack.city, config.quality.box_margin_m), config.alerts)

    @property
    def people(self) -> People:
        """The people of the city."""
        return People(self.site.pack.city.rules.staff, self.database, tokens=self.site.config.desk.tokens)

    def job_event(self, event: str, job: Job, now: datetime) -> dict[str, Any]:
        """A job's event as one JSON object, with the names a person reads."""
        city, incident = self.site.pack.city, job.incident
        return {
            "event": event,
            "at": instant(now),
            **job_state(job),
            "headline": headline(city, self.names, incident, self.lang, now),
            "class_name": class_name(city, incident.class_code, self.lang),
            "camera_name": self.names.get(incident.camera_id) or incident.camera_id,
            "unit_name": unit_name(city, job.unit_id, self.lang),
            "why_line": why_line(city, self.names, job, self.lang),
        }


@contextmanager
def open_desk(path: Path | None, lang: Lang | None = None) -> Iterator[Desk]:
    """Open the desk of a configuration. Raises CurbwatchError: configuration, servers, or a database without tables."""
    config = load_config(path)
    configure_logs(config.log)  # on standard error: standard output is for events
    pack = load_pack(Path(config.site.pack))
    tongue = lang or config.site.lang
    with spoken(tongue), _opened(config, pack, tongue) as desk:
        yield desk


@contextmanager
def _opened(config: Config, pack: Pack, lang: Lang) -> Iterator[Desk]:
    endpoints = resolve(config)
    database = AlertDatabase(endpoints.database_url)
    try:
        jobs = JobStore(database, lease_s=config.dispatch.lease_s)
        jobs.epoch()  # a database without tables is told here, with its remedy
        with db.session(endpoints.database_url) as conn:
            site = Site(config, pack, endpoints, db.edition(conn))
            registry = load_registry(conn)
        units = frozenset(pack.city.units) | {view.unit_id for view in registry.views.values() if view.unit_id}
        incidents = make_incidents(site, database)
        queue = make_queue(site)
        moves = JobMoves(database, make_picker(site))
        try:
            yield Desk(site, registry.names, registry.views, units, incidents, jobs, moves, queue, database, lang)
        finally:
            queue.close()
    finally:
        database.close()
