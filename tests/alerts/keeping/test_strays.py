"""Files that nothing names go, rows without a file are told, and what may still be named stays."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts.keeping.strays import OWNER, SETTLE_S, Strays
from schemas.meter import NullMeter
from tests.alerts.keeping.world import DAY, NOW, World

# Of one edition: nothing here differs between them.
pytestmark = [pytest.mark.servers, pytest.mark.parametrize("kept_url", ["apache"], indirect=True)]


def sweep(world: World, elsewhere: Callable[[], set[str]] = set, *drafts: Path) -> Strays:
    return Strays(world.database, world.evidence, NullMeter(), stray_s=86_400.0, elsewhere=elsewhere, drafts=drafts)


def aged(path: Path) -> None:
    """Make a file as old as the things of the world."""
    then = (NOW - 400 * DAY).timestamp()
    os.utime(path, (then, then))


def test_an_empty_folder_holds_no_strays(world: World) -> None:
    found = sweep(world).whole()
    assert (found.strays, found.stages, found.strange, found.missing) == (0, 0, 0, 0)


def test_an_old_file_that_nothing_names_goes(world: World) -> None:
    stray = world.file("stray", 400 * DAY)
    named, shown = world.picture("named", 400 * DAY), world.file("shown", 400 * DAY)
    world.event(shown, 400 * DAY)
    waits = world.file("waits", 400 * DAY)  # for a database that was away at the last stop
    noted = world.file("noted", 400 * DAY)
    world.rows("insert into evidence_expiring (sha256) values (%s)", (noted,))
    found = sweep(world, lambda: {waits}).whole()
    assert found.strays == 1
    assert not world.evidence.path(stray).exists()
    assert all(world.evidence.intact(digest) for digest in (named, shown, waits, noted))


def test_the_folder_of_another_database_is_left_alone(world: World) -> None:
    kept = [world.file(f"theirs {number}", 400 * DAY) for number in range(3)]
    ours = world.picture("ours", 400 * DAY)
    assert sweep(world).whole().strays == 0  # we know one of four
    for digest in kept:
        world.evidence.path(digest).unlink()
    assert sweep(world).whole().strays == 0  # now it is ours
    owner = world.evidence.folder / OWNER
    stray = world.file("stray", 400 * DAY)
    owner.write_text("1/2\n")
    assert sweep(world).whole().strays == 0
    assert world.evidence.intact(stray)
    owner.unlink()
    assert sweep(world).whole().strays == 1  # one of two is not
    assert world.evidence.intact(ours)


def test_a_new_file_may_still_be_named(world: World) -> None:
    digest = world.file("new", 0 * DAY)
    os.utime(world.evidence.path(digest))
    assert sweep(world).whole().strays == 0
    assert world.evidence.intact(digest)


def test_a_row_whose_file_is_gone_or_damaged_is_told_and_stays(world: World) -> None:
    gone, cut = world.picture("gone", DAY), world.picture("cut off", DAY)
    world.evidence.path(gone).unlink()
    world.evidence.path(cut).write_bytes(b"x")
    assert sweep(world).whole().missing == 2
    assert world.count("evidence") == 2


def test_what_was_not_finished_goes_and_what_is_not_ours_stays(world: World, tmp_path: Path) -> None:
    digest = world.picture("whole", 0 * DAY)
    folder = world.evidence.path(digest).parent
    unfinished, going, other = folder / ".new-abc", folder / f".gone-{digest}.jpg", folder / "notes.txt"
    draft, kept = tmp_path / "cases" / ".new-x", tmp_path / "cases" / "case-1"
    for path in (draft, kept):
        path.mkdir(parents=True)
        (path / "frame.jpg").write_bytes(b"x")
    for path in (unfinished, going, other):
        path.write_bytes(b"x")
    for path in (unfinished, going, other, draft, kept):
        aged(path)
    found = sweep(world, set, tmp_path / "cases", tmp_path / "nowhere").whole()
    assert (found.stages, found.strange) == (3, 1)
    assert not any(path.exists() for path in (unfinished, going, draft))
    assert other.exists()
    assert kept.exists()


def test_a_folder_of_256_at_each_turn_until_all_are_looked_at(world: World) -> None:
    strays = sweep(world)
    assert strays.turn() == 0  # an empty folder is ours
    for number in range(5):
        world.file(f"stray {number}", 400 * DAY)
    assert sum(strays.turn() for _ in range(256)) == 5


def test_no_file_goes_before_the_database_has_answered_for_a_while(world: World) -> None:
    sweep(world).whole()
    stray = world.file("stray", 400 * DAY)
    strays = sweep(world)
    strays._at = int(stray[:2], 16)
    assert (strays.do(1000.0), strays.do(1000.0 + SETTLE_S / 2)) == (0, 0)
    assert strays.do(1000.0 + SETTLE_S) == 1
