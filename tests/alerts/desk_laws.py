"""What must hold of a world's desk when everybody has come to rest: read from outside, by laws of their own."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from alerts.record.audit import verify
from curbwatch.bench.desk_check import TWO_OWNERS
from schemas.record import Actor
from tests.alerts.desk_world import PLACES, World, place_of

OPEN = ["grace", "verify", "filed", "dispatched", "handling", "checking", "suspended"]


def judge(world: World) -> None:
    """After ``settle``: no alert lost, no job with two owners, the record whole, every waiting job in the queue."""
    places(world)
    record(world)
    screens(world)
    queue(world)


def places(world: World) -> None:
    """Each thing that stands and on which nobody had the last word has exactly one open case; nothing has none."""
    rows = world.conn.execute(
        "select box_px[1], i.family, i.state, coalesce(j.state, ''), i.left_at is not null"
        " from incident i left join job j using (incident_id) where i.camera_id = %s and i.state = any(%s)",
        (world.camera, OPEN),
    ).fetchall()
    found: dict[int, list[tuple[Any, ...]]] = {}
    for x_px, family, *rest in rows:
        thing = world.things.get(place_of(x_px))
        if thing is not None and family != thing.family:
            # Of what stood there before, a crew on its way or a person who is to look may still have the case.
            assert rest[0] in {"handling", "checking"}, (thing, rest)
            assert rest[2], (thing, rest)
            continue
        found.setdefault(place_of(x_px), []).append(tuple(rest))
    for place in range(PLACES):
        here, thing = found.get(place, []), world.things.get(place)
        assert len(here) <= 1, here
        if thing is None:
            assert here == []
        elif not thing.standing:
            # Only a crew on its way, or a person who is to look, may still have to do with what is gone.
            assert all(state in {"handling", "checking"} and left for state, _, left in here), (thing, here)
        elif not thing.settled:
            assert len(here) == 1, thing
    for _, _, state, job, _ in rows:
        assert (state == "dispatched") == (job == "queued"), (state, job)
        assert (state == "handling") == (job == "taken"), (state, job)


def record(world: World) -> None:
    """The chains verify, everything is sealed and worked out, and nothing was written twice."""
    audit = verify(world.parts.database)
    assert audit.findings == []
    assert audit.unsealed == 0
    assert audit.incidents == count(world, "select count(*) from incident")
    assert audit.incidents == count(world, "select count(*) from incident_event where what = 'opened'")
    assert audit.rows == count(world, "select coalesce(sum(chain_seq), 0) from incident")
    assert count(world, "select count(*) from incident where clocked_seq < chain_seq") == 0
    assert count(world, TWO_OWNERS) == 0
    acts = "select count(*) from action_key where key like %s"
    assert count(world, acts, f"{world.tag}/%") <= world.said


def screens(world: World) -> None:
    """A screen shows a job once each time that its person took it."""
    taken = world.conn.execute(
        "select e.actor, e.detail ->> 'job', count(*) from incident_event e join incident i using (incident_id)"
        " where e.what = 'taken' and i.camera_id = %s group by 1, 2",
        (world.camera,),
    ).fetchall()
    times_taken = {(person, job_id): number for person, job_id, number in taken}
    for person, screen in world.screens.items():
        for job_id, shown in screen.shown.items():
            assert shown <= times_taken.get((person, job_id), 0), (person, job_id)
    held = "select holder, job_id::text from job where state = 'taken' and unit_id = any(%s)"
    for person, job_id in world.conn.execute(held, (list(world.units),)).fetchall():
        assert world.screens[person].shown[job_id] == times_taken[person, job_id], (person, job_id)


def queue(world: World) -> None:
    """Every job that waits is to be had from the queue alone, once, and no other."""
    waiting = world.conn.execute(
        "select job_id::text from job where state = 'queued' and unit_id = any(%s)", (list(world.units),)
    ).fetchall()
    got = Counter(drained(world))
    # As many terminals died with it in their hand as make poison of it: it waits for a dispatcher, who fetches it back.
    for job in world.moves.stuck():
        world.moves.unstick(job.job_id, Actor("chen", "dispatcher"))
    world.relay_round()
    got.update(drained(world))
    assert got == Counter(job_id for (job_id,) in waiting)
    assert count(world, "select count(*) from outbox where sent_at is null") == 0


def drained(world: World) -> Iterator[str]:
    """Jobs as a crew that came last gets them: what the database gives by itself it would wait an hour for."""
    for unit_id in world.units:
        crew = world.parts.crew("last", unit_id=unit_id)
        while (found := crew.take_next()) is not None:
            yield found.job.job_id


def count(world: World, query: str, *values: object) -> int:
    row = world.conn.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])
