"""The process in which hostile pictures are decoded: ``python -m ingest.decode_child FD BYTES LIMIT_S``.

Started by ``ingest/decode_process.py``. Pictures and grids lie in one piece of shared memory; an order on standard
input is one byte, how many rows of its table to work through, and the answer is one byte when all are done. It ends
when its standard input does, and is ended by its own alarm when one picture takes too long: so it outlives its parent
by one picture at most.
"""

import contextlib
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.decode import cut_piece, decode_grid, one_thread
from schemas.crops import Piece
from schemas.errors import FrameError

Decode = Callable[[bytes, int, int, Piece | None], NDArray[np.uint8]]  # no piece: the detector's grid

# One row per picture, at the beginning of the shared memory. Places count in bytes from its start.
ROW = np.dtype(
    [
        ("state", np.uint8),
        ("reason", "S23"),  # of a refused picture
        ("width", np.int32),
        ("height", np.int32),
        ("jpeg_at", np.int64),
        ("jpeg_bytes", np.int64),
        ("grid_at", np.int64),
        ("piece_px", np.int32, 4),
        ("reduction", np.int32),  # of the piece; 0: the grid is wanted
    ]
)
ROWS_MAX = 64
TABLE_BYTES = ROWS_MAX * ROW.itemsize
WAITING, BEGUN, DECODED, REFUSED = range(4)
READY, DONE = b"r", b"d"
# Address space beyond what the process has when it begins. Coefficients of a progressive picture take 6 bytes a pixel.
MEMORY_BYTES = 512_000_000


def main() -> None:
    """Decode to the detector's grid, or to the piece that is wanted."""
    serve(decode)


def decode(jpeg: bytes, width: int, height: int, piece: Piece | None) -> NDArray[np.uint8]:
    """Give what ``decode_grid`` or ``cut_piece`` gives. Raises FrameError as they do."""
    return decode_grid(jpeg, width, height) if piece is None else cut_piece(jpeg, width, height, piece)


def serve(work: Decode) -> None:
    """Work through orders until standard input ends; ``work`` gives a grid, a piece, or FrameError."""
    file, size_bytes, limit_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    one_thread()
    memory = mmap.mmap(file, size_bytes)
    table = np.frombuffer(memory, ROW, ROWS_MAX)
    whole = np.frombuffer(memory, np.uint8)
    lock_up()
    os.write(1, READY)
    while order := os.read(0, 1):
        for row in table[: order[0]]:
            row["state"] = BEGUN
            # The default action of the alarm ends the process, also in the middle of a decoder that never returns.
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            _work(work, whole, row)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(1, DONE)


def lock_up() -> None:
    """Give up everything that a decoder does not need: new descriptors (so no network), files, processes, memory.

    What the platform does not know is left out.
    """
    # The terminal's and the service manager's signals reach the whole group; the parent says when the end is.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    # Decoders write their warnings there, as many as a picture's maker likes.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)
    for what, limit in _limits():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (limit, limit))


def _limits() -> Iterator[tuple[int, int]]:
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_FSIZE, 0
    yield resource.RLIMIT_NPROC, 0
    with contextlib.suppress(OSError), Path("/proc/self/statm").open(encoding="ascii") as sizes:
        yield resource.RLIMIT_AS, int(sizes.read().split()[0]) * mmap.PAGESIZE + MEMORY_BYTES
    yield resource.RLIMIT_NOFILE, 0


def _work(decode: Decode, whole: NDArray[np.uint8], row: np.void) -> None:
    """Decode one picture into its place, or note why not."""
    try:
        jpeg = whole[row["jpeg_at"] : row["jpeg_at"] + row["jpeg_bytes"]].tobytes()
        factor = int(row["reduction"])
        x, y, w, h = row["piece_px"].tolist()
        grid = decode(jpeg, int(row["width"]), int(row["height"]), Piece((x, y, w, h), factor) if factor else None)
        whole[row["grid_at"] : row["grid_at"] + grid.size] = grid.reshape(-1)
        row["state"] = DECODED
    except FrameError as error:
        row["reason"], row["state"] = error.reason.encode(), REFUSED
    except MemoryError:
        row["reason"], row["state"] = b"decoder_memory", REFUSED


if __name__ == "__main__":
    main()
