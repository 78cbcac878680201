"""Ends a wait that would never end: a server that stands still keeps its connection open, and TCP sees no fault."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def bounded(descriptor: int, limit_s: float) -> Iterator[None]:
    """Shut the socket ``descriptor`` down if the block takes longer; whoever waits on it gets an error then."""
    timer = threading.Timer(limit_s, _shut, (descriptor,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(descriptor: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as wire:
        wire.shutdown(socket.SHUT_RDWR)
