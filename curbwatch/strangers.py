"""Devices that an operator accepts or forgets, and how each device does: queries of ``curbwatch device``."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.faults import nearest
from curbwatch.broker.plan import refuse_names
from curbwatch.cli.output import escaped
from curbwatch.cli.words import kind_word
from curbwatch.database import Connection
from curbwatch.letters import Chosen, tally
from curbwatch.registry import register_accepted
from ingest.topics import DEVICE_ID
from schemas.errors import SaidError

LISTS_EN = "`curbwatch device list` and `curbwatch device strangers`"
LISTS_ZH = "`curbwatch device list` 和 `curbwatch device strangers`"
RATE_PER_S = 20.0  # messages a second that an accepted vehicle may keep up, as one of a city pack

# One alias leads to one device: whoever else enters devices meanwhile waits, and is then judged by what is there.
ALONE = "lock table device in share row exclusive mode"
STRANGERS = """
select form, foreign_id, device_id, kind, topic, first_seen_at, last_seen_at, messages from device_stranger
where %(asked)s::text is null or %(asked)s in (foreign_id, device_id, form || ':' || foreign_id)
order by last_seen_at desc
"""
DEVICES = """
select device_id, d.kind, d.name, d.unit_id, d.crs, d.period_s, d.max_bytes, d.aliases, d.source, h.state,
       h.last_seen_at
from device d left join device_health h using (device_id) order by device_id
"""
HEALTH = """
select device_id, kind, state, last_seen_at, last_captured_at, lon, lat, messages, rate_per_min, lag_ms, skew_ms, gaps,
       duplicates, shed, rejected, given_up, boots, updated_at
from device_health where %(asked)s::text is null or device_id = %(asked)s order by device_id
"""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A device that speaks and is not in the registry; ``device_id`` is the id it would get."""

    form: str
    foreign_id: str
    device_id: str
    kind: str
    topic: str
    first_seen_at: datetime
    last_seen_at: datetime
    messages: int

    @property
    def alias(self) -> str:
        """Its id in its form, as the registry writes it."""
        return f"{self.form}:{self.foreign_id}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator says of a device that is accepted; empty and None: what the stranger shows, or nothing."""

    asked: str
    device_id: str = ""
    kind: str = ""
    unit_id: str = ""
    cell_id: str = ""
    crs: str = "wgs84"
    period_s: float | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A device that was accepted; ``messages`` came of it, ``letters`` are set aside under the name ``letters_of``."""

    device_id: str
    kind: str
    alias: str
    letters: int
    letters_of: str
    messages: int


def strangers(conn: Connection, asked: str | None = None) -> list[Stranger]:
    """Return the strangers, the newest first; ``asked`` is an id, a foreign id, or form and foreign id."""
    return [Stranger(*row) for row in conn.execute(STRANGERS, {"asked": asked})]


def accept(
    conn: Connection, wish: Wish, *, past_limit_s: float, forms: Collection[str], reserved: Collection[str]
) -> Accepted:
    """Enter a device in the registry, where the running intake sees it at once. Raises UsageError.

    ``forms`` are those that are read here beside our own; no device may have a name of ``reserved``.
    One that has not spoken yet is entered where the wish says its kind. A second stranger may be accepted as a device
    that was accepted before: that one is left as it is, but for one alias more.
    """
    with conn.transaction():
        conn.execute(ALONE)
        one = _asked(_meant(conn, wish.asked), wish, forms)
        native = one.form == "native"
        device_id = _named_as(one, wish)
        refuse_names((device_id,), reserved)
        _refuse_twins(conn, device_id, "" if native else one.foreign_id)
        kind = wish.kind or one.kind
        aliases, known = _aliases(conn, device_id, kind, "" if native else one.alias)
        values: dict[str, Any] = {
            "device_id": device_id,
            "kind": kind,
            "unit_id": wish.unit_id,
            "cell_id": wish.cell_id,
            "crs": wish.crs,
            "max_age_s": past_limit_s,
            "rate_per_s": RATE_PER_S if kind == "vehicle" else None,
            "period_s": wish.period_s,
            "max_bytes": wish.max_bytes,
            "aliases": aliases,
        }
        if known:
            conn.execute("update device set aliases = %(aliases)s where device_id = %(device_id)s", values)
        else:
            register_accepted(conn, values)
        conn.execute("delete from device_stranger where (form, foreign_id) = (%s, %s)", (one.form, one.foreign_id))
        letters, _ = tally(conn, Chosen(reason="unknown_device", device=one.device_id))
    return Accepted(device_id, kind, "" if native else one.alias, letters, one.device_id, one.messages)


def _named_as(one: Stranger, wish: Wish) -> str:
    """The id it gets. Raises UsageError for what is none, and where our own form says another or another kind."""
    native = one.form == "native"
    device_id = wish.device_id or one.device_id
    if not DEVICE_ID.fullmatch(device_id):
        shown = f"FORM:{escaped(one.foreign_id)}" if native else escaped(one.alias)
        what = f"--as {device_id!r}" if wish.device_id else escaped(wish.asked)
        how = "" if wish.device_id else f": name it, `accept {shown} --as NEW_ID`"
        raise SaidError(
            f"{what}: an id has 1 to 64 letters, digits, _ or -{how}",
            f"{what}:编号由 1 至 64 个字母、数字、_ 或 - 组成"
            + ("" if wish.device_id else f":请另取编号,`accept {shown} --as 新编号`"),
        )
    if native and device_id != one.foreign_id:
        raise SaidError(
            f"{one.foreign_id} speaks our own form: its id is that of its topic, --as cannot change it",
            f"{one.foreign_id} 使用本系统格式:编号以主题为准,--as 不能更改",
        )
    if native and wish.kind not in {"", one.kind}:
        raise SaidError(
            f"{one.foreign_id} speaks as a {one.kind}", f"{one.foreign_id} 以{kind_word(one.kind, 'zh')}的身份发送"
        )
    return device_id


def _refuse_twins(conn: Connection, device_id: str, foreign_id: str) -> None:
    """Raise UsageError where one device would be called as a form calls another: at the broker one could be both."""
    query = (
        "select device_id from device where device_id <> %(own)s and (device_id = %(there)s or exists ("
        "select from unnest(aliases) as alias where substring(alias from position(':' in alias) + 1) = %(own)s))"
    )
    found = conn.execute(query, {"own": device_id, "there": foreign_id}).fetchone()
    if found is not None:
        name = escaped(foreign_id or device_id)
        raise SaidError(
            f"{name} is device {found[0]} already, here or in another form: give one of the two another id",
            f"{name} 已是设备 {found[0]}(本系统或其他格式):请给其中一台另取编号",
        )


def forget(conn: Connection, asked: str) -> str:
    """Take a stranger, or a device that no pack names, out of the lists; which it was. Raises UsageError."""
    with conn.transaction():
        found = conn.execute("select source from device where device_id = %s", (asked,)).fetchone()
        if found is not None:
            if found[0] == "pack":
                raise SaidError(
                    f"{asked} stands in the city pack: take it out there", f"{asked} 由城市包登记:请在城市包中删除"
                )
            conn.execute("delete from device where device_id = %s", (asked,))
            return "device"
        meant = _meant(conn, asked)
        if not meant:
            raise SaidError(
                f"no device and no stranger {asked!r}: see {LISTS_EN}", f"没有设备或陌生设备 {asked!r}:见 {LISTS_ZH}"
            )
        one = _only(meant, asked)
        conn.execute("delete from device_stranger where (form, foreign_id) = (%s, %s)", (one.form, one.foreign_id))
    return "stranger"


def devices(conn: Connection) -> list[dict[str, Any]]:
    """Return every device of the registry with its state, None where nothing was heard of it."""
    return _named(conn, DEVICES, {})


def health(conn: Connection, asked: str | None = None) -> list[dict[str, Any]]:
    """Return how each device does, or one; nothing of one that was not heard yet. Raises UsageError for strangers."""
    found = _named(conn, HEALTH, {"asked": asked})
    known = "select from device where device_id = %s"
    if asked is not None and not found and conn.execute(known, (asked,)).fetchone() is None:
        raise SaidError(f"nothing is known of {asked!r}: see {LISTS_EN}", f"没有 {asked!r} 的任何信息:见 {LISTS_ZH}")
    return found


def _meant(conn: Connection, asked: str) -> list[Stranger]:
    """The strangers that may be meant, by an id or by how the list shows it."""
    exact = strangers(conn, asked)
    if exact or "\\" not in asked:
        return exact
    return [one for one in strangers(conn) if asked in {escaped(one.foreign_id), escaped(one.alias)}]


def _asked(found: Sequence[Stranger], wish: Wish, forms: Collection[str]) -> Stranger:
    """The stranger that is meant; one that has not spoken yet is made of the wish."""
    if found:
        return _only(found, wish.asked)
    form, colon, foreign_id = wish.asked.partition(":")
    form, foreign_id = (form, foreign_id) if colon else ("native", wish.asked)
    if form not in {"native", *forms}:
        there = ("native", *forms)
        raise SaidError(
            f"{wish.asked!r}: no form {form!r} is read here{nearest(form, there)}",
            f"{wish.asked!r}:此处不读取格式 {form!r}{nearest(form, there, 'zh')}",
        )
    if not wish.kind:
        return _only(found, wish.asked)
    never = datetime.min  # noqa: DTZ901  # never shown
    return Stranger(form, foreign_id, wish.device_id or foreign_id, wish.kind, "", never, never, 0)


def _only(found: Sequence[Stranger], asked: str) -> Stranger:
    if not found:
        raise SaidError(
            f"no stranger {asked!r}: see `curbwatch device strangers`; --kind accepts one in advance",
            f"没有陌生设备 {asked!r}:见 `curbwatch device strangers`;用 --kind 可预先接纳",
        )
    if len(found) > 1:
        listed = ", ".join(sorted(one.alias for one in found))
        raise SaidError(f"{asked!r} may be any of {listed}: say which", f"{asked!r} 可能是 {listed} 之一:请指明")
    return found[0]


def _aliases(conn: Connection, device_id: str, kind: str, alias: str) -> tuple[list[str], bool]:
    """Aliases of the device when it is accepted, and whether it was before.

    Raises UsageError where it, or its alias, is somebody else's.
    """
    row = conn.execute("select kind, source, aliases from device where device_id = %s", (device_id,)).fetchone()
    known, source, aliases = row or (kind, "accepted", [])
    if known != kind:
        raise SaidError(f"{device_id} is a {known} in the registry", f"{device_id} 登记为{kind_word(known, 'zh')}")
    if source != "accepted" and alias:
        where, where_zh = ("the city pack", "城市包") if source == "pack" else ("`curbwatch publish`",) * 2
        raise SaidError(
            f"{device_id} is in the registry by {where}: give it the alias {alias} there",
            f"{device_id} 由 {where_zh} 登记:请在那里加别名 {alias}",
        )
    if row is not None and not alias:
        raise SaidError(f"{device_id} is in the registry already", f"{device_id} 已在登记中")
    other = conn.execute(
        "select device_id from device where %s = any(aliases) and device_id <> %s", (alias, device_id)
    ).fetchone()
    if other is not None:
        raise SaidError(f"{alias} is an alias of {other[0]} already", f"{alias} 已是 {other[0]} 的别名")
    return list(dict.fromkeys([*aliases, *([alias] if alias else [])])), row is not None


def _named(conn: Connection, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    cursor = conn.execute(query.encode(), values)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]
