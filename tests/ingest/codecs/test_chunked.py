"""A picture in pieces is put together, or refused once; what waits is bounded."""

import json
import random
from collections.abc import Sequence

import pytest

from config.codecs import CodecKnobs
from ingest.cameras import LetterWriter
from tests.ingest.codecs.picture_case import PICTURE, Bench, at_ns
from tests.ingest.test_cameras import _Failing as Failing

SIZE = len(PICTURE)


def pieces(picture: bytes = PICTURE, length: int = 200) -> list[bytes]:
    return [picture[at : at + length] for at in range(0, len(picture), length)]


def meta(bench: Bench, at_s: float = 0.0, device: str = "gate", **change: object) -> None:
    said = {"size": SIZE} | change
    bench.send(f"esp32/{device}/meta", json.dumps(said).encode(), at_s)


def chunks(bench: Bench, numbers: Sequence[int], at_s: float = 0.0, device: str = "gate") -> None:
    for number in numbers:
        bench.send(f"esp32/{device}/chunk/{number}", pieces()[number], at_s)


def plain(bench: Bench, parts: Sequence[bytes], at_s: float = 0.0, device: str = "gate") -> None:
    for part in parts:
        bench.send(f"esp32/{device}/chunk", part, at_s)


def done(bench: Bench, at_s: float = 0.0, device: str = "gate") -> None:
    bench.send(f"esp32/{device}/done", b"", at_s)


def refused(bench: Bench) -> list[tuple[str, str]]:
    return [(letter.reason, letter.detail) for letter in bench.letters()]


EVERY = range(len(pieces()))


def test_a_done_without_anything_is_passed_over() -> None:
    bench = Bench()
    done(bench)
    assert (bench.frames(), bench.letters()) == ([], [])
    assert bench.meter.counts["messages_ignored:done_alone"] == 1
    assert bench.meter.counts["frames_received"] == 0


def test_pieces_in_order_are_a_picture_with_what_its_meta_says() -> None:
    bench = Bench()
    meta(bench, ts="2026-02-02T02:40:00Z", seq=7, boot="b", chunks=len(EVERY))
    plain(bench, pieces())
    assert bench.meter.counts["frames_received"] == 0
    done(bench)
    (frame,) = bench.frames()
    assert (frame.camera_id, frame.jpeg, frame.seq, frame.boot, frame.stamped) == ("gate", PICTURE, 7, "b", True)
    assert bench.meter.counts["messages_received"] == len(EVERY) + 2
    assert bench.meter.counts["frames_received"] == 1
    assert bench.balanced()


def test_numbered_pieces_may_come_in_any_order_and_twice() -> None:
    bench = Bench()
    meta(bench, device="north")
    numbers = [*EVERY, *EVERY[::2]]
    random.Random(3).shuffle(numbers)
    chunks(bench, numbers, device="north")
    done(bench, device="north")
    assert [frame.jpeg for frame in bench.frames()] == [PICTURE]
    assert bench.balanced()


def test_pictures_of_several_cameras_may_come_at_once() -> None:
    bench = Bench()
    for device in ("gate", "other"):
        meta(bench, device=device)
    for number in EVERY:
        for device in ("gate", "other"):
            chunks(bench, [number], device=device)
    for device in ("gate", "other"):
        done(bench, device=device)
    assert [frame.jpeg for frame in bench.frames()] == [PICTURE]
    assert refused(bench) == [("unknown_device", "chunked:other")]
    assert bench.balanced()


def test_a_lost_piece_is_one_dead_letter_that_holds_what_came() -> None:
    bench = Bench()
    meta(bench, chunks=len(EVERY))
    chunks(bench, [0, *EVERY[2:]])
    done(bench)
    (letter,) = bench.letters()
    came = b"".join(pieces()[number] for number in (0, *EVERY[2:]))
    detail = f"{len(EVERY) - 1} of {len(EVERY)} pieces, {len(came)} of {SIZE} bytes: done, but not all of it came"
    assert (letter.reason, letter.detail, letter.payload) == ("incomplete", detail, came[:4096])
    assert bench.told == ["rejected:incomplete"]
    assert bench.balanced()


def test_a_gap_is_seen_where_all_bytes_are_there() -> None:
    bench = Bench()
    meta(bench, size=400)
    chunks(bench, [0, 2])
    done(bench)
    assert refused(bench) == [("incomplete", "2 pieces, 400 of 400 bytes: done, but not all of it came")]


def test_a_lost_done_costs_no_picture() -> None:
    bench = Bench()
    meta(bench)
    plain(bench, pieces())
    meta(bench, 5.0)
    assert [frame.jpeg for frame in bench.frames()] == [PICTURE]
    plain(bench, pieces(), 5.0)
    bench.intake.expire(at_ns(36))
    assert [frame.jpeg for frame in bench.frames(36)] == [PICTURE]
    assert bench.balanced()


def test_a_new_meta_gives_up_the_picture_before_it() -> None:
    bench = Bench()
    meta(bench)
    plain(bench, pieces()[:2])
    meta(bench)
    plain(bench, pieces())
    done(bench)
    assert refused(bench) == [("incomplete", f"2 pieces, 400 of {SIZE} bytes: another picture began")]
    assert len(bench.frames()) == 1
    assert bench.balanced()


def test_an_incomplete_picture_is_given_up_in_time_without_a_further_message() -> None:
    bench = Bench()
    meta(bench)
    plain(bench, pieces()[:2])
    bench.intake.expire(at_ns(30))
    assert bench.letters() == []
    bench.intake.expire(at_ns(30.1))
    assert refused(bench) == [("incomplete", f"2 pieces, 400 of {SIZE} bytes: not whole in 30 s")]
    plain(bench, pieces()[2:], 31)  # the rest of a slow one is not refused again
    done(bench, 32)
    assert (bench.letters(), bench.frames(32)) == ([], [])
    assert bench.meter.counts["frames_received"] == bench.meter.counts["frames_rejected"] == 1


def test_the_slow_rest_of_a_refused_picture_is_not_refused_again() -> None:
    bench = Bench()
    meta(bench, size=0)
    for at_s in (20, 45, 70):
        plain(bench, pieces()[:1], at_s)
    assert [reason for reason, _ in refused(bench)] == ["range"]


def test_a_picture_is_given_up_by_the_writer_of_its_dead_letter() -> None:
    bench, store = Bench(), Failing()
    meta(bench)
    writer = LetterWriter(bench.intake, store, bench.meter)
    writer.start()
    assert store.done.wait(10)
    writer.stop()
    assert [letter.reason for letter in store.kept] == ["incomplete"]


def test_a_late_piece_finds_its_picture_given_up() -> None:
    bench = Bench()
    meta(bench)
    plain(bench, pieces()[:-1])
    plain(bench, pieces()[-1:], 31)
    done(bench, 31)
    assert [reason for reason, _ in refused(bench)] == ["incomplete"]
    assert bench.balanced()


def test_pieces_without_a_meta_are_one_dead_letter() -> None:
    bench = Bench()
    plain(bench, pieces())
    done(bench)
    assert refused(bench) == [("incomplete", "a piece without a meta before it")]
    assert bench.meter.counts["messages_ignored:done_refused"] == 1
    assert bench.balanced()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "json"),
        (b"{}", "type"),
        (b'{"size": "9"}', "type"),
        (b'{"size": 0}', "range"),
        (b'{"size": -1}', "range"),
        (b'{"size": 9, "chunks": 0}', "range"),
        (b'{"size": 9, "chunks": 10001}', "range"),
        (b'{"size": 2000001}', "size"),
        (b'{"size": 1e400}', "type"),
        (b'{"size": 9, "more": ' + b"[" * 100_000, "json"),
    ],
)
def test_a_meta_that_says_nothing_usable_is_one_dead_letter_with_its_pieces(said: bytes, reason: str) -> None:
    bench = Bench()
    bench.send("esp32/gate/meta", said)
    plain(bench, pieces())
    done(bench)
    assert [found for found, _ in refused(bench)] == [reason]
    assert bench.balanced()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([("chunk/0", b"x")], "piece 0 came twice, with other bytes"),
        ([("chunk", b"x")], "some pieces have a number, and some have none"),
        ([("chunk/9", b"x")], "piece 9 is beyond its last one"),
        ([("chunk/999999999999999999", b"x")], "piece 999999999999999999 is beyond its last one"),
        ([("chunk/1", b"x" * 300)], "more bytes than the 400 of its meta"),
    ],
)
def test_pieces_that_do_not_belong_together_are_one_dead_letter(wrong: list[tuple[str, bytes]], why: str) -> None:
    bench = Bench()
    meta(bench, size=400, chunks=9)
    chunks(bench, [0])
    for leaf, payload in wrong:
        bench.send(f"esp32/gate/{leaf}", payload)
    chunks(bench, [1])
    done(bench)
    assert refused(bench) == [("incomplete", f"1 of 9 pieces, 200 of 400 bytes: {why}")]
    assert bench.balanced()


def test_a_digest_that_does_not_fit_is_refused() -> None:
    bench = Bench()
    meta(bench, sha256="0" * 64)
    plain(bench, pieces())
    done(bench)
    assert [reason for reason, _ in refused(bench)] == ["sha256"]
    assert bench.balanced()


@pytest.mark.parametrize("leaf", ["chunk/x", "chunk/-1", "begin"])
def test_a_topic_of_none_of_the_kinds_is_a_dead_letter(leaf: str) -> None:
    bench = Bench(CodecKnobs(topics={"chunked": ("esp32/#",)}))
    bench.send(f"esp32/{leaf}", b"x")
    assert [reason for reason, _ in refused(bench)] == ["topic"]


def test_what_is_not_whole_at_a_stop_is_a_dead_letter_and_what_is_whole_is_shed() -> None:
    bench = Bench()
    meta(bench)
    plain(bench, pieces())
    meta(bench, device="north2")
    bench.intake.shed_waiting("shutdown")
    assert [reason for reason, _ in refused(bench)] == ["incomplete"]
    assert sorted(bench.told) == ["rejected:incomplete", "shed:shutdown"]
    assert bench.balanced()


def test_incomplete_pictures_cannot_fill_the_memory() -> None:
    bench = Bench(CodecKnobs(chunk_buffer_bytes=20_000))
    for number in range(40):
        meta(bench, device=f"d{number}")
        plain(bench, [b"x" * 500], device=f"d{number}")
    letters = refused(bench)
    assert 26 <= len(letters) < 40
    assert {reason for reason, _ in letters} == {"incomplete"}
    meta(bench)
    plain(bench, pieces())
    done(bench)
    assert len(bench.frames()) == 1
    bench.intake.expire(at_ns(100))
    assert bench.meter.counts["frames_received"] == 41
    assert bench.balanced()


def test_pictures_on_their_way_are_limited_in_number_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.codecs.chunked.OPEN_MAX", 5)
    bench = Bench()
    for number in range(12):
        meta(bench, device=f"d{number}")
    assert [letter.device_id for letter in bench.letters()] == [f"d{number}" for number in range(7)]


def test_a_picture_has_no_more_pieces_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.codecs.chunked.PIECES_MAX", 3)
    bench = Bench()
    meta(bench)
    plain(bench, [b"\xff"] * 4)
    assert refused(bench) == [("incomplete", f"3 pieces, 3 of {SIZE} bytes: piece 3 is beyond its last one")]


def test_a_clock_that_is_set_back_gives_nothing_up_and_keeps_nothing_for_ever() -> None:
    bench = Bench()
    meta(bench, 100.0)
    plain(bench, pieces()[:2], 40.0)
    bench.intake.expire(at_ns(41))
    assert bench.letters() == []
    bench.intake.expire(at_ns(131))
    assert [reason for reason, _ in refused(bench)] == ["incomplete"]


def test_many_small_pieces_take_more_than_their_bytes() -> None:
    bench = Bench(CodecKnobs(chunk_buffer_bytes=10_000))
    meta(bench)
    plain(bench, [b"\xff"] * 100)
    (found,) = refused(bench)
    assert found[1].endswith("there is no room for more incomplete pictures")
