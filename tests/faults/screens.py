"""Crews' terminals: what each has shown stands in a file of its own, as a terminal keeps the ids of its jobs."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Self

from schemas.errors import SinkError
from tests.alerts.made_desk import Parts

PAUSE_S = 0.02
AWAY_S = 0.1


class Screen:
    """Takes, shows, and finishes three jobs of four, for one person, until told to stop."""

    def __init__(self, person: str, parts: Parts, file: Path, *, resend_s: float) -> None:
        self.person = person
        self._parts = parts
        self._crew = parts.crew(person, resend_s=resend_s)
        self._file = file
        self._known = set(shown_in(file))
        self._log = file.with_name(f"again-{file.name}")

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                found = self._crew.take_next()
                if found is None:
                    stop.wait(PAUSE_S)
                    continue
                job_id = found.job.job_id
                if found.again:
                    _append(self._log, job_id)
                if job_id not in self._known:
                    self._show(job_id)
                self._crew.shown(found.job)
                if int(job_id[:2], 16) % 4:
                    self._finish(job_id, stop)
            except SinkError:
                stop.wait(AWAY_S)

    def _show(self, job_id: str) -> None:
        """One write, which is there or is not, whatever kills us."""
        self._known.add(job_id)
        _append(self._file, f"{job_id} {time.time():.6f}")

    def _finish(self, job_id: str, stop: Event) -> None:
        """Say it until it is known to be written: said twice by its holder it is done once."""
        while not stop.is_set():
            try:
                self._parts.jobs.done(job_id, self.person)
            except SinkError:
                stop.wait(AWAY_S)
            else:
                return


class Screens:
    """Several terminals in threads, each with connections of its own."""

    def __init__(self, made: Iterable[Parts], folder: Path, *, resend_s: float) -> None:
        self._stop = Event()
        self._parts = list(made)
        self.folder = folder
        self.screens = [
            Screen(f"p-{number}", own, folder / f"p-{number}", resend_s=resend_s)
            for number, own in enumerate(self._parts)
        ]
        self._faults: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(screen,)) for screen in self.screens]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for own in self._parts:
            own.close()
        assert self._faults == []

    def _run(self, screen: Screen) -> None:
        try:
            screen.run(self._stop)
        except Exception as fault:  # noqa: BLE001  # told at the end, in the test's own thread
            self._faults.append(fault)


def shown_in(file: Path) -> dict[str, float]:
    """Job ids that one terminal has shown, each with when; a line that a kill cut short was not shown whole."""
    if not file.exists():
        return {}
    lines = file.read_bytes().split(b"\n")[:-1]
    pairs = [line.decode().split() for line in lines]
    assert len({job_id for job_id, _ in pairs}) == len(pairs), f"{file.name} showed a job twice"
    return {job_id: float(at) for job_id, at in pairs}


def shown(folder: Path) -> Counter[str]:
    """How many terminals have shown each job."""
    return Counter(job_id for file in sorted(folder.glob("p-*")) for job_id in shown_in(file))


def again_in(folder: Path) -> int:
    """How often a terminal was given a job that its person owned and that it was not known to have shown."""
    return sum(len(file.read_bytes().splitlines()) for file in folder.glob("again-*"))


def _append(file: Path, line: str) -> None:
    with file.open("ab", buffering=0) as output:
        output.write(f"{line}\n".encode())
