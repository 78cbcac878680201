"""JPEG decoding's only home: bytes to the detector's grid, to a full picture, and a picture with an outline."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ingest.jpeg import check_size
from schemas.crops import Piece
from schemas.errors import FrameError

GRID_MIN_PX = 320  # least width of a grid (vision.md 3: the smallest object is 18 px there)
GRID_MAX_PX = 480  # greatest width: state per camera and time per frame grow with the square
FLAGS = {
    1: cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION,
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}
OUTLINE_BGR = (40, 60, 235)
OUTLINE_QUALITY = 88  # JPEG quality of a picture with an outline; the original is kept beside it
COPY_QUALITY = 95  # of a copy that stands for its original


def one_thread() -> None:
    """Keep OpenCV to the calling thread: its own threads cost more than they save on grids this small.

    Process-wide; a shell calls it once at start.
    """
    cv2.setNumThreads(1)


def reduction(width: int, height: int) -> int:
    """Reduction 8, 4, 2 or 1 at which a JPEG of ``width`` x ``height`` px is decoded for the grid.

    The strongest one that leaves at least 320 px of width; 1 where none does. Raises FrameError ``pixels`` for a
    size of which no grid can be made.
    """
    check_size(width, height)
    return next((factor for factor in (8, 4, 2) if width >= factor * GRID_MIN_PX), 1)


def grid_shape(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of the grid of a ``width`` x ``height`` px picture: both even, at most 480 columns.

    Raises FrameError as ``reduction`` does.
    """
    factor = reduction(width, height)
    columns, rows = -(-width // factor), -(-height // factor)
    if columns > GRID_MAX_PX:
        rows = round(rows * GRID_MAX_PX / columns)
        columns = GRID_MAX_PX
    return rows & ~1, columns & ~1


def decode_grid(jpeg: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8 BGR of ``grid_shape(width, height)``, the orientation tag ignored.

    Raises FrameError: ``corrupt`` where OpenCV cannot read it, ``size_mismatch`` where the picture is not
    ``width`` x ``height`` px, ``decoder_memory`` where it takes more memory than there is.
    """
    factor = reduction(width, height)
    pixels = _decode(jpeg, FLAGS[factor])
    if pixels.shape[:2] != (-(-height // factor), -(-width // factor)):
        raise FrameError("size_mismatch", f"{pixels.shape[1]}x{pixels.shape[0]} at 1/{factor} of {width}x{height}")
    rows, columns = grid_shape(width, height)
    if pixels.shape[1] > GRID_MAX_PX:
        pixels = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(pixels[:rows, :columns])


def piece_slices(piece: Piece) -> tuple[slice, slice]:
    """Rows and columns of a piece in the picture decoded at its reduction: at least one of each."""
    x, y, w, h = piece.box_px
    return _reduced(y, h, piece.reduction), _reduced(x, w, piece.reduction)


def cut_piece(jpeg: bytes, width: int, height: int, piece: Piece) -> NDArray[np.uint8]:
    """Decode a ``width`` x ``height`` px picture at the piece's reduction and cut it out: (h, w, 3) uint8 BGR.

    Raises FrameError as ``decode_grid`` does.
    """
    pixels = _decode(jpeg, FLAGS[piece.reduction])
    if pixels.shape[:2] != (-(-height // piece.reduction), -(-width // piece.reduction)):
        told = f"{pixels.shape[1]}x{pixels.shape[0]} at 1/{piece.reduction} of {width}x{height}"
        raise FrameError("size_mismatch", told)
    return np.ascontiguousarray(pixels[piece_slices(piece)])


def decode_full(jpeg: bytes) -> NDArray[np.uint8]:
    """Decode to (height, width, 3) uint8 BGR at full size. Raises FrameError ``corrupt``."""
    return _decode(jpeg, FLAGS[1])


def draw_outline(jpeg: bytes, box: tuple[float, float, float, float], text: str) -> bytes:
    """Return a copy of the picture, as JPEG, with ``box`` (x, y, w, h native px) outlined and ``text`` above it.

    The font knows ASCII only; other characters are drawn as question marks. Raises FrameError ``corrupt``.
    """
    picture = decode_full(jpeg)
    rows, columns = picture.shape[:2]
    x, y, w, h = (round(side) for side in box)
    thick = max(1, round(columns / 400))
    scale = max(0.4, columns / 1280)
    cv2.rectangle(picture, (x, y), (x + w, y + h), OUTLINE_BGR, thick)
    (wide, tall), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    left = min(max(0, x), max(0, columns - wide))
    foot = y - base - thick if y - base - tall - thick >= 0 else min(rows - base, y + h + tall + base)
    cv2.rectangle(picture, (left, foot - tall - 2), (left + wide, foot + base), OUTLINE_BGR, cv2.FILLED)
    cv2.putText(picture, text, (left, foot), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick, cv2.LINE_AA)
    return _encoded(picture)


def encode_copy(picture: NDArray[np.uint8]) -> bytes:
    """A JPEG of a picture ((H, W) grey or (H, W, 3) BGR uint8) that holds its pixels and nothing else, colours in full.

    Raises FrameError ``corrupt`` for what no JPEG can hold, as a side of more than 65 500 px.
    """
    return _encoded(picture, COPY_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def contact_sheet(pairs: Sequence[tuple[bytes | None, bytes]], width: int = 640) -> bytes:
    """Return one JPEG with a row for each pair of pictures, left and right, each ``width`` px wide.

    A missing left picture is grey. Raises ValueError for no pairs, FrameError ``corrupt``.
    """
    rows = []
    for left, right in pairs:
        shown = [None if jpeg is None else _narrowed(decode_full(jpeg), width) for jpeg in (left, right)]
        high = max(picture.shape[0] for picture in shown if picture is not None)
        row = np.full((high, 2 * width, 3), 128, np.uint8)
        for index, picture in enumerate(shown):
            if picture is not None:
                row[: picture.shape[0], index * width : index * width + picture.shape[1]] = picture
        rows.append(row)
    return _encoded(np.concatenate(rows))


def _reduced(start_px: int, count_px: int, factor: int) -> slice:
    first = start_px // factor
    return slice(first, max(first + 1, -(-(start_px + count_px) // factor)))


def _narrowed(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(picture: NDArray[np.uint8], quality: int = OUTLINE_QUALITY, *options: int) -> bytes:
    written, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, *options])
    if not written:
        raise FrameError("corrupt", "the drawn picture could not be encoded")
    return encoded.tobytes()


def _decode(jpeg: bytes, flags: int) -> NDArray[np.uint8]:
    try:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags)
    except cv2.error as error:
        full = error.code == cv2.Error.StsNoMem
        raise FrameError("decoder_memory" if full else "corrupt", str(error).splitlines()[0]) from None
    if pixels is None:
        raise FrameError("corrupt", f"{len(jpeg)} bytes")
    return np.asarray(pixels, np.uint8)
