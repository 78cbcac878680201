"""Positions as rows, said in a few words."""

from dataclasses import dataclass as plain
from dataclasses import replace
from typing import Any

from config.quality import QualityKnobs
from ingest.quality import Judged, Quality
from schemas.city import CityBox
from schemas.position import PositionRows
from schemas.units import M_PER_DEG

SECOND_NS = 1_000_000_000
START_NS = 1_777_851_000 * SECOND_NS  # 2026-05-03T23:30:00Z
HERE = (104.64, 30.12)
CITY = CityBox(104.0, 29.5, 105.3, 30.7)
KNOBS = QualityKnobs()


@plain(frozen=True)
class At:
    """A position ``north_m`` of HERE, ``s`` seconds after the start, received when it was sent."""

    s: float = 0.0
    north_m: float = 0.0
    device: str = "car"
    seq: int = -1
    boot: str = "b"
    flags: int = 0
    speed_mps: float | None = None
    ignition: bool | None = None
    lon: float | None = None
    lat: float | None = None
    delay_s: float = 0.0
    alarms: tuple[str, ...] = ()

    def again(self, **change: Any) -> "At":  # noqa: ANN401
        return replace(self, **change)


def rows_of(*positions: At) -> PositionRows:
    made = PositionRows()
    for at in positions:
        ts_ns = START_NS + round(at.s * SECOND_NS)
        lon = HERE[0] if at.lon is None else at.lon
        lat = HERE[1] + at.north_m / M_PER_DEG if at.lat is None else at.lat
        values: dict[str, Any] = {
            "device_id": at.device,
            "ts_ns": ts_ns,
            "boot": at.boot,
            "seq": round(at.s) if at.seq < 0 else at.seq,
            "item_hash": 0,
            "received_ns": ts_ns + round(at.delay_s * SECOND_NS),
            "lon": lon,
            "lat": lat,
            "raw_lon": lon,
            "raw_lat": lat,
            "crs": "wgs84",
            "speed_mps": at.speed_mps,
            "ignition": at.ignition,
            "alarms": at.alarms,
            "flags": at.flags,
            "form": "native",
        }
        for name in PositionRows.__dataclass_fields__:
            getattr(made, name).append(values.get(name))
    return made


def judged(quality: Quality, *positions: At) -> list[int]:
    """Flags of a batch that is stored."""
    rows = rows_of(*positions)
    quality.accept(quality.judge(rows))
    return rows.flags


def fresh(**knobs: float) -> Quality:
    return Quality(QualityKnobs.model_validate(knobs), CITY)


def flags_of(*positions: At, **knobs: float) -> list[int]:
    """Flags of positions stored one by one by a process that knew nothing before."""
    quality = fresh(**knobs)
    return [flag for at in positions for flag in judged(quality, at)]


def look(quality: Quality, *positions: At) -> Judged:
    return quality.judge(rows_of(*positions))
