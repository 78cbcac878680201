"""Keys by which a word is said once, whatever becomes of its answer. Within the caller's transaction and lock."""

import uuid
from dataclasses import dataclass

from alerts.store import Connection
from schemas.errors import UsageError
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
        raise UsageError(f"--key: at most {KEY_MAX} printable characters")


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
        one = f"{known['action']} of {known['incident_id']} by {known['actor']}"
        raise UsageError(f"--key {word.key}: was used for {one}")
    return int(known["seq"])


def keep(conn: Connection, word: Word, seq: int) -> None:
    """Keep which step was made under a key."""
    if word.key:
        conn.execute(
            "insert into action_key (key, incident_id, action, actor, seq) values (%s, %s, %s, %s, %s)",
            (word.key, word.incident_id, word.action, word.actor.name, seq),
        )
