"""A decoder with the faults of a bad day: what a picture is made of says what it does to its decoder.

Run as the child of ``DecoderProcess``: ``python -m tests.ingest.hostile_child``.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.decode_child import decode as decode_as_usual
from ingest.decode_child import serve
from schemas.crops import Piece
from schemas.errors import FrameError


def decode(jpeg: bytes, width: int, height: int, piece: Piece | None) -> NDArray[np.uint8]:
    """Do what the bytes ask for; anything else is decoded."""
    match jpeg:
        case b"crash":
            ctypes.string_at(0)
        case b"exit":
            os._exit(3)
        case b"hang":
            while True:
                pass
        case b"stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case b"memory":
            np.ones(2_000_000_000, np.uint8)
        case b"defect":
            raise ValueError("a defect of ours")
        case b"lie":
            raise FrameError("made up")
        case b"noise":
            sys.stderr.write("x" * 1_000_000)
        case b"environment":
            raise FrameError("corrupt" if "CURBWATCH_DATABASE_URL" in os.environ else "pixels")
        case b"locks":
            raise FrameError("corrupt" if any(map(_allowed, (_socket, _file, _process))) else "pixels")
    return decode_as_usual(jpeg, width, height, piece)


def _socket() -> None:
    socket.socket().close()


def _file() -> None:
    Path("/proc/self/status").read_bytes()


def _process() -> None:
    subprocess.run(["true"], check=True)


def _allowed(act: "type[object] | object") -> bool:
    try:
        act()  # type: ignore[operator]
    except OSError:
        return False
    return True


if __name__ == "__main__":
    serve(decode)
