"""Who acts: people of the pack by id or name, and the files that show who they are."""

import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from alerts.store import AlertDatabase
from config.faults import nearest
from curbwatch.parts.paths import write_private
from curbwatch.spoken import trouble_zh
from schemas.errors import SaidError
from schemas.record import Actor
from schemas.rules import StaffMember

TOKEN_BYTES = 32
TOKEN_FILE_VARIABLE = "CURBWATCH_TOKEN_FILE"  # noqa: S105 - a name
LOOKED_BACK = "10 minutes"  # over which tries that failed are counted
FREE_TRIES = 3  # before a further one has to wait
WAIT_MAX_S = 30.0
NAME_MAX = 64


@dataclass(frozen=True, slots=True)
class People:
    """The people of one city. ``tokens``: nobody acts without the file that shows who they are."""

    staff: Mapping[str, StaffMember]
    database: AlertDatabase
    tokens: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    sleep: Callable[[float], None] = time.sleep

    def actor(self, said: str, token_file: Path | None = None, *, unlisted: str = "dispatcher") -> Actor:
        """Who acts, in their role by the pack's staff; ``unlisted`` is the role of a name that it does not have.

        ``said``: id or name; empty where a token file says it. A file that is named, by option or environment, must be
        right; one at its usual place is used where it is there. Raises UsageError where nobody is named, the name or
        the file is wrong, or tokens are asked for and there is none.
        """
        member = self._find(said)
        path = self._token_path(token_file, member)
        if path is not None:
            return self._proved(said, member, path)
        if self.tokens:
            who = member.person_id if member else said or "PERSON"
            raise SaidError(
                f"who says so? This desk wants a token file: --token-file FILE, ${TOKEN_FILE_VARIABLE},"
                f" or {self.usual(who)}; `curbwatch staff token {who}` makes one",
                f"请证明身份:此处须有令牌文件:--token-file 文件、${TOKEN_FILE_VARIABLE},或 {self.usual(who)};"
                f"用 `curbwatch staff token {who}` 生成",
            )
        if member is None:
            return Actor(person_of(said), unlisted)
        return Actor(self.name_of(member), member.role)

    def person(self, asked: str) -> StaffMember:
        """The person of the pack that is named. Raises UsageError, naming who is like it."""
        member = self._find(asked)
        if member is None:
            known = sorted({*self.staff, *(one.name for one in self.staff.values())})
            raise SaidError(
                f"no {asked!r} in the pack's staff.csv{nearest(asked, known)}",
                f"城市包的 staff.csv 中没有 {asked!r}{nearest(asked, known, 'zh')}",
            )
        return member

    def name_of(self, member: StaffMember) -> str:
        """What the record calls a person: their name, or where two share it their id."""
        same = [one for one in self.staff.values() if one.name == member.name]
        return member.name if len(same) == 1 else member.person_id

    def usual(self, person_id: str) -> Path:
        """Where a person's token is looked for: ``$XDG_CONFIG_HOME/curbwatch/PERSON.token``."""
        base = self.environment.get("XDG_CONFIG_HOME") or Path(self.environment.get("HOME", "/nonexistent")) / ".config"
        return Path(base) / "curbwatch" / f"{person_id}.token"

    def make_token(self, member: StaffMember, made_by: Actor, path: Path | None = None) -> Path:
        """Write a person's token file (mode 0600) and end those they had; the file.

        Only its digest is kept. Where tokens are asked for and a supervisor has one, only a supervisor makes them.
        Raises UsageError, and SetupError where the file cannot be written.
        """
        path = path or self.usual(member.person_id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_hex(TOKEN_BYTES)
        self._refuse_maker(made_by)
        with self.database.transaction() as conn:
            conn.execute(
                "update person_token set ended_at = now() where person_id = %s and ended_at is null",
                (member.person_id,),
            )
            conn.execute(
                "insert into person_token (token_sha256, person_id, made_by) values (%s, %s, %s)",
                (_digest(token), member.person_id, made_by.name),
            )
            # Before the commit: a file that cannot be written leaves the old one good.
            write_private(path, f"{token}\n")
        return path

    def end_tokens(self, member: StaffMember, ended_by: Actor) -> int:
        """End every token of a person; how many. Raises UsageError as ``make_token``."""
        self._refuse_maker(ended_by)
        with self.database.transaction() as conn:
            return conn.execute(
                "update person_token set ended_at = now() where person_id = %s and ended_at is null",
                (member.person_id,),
            ).rowcount

    def tokens_since(self) -> dict[str, datetime]:
        """Who has a token that counts, by id, and since when."""
        with self.database.transaction() as conn:
            rows = conn.execute(
                "select person_id, max(made_at) as at from person_token where ended_at is null group by 1"
            ).fetchall()
        return {row["person_id"]: row["at"] for row in rows}

    def refusals(self) -> int:
        """How often somebody could not show who they are, in the last day."""
        with self.database.transaction() as conn:
            row = conn.execute("select count(*) as n from token_refusal where at > now() - interval '1 day'").fetchone()
        return 0 if row is None else int(row["n"])

    def guarded(self) -> bool:
        """Whether tokens are a supervisor's to make and to end: where they are asked for, once a supervisor has one."""
        leads = {person_id for person_id, one in self.staff.items() if one.role == "supervisor"}
        return self.tokens and bool(leads & self.tokens_since().keys())

    def _refuse_maker(self, who: Actor) -> None:
        if not (who.proved and who.role == "supervisor") and self.guarded():
            raise SaidError(
                "tokens are made and ended by a supervisor: --as WHO, with their own token file",
                "令牌只能由督查生成和注销:--as 督查,并用其本人的令牌文件",
            )

    def _find(self, said: str) -> StaffMember | None:
        """The person of this id, else the only one of this name. Raises UsageError where two share it."""
        said = said.strip()
        if said in self.staff:
            return self.staff[said]
        named = [one for one in self.staff.values() if one.name == said]
        if len(named) > 1:
            ids = ", ".join(one.person_id for one in named)
            raise SaidError(
                f"--as {said}: two are called so; use an id: {ids}", f"--as {said}:有重名,请用人员编号:{ids}"
            )
        return named[0] if named else None

    def _token_path(self, asked: Path | None, member: StaffMember | None) -> Path | None:
        """The file to show, if there is one."""
        if asked is not None:
            return asked
        if named := self.environment.get(TOKEN_FILE_VARIABLE):
            return Path(named)
        usual = None if member is None else self.usual(member.person_id)
        return usual if usual is not None and usual.exists() else None

    def _proved(self, said: str, member: StaffMember | None, path: Path) -> Actor:
        who = member.person_id if member else said.strip()
        token = read_token(path)
        self._wait_for_turn(who)
        with self.database.transaction() as conn:
            row = conn.execute(
                "select person_id from person_token where token_sha256 = %s and ended_at is null", (_digest(token),)
            ).fetchone()
        holder = None if row is None else self.staff.get(row["person_id"])
        if holder is None:
            reason = "ended or unknown" if row is None else "of nobody in the pack's staff any more"
            why = "已注销或不明" if row is None else "的持有人已不在城市包的人员表中"
            remedy, way = "`curbwatch staff token PERSON` makes a new one", "用 `curbwatch staff token 人员` 重新生成"
            if not self.tokens and member is not None and path == self.usual(member.person_id):
                remedy += "; or remove the file: this desk asks for none"
                way += ";或删除此文件:此处不要求令牌"
            refusal = SaidError(f"token file {path} is {reason}: {remedy}", f"令牌文件 {path} {why}:{way}")
            raise self._noted(who, reason, refusal)
        if said.strip() and holder != member:
            name = said.strip()
            refusal = SaidError(
                f"token file {path} is {holder.name}'s, not {name}'s", f"令牌文件 {path} 属于{holder.name},不属于{name}"
            )
            raise self._noted(who, "of another person", refusal)
        return Actor(self.name_of(holder), holder.role, proved=True)

    def _wait_for_turn(self, who: str) -> None:
        """After some tries that failed, each further one waits longer: guessing gets nowhere."""
        with self.database.transaction() as conn:
            row = conn.execute(
                "select count(*) as n from token_refusal where person = %s and at > now() - %s::interval",
                (who, LOOKED_BACK),
            ).fetchone()
        over = (0 if row is None else int(row["n"])) - FREE_TRIES
        if over >= 0:
            self.sleep(min(2.0**over, WAIT_MAX_S))

    def _noted(self, who: str, reason: str, refusal: SaidError) -> SaidError:
        """Write down that somebody could not show who they are; the error to raise."""
        with self.database.transaction() as conn:
            conn.execute("insert into token_refusal (person, reason) values (%s, %s)", (who[:NAME_MAX], reason))
        return refusal


def person_of(text: str) -> str:
    """A person's name as it goes into the record. Raises UsageError for nothing, control characters, over 64."""
    name = text.strip()
    if not name:
        raise SaidError(
            "say who you are: --as PERSON, or --token-file FILE", "请说明您是谁:--as 姓名,或 --token-file 文件"
        )
    if len(name) > NAME_MAX or not name.isprintable():
        raise SaidError(
            f"--as {text!r}: say who you are, in 1 to {NAME_MAX} printable characters",
            f"--as {text!r}:请说明您是谁,1 至 {NAME_MAX} 个可见字符",
        )
    return name


def read_token(path: Path) -> str:
    """The token in a file. Raises UsageError where it cannot be read, others can read it, or it holds none."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SaidError(f"token file {path} is no file", f"令牌文件 {path} 不是文件")
        if mode & 0o077:
            raise SaidError(
                f"token file {path} can be read by others: chmod 600 {path}, and make a new token",
                f"令牌文件 {path} 可被他人读取:请执行 chmod 600 {path},并重新生成令牌",
            )
        with path.open("rb") as file:
            text = file.read(1000).decode("ascii", "replace").strip()
    except OSError as error:
        raise SaidError(
            f"token file {path} cannot be read: {error.strerror}", f"令牌文件 {path} 无法读取:{trouble_zh(error)}"
        ) from None
    if len(text) != 2 * TOKEN_BYTES or not set(text) <= set("0123456789abcdef"):
        raise SaidError(
            f"token file {path} holds no token: {2 * TOKEN_BYTES} hexadecimal digits",
            f"令牌文件 {path} 中没有令牌:应为 {2 * TOKEN_BYTES} 位十六进制数",
        )
    return text


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
