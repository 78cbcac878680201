"""``curbwatch dispatch board``: the unit's jobs on the whole screen, with keys; plain lines where there is none."""

import codecs
import os
import re
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from alerts.jobs.board import board_of
from alerts.messages import event_line, job_lines
from curbwatch.board import Act, Painter, Screen
from curbwatch.build import make_picker
from curbwatch.cli.dispatch import (
    LOOK_S,
    Unit,
    crew_of,
    dispatch_app,
    dispatch_watch,
    stopping,
)
from curbwatch.cli.dispatch_show import shown_lines
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile, Who
from curbwatch.desk import Desk, open_desk
from schemas.errors import CurbwatchError, SaidError, SinkError
from schemas.incident import Job

KEY_BYTES = 64  # a paste is several keys
RENEW_PART = 3  # of a lease


@dispatch_app.command("board")
def dispatch_board(
    *,
    person: Who = "",
    token_file: TokenFile = None,
    unit: Unit = "",
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="End by itself after so long.")] = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show the unit's jobs on the whole screen, and take, end or give them back by single keys; keeps leases alive."""
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        dispatch_watch(
            person=person,
            token_file=token_file,
            unit=unit,
            seconds=seconds,
            config=config,
            lang=lang,
            as_json=as_json,
        )
        return
    with stopping() as stop, open_desk(config, lang) as desk:
        crew = desk.crew(person, token_file)
        board = Board(desk, desk.unit(unit, crew), crew)
        ends_s = None if seconds is None else monotonic() + seconds
        with Live(console=Console(), screen=True, auto_refresh=False) as live, raw_keys() as keys:
            while not stop.is_set() and not board.over and (ends_s is None or monotonic() < ends_s):
                board.look()
                live.update(board.painted(), refresh=True)
                for key in keys(LOOK_S):
                    board.press(key)
                live.update(board.painted(), refresh=True)


class Board:
    """A screen with its desk: looks, obeys keys, keeps leases alive."""

    def __init__(self, desk: Desk, unit_id: str, person: str) -> None:
        self._desk = desk
        self._unit_id = unit_id
        self._person = person
        self._picker = make_picker(desk.site)
        self._crew = crew_of(desk, unit_id, person)
        self._painter = Painter(desk.site.pack.city, desk.names, unit_id, desk.lang)
        self._renewed_s: float | None = None
        self._details: list[str] = []
        self.screen = Screen(person)
        self.over = False

    def look(self) -> None:
        """Ask the database for the board; where it is away, say so and keep what was there."""
        try:
            self._renew()
            rows = board_of(self._desk.database, self._picker, self._unit_id)
        except SinkError:
            self.screen = _with(self.screen, away=True)
            return
        self.screen = self.screen.showing(rows)

    def painted(self) -> RenderableType:
        """The screen, or the details of one job until the next key."""
        if self._details:
            return Text("\n".join(self._details))
        return self._painter.paint(self.screen, datetime.now(UTC))

    def press(self, key: str) -> None:
        """Obey a key. What is refused is said at the bottom, and nothing else happens."""
        if self._details:
            self._details = []
            return
        self.screen, act = self.screen.press(key, self._desk.lang)
        if act is None:
            return
        try:
            self._do(act)
        except SaidError as error:
            self.screen = _with(self.screen, said=error.line(self._desk.lang))
        except CurbwatchError as error:
            self.screen = _with(self.screen, said=str(error))
        self.look()

    def _do(self, act: Act) -> None:
        jobs = self._desk.jobs
        if act.kind == "quit":
            self.over = True
        elif act.kind == "show":
            self._details = shown_lines(self._desk, jobs.find(act.job_id), datetime.now(UTC), self._person)
        elif act.kind == "next":
            found = self._crew.take_next()
            self._taken(None if found is None else found.job, "none")
        elif act.kind == "take":
            self._taken(jobs.take(act.job_id, self._person), "not_taken")
        elif act.kind == "done":
            self._say("done", jobs.done(act.job_id, self._person))
        else:
            self._say("rejected", jobs.reject(act.job_id, self._person, act.text))

    def _taken(self, job: Job | None, otherwise: str) -> None:
        if job is None:
            self.screen = _with(self.screen, said=event_line(otherwise, self._desk.lang))
            return
        self.screen = _with(self.screen, chosen=job.job_id)
        self._say("taken", job)
        # Told after it is on the screen: one that died in between gets the job again.
        self._desk.jobs.shown(job.job_id, self._person)

    def _say(self, event: str, job: Job) -> None:
        city, lang = self._desk.site.pack.city, self._desk.lang
        line = job_lines(city, self._desk.names, job, lang, datetime.now(UTC))[0]
        self.screen = _with(self.screen, said=f"{event_line(event, lang)}: {line}")

    def _renew(self) -> None:
        now_s = monotonic()
        if self._renewed_s is None or now_s - self._renewed_s >= self._desk.jobs.lease_s / RENEW_PART:
            self._desk.jobs.renew(self._person)
            self._renewed_s = now_s


@contextmanager
def raw_keys() -> Iterator["Keys"]:
    """Lend the keyboard key by key, without echo; the terminal is as it was afterwards."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield Keys(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


class Keys:
    """Keys as they are pressed on a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, wait_s: float) -> list[str]:
        """Keys that were pressed, waiting ``wait_s`` s for the first; none where nothing was."""
        ready, _, _ = select.select([self._fd], [], [], wait_s)
        return split_keys(self._decoder.decode(os.read(self._fd, KEY_BYTES))) if ready else []


def split_keys(text: str) -> list[str]:
    """What a terminal sent, as keys: an arrow is three characters and one key."""
    return re.findall(r"\x1b[\[O][A-Z]|.", text, re.DOTALL)


def _with(screen: Screen, *, said: str | None = None, away: bool | None = None, chosen: str | None = None) -> Screen:
    return replace(
        screen,
        said=screen.said if said is None else said,
        away=screen.away if away is None else away,
        chosen=screen.chosen if chosen is None else chosen,
    )
