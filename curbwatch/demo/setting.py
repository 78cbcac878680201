"""What the demo stands on: a folder, a database and a configuration of its own, on the private servers."""

import re
import shutil
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from urllib.parse import urlsplit

import curbwatch.database as db
from config.alerts import AlertKnobs
from config.engine import EngineKnobs
from config.intake import IntakeKnobs
from config.model import Config
from config.pack import load_pack
from config.service import HttpKnobs, LogKnobs, SiteKnobs
from config.vision import VisionKnobs
from curbwatch.build import Site, disown_queue, prepare
from curbwatch.endpoints import private
from curbwatch.parts import Servers
from curbwatch.parts.paths import home, make_folder
from schemas.city import Permit
from schemas.errors import SetupError
from schemas.hours import Hours
from schemas.rules import HOLIDAY

DATABASE = "curbwatch_demo"
QUEUE_DB = 2  # a Redis database of its own
RUNS_KEPT = 5  # folders of earlier runs whose pictures are kept
RUN = re.compile(r"\d{8}-\d{6}-\d{3}")  # nothing else in this folder is ours to remove
DWELL_S = 20.0
GONE_S = 8.0  # 30 by default: within a minute a case is to be closed
VERIFIED = frozenset({"09006"})  # classes that the demo's dispatcher confirms; all others go out at once
# At any hour of any day, so that a stall in plain sight is left alone whenever the demo runs.
PERMIT = Permit(
    permit_id="demo-fair",
    name="演示疏导点 demo fair",
    families=frozenset({"stall"}),
    polygon=(),
    camera_zones=frozenset({("yj-cam-08", "square")}),
    hours=(Hours(frozenset(range(HOLIDAY + 1)), 0, 1440),),
    valid_from=date.min,
    valid_to=date.max,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One run of the demo: its site and the folder for its pictures."""

    site: Site
    folder: Path


def make_setting(servers: Servers, now: datetime) -> Setting:
    """Prepare a fresh database and folder. Raises SetupError where somebody looks at the last demo's database."""
    folder = _folder(now)
    endpoints = private(servers)
    _refuse_onlookers(endpoints.database_url)
    endpoints = replace(
        endpoints,
        database_url=db.fresh_database(endpoints.database_url, DATABASE),
        redis_url=urlsplit(endpoints.redis_url)._replace(path=f"/{QUEUE_DB}").geturl(),
    )
    disown_queue(endpoints.redis_url)  # that of the last demo's database, which is no more
    site = prepare(demo_config(folder), endpoints)
    city = replace(site.pack.city, permits=(*site.pack.city.permits, PERMIT))
    return Setting(replace(site, pack=replace(site.pack, city=city)), folder)


def demo_config(folder: Path) -> Config:
    """Return the configuration of the demo: a dwell of 20 s, every frame analysed, most classes dispatched at once."""
    site = SiteKnobs(site="demo")
    classes = load_pack(Path(site.pack)).city.classes.values()
    return Config(
        site=site,
        intake=IntakeKnobs(client_id="curbwatch-demo", session_expiry_s=60),
        engine=EngineKnobs(snapshot_dir=str(folder / "snapshots")),
        vision=VisionKnobs(dwell_s=DWELL_S, analyse_period_s=1.0, gone_s=GONE_S),
        alerts=AlertKnobs(
            evidence_dir=str(folder / "evidence"),
            direct_classes=tuple(
                case.code for case in classes if case.family in {"stall", "waste"} and case.code not in VERIFIED
            ),
        ),
        http=HttpKnobs(port=0),
        log=LogKnobs(level="error"),
    )


def _folder(now: datetime) -> Path:
    base = make_folder(home() / "demo", 0o700)
    earlier = sorted(path for path in base.iterdir() if RUN.fullmatch(path.name) and path.is_dir())
    for path in earlier[: max(0, len(earlier) - RUNS_KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)
    return make_folder(base / now.strftime("%Y%m%d-%H%M%S-%f")[:-3], 0o700)


def _refuse_onlookers(url: str) -> None:
    with db.session(url, autocommit=True) as conn:
        # TimescaleDB's own workers are connected to every database.
        query = "select count(*) from pg_stat_activity where datname = %s and backend_type = 'client backend'"
        row = conn.execute(query, (DATABASE,)).fetchone()
    if row is not None and row[0]:
        message = "somebody is connected to the demo's database, which is made anew: end that, or set CURBWATCH_HOME"
        raise SetupError(message)
