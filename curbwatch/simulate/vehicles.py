"""Vehicles that drive the streets, and what their terminals say. Everything follows from seed, vehicle and time."""

import math
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from config.pack import Pack, PackVehicle
from curbwatch.simulate.drive import Drive, Moment
from curbwatch.simulate.sprite import Rng
from curbwatch.simulate.streets import Streets, lay_streets, moved, round_trip
from ingest.crs import wgs84_to_gcj02
from schemas.errors import UsageError
from schemas.hours import LonLat

CRUISE_KMH = {"enforcement": 32.0, "sanitation": 16.0, "muck": 28.0}
HALT_S = {"enforcement": (20.0, 90.0), "sanitation": (10.0, 40.0), "muck": (40.0, 120.0)}
PERIOD_S = {"enforcement": 1.0, "sanitation": 3.0, "muck": 2.0}
SPOKEN = ("wgs84", "cgcs2000", "gcj02", "from_message")
WANDER_M = 2.2  # the slow part of a receiver's error, each way
WANDER_S = 12.0
JITTER_M = 0.5  # the quick part, each way
ERROR_MAX_M = math.hypot(WANDER_M + JITTER_M, WANDER_M + JITTER_M)
LIFTS = (0.2, 0.8)  # share of a tipping stop in which the body is up
CARELESS = 4  # every so many trucks, one drives with an open load
OFFSET = 1 << 30  # makes seeds of moments positive, also before the start


@dataclass(frozen=True, slots=True)
class Fix:
    """A vehicle at one moment, as it really is (WGS-84) and as its receiver has it.

    ``lift``, ``cover`` and ``load`` are None for vehicles that carry no muck.
    """

    where: LonLat
    seen: LonLat
    speed_mps: float
    heading_deg: float
    ignition: bool
    lift: bool | None = None
    cover: bool | None = None
    load: float | None = None


class Vehicle:
    """One vehicle of the pack on its round trip; ``period_s`` is how often its terminal reports."""

    def __init__(self, vehicle: PackVehicle, streets: Streets, seed: int) -> None:
        if vehicle.crs not in SPOKEN:
            raise UsageError(
                f"vehicle {vehicle.device_id}: a simulated terminal speaks {', '.join(SPOKEN)}, not {vehicle.crs}"
            )
        self.pack = vehicle
        self.period_s = PERIOD_S[vehicle.kind]
        self._seed = (seed, crc32(vehicle.device_id.encode()))
        rng = self._rng(1)
        self.drive = Drive(
            round_trip(streets, rng), rng, cruise_mps=CRUISE_KMH[vehicle.kind] / 3.6, halt_s=HALT_S[vehicle.kind]
        )
        self._careless = self._seed[1] % CARELESS == 0

    def at(self, t: float) -> Fix:
        """Return the vehicle at ``t`` seconds since the city's start; any moment, in any order."""
        moment = self.drive.at(t)
        where, heading = self.drive.route.place(moment.along_m)
        seen = moved(where, *self._error_m(t))
        if self.pack.kind != "muck":
            return Fix(where, seen, moment.speed_mps, heading, ignition=True)
        lift, load = _muck(moment)
        covered = load > 0.0 and not lift and moment.stop < 0 and not self._careless
        return Fix(where, seen, moment.speed_mps, heading, ignition=True, lift=lift, cover=covered, load=load)

    def position(self, t: float, *, ts: str, boot: str, seq: int) -> dict[str, Any]:
        """Return what the terminal sends of ``t``, in the coordinate system the registry has for it."""
        fix = self.at(t)
        lon, lat = fix.seen
        if self.pack.crs == "gcj02":
            there = wgs84_to_gcj02(np.array([lon]), np.array([lat]))
            lon, lat = float(there[0][0]), float(there[1][0])
        crs = "wgs84" if self.pack.crs == "from_message" else self.pack.crs
        said: dict[str, Any] = {"ts": ts, "lon": round(lon, 7), "lat": round(lat, 7), "crs": crs}
        said |= {"speed_kmh": round(fix.speed_mps * 3.6, 1), "heading_deg": round(fix.heading_deg, 1) % 360.0}
        said |= {
            "alt_m": 357.0,
            "acc_m": round(1.5 + ERROR_MAX_M / 2, 1),
            "sat": int(self._rng(4, round(t / 60)).integers(8, 17)),
        }
        said |= {"seq": seq, "boot": boot, "ignition": fix.ignition}
        if fix.load is not None:
            said |= {"lift": fix.lift, "cover": fix.cover, "load": round(fix.load, 2)}
        return said

    def _rng(self, *purpose: int) -> Rng:
        return np.random.default_rng([*self._seed, *(part + OFFSET for part in purpose)])

    def _error_m(self, t: float) -> tuple[float, float]:
        """Return metres east and north by which the receiver is wrong: it wanders slowly and jitters a little."""
        k = math.floor(t / WANDER_S)
        share = t / WANDER_S - k
        share = share * share * (3 - 2 * share)
        before, after = (self._rng(2, number).uniform(-WANDER_M, WANDER_M, 2) for number in (k, k + 1))
        quick = self._rng(3, round(t * 1000)).uniform(-JITTER_M, JITTER_M, 2)
        east, north = before * (1 - share) + after * share + quick
        return float(east), float(north)


def fleet(pack: Pack, seed: int) -> dict[str, Vehicle]:
    """Return the pack's vehicles by device id; none where the pack has none."""
    if not pack.vehicles:
        return {}
    streets = lay_streets(pack.city.cells.values())
    return {name: Vehicle(vehicle, streets, seed) for name, vehicle in pack.vehicles.items()}


def _muck(moment: Moment) -> tuple[bool, float]:
    """Return (body lifted, load 0..1): loaded at even stops, tipped at odd ones."""
    loading = moment.next_stop % 2 == 0
    if moment.stop < 0:
        return False, 0.0 if loading else 1.0
    if loading:
        return False, moment.share
    up, down = LIFTS
    return up <= moment.share < down, float(np.clip((down - moment.share) / (down - up), 0.0, 1.0))
