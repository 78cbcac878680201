"""Files that no row names, rows whose file is gone, and what a crash left half written.

A picture's file is written before the row that names it, so one that is new may wait for its row: in the memory of a
shard while the database is away, or in the journal of decisions of a stop. Only what is older than ``stray_hours`` and
still named nowhere goes.
"""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from alerts.durable import write_whole
from alerts.incidents.evidence import EvidenceFolder
from alerts.installation import identity
from alerts.keeping.files import GOING, remove_picture
from alerts.keeping.pictures import NAMED
from alerts.keeping.retention import may_delete
from alerts.store import AlertDatabase
from schemas.errors import SinkError
from schemas.meter import Meter

log = structlog.get_logger()

PREFIXES = tuple(f"{number:02x}" for number in range(256))
STAGES = (".new-", GOING)  # names of what was not finished
OWNER = ".database"  # file in the evidence folder: whose rows name its pictures
LOOKED_AT = 2000  # pictures of a folder that is nobody's yet, of which our rows must name half
ROWS = 500  # looked up on disk in one turn
SETTLE_S = 600.0  # for which the database must have answered: decisions that waited for it are stored meanwhile
FILES_OF_ROWS = """
select evidence_id, sha256, size_bytes from evidence where evidence_id > %s order by evidence_id limit %s
"""

NAMED_OR_NOTED = NAMED + "union select sha256 from evidence_expiring where sha256 = any(%(digests)s)"  # noqa: S608


@dataclass(slots=True)
class Found:
    """What one pass found: files named nowhere (deleted), unfinished ones (deleted), strange ones and missing ones."""

    strays: int = 0
    stages: int = 0
    strange: int = 0
    missing: int = 0


class Strays:
    """Looks through the evidence folder, a 256th at each turn, and through the rows beside it.

    A folder whose pictures another database names is left alone: to us all of them would be strays.

    ``elsewhere()``: digests that are named outside the database (decisions that wait). ``drafts``: folders in which
    unfinished files and folders begin with ``.new-``. One process at a time: the chores' lock.
    """

    def __init__(
        self,
        database: AlertDatabase,
        folder: EvidenceFolder,
        meter: Meter,
        *,
        stray_s: float,
        elsewhere: Callable[[], set[str]],
        drafts: Sequence[Path] = (),
    ) -> None:
        self._database = database
        self._folder = folder
        self._meter = meter
        self._stray_s = stray_s
        self._elsewhere = elsewhere
        self._drafts = tuple(drafts)
        self._at = 0  # of PREFIXES
        self._row = 0  # evidence id up to which rows were looked up
        self._pass = Found()
        self._missing = 0  # of the present look at the rows
        self._strange_told = False
        self._since_s: float | None = None  # monotonic time since which the database answers

    def do(self, monotonic_s: float) -> int:
        """One turn, none before the database has answered for ``SETTLE_S``; how many files went. Raises SinkError."""
        if self._since_s is None:
            self._since_s = monotonic_s
        if monotonic_s - self._since_s < SETTLE_S:
            return 0
        try:
            return self.turn()
        except SinkError:
            self._since_s = None
            raise

    def whole(self) -> Found:
        """One pass over everything, at once; what it found. Raises SinkError."""
        self._at, self._row, self._pass, self._missing = 0, 0, Found(), 0
        for prefix in PREFIXES if self._is_our_folder() else ():
            self._files(prefix)
        self._unfinished()
        while self._rows():
            continue
        self._tell()
        return self._pass

    def turn(self) -> int:
        """Look at one folder of 256 and at some rows; how many files went. Raises SinkError."""
        before = self._pass.strays + self._pass.stages
        if self._is_our_folder():
            self._files(PREFIXES[self._at])
        self._at = (self._at + 1) % len(PREFIXES)
        self._rows()
        if not self._at:
            self._unfinished()
        done = self._pass.strays + self._pass.stages - before
        if not self._at:
            self._tell()
            self._pass = Found()
        return done

    def _is_our_folder(self) -> bool:
        """Whether the folder is this database's; one that is nobody's becomes ours where we know half of it."""
        owner = self._folder.folder / OWNER
        with self._database.transaction() as conn:
            ours = identity(conn)
        try:
            if owner.is_file():
                found = owner.read_text(encoding="utf-8").strip()
            else:
                paths = (path for prefix in PREFIXES for path in _below(self._folder.folder / prefix))
                digests = [path.stem for path in itertools.islice(filter(self._is_ours, paths), LOOKED_AT)]
                known = len((self._elsewhere() | self._named(digests)).intersection(digests))
                found = ours if 2 * known >= len(digests) else ""
                if found:
                    write_whole(owner, found.encode() + b"\n")
        except OSError as error:
            raise SinkError(f"evidence {owner}: {error.strerror}", retryable=True, wait_s=1.0) from error
        if found != ours and not self._strange_told:
            remedy = (
                f"give each database a folder of its own (alerts.evidence_dir); if this one is ours, delete {owner}"
            )
            log.error("evidence_of_another_database", folder=str(self._folder.folder), remedy=remedy)
            self._strange_told = True
        return found == ours

    def _files(self, prefix: str) -> None:
        """Look at the files below ``prefix``."""
        digests = []
        for path in _below(self._folder.folder / prefix):
            if path.name.startswith(STAGES):
                self._pass.stages += self._old(path) and _gone(path)
            elif self._is_ours(path):
                if self._old(path):
                    digests.append(path.stem)
            else:
                self._pass.strange += 1
        if not digests:
            return
        named = self._elsewhere() | self._named(digests)
        for digest in digests:
            if digest not in named and self._remove(digest):
                self._pass.strays += 1
                log.warning(
                    "evidence_stray_deleted", sha256=digest, why="no incident, camera event or decision names it"
                )

    def _remove(self, digest: str) -> bool:
        with self._database.transaction() as conn:
            if not may_delete(conn):
                return False
        return remove_picture(self._folder, digest, lambda: bool(self._named([digest])), fresh_s=self._stray_s)

    def _rows(self) -> int:
        """Look up the files of some rows; how many rows. After the last one it begins anew."""
        with self._database.transaction() as conn:
            rows = conn.execute(FILES_OF_ROWS, (self._row, ROWS)).fetchall()
        for row in rows:
            if not _whole(self._folder.path(row["sha256"]), row["size_bytes"]) and self._named([row["sha256"]]):
                self._missing += 1
                log.error("evidence_missing", sha256=row["sha256"], file=str(self._folder.path(row["sha256"])))
        if rows:
            self._row = rows[-1]["evidence_id"]
        else:
            self._row, self._missing, self._pass.missing = 0, 0, self._missing
        return len(rows)

    def _unfinished(self) -> None:
        """Delete what writers of other folders left half done."""
        for folder in self._drafts:
            for path in folder.glob(f"{STAGES[0]}*") if folder.is_dir() else ():
                self._pass.stages += self._old(path) and _gone(path)

    def _named(self, digests: Sequence[str]) -> set[str]:
        with self._database.transaction() as conn:
            rows = conn.execute(NAMED_OR_NOTED, {"digests": list(digests)}).fetchall()
        return {row["sha256"] for row in rows}

    def _is_ours(self, path: Path) -> bool:
        try:
            return path == self._folder.path(path.stem)
        except ValueError:
            return False

    def _old(self, path: Path) -> bool:
        try:
            return time.time() - path.stat().st_mtime >= self._stray_s
        except FileNotFoundError:
            return False

    def _tell(self) -> None:
        self._meter.add("evidence_strays", self._pass.strays)
        self._meter.set("evidence_missing", self._pass.missing)
        self._meter.set("evidence_strange", self._pass.strange)


def _below(folder: Path) -> Iterator[Path]:
    """Files in the folders of a folder, and in itself; nothing where it is not there."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            yield from path.iterdir()
        else:
            yield path


def _whole(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False


def _gone(path: Path) -> bool:
    """Delete an unfinished file or folder. Raises SinkError where the disk refuses."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SinkError(f"{path} cannot be deleted: {error.strerror}", retryable=True, wait_s=1.0) from error
    return True
