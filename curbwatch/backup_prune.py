"""How a deleted picture leaves the backups, and what is owed where a backup does not let it go."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from alerts.store import AlertDatabase
from curbwatch.backup_files import MANIFEST, evidence_name, read_manifest, write_manifest
from schemas.errors import UsageError

log = structlog.get_logger()

BATCH = 500  # owed pictures that are taken out together: for each batch the backup's list is written once
FOLDERS = "select folder from backup_made order by folder"
OWE = "insert into backup_owing (folder, sha256) select %s, unnest(%s::text[]) on conflict do nothing"
OWING = "select folder, count(*) as pictures, min(since) as since from backup_owing group by folder order by folder"
OWED = "select sha256 from backup_owing where folder = %s order by sha256 limit %s"
SETTLED = "delete from backup_owing where folder = %s and sha256 = any(%s)"


def prune_backups(database: AlertDatabase, digests: Sequence[str]) -> None:
    """Delete pictures from every backup that was made here and is still there, and from its list.

    The list first: a crash leaves a file that it does not name, which the next try deletes. A backup that cannot be
    changed now (a damaged list, a disk that is read-only) holds nothing else up: what it owes is written down, and
    ``settle_backups`` tries again. One that was moved away is not found; docs/keeping.md says what to do about those.
    Raises SinkError where the database does not answer.
    """
    with database.transaction() as conn:
        folders = [Path(row["folder"]) for row in conn.execute(FOLDERS).fetchall()]
    for folder in folders:
        if not (folder / MANIFEST).is_file():
            continue
        error = _prune(folder, digests)
        if error:
            with database.transaction() as conn:
                conn.execute(OWE, (str(folder), list(digests)))
            log.warning(
                "backup_keeps_pictures",
                backup=str(folder),
                pictures=len(digests),
                error=error,
                effect="tried again; `curbwatch doctor` counts them; delete the backup if it cannot be mended",
            )


def settle_backups(database: AlertDatabase) -> int:
    """Try again to delete what backups owe; how many pictures went. Raises SinkError.

    A backup whose folder is away goes on owing: its disk may come back.
    """
    with database.transaction() as conn:
        folders = [row["folder"] for row in conn.execute(OWING).fetchall()]
    return sum(_settle(database, Path(name)) for name in folders)


def _settle(database: AlertDatabase, folder: Path) -> int:
    done = 0
    while (folder / MANIFEST).is_file():
        with database.transaction() as conn:
            owed = [row["sha256"] for row in conn.execute(OWED, (str(folder), BATCH)).fetchall()]
        if not owed or _prune(folder, owed):
            break
        with database.transaction() as conn:
            conn.execute(SETTLED, (str(folder), owed))
        done += len(owed)
    return done


def _prune(folder: Path, digests: Sequence[str]) -> str:
    """Delete pictures from one backup; why that cannot be, empty: it is done."""
    names = [evidence_name(digest) for digest in digests]
    try:
        body = read_manifest(folder)
        listed = [name for name in names if name in body["files"]]
        if listed:
            for name in listed:
                del body["files"][name]
            body["pruned"] = body.get("pruned", 0) + len(listed)
            write_manifest(folder, body)
        for name in names:
            (folder / name).unlink(missing_ok=True)
    except (OSError, UsageError) as error:
        return str(error)
    return ""
