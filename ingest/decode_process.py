"""Decoding in a process of its own: a crash, a hang or a flood of memory costs one picture. The parent's side."""

import contextlib
import fcntl
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import structlog
from numpy.typing import NDArray

from ingest.decode import grid_shape, piece_slices
from ingest.decode_blame import Blame
from ingest.decode_child import BEGUN, DECODED, READY, REFUSED, ROW, ROWS_MAX, TABLE_BYTES, WAITING
from schemas.crops import Piece
from schemas.errors import FrameError, SetupError
from schemas.frame import Frame
from schemas.meter import Meter

log = structlog.get_logger()

Grid = NDArray[np.uint8]
Wanted = tuple[Frame, Piece | None]

START_S = 20.0  # until it says it is ready; 0.2 s on an idle machine
GRACE_S = 1.0  # beyond the picture's own limit, whose alarm the child sets itself
STARTS_MAX = 5  # failed starts in a row until it counts as dead
BACKOFF_S = 0.5  # before the second failed start, then twice as long each time
SHARED_BYTES = 16_000_000  # room for some forty 720p pictures with their grids; pages that were never used cost nothing
GRID_BYTES_MAX = 6_000_000  # 480 px wide and eight times as high, or a whole picture of 1280 x 1280 px
REASONS = frozenset({"corrupt", "size_mismatch", "pixels", "decoder_memory"})


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What a picture may cost: seconds of decoding, bytes, and px decoded at full size."""

    limit_s: float
    frame_max_bytes: int
    frame_max_pixels: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """A picture laid into the shared memory: what is said of it there is never read back from there."""

    grid_at: int
    shape: tuple[int, int]


class DecoderProcess:
    """Decodes batches of pictures in a child process, which it starts again where it dies. For one thread at a time.

    Child and parent share one piece of memory: bytes go in once, grids come out once, and a whole batch costs one
    round trip. ``module`` is run as the child.
    """

    def __init__(self, limits: DecoderLimits, meter: Meter, module: str = "ingest.decode_child") -> None:
        self._limits = limits
        self._limit = str(limits.limit_s)
        self._meter = meter
        self._module = module
        self._size_bytes = max(SHARED_BYTES, TABLE_BYTES + limits.frame_max_bytes + GRID_BYTES_MAX)
        self._file = -1
        self._whole: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._table: NDArray[np.void] = np.zeros(0, ROW)
        self._process: subprocess.Popen[bytes] | None = None
        self._failed_starts = 0
        self._not_before_s = 0.0
        self._blame = Blame()

    @property
    def alive(self) -> bool:
        """Whether pictures are decoded: from the start to the end, unless it cannot be started time and again."""
        return self._file >= 0 and self._failed_starts < STARTS_MAX

    @property
    def process_id(self) -> int:
        """Of the running child; 0 where none runs."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the child where none runs. Raises SetupError with its last words; soon after a failure, at once."""
        if self._process is not None:
            return
        if time.monotonic() < self._not_before_s:
            raise SetupError("the picture decoder does not start; it is tried again in a while")
        fault = self._launch()
        if not fault:
            self._failed_starts = 0
            return
        self._not_before_s = time.monotonic() + BACKOFF_S * 2**self._failed_starts
        self._failed_starts += 1
        raise SetupError(f"the picture decoder ({self._module}) does not start: {fault}")

    def _launch(self) -> str:
        """Start the child and wait until it is ready; returns its last words where it is not."""
        try:
            if self._file < 0:
                self._file = _shared_file(self._size_bytes)
                memory = mmap.mmap(self._file, self._size_bytes)
                self._whole, self._table = np.frombuffer(memory, np.uint8), np.frombuffer(memory, ROW, ROWS_MAX)
            with _scratch() as words:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", self._module, str(self._file), str(self._size_bytes), self._limit],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=words,
                    bufsize=0,
                    env=_environment(self._limits.frame_max_pixels),
                    pass_fds=(self._file,),
                    start_new_session=True,
                )
                if self._answer(START_S) == READY:
                    return ""
                told = self._end(kill=False)
                words.seek(0)
                return words.read()[-2000:].decode(errors="replace").strip().rpartition("\n")[2] or told
        except OSError as error:  # no memory, no process, no descriptor left
            return str(error)

    def decode(self, frames: Sequence[Frame]) -> list[Grid | FrameError]:
        """Return for each frame its grid, as ``decode_grid`` gives it, or why there is none; N may be 0.

        Raises SetupError as ``cut`` does.
        """
        return self.cut([(frame, None) for frame in frames])

    def cut(self, wanted: Sequence[Wanted]) -> list[Grid | FrameError]:
        """Return for each frame its piece, as ``cut_piece`` gives it, or its grid where none is named; N may be 0.

        Beside ``decode_grid``'s reasons: ``decoder_crash``, ``decoder_timeout``, ``decoder_memory``, and ``poison`` for
        a camera whose last pictures each ended the decoder. Raises SetupError where no decoder can be started.
        """
        found: list[Grid | FrameError] = []
        idle_deaths = 0
        while len(found) < len(wanted):
            self.start()
            ended = self._round(wanted[len(found) :])
            found += ended
            # A child may be killed between two batches; it is no picture's fault, unless it happens each time.
            idle_deaths = 0 if ended else idle_deaths + 1
            if idle_deaths == STARTS_MAX:
                raise SetupError("the picture decoder dies before it decodes anything: see the log")
        return found

    def close(self) -> None:
        """End the child, and give back the memory; ``start`` may follow."""
        if self._process is not None:
            self._end(kill=False)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._whole, self._table = np.zeros(0, np.uint8), np.zeros(0, ROW)

    def _round(self, wanted: Sequence[Wanted]) -> list[Grid | FrameError]:
        """What became of the first pictures: as many as have room, or up to the one that ended the child."""
        placed = self._place(wanted)
        sent = [one for one in placed if isinstance(one, _Placed)]
        fault = self._work(len(sent)) if sent else None
        states = self._table["state"][: len(sent)].tolist()
        found: list[Grid | FrameError] = []
        row = 0
        for (frame, _), one in zip(wanted, placed, strict=False):
            if isinstance(one, FrameError):
                found.append(one)
                continue
            state = states[row]
            if state in {DECODED, REFUSED}:
                self._blame.decoded(frame.camera_id)
                refused = state == REFUSED
                found.append(_refusal(bytes(self._table["reason"][row])) if refused else self._grid(one))
            elif fault is None:
                found.append(FrameError("decoder_crash", "the decoder passed it over"))
            else:
                if state == BEGUN:
                    self._blame.died(frame.camera_id, time.monotonic())
                    found.append(fault)
                break
            row += 1
        return found

    def _grid(self, placed: _Placed) -> Grid:
        rows, columns = placed.shape
        flat = self._whole[placed.grid_at : placed.grid_at + rows * columns * 3]
        return flat.reshape(rows, columns, 3).copy()

    def _place(self, wanted: Sequence[Wanted]) -> list[_Placed | FrameError]:
        """Lay out as many pictures as have room, at least one."""
        placed: list[_Placed | FrameError] = []
        at, row = TABLE_BYTES, 0
        now_s = time.monotonic()
        for frame, piece in wanted:
            if self._blame.waits(frame.camera_id, now_s):
                placed.append(FrameError("poison", "the last pictures of the camera each ended the decoder"))
                continue
            try:
                shape = grid_shape(frame.width, frame.height) if piece is None else _piece_shape(piece)
            except FrameError as error:
                placed.append(error)
                continue
            grid_at = at + len(frame.jpeg)
            end = grid_at + shape[0] * shape[1] * 3
            if end > self._size_bytes and row == 0:
                placed.append(FrameError("size", f"{len(frame.jpeg)} bytes"))
                continue
            if end > self._size_bytes or row == ROWS_MAX:
                break
            self._whole[at:grid_at] = np.frombuffer(frame.jpeg, np.uint8)
            cut = ((0, 0, 0, 0), 0) if piece is None else (piece.box_px, piece.reduction)
            self._table[row] = (WAITING, b"", frame.width, frame.height, at, len(frame.jpeg), grid_at, *cut)
            placed.append(_Placed(grid_at, shape))
            at, row = end, row + 1
        return placed

    def _work(self, count: int) -> FrameError | None:
        """Let the child work through ``count`` rows; returns what its end means for the row it was at, if it ended."""
        process = self._process
        if process is None or process.stdin is None:
            return None
        began_s = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(bytes((count,)))
        ended = 0
        while (answer := self._answer(self._limits.limit_s + GRACE_S)) is None:
            now = int(np.count_nonzero(self._table["state"][:count] >= DECODED))
            if now == ended:
                break
            ended = now
        if answer:
            return None
        told = self._end(kill=answer is None)
        late = answer is None or told == signal.SIGALRM.name
        fault = FrameError("decoder_timeout", told) if late else FrameError("decoder_crash", told)
        self._meter.add("decoder_restarts", reason=fault.reason)
        log.warning("decoder_died", reason=fault.reason, told=told, after_s=round(time.monotonic() - began_s, 2))
        return fault

    def _answer(self, wait_s: float) -> bytes | None:
        """One byte of the child; empty where it ended, None where it says nothing for so long."""
        if self._process is None or self._process.stdout is None:
            return b""
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        return os.read(self._process.stdout.fileno(), 1) if poll.poll(wait_s * 1000) else None

    def _end(self, *, kill: bool) -> str:
        """Wait for the child's end, having said so; returns the signal that ended it, or its exit status."""
        process, self._process = self._process, None
        if process is None:
            return ""
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        if kill:
            process.kill()
        try:
            status = process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if process.stdout is not None:
            process.stdout.close()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _piece_shape(piece: Piece) -> tuple[int, int]:
    rows, columns = piece_slices(piece)
    return rows.stop - rows.start, columns.stop - columns.start


def _environment(pixels_max: int) -> dict[str, str]:
    """What the child needs to find Python's packages, and no secret of ours."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Freed memory stays with the process: else each picture faults 94 pages in anew, a fifth of its decoding.
        "MALLOC_TRIM_THRESHOLD_": "32000000",
        "MALLOC_MMAP_THRESHOLD_": "32000000",
        # A second wall behind the gate, for what is decoded at full size: read when cv2 is imported, never later.
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(pixels_max),
    }


def _refusal(reason: bytes) -> FrameError:
    """What the child says is not believed further than that it refused."""
    told = reason.decode("ascii", "replace")
    return FrameError(told) if told in REASONS else FrameError("decoder_crash", "the decoder gave no known reason")


def _scratch() -> BinaryIO:
    """A file without a name, in memory where the platform has such: the disk may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("curbwatch-words"), "w+b")
    return tempfile.TemporaryFile()


def _shared_file(size_bytes: int) -> int:
    """Return a descriptor of memory without a name, which nobody can shrink under us: a read beyond its end kills."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            file.truncate(size_bytes)
            return os.dup(file.fileno())
    number = os.memfd_create("curbwatch-decoder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(number, size_bytes)
    fcntl.fcntl(number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return number
