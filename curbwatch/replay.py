"""Dead letters through the intake again: as a message that comes now, at the time at which it came."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from config.intake import IntakeKnobs
from curbwatch.database import Connection
from curbwatch.letters import Chosen, Letter, each
from ingest.codecs.rows import Decoded
from ingest.forms import Forms, PositionForms
from ingest.marks import Marks
from ingest.quality import Quality
from ingest.store import IntakeStore
from schemas.device import DeviceRule
from schemas.position import DeadLetter, PositionRows, RawMessage
from schemas.units import ns_of

RENAME = """
update dead_letter l set reason = %(reason)s, detail = %(detail)s, device_id = %(device)s
where id = %(id)s and (reason, detail, device_id) is distinct from (%(reason)s, %(detail)s, %(device)s)
and not exists (
    select from dead_letter o
    where (o.topic, o.payload_sha256) = (l.topic, l.payload_sha256) and o.replayed_at is null and o.id <> l.id
    and (o.reason, o.device_id) = (%(reason)s, %(device)s))
"""


@dataclass(slots=True)
class Replayed:
    """What became of letters.

    Attributes:
        letters: looked at.
        replayed: taken: their positions are stored, or were.
        stored: new positions.
        duplicate: positions that were known.
        refused_again: letters that stay, with the reason of now; and positions of the others that are letters now.
        not_replayable: letters that cannot be replayed, by why.
        reasons: of those refused again.
    """

    letters: int = 0
    replayed: int = 0
    stored: int = 0
    duplicate: int = 0
    refused_again: int = 0
    not_replayable: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count what was refused again."""
        self.refused_again += count
        self.reasons[reason] = self.reasons.get(reason, 0) + count


@dataclass(frozen=True, slots=True)
class Refused:
    """A letter that is refused as a whole, as before or for another reason."""

    letter_id: int
    reason: str
    detail: str
    device_id: str


@dataclass(slots=True)
class _Batch:
    """What some letters hold, stored together."""

    rows: PositionRows = field(default_factory=PositionRows)
    letters: list[DeadLetter] = field(default_factory=list)
    found: list[Decoded] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)


class Replayer:
    """Replays letters under the rules of now; the rate is not judged again. Used from one thread.

    ``rules`` are keyed by device id and alias.
    """

    def __init__(
        self,
        knobs: IntakeKnobs,
        forms: PositionForms,
        pictures: Forms,
        rules: Mapping[str, DeviceRule],
        store: IntakeStore,
        quality: Quality,
    ) -> None:
        self._knobs = knobs
        self._forms = forms
        self._pictures = pictures
        self._rules = rules
        self._store = store
        self._quality = quality
        self._states = forms.foreign.begin()
        self.counts = Replayed()

    def why_not(self, letter: Letter) -> str:
        """Why a letter cannot be replayed; empty where it can."""
        topic = self._forms.scheme.parse(letter.topic)
        if letter.replayed_at is not None:
            return "was replayed already"
        if not letter.topic:
            return "is a row that the database refused, and no message"
        if (topic is not None and topic.kind == "camera") or self._pictures.of(letter.topic) is not None:
            return "is a picture: the newest counts, and only its beginning is kept"
        if not letter.whole:
            return "is cut: only the beginning of its payload is kept"
        return ""

    def replay(self, letters: Iterable[Letter], *, dry: bool = False) -> list[Refused]:
        """Store what letters hold, in one transaction with their marks and with their being replayed.

        Returns those that are refused as a whole: they stay as they are, until the caller gives them their new reason.
        ``dry`` stores nothing: then ``stored`` counts every position. No letters change nothing. Raises SinkError
        where nothing was stored.
        """
        batch, refused = _Batch(), []
        for letter in letters:
            self.counts.letters += 1
            reason = self.why_not(letter)
            if reason:
                self.counts.not_replayable[reason] = self.counts.not_replayable.get(reason, 0) + 1
                continue
            again = self._take(letter, batch)
            if again is not None:
                self.counts.refuse(again.reason)
                refused.append(again)
        if not dry:
            self._keep(batch)
        else:
            self.counts.stored += len(batch.rows)
        self.counts.replayed += len(batch.ids)
        for letter_again in batch.letters:
            self.counts.refuse(letter_again.reason)
        return refused

    def _take(self, letter: Letter, batch: _Batch) -> Refused | None:
        """Decode a letter into the batch; what it says where it is refused as a whole."""
        received_ns = ns_of(letter.received_at)
        message = RawMessage(letter.topic, letter.payload, received_ns, letter.properties)
        rule = self._forms.device_of(message, self._rules)
        limit = self._knobs.positions_max_bytes
        if len(letter.payload) > (limit if rule is None else rule.bytes_max(limit)):
            return Refused(letter.letter_id, "size", f"{len(letter.payload)} bytes", letter.device_id)
        found = self._forms.decode([message], self._rules, self._states, time.time_ns())
        if not len(found.rows) and len(found.dead_letters) == 1 and found.dead_letters[0].payload == letter.payload:
            one = found.dead_letters[0]
            return Refused(letter.letter_id, one.reason, one.detail, one.device_id)
        self._states = found.states
        for column in fields(PositionRows):
            getattr(batch.rows, column.name).extend(getattr(found.rows, column.name))
        batch.letters.extend(found.dead_letters)
        batch.found.append(found)
        batch.ids.append(letter.letter_id)
        return None

    def _keep(self, batch: _Batch) -> None:
        if not batch.ids:
            return
        judged = self._quality.judge(batch.rows)
        marks, covered = Marks(), [seq for found in batch.found for seq in found.marks]
        unknown = marks.unknown(covered)
        marks.read_back(self._store.marks_of(unknown), unknown)
        stored = self._store.write(batch.rows, batch.letters, marks.plan(covered), replayed=batch.ids)
        self._quality.accept(judged)
        self.counts.stored += stored.inserted
        self.counts.duplicate += stored.duplicate
        if stored.refused:
            self.counts.refuse("store", stored.refused)


def replay_all(
    conn: Connection, replayer: Replayer, chosen: Chosen, *, limit: int | None = None, dry: bool = False
) -> Replayed:
    """Replay the chosen letters, oldest first, some in each transaction; what is refused again gets its new reason.

    ``conn`` must be in autocommit. A fault in between leaves each letter replayed or as it was. Raises SinkError.
    """
    for letters in each(conn, chosen, limit):
        refused = replayer.replay(letters, dry=dry)
        if not dry:
            for one in refused:
                detail = one.detail.replace("\0", "\\0")
                values = {"id": one.letter_id, "reason": one.reason, "detail": detail, "device": one.device_id}
                conn.execute(RENAME, values)
    return replayer.counts
