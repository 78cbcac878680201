"""Keeping, made out of a configuration: what the chores do a little at a time, and ``keep run`` at once."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from alerts.incidents.evidence import EvidenceFolder
from alerts.keeping.chunks import fit_chunks
from alerts.keeping.health_log import log_health
from alerts.keeping.pictures import Pictures
from alerts.keeping.retention import Retention
from alerts.keeping.rollup import Rollup
from alerts.keeping.strays import Found, Strays
from alerts.store import AlertDatabase
from config.model import Config
from curbwatch.backup_prune import prune_backups, settle_backups
from curbwatch.chores import Chore
from curbwatch.database import Edition
from curbwatch.journal import NAME
from curbwatch.parts.paths import home
from schemas.errors import ConfigError, Fault
from schemas.meter import Meter, NullMeter

NULL = NullMeter()
REFRESHED_DAYS = 9  # schemas/sql/community/0002 refreshes eight
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def evidence_dir(config: Config) -> Path:
    """Where original pictures are kept."""
    return Path(config.alerts.evidence_dir) if config.alerts.evidence_dir else home() / "evidence"


def snapshot_dir(config: Config) -> Path:
    """Where learned backgrounds are kept, and decisions that a stop found no database for."""
    return Path(config.engine.snapshot_dir) if config.engine.snapshot_dir else home() / "snapshots"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Everything that counts and deletes, on one connection."""

    database: AlertDatabase
    rollup: Rollup
    retention: Retention
    pictures: Pictures
    strays: Strays
    hypertables: bool

    def chores(self) -> tuple[Chore, ...]:
        """What is done now and then. Each turn is short: seals and clocks wait for it."""
        return (
            Chore("health_log", 30.0, lambda _now: log_health(self.database)),
            Chore("rollup", 20.0, self.rollup.do),
            Chore("retention", 30.0, self.retention.do),
            Chore("pictures", 30.0, self.pictures.do),
            Chore("backups", 1800.0, lambda _now: settle_backups(self.database)),
            Chore("strays", 30.0, lambda _now: self.strays.do(monotonic())),
            Chore("chunks", 3600.0, lambda _now: fit_chunks(self.database) if self.hypertables else 0),
        )

    def run(self, now: datetime, say: Callable[[str], None]) -> dict[str, Any]:
        """Do all that is due, to its end; how much of each. Raises SinkError."""
        done: dict[str, Any] = {"device_health": log_health(self.database)}
        for name, step in (("hours", self.rollup.do), ("rows", self.retention.do), ("pictures", self.pictures.do)):
            done[name] = 0
            while (found := step(now)) or self.retention.walking:
                done[name] += found
                say(f"{name} {done[name]}")
        done["backups"] = settle_backups(self.database)
        found_files: Found = self.strays.whole()
        for key in ("strays", "stages", "strange", "missing"):
            done[key] = getattr(found_files, key)
        return done

    def waiting(self, now: datetime) -> dict[str, int]:
        """What would be deleted now, by class. Raises SinkError."""
        return self.retention.waiting(now) | {"evidence": self.pictures.waiting(now)}


def make_keeping(database: AlertDatabase, config: Config, zone: str, edition: Edition, meter: Meter = NULL) -> Keeping:
    """Return what keeps. ``zone``: the city's, IANA.

    Raises SetupError where the evidence folder cannot be made, ConfigError for a term that the edition cannot keep.
    """
    knobs, snapshots = config.keeping, snapshot_dir(config)
    if edition is Edition.COMMUNITY and knobs.community and knobs.positions_days < REFRESHED_DAYS:
        told = (
            f"is less than {REFRESHED_DAYS}: TimescaleDB would count days anew that are gone; or set community = false"
        )
        raise ConfigError((Fault("config", "keeping.positions_days", str(knobs.positions_days), told),))
    hypertables = edition is not Edition.NONE
    folder = EvidenceFolder(evidence_dir(config))
    return Keeping(
        database,
        Rollup(database, zone),
        Retention(database, knobs, hypertables=hypertables),
        Pictures(database, folder, days=knobs.evidence_days, prune=lambda digests: prune_backups(database, digests)),
        Strays(
            database,
            folder,
            meter,
            stray_s=knobs.stray_hours * 3600.0,
            elsewhere=lambda: waiting_digests(snapshots),
            drafts=(snapshots, home() / "cases"),
        ),
        hypertables,
    )


def waiting_digests(snapshots: Path) -> set[str]:
    """Digests in the journal of decisions that a stop left; none where there is no journal."""
    try:
        return set(DIGEST.findall((snapshots / NAME).read_text(encoding="utf-8", errors="replace")))
    except FileNotFoundError:
        return set()
