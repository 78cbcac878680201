"""Open cases that a city pack leaves behind: of classes that it does not have, and of cameras that nobody else has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from alerts.messages import Lang
from alerts.record.steps import OPEN_STATES
from config.pack import Pack
from curbwatch.database import Connection
from schemas.alarms import SOS

log = structlog.get_logger()

NAMED_MAX = 5  # cases that a line names; of more it says how many
COUNTED = "count(*), (array_agg(incident_id::text order by opened_at, incident_id))[1:%(named)s::int] from incident i"
OF_CLASSES = f"""
select class_code, {COUNTED}
where state = any(%(open)s) and family <> %(sos)s and class_code <> all(%(known)s) group by 1 order by 1
"""  # from this file
# A camera that `publish` entered, or an operator accepted, goes on whatever a pack says.
OF_CAMERAS = f"""
select camera_id, {COUNTED}
where state = any(%(open)s) and family <> %(sos)s and camera_id <> '' and camera_id <> all(%(known)s)
    and not exists (select from device d where d.device_id = i.camera_id and d.source <> 'pack')
group by 1 order by 1
"""  # noqa: S608  # from this file


@dataclass(frozen=True, slots=True)
class Left:
    """A class or camera that a pack lacks: how many open cases are of it, and the ids of the first of them."""

    table: Literal["class", "camera"]
    key: str
    cases: int
    incidents: tuple[str, ...]


def left_by(conn: Connection, pack: Pack) -> list[Left]:
    """Classes, then cameras, that open cases have and a pack lacks; calls for help are of no pack's class."""
    found = []
    tables: tuple[tuple[Literal["class", "camera"], str, list[str]], ...] = (
        ("class", OF_CLASSES, sorted(pack.city.classes)),
        ("camera", OF_CAMERAS, sorted(pack.cameras)),
    )
    for table, query, known in tables:
        values = {"open": list(OPEN_STATES), "sos": SOS, "known": known, "named": NAMED_MAX}
        found += [Left(table, key, cases, tuple(ids)) for key, cases, ids in conn.execute(query, values)]
    return found


def log_left(conn: Connection, pack: Pack) -> None:
    """Log each class and camera of open cases that a pack lacks which holds now."""
    for one in left_by(conn, pack):
        log.warning(
            "pack_leaves_cases",
            table=one.table,
            key=one.key,
            cases=one.cases,
            incidents=list(one.incidents),
            effect=left_words([one], "en")[0],
        )


def left_words(left: Sequence[Left], lang: Lang) -> list[str]:
    """One line for each, with what becomes of its cases and what to do."""
    return [_line(one, lang) for one in left]


def _line(one: Left, lang: Lang) -> str:
    named = ", ".join(incident_id[:8] for incident_id in one.incidents)
    more = one.cases - len(one.incidents)
    if lang == "zh":
        listed = named + (f" 等 {one.cases} 件" if more else "")
        cases = f"{one.cases} 件在办案件({listed})"
        if one.table == "class":
            return (
                f"新包中没有类别 {one.key}:{cases}沿用其最后的时限,且没有名称:"
                "请保留该类别,或用 incident downgrade --class 改类别"
            )
        return f"新包中没有相机 {one.key}:{cases}不再有相机看到或核查:由人员核查后结案"
    listed = named + (f" and {more} more" if more else "")
    cases = f"{one.cases} open case{'' if one.cases == 1 else 's'} ({listed})"
    if one.table == "class":
        return (
            f"class {one.key}, which the pack lacks: {cases} by its last limit and without its name: keep the class, or"
            " give them another one, `incident downgrade --class`"
        )
    return f"camera {one.key}, which the pack lacks: {cases} that no camera sees or checks: a person closes them"
