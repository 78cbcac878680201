"""How each device did over time: samples in the database, and what they say of any period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.store import AlertDatabase

SAMPLE_S = 3600.0  # the longest between two samples of a device that does not change
# A sample says nothing of what comes later than this: nobody was there to see it. A quarter longer than a sample, so
# that a chore that is late does not tear a hole.
HOLDS_S = 1.25 * SAMPLE_S
KINDS = {"online": "up", "flapping": "up", "unknown": "unknown"}  # every other state is down
# The lateral finds each device's last sample by the primary key; what is older than it looks back is sampled anew.
LOG = """
insert into device_health_log (device_id, kind, state, last_seen_at, rate_per_min, lag_ms, skew_ms, messages, gaps,
                               duplicates, shed, rejected, given_up, boots)
select h.device_id, h.kind, h.state, h.last_seen_at, h.rate_per_min, h.lag_ms, h.skew_ms, h.messages, h.gaps,
       h.duplicates, h.shed, h.rejected, h.given_up, h.boots
from device_health h
left join lateral (
    select l.ts, l.state from device_health_log l
    where l.device_id = h.device_id and l.ts > now() - make_interval(secs => 2 * %(sample_s)s)
    order by l.ts desc limit 1) last on true
where last.ts is null or last.state <> h.state or last.ts <= now() - make_interval(secs => %(sample_s)s)
on conflict do nothing
"""
SAMPLES = """
select ts, state from device_health_log
where device_id = %(device)s and ts > %(begin)s - make_interval(secs => %(holds_s)s) and ts < %(end)s order by ts
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A device's state from ``at`` on."""

    at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which a device did not speak (its state then), or in which nobody looked (``unknown``)."""

    begin: datetime
    end: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Uptime:
    """A period of one device: seconds up, down and unknown, which add up to the period; and the gaps, in order."""

    up_s: float
    down_s: float
    unknown_s: float
    gaps: tuple[Gap, ...]

    @property
    def share(self) -> float | None:
        """Share of the known time in which it was up, 0..1; None where nothing is known."""
        known_s = self.up_s + self.down_s
        return self.up_s / known_s if known_s > 0 else None


def log_health(database: AlertDatabase) -> int:
    """Note each device whose state changed, and each that was not noted for an hour; how many. Raises SinkError."""
    with database.transaction() as conn:
        return conn.execute(LOG, {"sample_s": SAMPLE_S}).rowcount


def samples(database: AlertDatabase, device_id: str, begin: datetime, end: datetime) -> list[Sample]:
    """What is known of a device in a period, with the sample that holds at its begin. Raises SinkError."""
    with database.transaction() as conn:
        values = {"device": device_id, "begin": begin, "end": end, "holds_s": HOLDS_S}
        rows = conn.execute(SAMPLES, values).fetchall()
    return [Sample(row["ts"], row["state"]) for row in rows]


def uptime(found: Sequence[Sample], begin: datetime, end: datetime) -> Uptime:
    """What samples, in order, say of the period from ``begin`` to ``end``. Pure.

    ``online`` and ``flapping`` are up, ``offline`` and ``silent`` are down. A sample holds until the next one, for
    ``HOLDS_S`` at most; where none holds it is unknown. No samples: all unknown. An empty period is 0 of everything.
    """
    edges = [*[one.at for one in found[1:]], end][: len(found)]
    spans = [Gap(begin, found[0].at if found else end, "unknown")]
    for one, following in zip(found, edges, strict=True):
        until = min(following, one.at + timedelta(seconds=HOLDS_S))
        spans += [Gap(one.at, until, one.state), Gap(until, following, "unknown")]
    gaps: list[Gap] = []
    total_s = {"up": 0.0, "down": 0.0, "unknown": 0.0}
    for span in (Gap(max(each.begin, begin), min(each.end, end), each.state) for each in spans):
        if span.begin >= span.end:
            continue
        kind = KINDS.get(span.state, "down")
        total_s[kind] += (span.end - span.begin).total_seconds()
        if kind != "up" and gaps and gaps[-1].end == span.begin and gaps[-1].state == span.state:
            gaps[-1] = Gap(gaps[-1].begin, span.end, span.state)
        elif kind != "up":
            gaps.append(span)
    return Uptime(total_s["up"], total_s["down"], total_s["unknown"], tuple(gaps))
