"""Small recordings of the made-up street, for the tests of the instruments."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from curbwatch.tuning.recording import Recording, encode, read_recording
from tests.detectors.street import NATIVE, Street, Thing

APART_S = 4.0
THING = Thing((60, 40, 24, 20), start_s=80.0)  # grid px of the street; 240,160 96x80 native
EVENT: dict[str, Any] = {"kind": "waste", "appear_frame": 20, "last_frame": 44, "bbox": [240, 160, 96, 80]}


def recorded(folder: Path, street: Street, frames: int, **more: object) -> Recording:
    """``frames`` of a street, APART_S apart, as pictures; ``more`` goes into recording.json."""
    (folder / "frames").mkdir(parents=True)
    for k in range(frames):
        (folder / "frames" / f"{k:04d}.jpg").write_bytes(jpeg(street, k))
    return described(folder, "frames/*.jpg", **more)


def filmed(folder: Path, street: Street, frames: int, **more: object) -> Recording:
    """The same as a video."""
    folder.mkdir(parents=True)
    video = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 1 / APART_S, NATIVE)
    for k in range(frames):
        video.write(native(street, k))
    video.release()
    return described(folder, "clip.avi", **more)


def described(folder: Path, media: str, **more: object) -> Recording:
    facts: dict[str, Any] = {"format": "recording/1", "media": media, "period_s": APART_S, "frame_size": list(NATIVE)}
    (folder / "recording.json").write_text(json.dumps(facts | more))
    return read_recording(folder)


def native(street: Street, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    picture = cv2.resize(street.at(APART_S * number), NATIVE, interpolation=cv2.INTER_NEAREST)
    return np.asarray(picture, np.uint8)


def jpeg(street: Street, number: int) -> bytes:
    return encode(native(street, number))
