"""A record that somebody changed behind our back, in every way that SQL has: each is found, with what and where."""

# ruff: noqa: S608 - the statements are written here, and the ids in them are ours

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.record.audit import Audit, check, verify
from alerts.record.seals import SEALED_MAX, Sealer
from alerts.record.steps import record
from alerts.store import AlertDatabase, Connection
from schemas.record import Actor, What
from tests.alerts.makers import picture, sighting
from tests.fix_desk import OPEN_RECORD, RECORD

pytestmark = pytest.mark.servers
NOW = datetime(2026, 5, 4, tzinfo=UTC)
CHECKS = """
alter table incident_event drop constraint incident_event_seq;
alter table incident_event drop constraint incident_event_chained;
alter table incident_event drop constraint incident_event_incident_id_fkey;
"""
Tampered = Callable[..., list[tuple[str, str, int]]]


class _Undo(Exception):  # noqa: N818 - no error: the way out of a transaction
    pass


@pytest.fixture
def tampered(database: AlertDatabase) -> Tampered:
    """What is found after a change such as the database's owner can make, who turns off every guard first; undone."""

    def look(
        statement: str, *, then: Callable[[Connection], object] = lambda _conn: None
    ) -> list[tuple[str, str, int]]:
        said: list[tuple[str, str, int]] = []
        with contextlib.suppress(_Undo), database.transaction() as conn:
            conn.execute(OPEN_RECORD + CHECKS + statement)
            then(conn)
            said = found(check(conn))
            raise _Undo
        return said

    return look


@pytest.fixture
def told(incidents: IncidentStore, jobs: JobStore, database: AlertDatabase) -> list[str]:
    """Ids of two sealed incidents with three rows each, in the order in which they are checked."""
    for index in range(2):
        one = sighting(track_id=index, camera_id=f"cam-{index}")
        job_id = job_of(jobs, incidents.open_or_refresh(one, None, picture()).incident_id)
        jobs.take(job_id, "li")
        Sealer(database).seal(NOW)
        jobs.reject(job_id, "li", "车坏了")
    Sealer(database).seal(NOW)
    return sorted(row.incident_id for row in incidents.recent())


def job_of(jobs: JobStore, incident_id: str) -> str:
    job = jobs.of_incident(incident_id)
    assert job is not None
    return job.job_id


def found(audit: Audit) -> list[tuple[str, str, int]]:
    """What, where; of a seal its number."""
    return [(finding.kind, finding.incident_id, finding.seq or finding.seal_id) for finding in audit.findings]


def test_nothing_is_in_order(database: AlertDatabase) -> None:
    assert Sealer(database).seal(NOW) == 0
    audit = verify(database)
    assert (audit.rows, audit.incidents, audit.seals, audit.head, audit.findings) == (0, 0, 0, "", [])


def test_what_was_written_is_in_order_and_says_what_is_not_sealed_yet(
    database: AlertDatabase, told: list[str], jobs: JobStore
) -> None:
    audit = verify(database)
    assert (audit.findings, audit.rows, audit.incidents, audit.seals, audit.unsealed) == ([], 6, 2, 3, 0)
    assert len(audit.head) == 64
    assert verify(database, head=audit.head).findings == []
    jobs.take(job_of(jobs, told[0]), "wang")
    later = verify(database)
    assert (later.findings, later.unsealed, later.unsealed_incidents, later.head) == ([], 1, 1, audit.head)
    assert Sealer(database).seal(NOW) == 1
    sealed = verify(database, head=audit.head)
    assert (sealed.findings, sealed.unsealed, sealed.seals) == ([], 0, 4)


@pytest.mark.parametrize("statement", ["delete from {}", "update {} set {} = null", "truncate {} cascade"])
def test_the_application_can_only_add(desk_url: str, statement: str) -> None:
    columns = {"seal": "hash", "seal_entry": "hash", "incident_event": "hash", "action_key": "actor"}
    assert columns.keys() == set(RECORD)
    with db.connect(desk_url) as conn:
        for table, column in columns.items():
            change = statement.format(table, column)
            term = table == "action_key" and change.startswith("delete")  # keys go at the end of their term
            refused = psycopg.errors.RaiseException if term else psycopg.errors.InsufficientPrivilege
            with pytest.raises(refused), conn.transaction():
                conn.execute(change)
            conn.execute(f"grant update, delete, truncate on {table} to current_user")
            with pytest.raises(psycopg.errors.RaiseException, match="only added to"), conn.transaction():
                conn.execute(change)
        conn.rollback()


def test_a_row_without_its_hash_is_refused(desk_url: str, told: list[str]) -> None:
    with (
        db.connect(desk_url, autocommit=True) as conn,
        pytest.raises(psycopg.errors.CheckViolation, match="incident_event_chained"),
    ):
        conn.execute("insert into incident_event (incident_id, actor, what) values (%s, 'x', 'done')", (told[0],))


CHANGES = (
    "actor = 'wang'",
    "role = 'supervisor'",
    "proved = true",
    "what = 'done'",
    "state = 'done'",
    "at = at + interval '1 microsecond'",
    "at = 'infinity'",
    """detail = '{"job": 1}'""",
    "detail = detail || '{\"note\": null}'",
    "hash = sha256('x')",
    "hash = null",
    "prev_hash = sha256('x')",
)


def test_a_changed_row_is_found_whatever_of_it_was_changed(told: list[str], tampered: Tampered) -> None:
    for change in CHANGES:
        said = tampered(f"update incident_event set {change} where incident_id = '{told[0]}' and seq = 2;")
        assert ("changed", told[0], 2) in said, change


def test_a_missing_row_is_found(told: list[str], tampered: Tampered) -> None:
    for seq in (1, 2, 3):
        said = tampered(f"delete from incident_event where incident_id = '{told[1]}' and seq = {seq};")
        assert ("missing", told[1], seq) in said


def test_a_missing_row_is_found_also_where_the_others_close_up(told: list[str], tampered: Tampered) -> None:
    one = f"incident_id = '{told[0]}'"
    said = tampered(
        f"delete from incident_event where {one} and seq = 2;"
        f" update incident_event set seq = 2 where {one} and seq = 3;"
        f" update incident set chain_seq = 2, sealed_seq = 2 where {one};"
    )
    assert {("moved", told[0], 2), ("changed", told[0], 2), ("missing", told[0], 3)} <= set(said)


def test_a_row_moved_to_another_incident_is_found(told: list[str], tampered: Tampered) -> None:
    said = tampered(
        f"update incident_event set incident_id = '{told[1]}', seq = 4 where incident_id = '{told[0]}' and seq = 3;"
    )
    assert {("missing", told[0], 3), ("changed", told[1], 4), ("moved", told[1], 4)} <= set(said)


def test_a_doubled_row_is_found(told: list[str], tampered: Tampered) -> None:
    said = tampered(
        "insert into incident_event (incident_id, seq, at, actor, role, proved, what, state, detail, prev_hash, hash)"
        " select incident_id, seq, at, actor, role, proved, what, state, detail, prev_hash, hash"
        f" from incident_event where incident_id = '{told[0]}' and seq = 2;"
    )
    assert ("doubled", told[0], 2) in said


def test_rows_that_changed_places_are_found(told: list[str], tampered: Tampered) -> None:
    said = tampered(f"update incident_event set seq = 5 - seq where incident_id = '{told[0]}' and seq in (2, 3);")
    assert {("changed", told[0], 2), ("changed", told[0], 3), ("moved", told[0], 2)} <= set(said)


def test_an_incident_that_is_gone_altogether_is_found(told: list[str], tampered: Tampered) -> None:
    rows = f"delete from incident_event where incident_id = '{told[1]}';"
    itself = f"delete from outbox; delete from job; delete from incident where incident_id = '{told[1]}';"
    assert {(kind, incident_id) for kind, incident_id, _ in tampered(rows + itself)} == {("gone", told[1])}
    assert tampered(itself) == [("gone", told[1], 0)]
    assert ("missing", told[1], 3) in tampered(rows)


def test_an_incident_that_says_otherwise_than_its_record_is_found(told: list[str], tampered: Tampered) -> None:
    for change in ("state = 'void'", "chain_head = sha256('x')"):
        assert tampered(f"update incident set {change} where incident_id = '{told[0]}';") == [("head", told[0], 3)]
    assert ("missing", told[0], 4) in tampered("update incident set chain_seq = 4;")


def test_a_row_made_without_us_is_found(told: list[str], tampered: Tampered) -> None:
    said = tampered(
        "insert into incident_event (incident_id, seq, actor, role, what, state, prev_hash, hash)"
        f" values ('{told[0]}', 4, 'li', 'crew', 'done', 'done', sha256('x'), sha256('y'));"
        f" update incident set chain_seq = 4, chain_head = sha256('y'), state = 'done' where incident_id = '{told[0]}';"
    )
    assert set(said) == {("moved", told[0], 4), ("changed", told[0], 4)}


def test_a_chain_that_was_made_anew_whole_is_found_by_its_seal(told: list[str], tampered: Tampered) -> None:
    def again(conn: Connection) -> None:
        for _ in range(3):
            record(conn, told[0], Actor("li", "dispatcher"), What.URGED, {"reason": "no"})

    said = tampered(
        f"delete from incident_event where incident_id = '{told[0]}';"
        f" update incident set chain_seq = 0, chain_head = '' where incident_id = '{told[0]}';",
        then=again,
    )
    assert {kind for kind, _, _ in said} == {"resealed"}


@pytest.mark.parametrize(
    ("change", "seal_id"),
    [
        ("update seal set hash = sha256('x') where seal_id = 2;", 2),
        ("update seal set prev_hash = sha256('x') where seal_id = 2;", 2),
        ("update seal set sealed_at = sealed_at - interval '1 hour' where seal_id = 3;", 3),
        ("update seal set sealed_at = 'infinity' where seal_id = 3;", 3),
        ("delete from seal where seal_id = 2;", 2),
        ("delete from seal where seal_id = 3;", 3),
        ("delete from seal; delete from seal_entry where seal_id < 3;", 3),
        ("delete from seal_entry where seal_id = 1;", 1),
        ("update seal_entry set hash = sha256('x') where seal_id = 1;", 1),
        ("update seal_entry set seq = seq + 1 where seal_id = 3;", 3),
    ],
)
def test_a_changed_seal_is_found(told: list[str], tampered: Tampered, change: str, seal_id: int) -> None:
    assert ("seal", "", seal_id) in tampered(change)


def test_a_seal_that_is_gone_with_all_it_held_is_found_twice(told: list[str], tampered: Tampered) -> None:
    said = tampered("delete from seal_entry where seal_id = 2; delete from seal where seal_id = 2;")
    assert {("seal", "", 2), ("seal", "", 3)} <= set(said)  # its number, and what follows it


def test_a_record_cut_off_with_its_seals_is_found_by_the_head_that_was_kept_elsewhere(
    told: list[str], database: AlertDatabase, tampered: Tampered
) -> None:
    head = verify(database).head
    said: list[Audit] = []
    cut = "delete from incident_event; delete from seal; delete from seal_entry; truncate incident cascade;"
    assert tampered(cut, then=lambda conn: said.append(check(conn, head=head))) == []
    assert found(said[0]) == [("cut", "", 0)]


def test_what_no_seal_holds_is_told_by_the_seals_whatever_the_incident_says_of_itself(
    told: list[str], jobs: JobStore, database: AlertDatabase, tampered: Tampered
) -> None:
    jobs.take(job_of(jobs, told[0]), "wang")
    said: list[Audit] = []
    lie = f"update incident set sealed_seq = chain_seq where incident_id = '{told[0]}';"
    assert tampered(lie, then=lambda conn: said.append(check(conn))) == [("seal", told[0], 3)]
    assert (said[0].unsealed, said[0].unsealed_incidents) == (1, 1)
    assert "says it is sealed up to row 4, and its newest seal holds row 3" in said[0].findings[0].message


def test_rows_from_before_the_chain_are_counted_and_what_follows_is_checked(
    told: list[str], tampered: Tampered
) -> None:
    old = (
        f"update incident_event set seq = null, hash = null, prev_hash = null where incident_id = '{told[0]}';"
        f" update incident set chain_seq = 0, chain_head = '' where incident_id = '{told[0]}';"
        " update incident set sealed_seq = 0; delete from seal_entry; delete from seal;"
    )
    said: list[Audit] = []

    def later(conn: Connection) -> None:
        record(conn, told[0], Actor("li", "dispatcher"), What.URGED, {})
        said.append(check(conn))

    def lie(conn: Connection) -> None:
        later(conn)
        conn.execute(f"update incident_event set actor = 'x' where incident_id = '{told[0]}' and seq = 1")

    assert tampered(old, then=later) == []
    assert (said[0].unchained, said[0].rows) == (3, 7)
    assert tampered(old, then=lie) == [("changed", told[0], 1)]


def test_what_somebody_writes_at_this_moment_is_sealed_at_the_next_turn(
    database: AlertDatabase, desk_url: str, told: list[str]
) -> None:
    other = AlertDatabase(desk_url)
    actor = Actor("li", "dispatcher")
    with database.transaction() as conn:
        record(conn, told[0], actor, What.URGED, {})
        with other.transaction() as second:
            record(second, told[1], actor, What.URGED, {})
        assert Sealer(other).seal(NOW) == 1  # neither waits nor passes over it for good
    assert Sealer(other).seal(NOW) == 1
    other.close()
    assert (verify(database).findings, verify(database).unsealed) == ([], 0)


def test_more_than_one_seal_holds_is_sealed_at_once(
    database: AlertDatabase, incidents: IncidentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SEALED_MAX >= 500
    monkeypatch.setattr("alerts.record.seals.SEALED_MAX", 2)
    for index in range(3):
        incidents.open_or_refresh(sighting(track_id=index, camera_id=f"cam-{index}"), None, picture())
    assert Sealer(database).seal(NOW) == 3
    audit = verify(database)
    assert (audit.findings, audit.seals, audit.unsealed) == ([], 2, 0)


def test_every_detail_reads_back_from_the_database_as_it_was_hashed(database: AlertDatabase, told: list[str]) -> None:
    details: list[dict[str, Any]] = [
        {"numbers": [0, -0.0, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, 12.50, -3]},
        {"texts": ["", "重复\n\t\\\"'", "é\u0301", "𠀀", "\ue000"], "": {"b": None, "a": [True, False, {}]}},
        {"é": 1, "z": 2, "𠀀": 3, "\ue000": 4},
    ]
    with database.transaction() as conn:
        for detail in details:
            record(conn, told[0], Actor("李雷", "dispatcher", proved=True), What.URGED, detail)
    assert verify(database).findings == []


def test_how_far_it_is_is_told(database: AlertDatabase, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.record.audit.TOLD_EVERY", 2)
    monkeypatch.setattr("alerts.record.audit.FETCHED", 1)
    heard: list[int] = []
    verify(database, tell=heard.append)
    assert heard == [2, 4, 6, 6]


def test_the_record_and_its_guards_go_back_and_forward_with_the_schema(
    database: AlertDatabase, told: list[str], desk_url: str
) -> None:
    head = verify(database).head
    database.close()
    db.migrate(desk_url, target=14)
    with db.connect(desk_url) as conn:  # nobody keeps it there
        conn.execute("update incident_event set actor = actor")
        conn.rollback()
    db.migrate(desk_url)
    assert verify(database, head=head).findings == []
    with db.connect(desk_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("update incident_event set actor = actor")
