"""A person's act on a case: one transaction that locks, reads, decides and writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from alerts.desk.acting import Doing, perform
from alerts.desk.case import WROTE, Told, case_of, moved_by
from alerts.desk.lifecycle import MOVES, SUSPEND_MAX, Act, Case, Refusal, Wish, decide
from alerts.desk.reasons import VOIDS, code_of
from alerts.desk.words import refusal_line
from alerts.incidents import quiet
from alerts.incidents.locking import hold_places
from alerts.incidents.naming import incident_key, no_incident
from alerts.incidents.reading import view
from alerts.incidents.sites import USUAL, Reach
from alerts.keeping.holds import held
from alerts.messages import Lang
from alerts.record import keys
from alerts.record.text import refuse_text
from alerts.record.words import WHATS, actor_name
from alerts.rows import incident_row
from alerts.store import AlertDatabase, Connection
from schemas.city import City
from schemas.errors import CurbwatchError, SaidError, UsageError
from schemas.incident import EvidenceRecord, IncidentRow
from schemas.record import Actor, What

LATE = frozenset({"state", "ended", "merged"})  # refusals for which somebody, or something, came first
STEPS = """
select seq, at, actor, role, what, state, detail from incident_event where incident_id = %s order by event_id
"""


class RefusedError(UsageError):
    """An act that may not be. ``exit_code`` is 1 where somebody was first, else 2."""

    def __init__(self, refusal: Refusal, act: Act, last: Told | None = None) -> None:
        self.refusal = refusal
        self.act = act
        self.last = last if refusal.code in LATE else None
        self.exit_code = 1 if refusal.code in LATE else UsageError.exit_code
        super().__init__(self.line("en"))

    def line(self, lang: Lang, zone: tzinfo = UTC) -> str:
        """Why, in one sentence, with whose step was first, on the clock of ``zone``."""
        said = refusal_line(self.refusal, self.act, lang)
        if self.last is None:
            return said
        return f"{said} ({self.last.at.astimezone(zone):%m-%d %H:%M:%S} {_who_did(self.last, lang)})"


class ChangedError(CurbwatchError):
    """The case is not the one the person saw: ``since`` are the steps made meanwhile."""

    def __init__(self, incident_id: str, seen: int, since: list[Told]) -> None:
        self.incident_id = incident_id
        self.seen = seen
        self.since = since
        super().__init__(self.line("en"))

    def line(self, lang: Lang) -> str:
        """What happened meanwhile, in one sentence."""
        if lang == "en":
            steps = "; ".join(f"{step.seq} {step.actor} {step.what}" for step in self.since) or "it has fewer steps"
            return f"incident {self.incident_id} changed since version {self.seen}: {steps}. Look again, then decide"
        steps = ";".join(f"{step.seq} {_who_did(step, lang)}" for step in self.since) or "步骤比您看到的少"
        return f"案件 {self.incident_id} 在版本 {self.seen} 之后有变化:{steps}。请重新查看后再决定"


@dataclass(frozen=True, slots=True)
class Given:
    """What comes with a wish: the version that was seen, a key that makes it once, pictures on disk."""

    version: int | None = None
    key: str = ""
    before: EvidenceRecord | None = None
    after: EvidenceRecord | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of it. ``seq``: the step that says so. ``again``: it had been done, and nothing was written now.

    ``detail``: that step's.
    """

    row: IncidentRow
    seq: int
    what: str
    again: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


class CaseActions:
    """The desk's acts; every one is one transaction and raises SinkError when it did not happen."""

    def __init__(
        self,
        database: AlertDatabase,
        city: Callable[[], City],
        *,
        quiet_s: float = 3600.0,
        reach: Reach = USUAL,
        suspend_most: timedelta = SUSPEND_MAX,
    ) -> None:
        """``quiet_s``: for how long the place of what a person voided opens nothing of the kind.

        ``reach``: what is one thing with a case, where its place is spoken of.
        ``suspend_most``: how long a case may be suspended by one word.
        """
        self._database = database
        self._city = city
        self._quiet_s, self._reach = quiet_s, reach
        self._suspend_most = suspend_most

    def act(self, incident_id: str, wish: Wish, actor: Actor, given: Given | None = None) -> Acted:
        """Do what ``actor`` asks. The same key again, or the same person's same act again, is done once.

        Raises RefusedError where it may not be, ChangedError where the case is not the one that was seen, UsageError
        for an unknown incident, class or picture, and for a key that was used for something else.
        """
        given = given or Given()
        _refuse_long(wish, given)
        city = self._city()
        with self._database.transaction("action") as conn:
            wish = replace(wish, into=str(incident_key(conn, wish.into))) if wish.into else wish
            row = _locked(conn, incident_id, wish)
            word = keys.Word(given.key, row["incident_id"], str(wish.act), actor, _said(wish, given))
            known = keys.said(conn, word)
            if known is not None:
                return self._acted(conn, row, known, again=True)
            steps = [Told(**step) for step in conn.execute(STEPS, (row["incident_id"],)).fetchall()]
            case = replace(_case(conn, row, steps, city), quiet=quiet.is_quiet(conn, row, self._reach))
            before = _done_before(case, steps, wish, actor)
            if before is not None:
                return self._acted(conn, row, before, again=True)
            if given.version is not None and given.version != case.version:
                raise ChangedError(incident_id, given.version, [step for step in steps if step.seq > given.version])
            found = decide(case, self._completed(wish, given, row, city), actor, _now(conn))
            if isinstance(found, Refusal):
                raise RefusedError(found, wish.act, moved_by(steps))
            pictures = (given.before, given.after)
            seq = perform(Doing(conn, row, city, actor, wish, found, *pictures, self._quiet_s, self._reach))
            keys.keep(conn, word, seq)
            return self._acted(conn, row, seq, again=False)

    def voids(self, since: datetime) -> list[dict[str, Any]]:
        """How often each person voided what, for which reason, since a moment: ``actor, role, reason, count, asked``.

        ``count``: those they ended, with their word as the second one; ``asked``: those for which theirs was the first.
        """
        with self._database.transaction() as conn:
            return conn.execute(
                "select actor, role, detail ->> 'reason' as reason, count(*) filter (where what = 'void') as count,"
                " count(*) filter (where what = 'void_asked') as asked from incident_event"
                " where what in ('void', 'void_asked') and at >= %s group by 1, 2, 3 order by 4 desc, 5 desc, 1, 3",
                (since,),
            ).fetchall()

    def _completed(self, wish: Wish, given: Given, row: dict[str, Any], city: City) -> Wish:
        return replace(_completed(wish, given, row, city), most=self._suspend_most)

    def _acted(self, conn: Connection, row: dict[str, Any], seq: int, *, again: bool) -> Acted:
        now = incident_row(view(conn, str(row["incident_id"])))
        step = conn.execute(
            "select what, detail from incident_event where incident_id = %s and seq = %s", (row["incident_id"], seq)
        ).fetchone()
        return Acted(now, seq, "", again) if step is None else Acted(now, seq, step["what"], again, step["detail"])


def _locked(conn: Connection, incident_id: str, wish: Wish) -> dict[str, Any]:
    """The incident's row; it, and the one it is to go into, are locked in the order of their ids.

    Before them their places, where the act may change what is open there: a camera that sees something there waits.
    """
    key = incident_key(conn, incident_id)
    keys = [key, *([UUID(wish.into)] if wish.into else [])]
    if wish.act in {Act.REOPEN, Act.MERGE}:
        hold_places(conn, keys)
    rows = conn.execute(
        "select * from incident where incident_id = any(%s) order by incident_id for no key update", (keys,)
    ).fetchall()
    for row in rows:
        if row["incident_id"] == key:
            return row
    raise no_incident(incident_id)


def _done_before(case: Case, steps: list[Told], wish: Wish, actor: Actor) -> int | None:
    """The step with which the same person did the same before, where it was the last word of a person: clicked twice.

    A crew that took the job meanwhile changes nothing of that.
    """
    if case.state in MOVES[wish.act].origins:
        return _asked_before(case, steps, wish, actor)
    moves = [step for step in steps if step.what in set(WROTE.values()) and step.role != "system"]
    last = moves[-1] if moves else None
    if last is None or (last.what, last.actor) != (WROTE.get(wish.act), actor.name):
        return None
    if wish.act is Act.MERGE and last.detail.get("into") != wish.into:
        return None
    return last.seq


def _asked_before(case: Case, steps: list[Told], wish: Wish, actor: Actor) -> int | None:
    """The step with which the same person asked to void it, in the same words: it waits for a second person still."""
    if wish.act is not Act.VOID or case.asked_by != actor.name or wish.text.strip() not in {"", case.asked_text}:
        return None
    if (code_of(VOIDS, wish.reason) or case.asked_reason) != case.asked_reason:
        return None
    return max(step.seq for step in steps if step.what == What.VOID_ASKED)


def _said(wish: Wish, given: Given) -> dict[str, Any]:
    """All that a person said besides the act, as plain JSON."""
    pictures = {"before": given.before, "after": given.after}
    return {
        "reason": wish.reason,
        "text": wish.text.strip(),
        "until": wish.until_said or (None if wish.until is None else wish.until.isoformat()),
        "working_h": wish.working_h,
        "into": wish.into,
        "class": wish.class_code,
        "urgent": wish.urgent,
        **{role: None if picture is None else picture.sha256 for role, picture in pictures.items()},
    }


def _case(conn: Connection, row: dict[str, Any], steps: list[Told], city: City) -> Case:
    known = city.classes.get(row["class_code"])
    grave = known is not None and known.grave
    return case_of(row, steps, grave=grave, held=held(conn, str(row["incident_id"])))


def _completed(wish: Wish, given: Given, row: dict[str, Any], city: City) -> Wish:
    """The wish with what is known here: the family of the class it names, the pictures there are."""
    if wish.class_code and wish.class_code not in city.classes:
        classes = ", ".join(sorted(city.classes))
        raise SaidError(
            f"no class {wish.class_code!r}: the city pack has {classes}",
            f"没有类别 {wish.class_code!r}:城市包中有 {classes}",
        )
    family = city.classes[wish.class_code].family if wish.class_code else ""
    urgent = wish.urgent
    if wish.act is Act.CONFIRM and not urgent:
        known = city.classes.get(row["class_code"])
        urgent = bool(row["urgent"]) or (known is not None and known.urgent)
    before = given.before is not None or row["opening_id"] is not None
    return replace(wish, class_family=family, urgent=urgent, before=before, after=given.after is not None)


def _refuse_long(wish: Wish, given: Given) -> None:
    refuse_text(wish.text, "--text")
    keys.refuse_key(given.key)


def _who_did(step: Told, lang: Lang) -> str:
    """A step's doer and its word, as people say them."""
    word = WHATS.get(step.what, (step.what, step.what))[lang == "en"]
    return f"{actor_name(step.actor, step.role, lang)}: {word}"


def _now(conn: Connection) -> datetime:
    """The database's clock, as in the record."""
    row = conn.execute("select clock_timestamp() as at").fetchone()
    return datetime.now(UTC) if row is None else row["at"]
