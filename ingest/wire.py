"""A socket that reads ahead: one ``recv`` of the kernel for many small packets.

paho asks for one byte, then another, then the rest of each packet: three system calls for a position of 150 bytes,
which cost more than everything else it does (docs/performance.md).
"""

import socket
from typing import Any

AHEAD_BYTES = 262_144


class ReadAhead:
    """Wraps a connected, non-blocking socket. ``recv`` serves what was read ahead; all else goes to the socket.

    ``pending`` tells paho's loop, as a TLS socket would, that bytes wait here which ``select`` cannot see.
    """

    def __init__(self, wrapped: socket.socket) -> None:
        self._wrapped = wrapped
        self._ahead = b""
        self._at = 0

    def recv(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end of the stream. Raises BlockingIOError where none are there."""
        end = self._at + size
        part = self._ahead[self._at : end]
        if part:
            self._at = end
            return part
        self._ahead = self._wrapped.recv(AHEAD_BYTES)
        self._at = size
        return self._ahead[:size]

    def pending(self) -> int:
        """Bytes that were read ahead, and those that TLS has decrypted."""
        waiting = max(0, len(self._ahead) - self._at)
        tls = getattr(self._wrapped, "pending", None)
        return waiting + (tls() if tls is not None else 0)

    def fileno(self) -> int:
        """Descriptor to select on."""
        return self._wrapped.fileno()

    def close(self) -> None:
        """Close the socket; what was read ahead is gone."""
        self._ahead, self._at = b"", 0
        self._wrapped.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever a socket has
        """Everything else a socket can do."""
        return getattr(self._wrapped, name)
