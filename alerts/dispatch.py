"""The queue: Redis Streams, one per unit and urgency. A convenience; PostgreSQL rebuilds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, cast

import redis

from alerts.jobs.store import stream_of
from schemas.errors import SinkError

GROUP = "crew"
REMEDY = (
    "write redis://:password@host:port/number, rediss:// or unix://; in a password write % as %25, # as %23,"
    " / as %2F, ? as %3F, @ as %40"
)
EPOCH_KEY = "dispatch:epoch"
HELD_KEY = "held"  # no name that a new epoch empties: whose relay sends here, for as long as it says so
DEAD = ":dead"  # ends the name of the stream of a unit's entries that no terminal got past
DEAD_MAX = 10_000  # entries kept there; what they are about is kept in PostgreSQL

# One script, so that nothing can come between the epoch check and the entry.
# KEYS: epoch, stream. ARGV: epoch, relay_seq, highest confirmed relay_seq of this stream, job id.
SEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'epoch' end
local last = 0
if redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = tonumber(string.match(info[i + 1], '^(%d+)')) end
  end
end
if last < tonumber(ARGV[3]) then return 'behind' end
if last >= tonumber(ARGV[2]) then
  local there = redis.call('XRANGE', KEYS[2], ARGV[2] .. '-0', ARGV[2] .. '-0')[1]
  if not (there and there[2][2] == ARGV[4]) then return 'behind' end
end
if last >= tonumber(ARGV[2]) then return 'already' end
redis.call('XADD', KEYS[2], ARGV[2] .. '-0', 'job', ARGV[4])
return 'sent'
"""


# One round trip for what would be three to five. A missing group, as after a flush, is made on the way.
# KEYS: the streams in order. ARGV: group, person, ms after which what somebody else drew and did not settle goes on.
# Gives: which stream, entry id, job id, how often the entry was drawn; or nothing.
DRAW = """
for number, stream in ipairs(KEYS) do
  local claimed = redis.pcall('XAUTOCLAIM', stream, ARGV[1], ARGV[2], ARGV[3], '0-0', 'COUNT', 1)
  if claimed.err then
    redis.pcall('XGROUP', 'CREATE', stream, ARGV[1], '0', 'MKSTREAM')
    claimed = redis.call('XAUTOCLAIM', stream, ARGV[1], ARGV[2], ARGV[3], '0-0', 'COUNT', 1)
  end
  local found = claimed[2][1]
  if not (found and found[2]) then
    local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', stream, '>')
    found = read and read[1][2][1]
  end
  if found and found[2] then
    local job = ''
    for i = 1, #found[2], 2 do
      if found[2][i] == 'job' then job = found[2][i + 1] end
    end
    local pending = redis.call('XPENDING', stream, ARGV[1], found[1], found[1], 1)
    return {number, found[1], job, pending[1] and pending[1][4] or 0}
  end
end
return false
"""


class Sent(Enum):
    """What became of an entry."""

    SENT = "sent"
    ALREADY = "already"  # an earlier try of the same relay_seq got through
    EPOCH = "epoch"  # the queue was flushed or is another one
    BEHIND = (
        "behind"  # the stream lost entries that were confirmed, or holds those of another past (a restored database)
    )


@dataclass(frozen=True, slots=True)
class Dead:
    """An entry that no terminal got past: ``deliveries`` is how often it was drawn."""

    job_id: str
    reason: str
    deliveries: int


class Drawn(NamedTuple):
    """An entry in somebody's hand; ``deliveries``: how often it was drawn and not settled, this time included."""

    stream: str
    entry_id: str
    job_id: str
    deliveries: int


class JobQueue:
    """Sends and draws entries. ``prefix`` keeps several cities apart on one server.

    Every method raises SinkError (retryable) where the server does not answer, the constructor where ``url`` is none.
    """

    def __init__(self, url: str, *, prefix: str = "", claim_idle_s: float = 60.0) -> None:
        try:
            self._client = redis.Redis.from_url(
                url, decode_responses=True, encoding_errors="replace", socket_timeout=5, socket_connect_timeout=5
            )
        except ValueError:  # whose words would show a piece of a password with a # in it
            raise SinkError(f"queue: redis.url cannot be used: {REMEDY}", retryable=False) from None
        self._send = self._client.register_script(SEND)
        self._draw = self._client.register_script(DRAW)
        self._prefix = prefix
        self._claim_idle_ms = int(claim_idle_s * 1000)

    def send(self, epoch: str, relay_seq: int, confirmed_seq: int, stream: str, job_id: str) -> Sent:
        """Put one entry ``<relay_seq>-0`` on a stream if the epoch is right; a repeat of the same job is recognised."""
        with _answering():
            told = self._send(
                keys=[self._prefix + EPOCH_KEY, self._prefix + stream], args=[epoch, relay_seq, confirmed_seq, job_id]
            )
        return Sent(cast("str", told))

    def epoch(self) -> str:
        """The epoch the queue knows; empty after a flush."""
        with _answering():
            return str(self._client.get(self._prefix + EPOCH_KEY) or "")

    def begin_epoch(self, epoch: str, instead_of: str | None = None) -> None:
        """Empty our streams and write the epoch: what PostgreSQL says follows.

        ``instead_of``: the epoch that was there; where another one is there by now, nothing is done, and SinkError
        raised. None: whatever is there.
        """
        with _answering(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.watch(self._prefix + EPOCH_KEY)  # type: ignore[no-untyped-call]  # redis-py's own
            if instead_of is not None and self.epoch() != instead_of:
                raise SinkError("queue: somebody else began an epoch just now", retryable=True, wait_s=0.5)
            known = self._client.scan_iter(match=f"{self._prefix}dispatch:*")
            stale = [name for name in known if not name.endswith(DEAD)]
            pipeline.multi()
            if stale:
                pipeline.delete(*stale)
            pipeline.set(self._prefix + EPOCH_KEY, epoch)
            pipeline.execute()

    def hold(self, owner: str, for_s: float) -> None:
        """Say that ``owner``'s relay sends here; forgotten ``for_s`` s after it was said last."""
        with _answering():
            self._client.set(self._prefix + HELD_KEY, owner, px=round(for_s * 1000))

    def held_by(self) -> str:
        """Whose relay sends here; empty: nobody's, for a while now."""
        with _answering():
            return str(self._client.get(self._prefix + HELD_KEY) or "")

    def disown(self) -> None:
        """Forget whose the queue is, where the database that it belonged to was dropped: the next relay empties it."""
        with _answering():
            self._client.delete(self._prefix + EPOCH_KEY, self._prefix + HELD_KEY)

    def draw(self, unit_id: str, person: str) -> Drawn | None:
        """Read one entry for a person, urgent first; None where nothing waits.

        The job may have another owner by now, or have ended: the caller asks PostgreSQL, and settles the entry. An
        entry that somebody else wrote names no job: nobody's, to be settled and passed over.

        Entries that another terminal read but never settled come back after ``claim_idle_s``.
        """
        streams = [stream_of(unit_id, urgency) for urgency in ("urgent", "normal")]
        with _answering():
            found = self._draw(
                keys=[self._prefix + stream for stream in streams], args=[GROUP, person, self._claim_idle_ms]
            )
        if not found:
            return None
        number, entry_id, job_id, deliveries = cast("tuple[int, str, str, int]", found)
        return Drawn(streams[number - 1], entry_id, job_id, deliveries)

    def settle(self, stream: str, entry_id: str) -> None:
        """Take an entry off the group's list: somebody owns the job now, or nobody needs to."""
        with _answering():
            self._client.xack(self._prefix + stream, GROUP, entry_id)

    def give_back(self, stream: str, entry_id: str, person: str, deliveries: int) -> None:
        """Let an entry be drawn again at once, as often drawn as before this ``person`` drew it."""
        with _answering():
            self._client.xclaim(
                self._prefix + stream,
                GROUP,
                person,
                min_idle_time=0,
                message_ids=[entry_id],
                idle=self._claim_idle_ms,
                retrycount=max(deliveries, 0),
                justid=True,
            )

    def bury(self, stream: str, entry_id: str, dead: Dead) -> None:
        """Move an entry to its unit's stream of dead ones, at once: it is drawn no more."""
        with _answering():
            pipeline = self._client.pipeline(transaction=True)
            fields = {"job": dead.job_id, "reason": dead.reason, "deliveries": dead.deliveries, "entry": entry_id}
            pipeline.xadd(self._prefix + _dead_of(stream), cast("Any", fields), maxlen=DEAD_MAX, approximate=True)
            pipeline.xack(self._prefix + stream, GROUP, entry_id)
            pipeline.execute()

    def buried(self, unit_id: str) -> list[Dead]:
        """A unit's dead entries, oldest first."""
        with _answering():
            found = cast(
                "list[tuple[str, dict[str, str]]]", self._client.xrange(f"{self._prefix}dispatch:{unit_id}{DEAD}")
            )
        return [Dead(one.get("job", ""), one.get("reason", ""), int(one.get("deliveries", 0))) for _, one in found]

    def waiting(self, stream: str) -> int:
        """Entries on a stream, drawn ones included."""
        with _answering():
            return int(self._client.xlen(self._prefix + stream))

    def last_seq(self, stream: str) -> int:
        """Highest relay_seq a stream ever took, trimmed entries included; 0 where there is no such stream."""
        with _answering():
            if not self._client.exists(self._prefix + stream):
                return 0
            return int(str(self._client.xinfo_stream(self._prefix + stream)["last-generated-id"]).partition("-")[0])

    def trim(self, stream: str, first_seq: int) -> int:
        """Drop a stream's entries below ``first_seq``, whose jobs have ended; how many."""
        with _answering():
            return int(self._client.xtrim(self._prefix + stream, minid=f"{first_seq}-0", approximate=False))

    def alive(self) -> bool:
        """Whether the server answers."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False

    def server(self) -> dict[str, Any]:
        """What the server says of itself: Redis's INFO, by its own names."""
        with _answering():
            return dict(self._client.info())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _dead_of(stream: str) -> str:
    """Name of the dead stream beside a unit's stream."""
    return stream.rpartition(":")[0] + DEAD


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise SinkError(f"queue: {error}", retryable=True, wait_s=0.5) from error
