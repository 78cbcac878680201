"""Camera frames: one JPEG with its times, and a batch of decoded grids."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as its camera sent it; the bytes are never changed.

    Attributes:
        camera_id: device id from the topic, ``[A-Za-z0-9_-]{1,64}``.
        captured_ns: the camera's own time, ns since 1970 UTC; the receive time where it sent none.
        received_ns: our time at arrival, ns since 1970 UTC.
        jpeg: the original bytes.
        width: native width from the JPEG header, px.
        height: native height from the JPEG header, px.
        seq: the camera's counter within ``boot``; -1 where it sent none.
        boot: the camera's boot id; empty where it sent none.
        preset: the camera's preset name; empty where it sent none.
        stamped: False where the camera sent no time and the receive time counts.
        grey: True where the picture has no colours, by its own header.
        progressive: True where its coding takes four times as long to decode.
    """

    camera_id: str
    captured_ns: int
    received_ns: int
    jpeg: bytes
    width: int
    height: int
    seq: int = -1
    boot: str = ""
    preset: str = ""
    stamped: bool = True
    grey: bool = False
    progressive: bool = False


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Decoded frames of one grid shape, at most one per camera, oldest analysis first.

    Attributes:
        camera_ids: N device ids.
        captured_ns: (N,) int64, ns since 1970 UTC: the only clock a detector knows.
        pixels: (N, H, W, 3) uint8 BGR, the JPEG decoded at a reduction; H and W even.
        native_px: (N, 2) int32, width and height of the original picture, px.
        crc32: (N,) uint32 of the JPEG bytes, to recognise a frozen camera.
        presets: N names of views as the cameras gave them, empty where one gave none; (): none gave any.
    """

    camera_ids: tuple[str, ...]
    captured_ns: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    native_px: NDArray[np.int32]
    crc32: NDArray[np.uint32]
    presets: tuple[str, ...] = ()

    @classmethod
    def of(cls, frames: Sequence[Frame], pixels: NDArray[np.uint8]) -> Self:
        """Return N frames, at most one per camera, with their decoded (N, H, W, 3) grids; N may be 0."""
        return cls(
            camera_ids=tuple(frame.camera_id for frame in frames),
            captured_ns=np.asarray([frame.captured_ns for frame in frames], np.int64),
            pixels=pixels,
            native_px=np.asarray([(frame.width, frame.height) for frame in frames], np.int32).reshape(-1, 2),
            crc32=np.asarray([zlib.crc32(frame.jpeg) for frame in frames], np.uint32),
            presets=tuple(frame.preset for frame in frames),
        )

    def __len__(self) -> int:
        """Number of frames N."""
        return len(self.camera_ids)

    def preset(self, index: int) -> str:
        """The view that a frame's camera named; empty: it named none."""
        return self.presets[index] if self.presets else ""
