"""Keys by which a word is said once, whatever becomes of its answer. Within the caller's transaction and lock."""

import uuid
from dataclasses import dataclass

from alerts.store import Connection
from schemas.errors import SaidError
from schemas.record import Actor

KEY_MAX = 200  # characters


@dataclass(frozen=True, slots=True)
class Word:
    """Who does what to which incident under a key; no key: nothing is known or kept of it."""

    key: str
    incident_id: uuid.UUID
    action: str
    actor: Actor


def refuse_key(key: str) -> None:
    """Raise UsageError for a key that is too long, or that nobody could read."""
    if len(key) > KEY_MAX or not key.isprintable():
        raise SaidError(f"--key: at most {KEY_MAX} printable characters", f"--key:最多 {KEY_MAX} 个可见字符")


def said(conn: Connection, word: Word) -> int | None:
    """The step that was made under this key; None: none was. Raises UsageError where it was another word."""
    if not word.key:
        return None
    known = conn.execute(
        "select incident_id, action, actor, seq from action_key where key = %s", (word.key,)
    ).fetchone()
    if known is None:
        return None
    if (known["incident_id"], known["action"], known["actor"]) != (word.incident_id, word.action, word.actor.name):
        action, incident_id, actor = known["action"], known["incident_id"], known["actor"]
        raise SaidError(
            f"--key {word.key}: was used for {action} of {incident_id} by {actor}",
            f"--key {word.key}:{actor}已用于案件 {incident_id} 的 {action}",
        )
    return int(known["seq"])


def keep(conn: Connection, word: Word, seq: int) -> None:
    """Keep which step was made under a key."""
    if word.key:
        conn.execute(
            "insert into action_key (key, incident_id, action, actor, seq) values (%s, %s, %s, %s, %s)",
            (word.key, word.incident_id, word.action, word.actor.name, seq),
        )
