"""Composites: street waste from photographs pasted into a real clip, because no real clip with dumped waste is at hand.

Pictures are built when asked, in a folder of the caller's, and are never kept with the project: the photographs and
most clips may not be shown. Every figure made with them is called a composite.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.recording import Recording, encode, read_recording
from ingest.decode import decode_full
from schemas.errors import UsageError

CLIP, CLIP_ROWS = "seq-intel-parking", 432
PHOTOGRAPHS = "waste-street-cn"
SPLIT = "tune"  # held back from training
WASTE = "0"  # label of exposed waste
FEATHER = 0.15  # of the half width: how far the edge fades
# Places where waste could lie in the clip: pavement, kerb, verge and bay; corner of the pasted box, native px.
PLACES = ((560, 300), (250, 330), (420, 250), (90, 250), (640, 200), (330, 150))
WIDTHS_PX = (40, 56, 72, 80, 48, 64)
FIRST_FRAME = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """One composite: picture and box of exposed waste, width and upper left corner in the clip, native px."""

    picture: str
    box_index: int
    width_px: int
    place: tuple[int, int]


def waste_boxes(data: Path, picture: str) -> list[tuple[float, float, float, float]]:
    """Boxes of exposed waste of one photograph of the tune split, as centre and size, 0..1; in the file's order.

    Raises UsageError where the picture is unknown.
    """
    labels = data / PHOTOGRAPHS / SPLIT / "labels" / f"{picture}.txt"
    try:
        lines = labels.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise UsageError(f"{labels}: no such picture; name one of {labels.parent} without .txt") from None
    boxes = []
    for line in lines:
        kind, *place = line.split()
        if kind == WASTE and len(place) == 4:
            cx, cy, w, h = (float(value) for value in place)
            boxes.append((cx, cy, w, h))
    return boxes


def choices(data: Path, count: int) -> Iterator[Choice]:
    """``count`` composites with different pictures, widths and places in turn: the same ones each time."""
    named = sorted(file.stem for file in (data / PHOTOGRAPHS / SPLIT / "labels").glob("*.txt"))
    usable = [name for name in named if waste_boxes(data, name)]
    for k, index in enumerate(np.linspace(0, len(usable) - 1, min(count, len(usable)), dtype=int)):
        _, _, w, h = waste_boxes(data, usable[index])[0]
        width = WIDTHS_PX[k % len(WIDTHS_PX)]
        x, y = PLACES[(k * 5 + k // 6) % len(PLACES)]
        lowest = CLIP_ROWS - math.ceil(width * h / w) - 2  # photographs are square, so that shares are pixels
        yield Choice(usable[index], 0, width, (x, max(0, min(y, lowest))))


def waste_composite(
    data: Path,
    picture: str,
    box_index: int,
    width_px: int,
    place: tuple[int, int],
    first_frame: int,
    folder: Path,
) -> Recording:
    """Write the parking clip with waste lying in it from ``first_frame`` to the end, as recording/1 in ``folder``.

    ``picture`` and ``box_index`` name a box of exposed waste of the tune split, ``width_px`` and ``place`` how wide it
    becomes and where its upper left corner goes, native px. Raises UsageError where the data, the picture or the box is
    missing, or where it does not fit.
    """
    boxes = waste_boxes(data, picture)
    if not 0 <= box_index < len(boxes):
        raise UsageError(f"{picture}: has {len(boxes)} boxes of exposed waste, none with number {box_index}")
    cut = _cut(data / PHOTOGRAPHS / SPLIT / "images" / f"{picture}.jpg", boxes[box_index])
    choice = Choice(picture, box_index, width_px, place)
    return paste(read_recording(data / CLIP), cut, choice, first_frame, folder)


def paste(clip: Recording, cut: NDArray[np.uint8], choice: Choice, first_frame: int, folder: Path) -> Recording:
    """Write ``clip`` with the (h, w, 3) BGR cut-out feathered into it; see ``waste_composite``."""
    width = choice.width_px
    height = max(4, round(cut.shape[0] * width / cut.shape[1]))
    x, y = choice.place
    if min(x, y) < 0 or width < 4 or x + width > clip.size[0] or y + height > clip.size[1]:
        raise UsageError(f"{choice.picture}: {width}x{height} px at {x},{y} is not within {clip.size}")
    small = np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    alpha = feather(height, width)[..., None]
    frames = folder / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    last = -1
    for last, jpeg in enumerate(clip.jpegs()):
        sent = jpeg
        if last >= first_frame:
            picture = decode_full(jpeg)
            part = picture[y : y + height, x : x + width].astype(np.float32)
            picture[y : y + height, x : x + width] = np.clip(alpha * small + (1 - alpha) * part, 0, 255)
            sent = encode(picture)
        (frames / f"{last:06d}.jpg").write_bytes(sent)
    event = {
        "kind": "waste",
        "label": f"composite {choice.picture}",
        "appear_frame": first_frame,
        "drop_frame": first_frame,
        "unattended_frame": first_frame,
        "last_frame": last,
        "bbox": [x, y, width, height],
    }
    facts = {
        "format": "recording/1",
        "media": "frames/*.jpg",
        "fps": 1 / clip.apart_s,
        "frame_size": list(clip.size),
        "condition": "composite",
        "events": [event] if last >= first_frame else [],
    }
    (folder / "recording.json").write_text(json.dumps(facts), encoding="utf-8")
    return read_recording(folder)


def feather(height: int, width: int) -> NDArray[np.float32]:
    """(height, width) opacity: 1 inside, fading linearly to the box's edge."""
    across = 1 - np.abs((np.arange(width) + 0.5) / width * 2 - 1)
    down = 1 - np.abs((np.arange(height) + 0.5) / height * 2 - 1)
    return np.asarray(np.clip(np.minimum.outer(down, across) / FEATHER, 0, 1), np.float32)


def _cut(file: Path, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    try:
        picture = decode_full(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    rows, columns = picture.shape[:2]
    cx, cy, w, h = box
    top, left = max(0, round((cy - h / 2) * rows)), max(0, round((cx - w / 2) * columns))
    part = picture[top : round((cy + h / 2) * rows), left : round((cx + w / 2) * columns)]
    if min(part.shape[:2]) < 4:
        raise UsageError(f"{file}: the box of {part.shape[1]}x{part.shape[0]} px is too small to paste")
    return part
