"""A picture that kills its decoder costs one dead letter: the rest of its batch, and the process, live on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import decode_grid
from ingest.decode_process import STARTS_MAX, DecoderLimits, DecoderProcess
from schemas.errors import FrameError, SetupError
from schemas.frame import Frame
from tests.fix_decoder import LIMITS
from tests.ingest.jpegs import jpeg, with_frame
from tests.ingest.tally import Tally

GOOD = jpeg(640, 480)
SHAPE = (240, 320, 3)
NUMBERS = count()


def frame(payload: bytes, width: int = 640, height: int = 480, camera: str = "") -> Frame:
    """A picture of a camera of its own, where none is named."""
    return Frame(camera or f"cam-{next(NUMBERS)}", 0, 0, payload, width, height)


def told(decoder: DecoderProcess, payloads: Sequence[bytes]) -> list[str]:
    """Per picture the reason, or nothing where it became the right grid."""
    found = decoder.decode([frame(payload) for payload in payloads])
    assert len(found) == len(payloads)
    assert all(isinstance(one, FrameError) or one.shape == SHAPE for one in found)
    return [one.reason if isinstance(one, FrameError) else "" for one in found]


@pytest.fixture
def meter() -> Tally:
    return Tally()


@pytest.fixture
def hostile(meter: Tally) -> Iterator[DecoderProcess]:
    made = DecoderProcess(DecoderLimits(0.3, 2_000_000, 8_300_000), meter, "tests.ingest.hostile_child")
    yield made
    made.close()


def test_no_pictures_start_nothing() -> None:
    idle = DecoderProcess(LIMITS, Tally(), "tests.no_such_module")
    assert idle.decode([]) == []
    assert not idle.alive
    idle.close()


def test_grids_are_those_of_a_decode_in_process(decoder: DecoderProcess) -> None:
    sizes = [(1280, 720), (64, 48), (641, 481), (16, 128), (1920, 1080)]
    pictures = [frame(jpeg(*size), *size) for size in sizes]
    for picture, grid in zip(pictures, decoder.decode(pictures), strict=True):
        assert not isinstance(grid, FrameError)
        assert np.array_equal(grid, decode_grid(picture.jpeg, picture.width, picture.height))


def test_a_grid_stays_what_it_was_when_the_next_batch_comes(decoder: DecoderProcess) -> None:
    (first,) = decoder.decode([frame(GOOD)])
    decoder.decode([frame(jpeg(640, 480, grey=True))])
    assert not isinstance(first, FrameError)
    assert np.array_equal(first, decode_grid(GOOD, 640, 480))


def test_a_batch_that_does_not_fit_at_once_is_done_in_parts(decoder: DecoderProcess) -> None:
    assert told(decoder, [GOOD] * 150) == [""] * 150
    padded = GOOD + bytes(1_900_000)
    assert told(decoder, [padded] * 20) == [""] * 20
    assert told(decoder, [GOOD + bytes(20_000_000), GOOD]) == ["size", ""]


def test_refused_pictures_have_their_reason_and_the_child_lives(decoder: DecoderProcess) -> None:
    broken = [b"", b"junk", GOOD[:300], jpeg(320, 240), with_frame(GOOD, width=0), GOOD]
    assert told(decoder, broken) == ["corrupt", "corrupt", "corrupt", "size_mismatch", "corrupt", ""]
    (refused,) = decoder.decode([frame(GOOD, 5, 5)])
    assert isinstance(refused, FrameError)
    assert refused.reason == "pixels"


@pytest.mark.parametrize(
    ("fault", "reason", "restarts"),
    [
        (b"crash", "decoder_crash", 1),
        (b"exit", "decoder_crash", 1),
        (b"defect", "decoder_crash", 1),
        (b"hang", "decoder_timeout", 1),
        (b"stop", "decoder_timeout", 1),
        (b"memory", "decoder_memory", 0),
        (b"lie", "decoder_crash", 0),
        (b"noise", "corrupt", 0),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else None,
)
def test_a_poisoned_picture_costs_itself_only(
    hostile: DecoderProcess, meter: Tally, fault: bytes, reason: str, restarts: int
) -> None:
    assert told(hostile, [GOOD, fault, GOOD, GOOD]) == ["", reason, "", ""]
    assert told(hostile, [GOOD]) == [""]
    assert meter.counts["decoder_restarts"] == restarts
    assert hostile.alive


@pytest.mark.parametrize(("fault", "ended_by"), [(b"hang", "SIGALRM"), (b"stop", "SIGKILL"), (b"crash", "SIGSEGV")])
def test_what_ended_the_child_is_told(hostile: DecoderProcess, fault: bytes, ended_by: str) -> None:
    """Its own alarm, where it still hears it; else its parent."""
    (found,) = hostile.decode([frame(fault)])
    assert isinstance(found, FrameError)
    assert found.detail == ended_by


def test_nobody_can_shrink_the_memory_that_is_read(decoder: DecoderProcess) -> None:
    told(decoder, [GOOD])
    with pytest.raises(PermissionError):
        os.ftruncate(decoder._file, 0)


def test_a_machine_without_room_for_another_process_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: object, **_more: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    crowded = DecoderProcess(LIMITS, Tally())
    with monkeypatch.context() as moment:
        moment.setattr(subprocess, "Popen", full)
        with pytest.raises(SetupError, match="Resource temporarily unavailable"):
            crowded.start()
    crowded._not_before_s = 0.0
    assert told(crowded, [GOOD]) == [""]
    crowded.close()


def test_a_platform_without_nameless_memory_uses_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    plain = DecoderProcess(LIMITS, Tally())
    assert told(plain, [GOOD, b"junk"]) == ["", "corrupt"]
    plain.close()


def test_many_poisoned_pictures_cost_one_each(hostile: DecoderProcess, meter: Tally) -> None:
    assert told(hostile, [b"exit", b"exit", GOOD, b"exit"]) == ["decoder_crash", "decoder_crash", "", "decoder_crash"]
    assert meter.counts["decoder_restarts"] == 3


def test_a_camera_that_goes_on_poisoning_waits_and_no_other_does(hostile: DecoderProcess, meter: Tally) -> None:
    def sent(payload: bytes) -> str:
        one, other = hostile.decode([frame(payload, camera="bad"), frame(GOOD)])
        assert not isinstance(other, FrameError)
        return one.reason if isinstance(one, FrameError) else ""

    ends = [sent(payload) for payload in (b"exit", b"exit", GOOD, b"exit", b"exit", b"exit", b"exit", GOOD)]
    crash = "decoder_crash"
    assert ends == [crash, crash, "", crash, crash, crash, "poison", "poison"]
    assert meter.counts["decoder_restarts"] == 5


def test_a_child_killed_between_two_batches_is_nobodys_fault(decoder: DecoderProcess) -> None:
    assert told(decoder, [GOOD]) == [""]
    os.kill(decoder.process_id, signal.SIGKILL)
    assert told(decoder, [GOOD, GOOD]) == ["", ""]


def test_the_terminals_and_the_service_managers_signals_do_not_end_it_before_its_parent_does(
    decoder: DecoderProcess,
) -> None:
    told(decoder, [GOOD])
    child = decoder.process_id
    os.kill(child, signal.SIGTERM)
    os.kill(child, signal.SIGINT)
    assert told(decoder, [GOOD]) == [""]
    assert decoder.process_id == child


def test_the_child_has_no_descriptor_to_open_no_secret_and_no_network(
    hostile: DecoderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURBWATCH_DATABASE_URL", "postgresql://user:secret@host/db")
    assert told(hostile, [b"environment", b"locks"]) == ["pixels", "pixels"]


def test_opencv_refuses_what_the_gate_should_have() -> None:
    """The second wall: OpenCV reads its limit when it is imported, so the child must have it from the start."""
    small = DecoderProcess(DecoderLimits(2.0, 2_000_000, 300_000), Tally())
    try:
        wide = jpeg(600, 600)
        (refused,) = small.decode([frame(wide, 600, 600)])
        assert isinstance(refused, FrameError)
        assert refused.reason == "corrupt"
        assert told(small, [GOOD]) == [""]
    finally:
        small.close()


def test_a_decoder_that_never_starts_is_an_error_that_says_why_and_no_busy_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = DecoderProcess(LIMITS, Tally(), "tests.no_such_module")
    with pytest.raises(SetupError, match=r"does not start: .*No module named tests\.no_such_module"):
        broken.start()
    began_s = time.monotonic()
    with pytest.raises(SetupError, match="in a while"):
        broken.decode([frame(GOOD)])
    for _ in range(STARTS_MAX - 1):
        assert broken.alive
        monkeypatch.setattr(time, "monotonic", lambda: began_s + 1e6)
        broken._not_before_s = 0.0
        with pytest.raises(SetupError, match="does not start"):
            broken.start()
    assert not broken.alive
    broken.close()


def test_it_ends_at_once_when_it_is_closed_and_starts_again(decoder: DecoderProcess) -> None:
    told(decoder, [GOOD])
    child = decoder.process_id
    decoder.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert told(decoder, [GOOD]) == [""]


ORPHAN = """
import os
from ingest.decode_process import DecoderProcess
from schemas.frame import Frame
from tests.fix_decoder import LIMITS
from tests.ingest.tally import Tally
made = DecoderProcess(LIMITS, Tally())
made.start()
print(made.process_id, flush=True)
os._exit(9)
"""


def test_no_child_outlives_a_killed_parent() -> None:
    parent = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False, timeout=60)
    assert parent.returncode == 9, parent.stderr
    # The child holds our end of its pipe no longer than it lives; where it has no parent init reaps it.
    deadline_s = time.monotonic() + 20
    ended = False
    while not ended and time.monotonic() < deadline_s:
        ended = _state(int(parent.stdout)) in {"", "Z"}
        time.sleep(0.01)
    assert ended


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from([GOOD, GOOD, b"junk", b"memory", b"exit"]), max_size=4))
def test_whatever_a_batch_holds_each_picture_has_its_own_end(payloads: list[bytes]) -> None:
    ends = {GOOD: "", b"junk": "corrupt", b"exit": "decoder_crash", b"memory": "decoder_memory"}
    assert told(_shared_hostile(), payloads) == [ends[payload] for payload in payloads]


_HOSTILE: list[DecoderProcess] = []


def _shared_hostile() -> DecoderProcess:
    if not _HOSTILE:
        _HOSTILE.append(DecoderProcess(LIMITS, Tally(), "tests.ingest.hostile_child"))
    return _HOSTILE[0]


@pytest.fixture(scope="module", autouse=True)
def _close_shared() -> Iterator[None]:
    yield
    for one in _HOSTILE:
        one.close()
    _HOSTILE.clear()


def _state(pid: int) -> str:
    """The process's state letter; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
