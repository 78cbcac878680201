"""Keys by which a word is said once, whatever becomes of its answer. Within the caller's transaction and lock."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alerts.record.canonical import ZERO, link
from alerts.store import Connection
from schemas.errors import SaidError
from schemas.record import Actor

KEY_MAX = 200  # characters


@dataclass(frozen=True, slots=True)
class Word:
    """Who does what to which incident under a key; no key: nothing is known or kept of it.

    ``said``: plain JSON, all else that was said: what differs in it is another word.
    """

    key: str
    incident_id: uuid.UUID
    action: str
    actor: Actor
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Digest of what was said."""
        return link(ZERO, dict(self.said)).hex()


def refuse_key(key: str) -> None:
    """Raise UsageError for a key that is too long, or that nobody could read."""
    if len(key) > KEY_MAX or not key.isprintable():
        raise SaidError(f"--key: at most {KEY_MAX} printable characters", f"--key:最多 {KEY_MAX} 个可见字符")


def said(conn: Connection, word: Word) -> int | None:
    """The step that was made under this key; None: none was. Raises UsageError where it was another word."""
    if not word.key:
        return None
    known = conn.execute(
        "select incident_id, action, actor, seq, content from action_key where key = %s", (word.key,)
    ).fetchone()
    if known is None:
        return None
    if (known["incident_id"], known["action"], known["actor"]) != (word.incident_id, word.action, word.actor.name):
        action, incident_id, actor = known["action"], known["incident_id"], known["actor"]
        raise SaidError(
            f"--key {word.key}: was used for {action} of {incident_id} by {actor}",
            f"--key {word.key}:{actor}已用于案件 {incident_id} 的 {action}",
        )
    if known["content"] not in {"", word.content}:
        raise SaidError(
            f"--key {word.key}: was used for {word.action} of this case with other content: another word needs another"
            " key; what was said first holds",
            f"--key {word.key}:已用于本案的 {word.action},但内容不同:内容不同须换一个 key,先前所说有效",
        )
    return int(known["seq"])


def keep(conn: Connection, word: Word, seq: int) -> None:
    """Keep which step was made under a key."""
    if word.key:
        conn.execute(
            "insert into action_key (key, incident_id, action, actor, seq, content) values (%s, %s, %s, %s, %s, %s)",
            (word.key, word.incident_id, word.action, word.actor.name, seq, word.content),
        )
