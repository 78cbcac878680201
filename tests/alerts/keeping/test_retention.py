"""Rows go when their term is over, and not before; what is held, open or entered only lately stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

import curbwatch.database as db
from alerts.keeping import holds
from alerts.keeping.chunks import chunk_h, fit_chunks
from alerts.keeping.retention import KEEPING_LOCK, TERMS, Retention
from alerts.keeping.rollup import Rollup
from alerts.store import AlertDatabase, Connection
from config.keeping import KeepingKnobs
from schemas.errors import SinkError
from schemas.record import Actor
from tests.alerts.keeping.world import DAY, NOW, World

pytestmark = pytest.mark.servers
KNOBS = KeepingKnobs()
LI = Actor("李雷", "dispatcher")


def edition_of(world: World) -> bool:
    return bool(world.rows("select 1 from pg_extension where extname = 'timescaledb'"))


def delete(world: World) -> int:
    """Everything that is due, as the chores do it turn by turn."""
    Rollup(world.database, "UTC").do(NOW)
    retention = Retention(world.database, KNOBS, hypertables=edition_of(world))
    done = 0
    while found := retention.do(NOW):
        done += found
    return done


def test_nothing_leaves_nothing_to_delete(world: World) -> None:
    assert delete(world) == 0
    counts = Retention(world.database, KNOBS, hypertables=edition_of(world)).waiting(NOW)
    assert counts == dict.fromkeys((term.name for term in TERMS), 0)


def test_positions_go_after_their_term_and_stay_counted(world: World) -> None:
    for days in (89, 91, 92, 120):
        world.position("car", NOW - days * DAY)
    waiting = Retention(world.database, KNOBS, hypertables=edition_of(world)).waiting(NOW)
    assert waiting["positions"] == 3
    assert delete(world) > 0
    assert world.rows("select ts from position") == [(NOW - 89 * DAY,)]
    assert world.rows("select sum(positions)::int as n from position_day") == [(4,)]


def test_what_was_sent_goes_after_its_term_and_what_still_waits_stays(world: World) -> None:
    for state, person in (("done", "over"), ("queued", "waits")):
        incident = world.incident(200 * DAY)
        world.rows(
            "with made as (insert into job (job_id, incident_id, unit_id, urgency, state)"
            " values (gen_random_uuid(), %s, 'u-1', 'normal', %s) returning job_id)"
            " insert into outbox (job_id, sent_at) select job_id, sent_at from made,"
            " (values (%s::timestamptz), (%s), (null)) as v (sent_at)",
            (incident, state, NOW - 100 * DAY, NOW - 80 * DAY),
        )
        for seq, sent in enumerate(("sent", "dead", "waiting")):
            world.rows(
                "insert into outlet_message (outlet, incident_id, seq, state, sent_at) values ('x', %s, %s, %s, %s)",
                (incident, seq, sent, NOW - 100 * DAY if sent == "sent" else None),
            )
        age = 100 * DAY if person == "over" else 80 * DAY
        world.rows("insert into token_refusal (at, person, reason) values (%s, %s, 'x')", (NOW - age, person))
    assert delete(world) == 4
    assert world.count("outbox") == 2 + 3
    assert {row[0] for row in world.rows("select state from outlet_message")} == {"dead", "waiting"}
    assert world.rows("select person from token_refusal") == [("waits",)]


def key(world: World, name: str, incident: str, age: timedelta) -> None:
    world.rows(
        "insert into action_key (key, incident_id, action, actor, seq, at) values (%s, %s, 'note', 'li', 1, %s)",
        (name, incident, NOW - age),
    )


def test_keys_of_acts_go_after_their_term_but_for_held_incidents(world: World) -> None:
    plain, held = world.incident(100 * DAY, closed=False), world.incident(100 * DAY)
    with world.database.transaction() as conn:
        holds.hold_incident(conn, held, LI, "the court asks")
    for name, incident, days in (("old", plain, 32), ("new", plain, 29), ("held", held, 99)):
        key(world, name, incident, days * DAY)
    assert Retention(world.database, KNOBS, hypertables=edition_of(world)).waiting(NOW)["keys"] == 1
    assert delete(world) == 1
    assert {row[0] for row in world.rows("select key from action_key")} == {"new", "held"}


@pytest.mark.parametrize("days", ["", "0", "-5", "1", "9999"])
def test_a_key_within_the_term_that_is_named_is_deleted_by_nobody(world: World, days: str) -> None:
    world.rows(
        "insert into action_key (key, incident_id, action, actor, seq) values ('k', %s, 'note', 'li', 1)",
        (world.incident(DAY),),
    )
    for change in ("delete from action_key", "update action_key set actor = 'x'", "truncate action_key"):
        with pytest.raises(SinkError, match=r"is refused|denied"):
            world.rows(f"set local curbwatch.keys_days = '{days}'; {change}")
    assert world.count("action_key") == 1


def test_lists_of_what_was_stuck_go_after_their_term_but_for_open_and_held_cases(world: World) -> None:
    over, still_open, held = world.incident(500 * DAY), world.incident(500 * DAY, closed=False), world.incident(DAY)
    with world.database.transaction() as conn:
        holds.hold_incident(conn, held, LI, "the court asks")
    for incident in (over, still_open, held):
        for number, days in ((1, 400), (2, 300)):
            at = NOW - days * DAY
            world.rows(
                "insert into sweep_entry (incident_id, stage, round, limit_id, kind, at, day)"
                " values (%s, 'handle', %s, 'l', 'escalated', %s, %s)",
                (incident, number, at, at.date()),
            )
            world.rows(
                "insert into job_escalation select incident_id, stage, round, limit_id, at from sweep_entry"
                " where (incident_id, round) = (%s, %s)",
                (incident, number),
            )
            world.rows("insert into sweep_day values (%s, %s, 3) on conflict do nothing", (at.date(), at))
    assert delete(world) == 1 + 1 + 1, "the day, the entry, and that it was acted on"
    left = {(str(row[0]), row[1]) for row in world.rows("select incident_id, round from sweep_entry")}
    assert left == {(still_open, 1), (held, 1), (over, 2), (still_open, 2), (held, 2)}
    assert world.count("job_escalation") == len(left)
    assert world.rows("select day from sweep_day") == [((NOW - 300 * DAY).date(),)]


def test_an_old_recording_played_today_stays_as_long_as_what_came_today(world: World) -> None:
    world.position("car", NOW - 900 * DAY, received=NOW - DAY)
    world.position("car", NOW - 900 * DAY, received=NOW - 91 * DAY, seq=2)
    delete(world)
    assert world.rows("select seq from position") == [(1,)]


def test_positions_are_not_deleted_before_they_are_counted(world: World) -> None:
    world.position("car", NOW - 120 * DAY)
    retention = Retention(world.database, KNOBS, hypertables=edition_of(world))
    assert retention.do(NOW) == 0
    Rollup(world.database, "UTC").do(NOW)
    assert Retention(world.database, KNOBS, hypertables=edition_of(world)).do(NOW) == 1


def test_nothing_is_deleted_while_a_backup_is_made(world: World, kept_url: str) -> None:
    world.position("car", NOW - 120 * DAY)
    backup = AlertDatabase(kept_url)
    with backup.transaction() as conn:
        conn.execute("select pg_advisory_lock_shared(%s)", (KEEPING_LOCK,))
    assert delete(world) == 0
    backup.close()


def test_a_held_device_keeps_what_it_told_in_the_held_span(world: World) -> None:
    world.device("car", "vehicle")
    for days in (100, 101, 110):
        world.position("car", NOW - days * DAY)
        world.position("other", NOW - days * DAY)
    with world.database.transaction() as conn:
        begin, end = NOW - 102 * DAY, NOW - 99 * DAY
        hold = holds.hold_device(conn, "car", begin, end, "李雷", "an accident")
    delete(world)
    assert world.rows("select device_id, ts from position order by ts") == [
        ("car", NOW - 101 * DAY),
        ("car", NOW - 100 * DAY),
    ]
    with world.database.transaction() as conn:
        holds.release(conn, hold, LI, "settled")
    delete(world)
    assert world.count("position") == 0


def test_sightings_of_open_late_and_held_incidents_stay(world: World) -> None:
    old = 400 * DAY
    over, still_open = world.incident(old), world.incident(old, closed=False)
    played, held = world.incident(old, created_at=NOW - DAY), world.incident(old)
    for incident in (over, still_open, played, held):
        world.sighting(incident, NOW - old, track=hash(incident) % 10_000)
    with world.database.transaction() as conn:
        holds.hold_incident(conn, held, LI, "the court asks")
    delete(world)
    left = {str(row[0]) for row in world.rows("select incident_id from sighting")}
    assert left == {still_open, played, held}
    assert world.rows("select sum(sightings)::int as n from incident_day") == [(4,)]


def test_a_quiet_that_is_long_over_goes_and_a_place_that_nothing_names_but_no_other(world: World) -> None:
    def place(days: int) -> int:
        made = "insert into site (cell_id, camera_id, box_px, created_at) values ('', %s, '{0,0,1,1}', %s)"
        site_id: int = world.rows(f"{made} returning site_id", (f"{days} days", NOW - days * DAY))[0][0]
        return site_id

    world.incident(200 * DAY)
    quiet, _left, leads, into, _young = (place(days) for days in (200, 190, 180, 170, 80))
    world.rows("update site set same_as = %s where site_id = %s", (into, leads))
    say = "insert into site_quiet (site_id, family, urgent, until) values (%s, 'stall', false, %s)"
    for days in (100, 80, -1):
        world.rows(say, (quiet, NOW - days * DAY))
    delete(world)
    assert world.rows("select until from site_quiet order by 1") == [(NOW - 80 * DAY,), (NOW + DAY,)]
    kept = world.rows("select camera_id from site order by created_at")
    assert sorted(kept) == sorted([("",), ("200 days",), ("180 days",), ("170 days",), ("80 days",)])


def places(world: World, count: int) -> list[int]:
    """Old places that nothing names, one an hour."""
    made = world.rows(
        "insert into site (cell_id, camera_id, box_px, created_at)"
        " select '', '', '{0,0,1,1}', %s - make_interval(hours => g) from generate_series(1, %s) g returning site_id",
        (NOW - 100 * DAY, count),
    )
    return [int(row[0]) for row in made]


class Counted(AlertDatabase):
    """Counts what is begun."""

    begun = 0

    @contextmanager
    def transaction(self, step: str = "") -> Iterator[Connection]:
        self.begun += 1
        with super().transaction(step) as conn:
            yield conn


def test_places_of_many_hours_are_looked_for_once_and_not_for_each_hour(
    world: World, kept_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.keeping.retention.WALKED", 10)
    for _ in range(3):
        world.incident(200 * DAY)  # at a place of its own
    found = []
    for count in (0, 17):
        places(world, count)
        own = Counted(kept_url)
        retention, deleted = Retention(own, KNOBS, hypertables=edition_of(world)), 0
        while (done := retention.do(NOW)) or retention.walking:
            deleted += done
        found.append((deleted, own.begun))
        own.close()
    assert found[1] == (17, found[0][1] + 1)
    assert world.count("site") == 3


def test_a_place_at_which_something_opens_now_is_passed_by(world: World, kept_url: str) -> None:
    chosen, _other = places(world, 2)
    world.rows("set lock_timeout = '500ms'")
    with db.connect(kept_url) as opener:
        opener.execute("select 1 from site where site_id = %s for key share", (chosen,))
        assert delete(world) == 1
        assert world.rows("select site_id from site") == [(chosen,)]
        opener.rollback()
    assert delete(world) == 1


def test_trouble_with_old_places_keeps_nothing_else_from_its_end(world: World) -> None:
    places(world, 1)
    key(world, "old", world.incident(100 * DAY), 32 * DAY)
    world.rows("create function stay() returns trigger language plpgsql as 'begin raise exception ''kept''; end'")
    world.rows("create trigger stay before delete on site for each row execute function stay()")
    try:
        with pytest.raises(SinkError, match="kept"):
            delete(world)
    finally:
        world.rows("drop function stay cascade")
    assert (world.count("action_key"), world.count("site")) == (0, 2)


def test_what_was_ordered_of_a_camera_and_entered_its_background_goes_but_no_order_that_waits(world: World) -> None:
    order = (
        "insert into vision_order (order_id, camera_id, action, detail, person, applied_at) overriding system value"
        " values (%s, 'cam-1', 'ignore', '{}', '李雷', %s)"
    )
    adopt = (
        "insert into vision_adoption (camera_id, adoption_id, captured_at, reason, box_px, undoable, written_at)"
        " values ('cam-1', %s, now(), 'light', '{0,0,1,1}', true, %s)"
    )
    for number, days in enumerate((370, 360), start=1):
        world.rows(order, (number, NOW - days * DAY))
    world.rows(order, (3, None))
    for number, days in enumerate((91, 89), start=1):
        world.rows(adopt, (number, NOW - days * DAY))
    delete(world)
    assert world.rows("select order_id from vision_order order by 1") == [(2,), (3,)]
    assert world.rows("select adoption_id from vision_adoption") == [(2,)]
    world.rows("truncate vision_order, vision_adoption")


def test_health_events_and_letters_go_after_their_terms(world: World) -> None:
    world.event("", 366 * DAY + DAY)
    world.event("", 300 * DAY)
    world.event("", 400 * DAY, lasts=True)
    world.letter(b"old", 91 * DAY)
    world.letter(b"new", 89 * DAY)
    for days in (370, 10):
        world.rows(
            "insert into device_health_log"
            " values (%s, 'c', 'camera', 'online', null, 0, null, null, 0, 0, 0, 0, 0, 0, 0)",
            (NOW - days * DAY,),
        )
    delete(world)
    assert (world.count("camera_event"), world.count("dead_letter"), world.count("device_health_log")) == (2, 1, 1)


def test_closed_figures_of_other_days_than_whole_months_go_after_their_term(world: World) -> None:
    """Whoever asks for the last seven days each day would keep each of them for ever."""
    for first, last in (
        ("2026-02-01", "2026-02-28"),
        ("2024-02-01", "2024-02-29"),
        ("2026-01-01", "2026-03-31"),  # a quarter
        ("2024-02-01", "2024-02-28"),
        ("2026-02-02", "2026-03-01"),
        ("2026-01-02", "2026-01-31"),
    ):
        for days, year in ((91, 0), (89, 1)):
            world.rows(
                "insert into kpi_period (first_day, last_day, zone, rule_version, counting, sha256, facts, closed_at)"
                " values (%s::date - %s, %s::date - %s, 'UTC', 'v1', 1, repeat('0', 64), '', %s)",
                (first, year * 1461, last, year * 1461, NOW - days * DAY),
            )
    assert Retention(world.database, KNOBS, hypertables=edition_of(world)).waiting(NOW)["kpi"] == 3
    assert delete(world) > 0
    assert {(str(first), str(last)) for first, last in world.rows("select first_day, last_day from kpi_period")} == {
        *(("2026-02-01", "2026-02-28"), ("2024-02-01", "2024-02-29"), ("2026-01-01", "2026-03-31")),
        *(("2022-02-01", "2022-02-28"), ("2020-02-01", "2020-02-29"), ("2022-01-01", "2022-03-31")),
        *(("2020-02-01", "2020-02-28"), ("2022-02-02", "2022-03-01"), ("2022-01-02", "2022-01-31")),
    }


def test_a_chunk_goes_as_a_whole_where_nothing_in_it_stays(world: World) -> None:
    if not edition_of(world):
        return  # no chunks
    for minutes in range(500):
        world.position("car", NOW - 120 * DAY + timedelta(minutes=minutes))
    Rollup(world.database, "UTC").do(NOW)
    assert Retention(world.database, KNOBS, hypertables=True).do(NOW) == 1
    assert world.rows("select show_chunks('position') as n") == []


@pytest.mark.parametrize(
    ("rows_per_day", "hours"),
    [(0, 168), (3_500_000, 168), (3_600_000, 24), (25_000_000, 24), (86_400_000, 6), (1e12, 1)],
)
def test_chunks_are_shorter_where_more_comes(rows_per_day: float, hours: int) -> None:
    assert chunk_h(rows_per_day) == hours


def test_the_next_chunks_are_as_long_as_the_last_day_says(world: World) -> None:
    if not edition_of(world):
        return  # no chunks
    world.rows("insert into tally_position_hour values (now(), 'car', 90000000, 0, null, now(), now())")
    assert (fit_chunks(world.database), fit_chunks(world.database)) == (1, 0)
    world.rows("delete from tally_position_hour")
    assert fit_chunks(world.database) == 1
