"""A camera's state as bytes: versioned, checksummed, nothing executable inside."""

import io
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"CWVISION"
VERSION = 2
HEAD = len(MAGIC) + 2 + 4  # magic, version, CRC-32 of what follows
LEVEL = 1  # zlib: planes of a quiet street shrink to a third already
MOST_BYTES = 1 << 26  # unpacked; a grid of 480 x 480 px with all its tracks needs 1 MB


def encode(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """Pack named arrays; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    body = zlib.compress(buffer.getvalue(), LEVEL)
    return MAGIC + VERSION.to_bytes(2, "big") + zlib.crc32(body).to_bytes(4, "big") + body


def decode(state: bytes) -> dict[str, NDArray[np.generic]]:
    """Unpack what ``encode`` made. Raises ValueError for anything else."""
    body = state[HEAD:]
    if state[: len(MAGIC)] != MAGIC:
        raise ValueError("snapshot: not one of ours")
    if int.from_bytes(state[len(MAGIC) : len(MAGIC) + 2], "big") != VERSION:
        raise ValueError("snapshot: another version")
    if zlib.crc32(body).to_bytes(4, "big") != state[len(MAGIC) + 2 : HEAD]:
        raise ValueError("snapshot: damaged")
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(body, MOST_BYTES)
        if not unpacker.eof:
            raise ValueError("snapshot: too large")
        _refuse_packed(raw)
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zlib.error, zipfile.BadZipFile, OSError, KeyError, EOFError, MemoryError, SyntaxError) as error:
        raise ValueError(f"snapshot: {error}") from None


def _refuse_packed(raw: bytes) -> None:
    """Raise ValueError where an entry is not stored as it is: one that is packed again may become of any size."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(raw):
                raise ValueError("snapshot: an entry that cannot be")


def named(arrays: dict[str, NDArray[np.generic]], name: str) -> NDArray[Any]:
    """One array of a decoded snapshot. Raises ValueError where it is missing."""
    found = arrays.get(name)
    if found is None:
        raise ValueError(f"snapshot: {name} is missing")
    return found
