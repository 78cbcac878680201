"""What the verbs ``device`` and ``dlq`` work with, made out of a configuration."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import curbwatch.database as db
from alerts.desk.words import role_name
from alerts.messages import Lang
from alerts.store import AlertDatabase
from config.load import load_config
from config.pack import load_pack
from config.quality import city_box
from curbwatch.broker.foreign import foreign_forms
from curbwatch.broker.plan import own_users
from curbwatch.build import Site, make_store, position_forms
from curbwatch.endpoints import standing
from curbwatch.letters import Chosen
from curbwatch.packs_kept import keep_pack
from curbwatch.people import People
from curbwatch.registry import load_registry
from curbwatch.replay import Replayed, Replayer, replay_all
from curbwatch.spoken import spoken
from curbwatch.strangers import Accepted, Wish, accept
from curbwatch.telemetry import configure_logs
from ingest.forms import Forms, load_codecs
from ingest.quality import Quality
from schemas.city import City
from schemas.errors import SaidError, SetupError
from schemas.record import Actor


@dataclass(frozen=True, slots=True)
class Office:
    """One site and a connection to its database, in autocommit. ``lang``: of lists and refusals."""

    site: Site
    conn: db.Connection
    lang: Lang

    @property
    def zone(self) -> ZoneInfo:
        """The city's time."""
        return ZoneInfo(self.site.pack.city.timezone)

    def rules(self) -> City:
        """The city to count by, its pack kept before something that stays names it. Raises psycopg.Error."""
        keep_pack(self.conn, self.site.pack)
        return self.site.cities.city()

    def actor(self, person: str, token_file: Path | None = None) -> Actor:
        """Who decides something here, by the pack's staff and their token; see ``People.actor``.

        Raises UsageError, also for those who may not decide.
        """
        database = AlertDatabase(self.site.endpoints.database_url)
        try:
            people = People(self.site.pack.city.rules.staff, database, tokens=self.site.config.desk.tokens)
            actor = people.actor(person, token_file)
        finally:
            database.close()
        if actor.role in {"auxiliary", "auditor"}:
            raise SaidError(
                f"{actor.name} is {role_name(actor.role, 'en')} staff, who do not decide this",
                f"{actor.name}是{role_name(actor.role, 'zh')},无权决定此事",
            )
        return actor

    def accept(self, wish: Wish) -> Accepted:
        """Enter a stranger in the registry. Raises UsageError, ConfigError for codecs that do not exist."""
        config = self.site.config
        return accept(
            self.conn,
            wish,
            past_limit_s=config.intake.past_limit_s,
            forms=[codec.name for codec in load_codecs(config.codecs)],
            reserved=own_users(config, foreign_forms(config.codecs)[1]),
        )

    def replay(self, chosen: Chosen, *, limit: int | None = None, dry: bool = False) -> Replayed:
        """Replay the chosen letters under the registry and the configuration of now. Raises SinkError."""
        config = self.site.config
        quality = Quality(config.quality, city_box(self.site.pack.city, config.quality.box_margin_m))
        with closing(make_store(self.site)) as store:
            replayer = Replayer(
                config.intake,
                position_forms(self.site),
                Forms(config.codecs, "camera"),
                load_registry(self.conn).known(),
                store,
                quality,
            )
            return replay_all(self.conn, replayer, chosen, limit=limit, dry=dry)


@contextmanager
def open_office(path: Path | None, lang: Lang | None = None) -> Iterator[Office]:
    """Open the office of a configuration, in its language where no other is asked for; starts no server.

    Raises CurbwatchError: configuration, no server, a database without tables.
    """
    config = load_config(path)
    configure_logs(config.log)
    pack = load_pack(Path(config.site.pack))
    endpoints, tongue = standing(config), lang or config.site.lang
    with spoken(tongue):
        if not endpoints.database_url:
            raise SetupError(
                "no database: name it in the configuration ([database] url), or run `curbwatch parts up`",
                "没有数据库:请在配置中填写 ([database] url),或运行 `curbwatch parts up`",
            )
        with db.session(endpoints.database_url, autocommit=True) as conn:
            yield Office(Site(config, pack, endpoints, db.edition(conn)), conn, tongue)


@contextmanager
def open_stores(path: Path | None, lang: Lang | None = None) -> Iterator[tuple[Office, AlertDatabase]]:
    """Open the office, and beside its connection one for the stores of alerts. Raises as ``open_office`` does."""
    with open_office(path, lang) as office:
        database = AlertDatabase(office.site.endpoints.database_url)
        try:
            yield office, database
        finally:
            database.close()
