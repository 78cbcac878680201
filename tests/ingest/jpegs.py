"""JPEGs made on the spot, sound ones and damaged ones."""

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

END = b"\xff\xd9"


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """A smooth scene with one bright corner at the top left, so that a turned picture is recognised."""
    x = np.linspace(0, 120, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 60, height, dtype=np.float32)[:, None]
    grey = (x + y).astype(np.uint8)
    pixels: NDArray[np.uint8] = np.stack([grey, grey // 2 + 40, 200 - grey], axis=-1).astype(np.uint8)
    pixels[: height // 4, : width // 4] = 255
    return pixels


def jpeg(
    width: int = 64, height: int = 48, *, progressive: bool = False, restart: int = 0, grey: bool = False
) -> bytes:
    """A sound JPEG of that size."""
    pixels = picture(width, height)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    written, encoded = cv2.imencode(".jpg", pixels[..., 0] if grey else pixels, options)
    assert written
    return encoded.tobytes()


def other(form: str) -> bytes:
    """The same scene in a form that is no JPEG: ".png", ".webp", ".bmp", ".tiff", ".ppm", ".gif", ".avif" and more."""
    pixels = picture(64, 48)
    written, encoded = cv2.imencode(form, pixels.astype(np.float32) if form == ".hdr" else pixels)
    assert written
    return encoded.tobytes()


def segment(marker: int, body: bytes) -> bytes:
    """One marker segment with its length."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(source: bytes, *segments: bytes) -> bytes:
    """Put segments right behind the start marker."""
    return source[:2] + b"".join(segments) + source[2:]


def exif(*, orientation: int = 1, thumbnail: bytes = b"") -> bytes:
    """An APP1 segment with an orientation tag, and whatever follows it."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", 1) + entry + b"\x00\x00\x00\x00"
    return segment(0xE1, b"Exif\x00\x00" + tiff + thumbnail)


def frame_at(source: bytes) -> int:
    """Byte of the frame header's marker."""
    return next(at for at in range(2, len(source)) if source[at] == 0xFF and source[at + 1] in (0xC0, 0xC1, 0xC2))


def with_frame(source: bytes, **change: int) -> bytes:
    """Rewrite the frame header: ``marker``, ``bits``, ``height``, ``width`` or ``components``."""
    at = frame_at(source)
    marker, bits, height, width, components = (
        source[at + 1],
        source[at + 4],
        *struct.unpack(">HHB", source[at + 5 : at + 10]),
    )
    was = {"marker": marker, "bits": bits, "height": height, "width": width, "components": components} | change
    head = bytes((0xFF, was["marker"])) + source[at + 2 : at + 4]
    return (
        source[:at]
        + head
        + struct.pack(">BHHB", was["bits"], was["height"], was["width"], was["components"])
        + source[at + 10 :]
    )


def scan_at(source: bytes) -> int:
    """Byte of the last scan's marker."""
    return source.rindex(b"\xff\xda")


def without_restarts(source: bytes) -> bytes:
    """Take the restart markers out of the scan, and leave the header's promise of them."""
    at = scan_at(source)
    scan = bytearray()
    rest = iter(range(at, len(source)))
    for k in rest:
        if source[k] == 0xFF and k + 1 < len(source) and 0xD0 <= source[k + 1] <= 0xD7:
            next(rest)
        else:
            scan.append(source[k])
    return source[:at] + bytes(scan)


def bomb(source: bytes, scans: int) -> bytes:
    """A progressive picture with its last scan repeated until it has so many."""
    has = source.count(b"\xff\xda")
    return source[:-2] + source[scan_at(source) : -2] * (scans - has) + END


def zeroed(source: bytes, count: int) -> bytes:
    """The picture with ``count`` bytes of its last scan set to zero."""
    at = (scan_at(source) + len(source)) // 2
    return source[:at] + bytes(count) + source[at + count :]


def located(source: bytes, serial: str) -> bytes:
    """The picture with an EXIF segment that tells where it was taken, and by which device."""
    text = serial.encode()
    tags = struct.pack(">HHII", 0xA431, 2, len(text), 26) + struct.pack(">HHII", 0x8825, 4, 1, 26 + len(text))
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", 2) + tags[:24] + text
    return with_segments(source, segment(0xE1, b"Exif\x00\x00" + tiff + b"GPS30.1218N104.6427E"))
