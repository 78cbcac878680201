"""Pictures of a background as few bytes: coarser grey levels, differences along rows, Huffman codes."""

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import Plane, chroma, luma

# Reduction and grey levels per step, finest first. Streets of 320 x 180 px take 32, 25, 10 and 8 KB; pure noise of the
# last level 11 KB, so that four references always have room in 55 KB.
LEVELS = ((1, 4), (1, 8), (2, 4), (2, 8), (2, 16))


def pack(plane: Plane, level: int, shape: tuple[int, int]) -> bytes:
    """A (1.5 H, W) I420 picture as bytes; packing what ``unpack`` gave loses nothing more."""
    reduction, step = LEVELS[level]
    parts = [luma(plane, shape), *chroma(plane, shape)]
    return squeeze([_reduced(part, reduction) for part in parts], step)


def unpack(body: bytes, level: int, shape: tuple[int, int]) -> Plane:
    """The reverse of ``pack``. Raises ValueError for bytes that are not of this level and shape."""
    reduction, step = LEVELS[level]
    whole, half = shape, (shape[0] // 2, shape[1] // 2)
    small = [(-(-rows // reduction), -(-columns // reduction)) for rows, columns in (whole, half, half)]
    parts = stretch(body, small, step)
    plane = np.empty((shape[0] * 3 // 2, shape[1]), np.uint8)
    for part, view in zip(parts, (luma(plane, shape), *chroma(plane, shape)), strict=True):
        view[:] = part if reduction == 1 else np.kron(part, np.ones((2, 2), np.uint8))[: view.shape[0], : view.shape[1]]
    return plane


def squeeze(parts: list[NDArray[np.uint8]], step: int) -> bytes:
    """Two-dimensional uint8 arrays as bytes, their values to the middle of ``step`` levels."""
    # Huffman codes alone: matches are rare in pictures, and looking for them takes ten times as long.
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_HUFFMAN_ONLY)
    told = b""
    for part in parts:
        coarse = part // np.uint8(step)
        coarse[:, 1:] -= coarse[:, :-1].copy()
        told += packer.compress(np.ascontiguousarray(coarse).tobytes())
    return told + packer.flush()


def stretch(body: bytes, shapes: list[tuple[int, int]], step: int) -> list[NDArray[np.uint8]]:
    """The reverse of ``squeeze``, for arrays of these shapes. Raises ValueError for other bytes."""
    size = sum(rows * columns for rows, columns in shapes)
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(body, size + 1)
    except zlib.error as error:
        raise ValueError(f"snapshot: {error}") from None
    if len(raw) != size:
        raise ValueError("snapshot: a kept picture is of another size")
    parts, start = [], 0
    for rows, columns in shapes:
        coarse = np.frombuffer(raw, np.uint8, rows * columns, start).reshape(rows, columns)
        start += rows * columns
        values = np.add.accumulate(coarse, axis=1, dtype=np.uint8)
        parts.append(np.asarray(values * np.uint8(step) + np.uint8(step // 2), np.uint8))
    return parts


def _reduced(part: NDArray[np.uint8], reduction: int) -> NDArray[np.uint8]:
    if reduction == 1:
        return part
    rows, columns = part.shape
    even = (
        cv2.copyMakeBorder(part, 0, rows % 2, 0, columns % 2, cv2.BORDER_REPLICATE) if rows % 2 or columns % 2 else part
    )
    return np.asarray(cv2.resize(even, (-(-columns // 2), -(-rows // 2)), interpolation=cv2.INTER_AREA), np.uint8)
