"""Pictures go after their term, rows first; afterwards nothing names them, and a crash between leaves only work."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.keeping import holds, pictures
from alerts.keeping.files import remove_picture
from alerts.keeping.pictures import Pictures
from alerts.keeping.retention import KEEPING_LOCK
from alerts.store import AlertDatabase
from schemas.record import Actor
from tests.alerts.keeping.world import DAY, NOW, World
from tests.alerts.makers import frame

# Of one edition: nothing here differs between them.
pytestmark = [pytest.mark.servers, pytest.mark.parametrize("kept_url", ["apache"], indirect=True)]
LI = Actor("李雷", "dispatcher")
OLD = 31 * DAY
TABLES = """
select tablename from pg_tables where schemaname = current_schema() and tablename not like 'migration%'
"""


def keeper(world: World, pruned: list[str] | None = None) -> Pictures:
    def prune(digests: Sequence[str]) -> None:
        if pruned is not None:
            pruned.extend(digests)

    return Pictures(world.database, world.evidence, days=30, prune=prune)


def naming(world: World, digest: str) -> list[str]:
    """Every table and file that holds a digest, as text or as bytes."""
    found = []
    for (table,) in world.rows(TABLES):
        query = f"select 1 from {table} t where to_jsonb(t)::text like %s limit 1"  # noqa: S608
        if world.rows(query, (f"%{digest}%",)):
            found.append(table)
    return found + [str(path) for path in world.evidence.folder.rglob("*") if digest in path.name]


def test_nothing_leaves_nothing_to_delete(world: World) -> None:
    assert (keeper(world).waiting(NOW), keeper(world).do(NOW)) == (0, 0)


def test_afterwards_nothing_names_a_picture_whose_term_is_over(world: World) -> None:
    digest = world.picture("old", OLD)
    incident = world.incident(OLD, digest)
    world.letter(world.evidence.path(digest).read_bytes(), DAY)  # the same bytes came under a wrong topic
    assert {"evidence", "dead_letter"} <= set(naming(world, digest))
    pruned: list[str] = []
    assert keeper(world).waiting(NOW) == 1
    assert keeper(world, pruned).do(NOW) == 1
    assert naming(world, digest) == []
    assert pruned == [digest]
    (left,) = world.rows("select opening_id, evidence_gone_at is not null, state from incident")
    assert left == (None, True, "done")
    assert world.rows("select camera_id, captured_at, term_days from evidence_gone") == [("cam-1", NOW - OLD, 30)]
    assert world.rows("select incident_id::text from incident") == [(incident,)]
    assert keeper(world).do(NOW) == 0


@pytest.mark.parametrize(
    ("age", "more"),
    [
        (29 * DAY, {}),
        (OLD, {"closed": False}),
        (OLD, {"created_at": NOW - DAY}),  # an old recording that was played yesterday
    ],
)
def test_pictures_of_lately_closed_open_and_lately_entered_incidents_stay(
    world: World, age: timedelta, more: dict[str, Any]
) -> None:
    digest = world.picture("kept", OLD)
    world.incident(age, digest, **more)
    assert keeper(world).do(NOW) == 0
    assert world.evidence.intact(digest)


def test_a_picture_of_two_incidents_stays_as_long_as_one_of_them(world: World) -> None:
    digest = world.picture("both", OLD)
    world.incident(OLD, digest)
    world.incident(DAY, digest)
    assert keeper(world).do(NOW) == 0
    assert world.evidence.intact(digest)


def test_pictures_under_a_hold_survive_and_go_after_its_release(world: World) -> None:
    world.device("cam-2")
    first, second = world.picture("first", OLD), world.picture("second", OLD, "cam-2")
    incident = world.incident(OLD, first)
    world.incident(OLD, second, camera_id="cam-2")
    with world.database.transaction() as conn:
        held = [holds.hold_incident(conn, incident, LI, "the court asks")]
        held.append(holds.hold_device(conn, "cam-2", NOW - 40 * DAY, NOW - 20 * DAY, "李雷", "an accident"))
    assert keeper(world).do(NOW) == 0
    assert world.evidence.intact(first)
    assert world.evidence.intact(second)
    with world.database.transaction() as conn:
        for hold in held:
            holds.release(conn, hold, LI, "over")
    assert keeper(world).do(NOW) == 2
    assert naming(world, first) == naming(world, second) == []


def test_pictures_of_camera_events_go_after_the_event_and_the_event_stays(world: World) -> None:
    over, lasts = world.file("over", OLD), world.file("lasts", OLD)
    world.event(over, OLD)
    world.event(lasts, 400 * DAY, lasts=True)
    assert keeper(world).do(NOW) == 1
    assert naming(world, over) == []
    assert world.evidence.intact(lasts)
    assert world.count("camera_event") == 2


def test_nothing_is_deleted_while_a_backup_is_made(world: World, kept_url: str) -> None:
    world.incident(OLD, world.picture("old", OLD))
    backup = AlertDatabase(kept_url)
    with backup.transaction() as conn:
        conn.execute("select pg_advisory_lock_shared(%s)", (KEEPING_LOCK,))
    assert keeper(world).do(NOW) == 0
    with backup.transaction() as conn:  # by name: the server sees the end of a connection some time after it
        conn.execute("select pg_advisory_unlock_shared(%s)", (KEEPING_LOCK,))
    backup.close()
    assert keeper(world).do(NOW) == 1


class CrashError(BaseException):
    """As if the process ended here."""


def crash(*_: object, **__: object) -> None:
    raise CrashError


@pytest.mark.parametrize("point", ["before the file", "after the file", "before the note"])
def test_a_crash_between_leaves_nothing_that_points_to_nothing_and_the_next_turn_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    digest = world.picture("old", OLD)
    world.incident(OLD, digest)
    world.event(digest, OLD)
    victim = keeper(world)
    if point == "before the file":
        monkeypatch.setattr(pictures, "remove_picture", crash)
    elif point == "after the file":
        monkeypatch.setattr(Path, "unlink", crash)  # it has lost its name, and is still there
    else:
        monkeypatch.setattr(victim, "_prune", crash)
    victim.do(NOW)  # the event lets go of it first
    with pytest.raises(CrashError):
        victim.do(NOW)
    monkeypatch.undo()
    assert world.rows("select 1 from incident where opening_id is not null") == []
    assert [name for name in naming(world, digest) if "/" not in name] == ["evidence_expiring"]
    assert keeper(world).do(NOW) == 1
    assert naming(world, digest) == []


def test_a_picture_that_is_kept_again_meanwhile_stays(world: World) -> None:
    digest = world.file("again", OLD)
    kept = frame(world.evidence.path(digest).read_bytes())

    def named_now() -> bool:
        world.evidence.keep(kept)  # between the look and the deletion
        return False

    assert remove_picture(world.evidence, digest, named_now)
    assert world.evidence.intact(digest)  # written anew
    assert not remove_picture(world.evidence, digest, lambda: False)  # new: about to be named
    assert world.evidence.intact(digest)
    assert [path.name for path in world.evidence.folder.rglob("*") if path.is_file()] == [f"{digest}.jpg"]


def test_a_picture_that_a_row_names_after_all_is_put_back(world: World) -> None:
    digest = world.file("named", OLD)
    assert not remove_picture(world.evidence, digest, lambda: True)
    assert world.evidence.intact(digest)
