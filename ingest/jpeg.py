"""The gate before any decoder: is this one baseline or progressive JPEG of a sane size? Pure."""

from dataclasses import dataclass

import numpy as np

from schemas.errors import FrameError

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
# All start-of-frame markers: C0-CF without DHT (C4), JPG (C8) and DAC (CC).
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
TAIL_BYTES_MAX = 64  # some cameras pad to a word or append a short checksum after the end marker
SEGMENTS_MAX = 1000  # before the first scan, fill bytes too; a colour profile in pieces has 255, each costs a step
SCANS_MAX = 32  # a progressive picture has about ten; each more is a pass over every pixel for the decoder
SIDE_MIN_PX = 16  # less is no picture of a street
ASPECT_MAX = 8  # width to height or the other way; panoramas have 4, and a grid grows with it


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the frame header says: native size in px, colour components (1 or 3), coding."""

    width: int
    height: int
    components: int
    progressive: bool


def inspect(payload: bytes, *, max_bytes: int, max_pixels: int) -> JpegHeader:
    """Read the header without decoding.

    Raises FrameError with reason ``empty``, ``size`` (too many bytes), ``format`` (not a JPEG), ``truncated``,
    ``pixels`` (see ``check_size``, or more than ``max_pixels``), ``coding`` (arithmetic, lossless, 12-bit, CMYK,
    several frames, too many segments or scans) or ``trailing`` (other data behind the picture). Nothing else is
    ever raised, and the time is bounded by ``max_bytes``.
    """
    if not payload:
        raise FrameError("empty")
    if len(payload) > max_bytes:
        raise FrameError("size", f"{len(payload)} bytes, allowed {max_bytes}")
    if payload[:3] != b"\xff\xd8\xff":
        raise FrameError("format", f"begins with {payload[:4].hex()}")
    header, scan = _frame_header(payload)
    check_size(header.width, header.height)
    if header.width * header.height > max_pixels:
        raise FrameError("pixels", f"{header.width}x{header.height}, allowed {max_pixels} in all")
    # Within a scan 0xFF is followed by 0 or a restart number, so the first end marker behind it is the picture's own.
    # A thumbnail and its end marker stand before the scan; what somebody glued on stands behind.
    end, scans = _end_and_scans(payload, scan)
    if end < 0:
        raise FrameError("truncated", "no end marker")
    if len(payload) - end - 2 > TAIL_BYTES_MAX:
        raise FrameError("trailing", f"{len(payload) - end - 2} bytes after the end marker")
    if scans > SCANS_MAX:
        raise FrameError("coding", f"{scans} scans, allowed {SCANS_MAX}")
    return header


def check_size(width: int, height: int) -> None:
    """Raise FrameError ``pixels`` for a picture under 16 px on a side, or over eight times as long as it is wide."""
    short, long = sorted((width, height))
    if short < SIDE_MIN_PX or long > short * ASPECT_MAX:
        raise FrameError("pixels", f"{width}x{height}: sides from {SIDE_MIN_PX} px, at most 1:{ASPECT_MAX}")


def _frame_header(payload: bytes) -> tuple[JpegHeader, int]:
    """Return the header, and the byte at which the first scan's data begins."""
    found: JpegHeader | None = None
    at = 2
    for _ in range(SEGMENTS_MAX):
        if at + 4 > len(payload):
            raise FrameError("truncated", "no scan")
        if payload[at] != 0xFF:
            raise FrameError("truncated", f"no marker at byte {at}")
        marker = payload[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in STANDALONE:
            at += 2
            continue
        if marker in (SOI, EOI):
            raise FrameError("truncated", "no scan")
        length = int.from_bytes(payload[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(payload):
            raise FrameError("truncated", f"segment {marker:02x} at byte {at} is cut")
        if marker in FRAME_MARKERS:
            if found is not None:
                raise FrameError("coding", "several frame headers")
            found = _read_frame(marker, payload[at + 4 : at + 2 + length])
        if marker == SOS:
            if found is None:
                raise FrameError("truncated", "scan without a frame header")
            return found, at + 2 + length
        at += 2 + length
    raise FrameError("coding", f"more than {SEGMENTS_MAX} segments before the first scan")


def _read_frame(marker: int, body: bytes) -> JpegHeader:
    if marker not in (BASELINE, EXTENDED, PROGRESSIVE):
        raise FrameError("coding", f"frame marker {marker:02x} (lossless or arithmetic)")
    if len(body) < 6:
        raise FrameError("truncated", "frame header is cut")
    if body[0] != 8:
        raise FrameError("coding", f"{body[0]}-bit samples")
    if body[5] not in (1, 3):
        raise FrameError("coding", f"{body[5]} colour components")
    width, height = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    return JpegHeader(width, height, body[5], marker == PROGRESSIVE)


def _end_and_scans(payload: bytes, scan: int) -> tuple[int, int]:
    """Byte of the first end marker from ``scan`` on, -1 where there is none, and the number of scans up to it.

    Vectorised, because every frame comes by here: a search for two bytes takes three times as long.
    """
    data = np.frombuffer(payload, np.uint8)[scan:]
    at = np.flatnonzero(data[:-1] == 0xFF)
    markers = data[at + 1]
    ends = np.flatnonzero(markers == EOI)
    if not len(ends):
        return -1, 0
    return scan + int(at[ends[0]]), 1 + int(np.count_nonzero(markers[: ends[0]] == SOS))
