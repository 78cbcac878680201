"""The crew's screen as rows and keys, without a terminal: what is shown, and what a key means. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alerts.jobs.board import BoardRow
from alerts.messages import WHYS_SHORT, Lang, class_name, distance, duration, place_name, unit_name
from curbwatch.cli.output import escaped
from schemas.city import City
from schemas.incident import Job

LAMPS = {"red": "bold red", "yellow": "bold yellow", "green": "green", "": "dim"}
ENTER, ESCAPE, ERASE = frozenset("\r\n"), "\x1b", frozenset("\x7f\b")
ARROWS = {"\x1b[A": "k", "\x1b[B": "j", "\x1bOA": "k", "\x1bOB": "j"}
TYPED_MAX = 200  # characters of a reason
WORDS: dict[str, tuple[str, str]] = {
    "empty": ("暂无任务", "nothing waits"),
    "keys": (
        "↑↓ 选择   n 取下一单   t 领取   d 完成   r 退回   s 详情   q 退出",
        "↑↓ choose   n next   t take   d done   r give back   s show   q quit",
    ),
    "reason": ("退回原因(回车确定,Esc 取消):", "why give it back? (Enter: so, Esc: not) "),
    "done": ("确认已处置完毕?(y/n)", "is it dealt with? (y/n)"),
    "not_mine": ("这一单不在你手上", "you do not hold this one"),
    "none_chosen": ("没有选中的任务", "no job is chosen"),
    "left": ("剩{}", "{} left"),
    "over": ("超时{}", "{} late"),
    "waits": ("待领取", "waits"),
    "away": ("连接中断,自动重试", "connection lost, trying again"),
}
NARROW = 76  # columns below which what a crew can do without is left out
WIDE_ONLY = frozenset({5, 7})  # of HEADS: how far, and why
HEADS: tuple[tuple[str, str], ...] = (
    ("", ""),
    ("时限", "LIMIT"),
    ("什么", "WHAT"),
    ("在哪里", "WHERE"),
    ("已停留", "STANDS"),
    ("距离", "AWAY"),
    ("谁在办", "WHO"),
    ("缘由", "WHY US"),
)


Kind = Literal["next", "take", "done", "reject", "show", "quit"]


@dataclass(frozen=True, slots=True)
class Act:
    """What a key asks to be done; ``text`` is a reason."""

    kind: Kind
    job_id: str = ""
    text: str = ""


ANYWHERE = {"q": Act("quit"), "\x03": Act("quit"), "n": Act("next")}
ABOUT: dict[str, Kind] = {"t": "take", "\r": "take", "\n": "take", "s": "show", "d": "done", "r": "reject"}


@dataclass(frozen=True, slots=True)
class Screen:
    """What the screen is about now. ``asking``: what the line at the bottom asks; ``typed``: what was typed so far.

    ``said``: the last thing that happened; ``away``: a server does not answer.
    """

    person: str
    rows: tuple[BoardRow, ...] = ()
    chosen: str = ""  # job id
    asking: Literal["", "done", "reason"] = ""
    typed: str = ""
    said: str = ""
    away: bool = False

    @property
    def row(self) -> BoardRow | None:
        """The chosen row; None where nothing waits."""
        return next((row for row in self.rows if row.job.job_id == self.chosen), None)

    def showing(self, rows: Sequence[BoardRow]) -> "Screen":
        """The same with what the board says now: the chosen job stays chosen while it is there."""
        ids = [row.job.job_id for row in rows]
        chosen = self.chosen if self.chosen in ids else (ids[0] if ids else "")
        asking = self.asking if chosen == self.chosen else ""
        return replace(self, rows=tuple(rows), chosen=chosen, asking=asking, away=False)

    def press(self, key: str, lang: Lang) -> tuple["Screen", Act | None]:
        """What a key makes of it, and what is to be done. An unknown key changes nothing."""
        if self.asking == "reason":
            return self._typing(key)
        if self.asking == "done":
            act = Act("done", self.chosen) if key in "yY" else None
            return replace(self, asking=""), act
        key = ARROWS.get(key, key).lower()
        if key in {"j", "k"}:
            return self._moved(1 if key == "j" else -1), None
        if key in ANYWHERE:
            return self, ANYWHERE[key]
        return self._about_chosen(key, lang)

    def _about_chosen(self, key: str, lang: Lang) -> tuple["Screen", Act | None]:
        """Keys that are about the chosen job; another one changes nothing."""
        row, kind = self.row, ABOUT.get(key)
        if kind is None:
            return self, None
        if row is None:
            return replace(self, said=word("none_chosen", lang)), None
        if kind in {"take", "show"}:
            return self, Act(kind, self.chosen)
        if row.job.holder != self.person:
            return replace(self, said=word("not_mine", lang)), None
        return replace(self, asking="done" if kind == "done" else "reason", typed="", said=""), None

    def _moved(self, step: int) -> "Screen":
        ids = [row.job.job_id for row in self.rows]
        if not ids:
            return self
        at = ids.index(self.chosen) if self.chosen in ids else 0
        return replace(self, chosen=ids[min(max(at + step, 0), len(ids) - 1)], said="")

    def _typing(self, key: str) -> tuple["Screen", Act | None]:
        if key == ESCAPE:
            return replace(self, asking="", typed=""), None
        if key in ENTER:
            reason = self.typed.strip()
            if not reason:
                return self, None
            return replace(self, asking="", typed=""), Act("reject", self.chosen, reason)
        if key in ERASE:
            return replace(self, typed=self.typed[:-1]), None
        if key.isprintable() and len(self.typed) < TYPED_MAX:
            return replace(self, typed=self.typed + key), None
        return self, None


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws a screen in a language. ``names`` maps a camera or vehicle to what a person calls it."""

    city: City
    names: dict[str, str]
    unit_id: str
    lang: Lang
    zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        """Look the city's zone up once."""
        object.__setattr__(self, "zone", ZoneInfo(self.city.timezone))

    def paint(self, screen: Screen, now: datetime) -> RenderableType:
        """The whole screen: whose board, the jobs, what can be done or is asked."""
        waiting = sum(row.job.state == "queued" for row in screen.rows)
        mine = sum(row.job.holder == screen.person for row in screen.rows)
        title = Text(unit_name(self.city, self.unit_id, self.lang), "bold")
        counts = f"{waiting} waiting, {mine} yours" if self.lang == "en" else f"待领取 {waiting}  在手 {mine}"
        title.append(f"   {now.astimezone(self.zone):%H:%M:%S}   {counts}   {escaped(screen.person)}", "not bold")
        return Group(title, Text(), self._body(screen, now), Text(), self._bottom(screen))

    def _body(self, screen: Screen, now: datetime) -> RenderableType:
        if not screen.rows:
            return Padding(Text(word("empty", self.lang), "dim"), (1, 2))
        return _Fitting(lambda columns: self._table(screen, now, columns))

    def _table(self, screen: Screen, now: datetime, columns: int) -> Table:
        shown = [index for index in range(len(HEADS)) if columns >= NARROW or index not in WIDE_ONLY]
        table = Table(
            box=None, expand=True, pad_edge=False, header_style="dim", padding=(0, 1 + (columns >= NARROW), 0, 0)
        )
        for index in shown:
            wide = index in {2, 3}
            head = HEADS[index][self.lang == "en"]
            table.add_column(head, ratio=2 if wide else None, no_wrap=not wide, overflow="fold")
        for row in screen.rows:
            chosen = row.job.job_id == screen.chosen
            cells = self._cells(row, now, chosen=chosen)
            table.add_row(*(cells[index] for index in shown), style="on grey23" if chosen else "")
        return table

    def _cells(self, row: BoardRow, now: datetime, *, chosen: bool) -> list[Text]:
        job, incident = row.job, row.job.incident
        what = class_name(self.city, incident.class_code, self.lang)
        stands = duration((now - incident.appeared_at).total_seconds(), self.lang)
        near = "-" if row.near_m is None else distance(row.near_m, self.lang)
        return [
            Text("▸" if chosen else " ").append_text(self._mark(job)),
            Text(self.limit(row, now), LAMPS[row.lamp]),
            Text(escaped(what), "bold"),
            Text(escaped(self._where(job))),
            Text(stands),
            Text(near),
            Text(escaped(job.holder), "cyan") if job.holder else Text(word("waits", self.lang), "dim"),
            Text(WHYS_SHORT.get(job.why, ("", ""))[self.lang == "en"], "dim"),
        ]

    def _mark(self, job: Job) -> Text:
        if job.incident.family == "sos":
            return Text(" SOS ", "bold white on red")
        if job.stuck:
            return Text("!", "bold magenta")
        urgent = ("急", "URG")[self.lang == "en"]
        return Text(f" {urgent} ", "bold black on yellow") if job.urgency == "urgent" else Text()

    def limit(self, row: BoardRow, now: datetime) -> str:
        """The lamp with the time that is left: a lamp alone tells nothing to who does not see colours."""
        if row.due_at is None:
            return "○"
        left_s = (row.due_at - now).total_seconds()
        return "● " + word("left" if left_s >= 0 else "over", self.lang).format(duration(abs(left_s), self.lang))

    def _where(self, job: Job) -> str:
        return place_name(self.city, self.names, job.incident, self.lang)

    def _bottom(self, screen: Screen) -> RenderableType:
        if screen.asking == "reason":
            return Text(word("reason", self.lang), "bold").append(escaped(screen.typed) + "▏", "not bold")
        if screen.asking == "done":
            return Text(word("done", self.lang), "bold")
        said = word("away", self.lang) if screen.away else screen.said
        keys = _Fitting(lambda columns: _keys(word("keys", self.lang), columns))
        return Group(Text(escaped(said), "bold yellow"), keys) if said else keys


@dataclass(frozen=True, slots=True)
class _Fitting:
    """What depends on how many columns there are."""

    drawn: Callable[[int], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it for so many columns."""
        yield self.drawn(options.max_width)


def _keys(line: str, columns: int) -> Text:
    """The line of keys, closer together where it would not fit."""
    text = Text(line, "dim")
    return text if text.cell_len <= columns else Text(line.replace("   ", " "), "dim")


def word(key: str, lang: Lang) -> str:
    """A word of the screen."""
    return WORDS[key][lang == "en"]
