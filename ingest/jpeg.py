"""The gate before any decoder: is this one baseline or progressive JPEG of a sane size? Pure."""

from dataclasses import dataclass

from schemas.errors import FrameError

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
# All start-of-frame markers: C0-CF without DHT (C4), JPG (C8) and DAC (CC).
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
TAIL_BYTES_MAX = 64  # some cameras pad to a word or append a short checksum after the end marker


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
    ``pixels`` (none, or more than ``max_pixels``), ``coding`` (arithmetic, lossless, 12-bit, CMYK, several frames)
    or ``trailing`` (other data behind the picture). Nothing else is ever raised.
    """
    if not payload:
        raise FrameError("empty")
    if len(payload) > max_bytes:
        raise FrameError("size", f"{len(payload)} bytes, allowed {max_bytes}")
    if payload[:3] != b"\xff\xd8\xff":
        raise FrameError("format", f"begins with {payload[:4].hex()}")
    header = _frame_header(payload)
    if header.width < 2 or header.height < 2 or header.width * header.height > max_pixels:
        raise FrameError("pixels", f"{header.width}x{header.height}, allowed {max_pixels} in all")
    end = payload.rfind(b"\xff\xd9")
    if end < 0:
        raise FrameError("truncated", "no end marker")
    if payload.find(b"\xff\xd8\xff", 2) > 0 and _second_picture(payload):
        raise FrameError("trailing", "a second picture follows")
    if len(payload) - end - 2 > TAIL_BYTES_MAX:
        raise FrameError("trailing", f"{len(payload) - end - 2} bytes after the end marker")
    return header


def _frame_header(payload: bytes) -> JpegHeader:
    found: JpegHeader | None = None
    at = 2
    while at + 4 <= len(payload):
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
            break
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
            return found
        at += 2 + length
    raise FrameError("truncated", "no scan")


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


def _second_picture(payload: bytes) -> bool:
    """Whether another JPEG follows the first one's end; a thumbnail inside a segment is none."""
    end = payload.find(b"\xff\xd9", _scan_start(payload))
    return end > 0 and payload.find(b"\xff\xd8\xff", end + 2) > 0


def _scan_start(payload: bytes) -> int:
    """Byte of the first scan; only called for headers that were read to their end."""
    at = 2
    while at + 4 <= len(payload):
        marker = payload[at + 1]
        if marker == SOS:
            return at
        at += (
            1 if marker == 0xFF else 2 if marker in STANDALONE else 2 + int.from_bytes(payload[at + 2 : at + 4], "big")
        )
    return at
