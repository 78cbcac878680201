"""Loads the city pack again where its folder changed, off the road; a pack with a fault changes nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from config.faults import Faults
from config.pack import Pack, load_pack
from config.pack_read import FILES, OPTIONAL, digest_of, read_files
from curbwatch.city_book import CityBook
from curbwatch.pack_diff import changes
from curbwatch.pack_words import words
from schemas.errors import ConfigError, Fault, SinkError
from schemas.meter import Meter

log = structlog.get_logger()

LOOK_S = 3.0  # between two looks at the folder
TOLD_MAX = 20  # changes that the log names

Look = tuple[tuple[str, int, int, int], ...]


class PackWatch:
    """One thread that looks at the pack's folder, and loads it where two looks in a row see the same news.

    So a folder that is being written is left alone until it rests. ``sync(pack)`` makes the registry say what the pack
    says and raises SinkError where the database is away: then the old pack holds until it is back. Each try is counted
    as ``pack_reloads{outcome}``: ``turned``, ``refused``, ``unchanged`` (only where it was asked for), ``waits``.
    """

    def __init__(self, cities: CityBook, sync: Callable[[Pack], None], meter: Meter, *, look_s: float = LOOK_S) -> None:
        self._cities = cities
        self._sync = sync
        self._meter = meter
        self._look_s = look_s
        self._folder = cities.pack().folder
        self._seen: Look | None = None  # at the last look
        self._judged: Look | None = None  # what the last try that came to an end was about
        self._waits = False
        self._asked = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pack-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still looks."""
        return self._thread.is_alive()

    def ask(self) -> None:
        """Load the pack again now, changed or not. From any thread; waits for nothing."""
        self._asked.set()

    def stop(self) -> None:
        """End after the present try."""
        self._ending.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self, *, asked: bool = False) -> str:
        """Look once, and load what is new; the outcome, empty where nothing was tried. ``asked``: try in any case."""
        now = look_at(self._folder)
        rests, self._seen = now == self._seen, now
        if not asked and (now == self._judged or not rests):
            return ""
        outcome = self._try(now, asked=asked)
        if outcome:
            self._meter.add("pack_reloads", outcome=outcome)
        return outcome

    def _run(self) -> None:
        while not self._ending.is_set():
            asked = self._asked.wait(self._look_s)
            self._asked.clear()
            if self._ending.is_set():
                return
            try:
                self.look(asked=asked)
            except Exception:  # a defect of ours costs this try; the old pack holds
                log.exception("pack_not_reloaded")
                self._judged = self._seen
                self._meter.add("pack_reloads", outcome="failed")

    def _try(self, now: Look, *, asked: bool) -> str:
        held = self._cities.pack()
        unread = Faults()
        contents = read_files(self._folder, unread)
        if not unread and digest_of(contents) == held.city.version:
            self._judged = now
            if asked:
                log.info("pack_unchanged", version=held.city.version)
            return "unchanged" if asked else ""
        try:
            pack = load_pack(self._folder)
            self._cities.check(pack)
        except ConfigError as error:
            if look_at(self._folder) != now:
                return ""  # it was being written: the next looks see what becomes of it
            self._judged = now
            self._refuse(error.faults)
            return "refused"
        if look_at(self._folder) != now:
            return ""
        return self._turn(held, pack, now)

    def _turn(self, held: Pack, pack: Pack, now: Look) -> str:
        try:
            self._sync(pack)
        except SinkError as error:
            if not self._waits:
                log.warning("pack_waits", error=str(error), effect="the old pack holds until the database is back")
            self._waits = True
            return "waits"
        self._waits = False
        self._judged = now
        found = changes(held, pack)
        self._cities.turn(pack)
        for warning in pack.warnings:
            log.warning("pack_warning", warning=str(warning))
        log.info(
            "pack_turned",
            version=pack.city.version,
            before=held.city.version,
            changes=len(found),
            told=words(found[:TOLD_MAX], "en"),
        )
        return "turned"

    def _refuse(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            log.error("pack_fault", file=fault.file, key=fault.key, value=fault.value, message=fault.message)
        log.error("pack_refused", faults=len(faults), effect="the old pack holds until the folder changes again")


def look_at(folder: Path) -> Look:
    """Names, sizes and times of the pack's files that are there: cheaper than reading them."""
    found = []
    for name in (*FILES, *OPTIONAL):
        try:
            stat = (folder / name).stat()
        except OSError:
            continue
        found.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(found)
