"""Whether what is kept of an incident stands alone where nobody was on the spot (非现场执法). Pure.

The elements are those of the bureau's own rule: two original pictures some minutes apart, the place, whose clock, what
is meant in the picture (of a vehicle: its plate), and which device (``docs/incidents.md``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Literal

from schemas.incident import Attachment, IncidentRow, Picture
from schemas.units import utc

SHOWING = ("opening", "standing", "back", "rework")  # roles of pictures in which the thing is
WORDS: dict[str, tuple[str, str]] = {
    "pictures": ("缺少两张目标的原始照片", "two original pictures of the thing"),
    "minutes": ("两张照片间隔不足", "two pictures far enough apart in time"),
    "intact": ("照片原始数据缺失或已改变", "the original bytes of a picture, unchanged"),
    "position": ("缺少位置坐标", "a position on the ground"),
    "clock": ("拍摄时间不是设备时钟,仅有接收时间", "a picture's own time: only our receive time is known"),
    "crop": ("画面中未标明目标", "the thing's outline in the picture"),
    "plate": ("缺少车牌号", "the vehicle's plate"),
    "device": ("缺少设备编号", "the device that took the pictures"),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the thing: by which device, when, by whose clock, and whether its bytes are as they were."""

    camera_id: str
    captured_at: datetime
    stamped: bool
    intact: bool


@dataclass(frozen=True, slots=True)
class OffSiteFacts:
    """What is kept of a thing while it stood without a break. ``plate`` counts where ``vehicle``."""

    shots: tuple[Shot, ...]
    positioned: bool
    outlined: bool
    vehicle: bool = False
    plate: str = ""


def off_site_ready(facts: OffSiteFacts, least_min: float) -> tuple[str, ...]:
    """What is missing, as keys of ``WORDS`` in their order; nothing: it is ready.

    The two pictures are of one device and at least ``least_min`` minutes apart; a picture whose bytes are not intact
    or whose time is not the device's own is told only where no two others do.
    """
    missing: set[str] = set()
    pairs = [pair for pair in combinations(facts.shots, 2) if _apart(pair, least_min)]
    if len(facts.shots) < 2:
        missing.add("pictures")
    elif not pairs:
        missing.add("minutes")
    used = min(pairs, key=lambda pair: len(_faults(pair)), default=facts.shots)
    missing |= _faults(used)
    if not facts.positioned:
        missing.add("position")
    if facts.vehicle and not facts.plate:
        missing.add("plate")
    if not facts.vehicle and not facts.outlined:
        missing.add("crop")
    return tuple(key for key in WORDS if key in missing)


def missing_words(missing: Iterable[str], lang: Literal["zh", "en"]) -> list[str]:
    """What is missing, as people say it; unknown keys as they are."""
    return [WORDS.get(key, (key, key))[lang == "en"] for key in missing]


def facts_of(
    row: IncidentRow,
    pictures: Sequence[Picture],
    attachments: Iterable[Attachment],
    intact: Callable[[str], bool],
) -> OffSiteFacts:
    """Gather the facts of an incident; ``intact`` says of a SHA-256 whether its bytes are as they were.

    What was taken before the thing came back counts no more: it did not stand in between.
    """
    showing = [picture for picture in pictures if picture.role in SHOWING]
    since_ns = max((picture.record.captured_ns for picture in showing if picture.role == "back"), default=0)
    records = dict.fromkeys(one.record for one in showing if one.record.captured_ns >= since_ns)
    shots = tuple(Shot(one.camera_id, utc(one.captured_ns), one.stamped, intact(one.sha256)) for one in records)
    plates = [str(one.detail.get("plate", "")) for one in attachments]
    return OffSiteFacts(
        shots=shots,
        positioned=row.lon is not None and row.lat is not None,
        outlined=row.box_px[2] > 0 and row.box_px[3] > 0,
        vehicle=row.family == "truck",
        plate=next(filter(None, plates), ""),
    )


def _apart(pair: tuple[Shot, Shot], least_min: float) -> bool:
    one, other = pair
    far = abs(other.captured_at - one.captured_at) >= timedelta(minutes=least_min)
    return far and one.camera_id == other.camera_id


def _faults(shots: Sequence[Shot]) -> set[str]:
    """What is wrong with pictures themselves."""
    wrong = {
        "intact": any(not shot.intact for shot in shots),
        "clock": any(not shot.stamped for shot in shots),
        "device": any(not shot.camera_id for shot in shots) or not shots,
    }
    return {key for key, so in wrong.items() if so}
