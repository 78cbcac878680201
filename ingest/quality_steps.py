"""The rules of a position's quality, one device and one position at a time. Pure.

``ingest.quality`` looks at whole batches and comes here only for devices of which something is unusual.
"""

from dataclasses import dataclass
from math import hypot

from config.quality import QualityKnobs
from schemas import flags as f
from schemas.units import M_PER_DEG, cos_deg

# Such a position says nothing of where the device is, and nothing is measured from it.
NOWHERE = f.NULL_ISLAND | f.NO_FIX | f.SWAPPED


@dataclass(slots=True)
class Fix:
    """One position as the rules see it. ``boot`` 0: not said; ``parked``: ignition off; ``moving``: by its speed."""

    ts_ns: int
    lon: float
    lat: float
    boot: int
    flags: int
    parked: bool
    moving: bool


@dataclass(slots=True)
class Track:
    """What is remembered of one device; zeros: nothing yet. Times are its own, ns since 1970 UTC.

    Attributes:
        ts_ns: of its newest trusted fix, from which the next one is measured.
        lon: of that fix, degrees.
        lat: of that fix, degrees.
        still_ns: since when it has been exactly there, or since its ignition was last off.
        driven_ns: since when it has been exactly there and says that it moves; 0: it does not.
        top_ns: newest time it ever gave.
        boot: the boot of that time, hashed; 0: none.
        far_ns: of the newest fix too far away to be true.
        far_lon: of that fix.
        far_lat: of that fix.
        far_count: how many such fixes in a row agree with each other.
    """

    ts_ns: int = 0
    lon: float = 0.0
    lat: float = 0.0
    still_ns: int = 0
    driven_ns: int = 0
    top_ns: int = 0
    boot: int = 0
    far_ns: int = 0
    far_lon: float = 0.0
    far_lat: float = 0.0
    far_count: int = 0

    def row(self) -> tuple[float, ...]:
        """All of it, in order."""
        fix = (self.ts_ns, self.lon, self.lat, self.still_ns, self.driven_ns, self.top_ns, self.boot)
        return (*fix, self.far_ns, self.far_lon, self.far_lat, self.far_count)


def step(track: Track, fix: Fix, knobs: QualityKnobs) -> int:
    """Judge one position by those before it; returns the bits to add, and moves ``track`` on.

    A position without a time of its own is not for here, nor one that was judged before.
    """
    late = fix.ts_ns < track.top_ns
    found = f.OUT_OF_ORDER if late else _boot(track, fix)
    track.top_ns = max(track.top_ns, fix.ts_ns)
    if fix.flags & (NOWHERE | f.CONFLICT):
        return found
    if track.ts_ns and too_far(fix.ts_ns, fix.lon, fix.lat, (track.ts_ns, track.lon, track.lat), knobs):
        if late or not _agreed(track, fix, knobs):
            return found | f.JUMP
        found |= f.JUMP
    elif late:
        return found
    return found | _adopt(track, fix, knobs)


def too_far(ts_ns: int, lon: float, lat: float, since: tuple[int, float, float], knobs: QualityKnobs) -> bool:
    """Whether no vehicle gets from ``since`` (time, lon, lat) to there, or back, whatever the noise."""
    then_ns, then_lon, then_lat = since
    aside = abs(lon - then_lon)
    away_m = M_PER_DEG * hypot(min(aside, 360.0 - aside) * cos_deg(then_lat), lat - then_lat)
    return away_m - knobs.jump_noise_m > knobs.jump_kmh / 3.6 * abs(ts_ns - then_ns) / 1e9


def _boot(track: Track, fix: Fix) -> int:
    """Note the boot; a flag where it is another than before."""
    if fix.boot in (0, track.boot):
        return 0
    known, track.boot = track.boot, fix.boot
    return f.NEW_BOOT if known else 0


def _agreed(track: Track, fix: Fix, knobs: QualityKnobs) -> bool:
    """Note a fix that is too far away; whether enough of them agree that the one before was wrong."""
    far = (track.far_ns, track.far_lon, track.far_lat)
    agrees = track.far_count > 0 and not too_far(fix.ts_ns, fix.lon, fix.lat, far, knobs)
    track.far_count = track.far_count + 1 if agrees else 1
    track.far_ns, track.far_lon, track.far_lat = fix.ts_ns, fix.lon, fix.lat
    return track.far_count >= knobs.jump_agree


def _adopt(track: Track, fix: Fix, knobs: QualityKnobs) -> int:
    """Make this the fix from which the next is measured; a flag where it stands still for too long."""
    there = track.ts_ns > 0 and (fix.lon, fix.lat) == (track.lon, track.lat)
    if not there or fix.parked:
        track.still_ns = fix.ts_ns
    track.driven_ns = (track.driven_ns or fix.ts_ns) if there and fix.moving else 0
    track.ts_ns, track.lon, track.lat, track.far_count = fix.ts_ns, fix.lon, fix.lat, 0
    still_s = (fix.ts_ns - track.still_ns) / 1e9
    driven_s = (fix.ts_ns - track.driven_ns) / 1e9 if track.driven_ns else 0.0
    frozen = still_s >= knobs.frozen_s or driven_s >= knobs.frozen_moving_s
    return f.FROZEN if frozen else 0
