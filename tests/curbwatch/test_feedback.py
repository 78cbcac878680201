"""Orders and adoptions between people, database and shard: once, in order, and nothing is lost while one is away."""

import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

import curbwatch.database as db
from curbwatch import feedback
from curbwatch.feedback import MOST, FeedbackBook
from curbwatch.feedback_keeper import FeedbackKeeper
from curbwatch.obey import WAIT_S, Obedience
from curbwatch.registry import register_camera
from curbwatch.snapshots import SnapshotFolder
from curbwatch.telemetry import Telemetry
from schemas.errors import UsageError
from schemas.feedback import Adoption, Feedback, Fixture, Ignore, Undo
from schemas.place import CameraView
from tests.curbwatch.scripted import ScriptedDetector
from tests.fix_service import wait_until
from tests.fix_verbs import Verbs

BOX = (10.0, 20.0, 30.0, 40.0)
S = 1_000_000_000


def adoption(number: int, reason: str = "ghost") -> Adoption:
    return Adoption("cam", number * S, reason, BOX, number, undoable=True)


def order(number: int, camera: str = "cam") -> Feedback:
    return Feedback(number, camera, "li", Undo(number))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, clock: Clock) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", every_s=60, monotonic_s=clock)


def names(tmp_path: Path) -> list[str]:
    return sorted(file.stem for file in (tmp_path / "snapshots").iterdir())


def test_a_book_to_which_nothing_was_told_has_nothing() -> None:
    assert FeedbackBook().sweep() == ([], {}, 0)


@given(st.lists(st.sampled_from(["tell", "finish", "sweep", "written"]), max_size=40))
def test_a_book_forgets_only_what_was_written(acts: list[str]) -> None:
    book, told, ended = FeedbackBook(), list[Adoption](), set[int]()
    swept: tuple[list[Adoption], dict[int, str], int] = ([], {}, 0)
    for number, act in enumerate(acts, start=1):
        if act == "tell":
            told.append(adoption(number))
            book.tell([told[-1]])
        elif act == "finish":
            ended.add(number)
            book.finish(number, "done")
        elif act == "sweep":
            swept = book.sweep()
        else:
            book.written(swept[0], swept[1])
            told = [one for one in told if one not in swept[0]]
            ended -= set(swept[1])
            swept = ([], {}, 0)
    assert book.sweep() == (told, dict.fromkeys(ended, "done"), 0)
    assert book.finished() == ended


def test_a_book_that_nobody_reads_drops_the_oldest_adoptions_and_counts_them() -> None:
    book = FeedbackBook()
    book.tell(adoption(number) for number in range(MOST + 2))
    adoptions, _, dropped = book.sweep()
    assert (len(adoptions), adoptions[0].adoption_id, dropped) == (MOST, 2, 2)
    assert book.sweep()[2] == 0


def test_orders_wait_for_their_camera_and_are_carried_out_in_order(folder: SnapshotFolder, tmp_path: Path) -> None:
    detector, book = ScriptedDetector({}), FeedbackBook()
    obedience = Obedience(detector, folder, book)
    obedience.obey(["cam"])
    obedience.take([order(3), order(4), order(5, "elsewhere")])
    obedience.obey(["other"])
    assert detector.orders == []
    obedience.obey(["cam"])
    obedience.obey(["cam"])
    assert detector.orders == [3, 4]
    assert book.sweep()[1] == {3: "done", 4: "done"}
    assert names(tmp_path) == ["cam"]  # on disk before it counts as done


def test_an_order_that_is_refused_says_why_and_does_not_hold_up_the_next(folder: SnapshotFolder) -> None:
    detector, book = ScriptedDetector({}, refuses={1}), FeedbackBook()
    obedience = Obedience(detector, folder, book)
    obedience.take([order(1), order(2)])
    obedience.obey(["cam"])
    assert book.sweep()[1] == {1: "no such adoption", 2: "done"}


def test_an_order_about_a_view_that_is_not_shown_waits_and_does_not_hold_up_the_others(
    folder: SnapshotFolder, clock: Clock
) -> None:
    detector, book = ScriptedDetector({}, elsewhere={1}), FeedbackBook()
    obedience = Obedience(detector, folder, book, clock)
    obedience.take([order(1), order(2)])
    for _ in range(3):
        obedience.obey(["cam"])
    assert detector.orders == [1, 2, 1, 1]
    assert book.sweep()[1] == {1: "waits: not shown now", 2: "done"}
    assert book.finished() == {2}
    clock.now_s = WAIT_S - 1
    obedience.take([order(1)])  # it comes again with every new order
    obedience.obey(["cam"])
    assert book.finished() == {2}
    detector.elsewhere.clear()
    obedience.obey(["cam"])
    assert book.sweep()[1] == {1: "done", 2: "done"}


def test_an_order_whose_view_is_not_shown_for_a_day_is_given_up(folder: SnapshotFolder, clock: Clock) -> None:
    detector, book = ScriptedDetector({}, elsewhere={1}), FeedbackBook()
    obedience = Obedience(detector, folder, book, clock)
    obedience.take([order(1)])
    obedience.obey(["cam"])
    clock.now_s = WAIT_S + 1
    obedience.obey(["cam"])
    assert book.sweep()[1] == {1: "not shown now, and was not for a day"}
    assert book.finished() == {1}


def test_what_an_order_waits_for_does_not_hide_that_it_was_done_meanwhile() -> None:
    book = FeedbackBook()
    book.finish(1, "waits: not shown now")
    swept = book.sweep()
    book.finish(1, "done")
    book.written(swept[0], swept[1])
    assert book.sweep()[1] == {1: "done"}


def test_an_order_is_not_done_while_the_disk_does_not_take_the_state(folder: SnapshotFolder, tmp_path: Path) -> None:
    detector, book = ScriptedDetector({}), FeedbackBook()
    obedience = Obedience(detector, folder, book)
    (tmp_path / "snapshots").rmdir()
    (tmp_path / "snapshots").write_text("no folder")
    obedience.take([order(1)])
    obedience.obey(["cam"])
    assert book.finished() == frozenset()
    (tmp_path / "snapshots").unlink()
    (tmp_path / "snapshots").mkdir()
    obedience.obey(["cam"])
    assert book.finished() == {1}


def test_what_entered_a_background_is_logged_with_its_reason(folder: SnapshotFolder) -> None:
    detector, book = ScriptedDetector({}, adopted=[adoption(1, "light"), adoption(2)]), FeedbackBook()
    with capture_logs() as said:
        Obedience(detector, folder, book).listen()
    assert [(event["log_level"], event["reason"], event["adoption"]) for event in said] == [
        ("debug", "light", 1),
        ("info", "ghost", 2),
    ]
    assert [one.adoption_id for one in book.sweep()[0]] == [1, 2]


def test_only_cameras_that_changed_are_written_each_when_it_is_due(
    folder: SnapshotFolder, clock: Clock, tmp_path: Path
) -> None:
    detector = ScriptedDetector({})
    for camera in ("a", "b"):
        assert not folder.restore(detector, camera)
    folder.keep_due(detector)
    assert not folder.keep(detector, "a")
    clock.now_s = 59
    folder.keep_due(detector)
    assert names(tmp_path) == []
    clock.now_s = 61
    folder.keep_due(detector)  # no further frame of it is needed
    assert names(tmp_path) == ["a"]
    (tmp_path / "snapshots" / "a.state").unlink()
    clock.now_s = 200
    folder.keep_due(detector)
    folder.keep_all(detector)
    assert names(tmp_path) == []  # nothing changed since
    folder.keep(detector, "b")
    folder.keep_all(detector)
    assert names(tmp_path) == ["b"]


@pytest.mark.servers
def test_orders_reach_a_listener_in_order_and_come_again_until_they_are_done(office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        conn.execute("truncate vision_order, vision_adoption")
        register_camera(conn, CameraView("cam"))
        early = feedback.give(conn, "cam", "li", Fixture(BOX, 5 * S))
        with pytest.raises(UsageError, match="no camera 'nobody'"):
            feedback.give(conn, "nobody", "li", Undo(1))
        heard: list[list[Feedback]] = []
        book, meter = FeedbackBook(), Telemetry()
        keeper = FeedbackKeeper(office_url, book, meter, heard.append)
        keeper.start()
        try:
            wait_until("what was ordered before", lambda: bool(heard))
            assert heard[-1] == [Feedback(early, "cam", "li", Fixture(BOX, 5 * S))]
            late = feedback.give(conn, "cam", "wang", Ignore(BOX, 7))
            wait_until("the second order", lambda: len(heard[-1]) == 2)
            assert heard[-1][1] == Feedback(late, "cam", "wang", Ignore(BOX, 7))
            assert keeper.alive
            book.finish(early, "done")
            book.tell([adoption(1), adoption(2, "light")])
            wait_until("the outcome", lambda: feedback.outcome(conn, early) == "done")
            assert [one.order_id for one in feedback.waiting(conn)] == [late]
            wait_until("the adoptions", lambda: len(feedback.adoptions_of(conn, "cam", 9)) == 2)
            newest, _ = feedback.adoptions_of(conn, "cam", 9)
            assert (newest["adoption_id"], newest["reason"], newest["box_px"]) == (2, "light", list(BOX))
            book.finish(late, "too late")
        finally:
            keeper.stop()
        assert feedback.outcome(conn, late) == "too late"  # the last word is written at the stop
        feedback.keep(conn, [], {late: "again"})
        assert feedback.outcome(conn, late) == "too late"


def test_nothing_is_lost_while_the_database_is_away() -> None:
    book = FeedbackBook()
    keeper = FeedbackKeeper("postgresql://127.0.0.1:1/none", book, Telemetry(), lambda _: None)
    book.tell([adoption(1)])
    book.finish(1, "done")
    with capture_logs() as said:
        keeper.start()
        wait_until("its word", lambda: bool(said))
        keeper.stop()
    assert [event["event"] for event in said] == ["orders_unheard", "feedback_lost"]
    assert book.sweep() == ([adoption(1)], {1: "done"}, 0)


@pytest.mark.servers
def test_an_order_that_waits_says_so_and_a_new_table_gives_no_number_again(office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        conn.execute("truncate vision_order, vision_adoption restart identity")
        register_camera(conn, CameraView("cam"))
        first, second = (feedback.give(conn, "cam", "li", Undo(number), "gate") for number in (1, 2))
        assert second > first > 1_700_000_000
        feedback.keep(conn, [], {first: "waits: not shown now", second: "done"})
        (told,) = feedback.waiting(conn)
        assert told == Feedback(first, "cam", "li", Undo(1), "gate")
        newest, oldest = feedback.orders_of(conn, "cam", 9)
        assert (newest["outcome"], oldest["outcome"], oldest["applied_at"]) == ("done", "waits: not shown now", None)
        assert feedback.outcome(conn, first) is None


@pytest.mark.servers
def test_a_camera_of_which_nothing_is_known_has_empty_lists(verbs: Verbs, office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_camera(conn, CameraView("cam"))
        conn.execute("truncate vision_order, vision_adoption")
    assert verbs.told("camera", "adoptions", "cam") == []
    assert verbs.run("camera", "orders", "cam")[1].strip() in {"none", "无"}


@pytest.mark.servers
def test_orders_are_written_down_with_who_gave_them_and_wait(verbs: Verbs, office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_camera(conn, CameraView("cam"))
        conn.execute("truncate vision_order, vision_adoption")
        feedback.keep(conn, [adoption(7)], {})
        status, out, _ = verbs.run("camera", "undo", "cam", "7", "--as", "li", "--wait", "0", "--lang", "en")
        assert (status, "waits for the next frame of cam" in out) == (0, True)
        verbs.told("camera", "ignore", "cam", "--box", "1,2,3,4", "--as", "li", "--wait", "0")
        until = "2100-01-01T08:00"
        verbs.told("camera", "fixture", "cam", "--box", "1,2,3,4@gate", "--until", until, "--as", "wang", "--wait", "0")
        assert [one.what for one in feedback.waiting(conn)] == [
            Undo(7),
            Ignore((1.0, 2.0, 3.0, 4.0)),
            Fixture((1.0, 2.0, 3.0, 4.0), 4_102_444_800 * S),  # the city is at UTC+8
        ]
        assert [one.preset for one in feedback.waiting(conn)] == ["", "", "gate"]
        assert [row["person"] for row in verbs.told("camera", "orders", "cam")] == ["wang", "li", "li"]
        listed = verbs.run("camera", "orders", "cam")[1]
        assert "box_px=1,2,3,4 until=2100-01-01 08:00:00+08:00" in listed


@pytest.mark.servers
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("adoptions", "nobody"), "no camera 'nobody'"),
        (("undo", "nobody", "1", "--as", "li"), "no camera 'nobody'"),
        (("undo", "cam", "1", "--as", " "), "say who you are"),
        (("undo", "cam", "404", "--as", "li"), "camera cam has no adoption 404: `curbwatch camera adoptions cam`"),
        (("ignore", "cam", "--as", "li"), "give --box or --incident"),
        (("ignore", "cam", "--box", "1,2,3,4", "--incident", "i", "--as", "li"), "one of them"),
        (("ignore", "cam", "--box", "1,2,3", "--as", "li"), "give x,y,w,h"),
        (("ignore", "cam", "--box", "nan,2,3,4", "--as", "li"), "all below 1000000"),
        (("ignore", "cam", "--box", "1,2,0,4", "--as", "li"), "above 0 px"),
        (("ignore", "cam", "--incident", str(uuid.uuid4()), "--as", "li"), "no incident"),
        (("fixture", "cam", "--box", "1,2,3,4", "--until", "soon", "--as", "li"), "give date and time"),
        (("fixture", "cam", "--box", "1,2,3,4", "--until", "2020-01-01", "--as", "li"), "over already"),
    ],
)
def test_a_wrong_order_is_one_line_and_nothing_is_ordered(
    verbs: Verbs, office_url: str, arguments: tuple[str, ...], said: str
) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_camera(conn, CameraView("cam"))
        conn.execute("truncate vision_order")
        assert said in verbs.refused("camera", *arguments, "--lang", "en")
        assert feedback.waiting(conn) == []


@pytest.mark.servers
def test_an_order_that_could_not_be_done_says_why(verbs: Verbs, office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_camera(conn, CameraView("cam"))
        conn.execute("truncate vision_order")
        feedback.keep(conn, [adoption(1)], {})
        book = FeedbackBook()

        def refuse(orders: list[Feedback]) -> None:
            for one in orders:
                book.finish(one.order_id, "is gone")

        keeper = FeedbackKeeper(office_url, book, Telemetry(), refuse)
        keeper.start()
        try:
            assert "is gone" in verbs.refused("camera", "undo", "cam", "1", "--as", "li", "--wait", "20")
        finally:
            keeper.stop()
        assert [row["detail"] for row in feedback.orders_of(conn, "cam", 5)] == [{"adoption_id": 1}]
