"""A backup of everything that cannot be made again: database, pictures, learned backgrounds, configuration and pack.

``run`` goes on meanwhile. Pictures are on disk before rows name them, so the rows are taken first, in one snapshot,
and then the pictures that these rows name: none can be missing. Deleting waits until the backup is whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import curbwatch.database as db
from alerts.durable import sync_folder
from alerts.incidents.evidence import EvidenceFolder
from alerts.keeping.pictures import forget_missing
from alerts.keeping.retention import KEEPING_LOCK
from alerts.record.audit import Audit, verify
from alerts.store import AlertDatabase
from curbwatch import backup_tables
from curbwatch.backup_files import (
    EVIDENCE,
    FORM,
    INCOMPLETE,
    Progress,
    copy,
    digest_of,
    evidence_name,
    faults_of,
    read_manifest,
    take_picture,
    write_manifest,
)
from curbwatch.migrations import steps_in
from schemas.errors import CurbwatchError, SetupError, UsageError

NAMED = "select sha256 from evidence union select sha256 from camera_event where sha256 <> '' order by 1"
TOLD_EVERY = 1000  # pictures between two words on how far it is


@dataclass(frozen=True, slots=True)
class Places:
    """What beside the database belongs to a site. ``config`` None: there is no file; ``pack``: its folder."""

    evidence: Path
    snapshots: Path
    config: Path | None
    pack: Path


def make_backup(url: str, folder: Path, places: Places, tell: Progress) -> dict[str, Any]:
    """Write a backup into ``folder``, which must be empty or new; its manifest's body.

    Until it is whole the folder holds a file ``INCOMPLETE``. Raises UsageError for a folder that is in use, SinkError
    where the database does not answer, SetupError where it has no tables yet or the disk does not take it.
    """
    folder = folder.absolute()
    try:
        with db.session(url, autocommit=True) as conn:
            _refuse_bare(conn)
            _begin(folder)
            conn.execute("select pg_advisory_lock_shared(%s)", (KEEPING_LOCK,))
            body = _dump(conn, folder, tell)
            wanted = body.pop("pictures")
            missing = _take_pictures(folder, EvidenceFolder(places.evidence), wanted, tell)
            for name, path in (("snapshots", places.snapshots), ("config", places.config), ("pack", places.pack)):
                _copy_all(folder / name, path)
            body |= {"missing": missing, "files": _files(folder)}
            for each in sorted({path.parent for path in folder.rglob("*")}):
                sync_folder(each)
            write_manifest(folder, body)
            (folder / INCOMPLETE).unlink()
            sync_folder(folder)
            conn.execute(
                "insert into backup_made (folder) values (%s) on conflict (folder) do update set made_at = now()",
                (str(folder),),
            )
    except OSError as error:
        message = f"{folder}: the backup cannot be written: {error.strerror or error}; free space and begin anew"
        raise SetupError(message) from error
    return body


def restore(url: str, folder: Path, places: Places, tell: Progress) -> tuple[dict[str, Any], Audit]:
    """Bring a backup back into an empty database and empty folders; its manifest's body, and what the audit says.

    Everything is checked before anything is written. The rows come in one transaction, after the pictures: an
    interrupted restore is begun again. Raises UsageError for a backup that is not whole or was changed, and where
    something is there already; SinkError, SetupError where database or disk do not take it; CurbwatchError where the
    record does not verify.
    """
    folder = folder.absolute()
    body = read_manifest(folder)
    faults = list(faults_of(folder, body, tell))
    if faults:
        told = "\n".join(faults[:20]) + (f"\nand {len(faults) - 20} more" if len(faults) > 20 else "")
        raise UsageError(f"{folder}: this backup is damaged, nothing was restored:\n{told}")
    if body["schema"] > max(steps_in()):
        raise UsageError(f"{folder}: was made by a newer Curbwatch ({body['curbwatch']}): restore it with that one")
    _refuse_filled(url, body, places)
    try:
        db.migrate(url, target=body["schema"])
        _put_back(folder, body, places, tell)
        with db.session(url) as conn:
            backup_tables.load(conn, folder, body, tell)
            # The queue may hold what came after the backup, under the same epoch: it is built anew.
            conn.execute("update relay_state set epoch = ''")
        _copy_all(places.snapshots, folder / "snapshots")
    except OSError as error:
        raise SetupError(
            f"{folder}: cannot be restored: {error.strerror or error}; free space and begin anew"
        ) from error
    db.migrate(url)
    database = AlertDatabase(url)
    try:
        forget_missing(database, _kept(body))
        audit = verify(database)
    finally:
        database.close()
    if audit.findings:
        found = audit.findings[0].message
        raise CurbwatchError(
            f"the record does not verify ({len(audit.findings)} findings; {found}): see `audit verify`"
        )
    return body, audit


def _refuse_bare(conn: db.Connection) -> None:
    row = conn.execute("select to_regclass('migration')").fetchone()
    if row is None or row[0] is None:
        raise SetupError("this database has no tables yet, so there is nothing to keep: start `curbwatch run` once")


def _begin(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        what = "an interrupted backup" if (folder / INCOMPLETE).exists() else "something"
        raise UsageError(f"{folder}: there is {what} in this folder: remove it, or name another")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / INCOMPLETE).write_text("This backup is being made, or was interrupted.\n", encoding="utf-8")
    sync_folder(folder)


def _dump(conn: db.Connection, folder: Path, tell: Progress) -> dict[str, Any]:
    """Write the tables, all as of one moment, and note the pictures that they name."""
    conn.execute("begin isolation level repeatable read, read only")
    names = ", ".join(f'"{name}"' for name in backup_tables.tables_of(conn))
    conn.execute(f"lock table {names} in access share mode")  # nobody moves the schema meanwhile
    schema = conn.execute("select max(number) from migration").fetchone() or (0,)
    tables, sequences = backup_tables.dump(conn, folder, tell)
    pictures = [row[0] for row in conn.execute(NAMED)]
    conn.execute("commit")
    return {
        "form": FORM,
        "curbwatch": version("curbwatch"),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "schema": schema[0],
        "edition": db.edition(conn).value,
        "tables": tables,
        "sequences": sequences,
        "pictures": pictures,
    }


def _take_pictures(folder: Path, evidence: EvidenceFolder, digests: Sequence[str], tell: Progress) -> list[str]:
    """Take pictures, each checked by its digest; those that are gone or damaged, which is told."""
    missing = []
    for count, digest in enumerate(digests, start=1):
        if evidence.intact(digest):
            take_picture(evidence.path(digest), folder / evidence_name(digest))
        else:
            missing.append(digest)
        if count % TOLD_EVERY == 0 or count == len(digests):
            tell(f"{count} of {len(digests)} pictures")
    if missing:
        tell(f"{len(missing)} pictures are missing or damaged: see `curbwatch keep run`")
    return missing


def _copy_all(target: Path, source: Path | None) -> None:
    """Copy a file, or the files of a folder; hidden ones are unfinished. Nothing where there is none."""
    if source is None or not source.exists():
        return
    for path in [source] if source.is_file() else sorted(source.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            copy(path, target / (path.name if path == source else path.relative_to(source)))


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and digest of every file of a backup; a picture's digest is its name, which was checked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name == INCOMPLETE:
            continue
        found[name] = (path.stat().st_size, path.stem) if name.startswith(f"{EVIDENCE}/") else digest_of(path)
    return found


def _kept(body: dict[str, Any]) -> set[str]:
    """Digests of the pictures in a backup."""
    return {Path(name).stem for name in body["files"] if name.startswith(f"{EVIDENCE}/")}


def _refuse_filled(url: str, body: dict[str, Any], places: Places) -> None:
    with db.session(url) as conn:
        filled = backup_tables.filled(conn)
    if filled:
        raise UsageError(f"the database is not empty ({', '.join(filled[:5])}): name an empty one in database.url_file")
    kept = _kept(body)
    for path in places.evidence.rglob("*") if places.evidence.is_dir() else ():
        if path.is_file() and not path.name.startswith(".") and path.stem not in kept:
            raise UsageError(f"{places.evidence} is not empty ({path.name}): set alerts.evidence_dir to another folder")
    states = [path for path in places.snapshots.glob("*") if path.is_file()] if places.snapshots.is_dir() else []
    names = {name.partition("/")[2] for name in body["files"] if name.startswith("snapshots/")}
    if strange := [path.name for path in states if path.name not in names]:
        message = f"{places.snapshots} is not empty ({strange[0]}): set engine.snapshot_dir to another folder"
        raise UsageError(message)


def _put_back(folder: Path, body: dict[str, Any], places: Places, tell: Progress) -> None:
    """Pictures to where rows will look for them, durably."""
    evidence = EvidenceFolder(places.evidence)
    kept = sorted(_kept(body))
    for count, digest in enumerate(kept, start=1):
        target = evidence.path(digest)
        if not evidence.intact(digest):
            target.unlink(missing_ok=True)
            take_picture(folder / evidence_name(digest), target)
        if count % TOLD_EVERY == 0 or count == len(kept):
            tell(f"{count} of {len(kept)} pictures")
    for path in sorted({evidence.path(digest).parent for digest in kept}):
        sync_folder(path)
        sync_folder(path.parent)
    sync_folder(places.evidence)
