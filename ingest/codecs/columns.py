"""Arrays of ordinary positions, column by column: the same rows as one by one, for half the time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.codecs.rows import SEQ_MAX, SPEED_MAX_MPS, Decoded, Reading
from ingest.stamps import MS_MAX, MS_MIN
from schemas.device import DeviceRule
from schemas.position import RawMessage


@dataclass(frozen=True, slots=True)
class _Identity:
    ts_ms: list[int]
    seq: list[int]
    boot: list[str]


def add_array(found: Decoded, message: RawMessage, rule: DeviceRule, fixes: Sequence[Reading], future_s: float) -> bool:
    """Append the positions of an array, where each of them is as most are.

    Most have a boot, a ``seq`` and a time in ms, a place beside 0 degrees, no alarm, no altitude, accuracy or load, and
    nothing to refuse or to flag. False where one is not so: nothing is appended then. ``future_s``: how far a device's
    clock may be ahead.
    """
    identity = _identity(message, rule, fixes, future_s)
    if identity is None or not message.qos or rule.crs == "from_message":
        return False
    lons, lats = [fix.lon for fix in fixes], [fix.lat for fix in fixes]
    speeds = [fix.speed_mps for fix in fixes]
    if not (_on_earth(lons, lats) and all(map(_ordinary, fixes)) and _within(speeds)):
        return False
    count, rows = len(fixes), found.rows
    rows.device_id += [rule.device_id] * count
    rows.ts_ns += [ts_ms * 1_000_000 for ts_ms in identity.ts_ms]
    rows.boot += identity.boot
    rows.seq += identity.seq
    rows.item_hash += [0] * count
    rows.received_ns += [message.received_ns] * count
    rows.lon += lons
    rows.lat += [lat + 0.0 for lat in lats]  # -0.0 becomes 0.0
    rows.raw_lon += lons
    rows.raw_lat += lats
    rows.crs += [rule.crs] * count
    rows.speed_mps += speeds
    rows.raw_speed += [fix.raw_speed for fix in fixes]
    rows.heading_deg += [None if fix.heading_deg is None else fix.heading_deg % 360.0 for fix in fixes]
    rows.alt_m += [None] * count
    rows.acc_m += [None] * count
    rows.sat += [fix.sat for fix in fixes]
    rows.ignition += [fix.ignition for fix in fixes]
    rows.lift += [fix.lift for fix in fixes]
    rows.cover += [fix.cover for fix in fixes]
    rows.load += [None] * count
    rows.alarms += [()] * count
    rows.flags += [0] * count
    rows.form += ["native"] * count
    rows.extra += [None] * count
    device_id = rule.device_id
    found.marks += [(device_id, boot, seq, -1) for boot, seq in zip(identity.boot, identity.seq, strict=True)]
    return True


def _identity(message: RawMessage, rule: DeviceRule, fixes: Sequence[Reading], future_s: float) -> _Identity | None:
    count = len(fixes)
    # bool is an int to isinstance, and no time.
    ts_ms = [fix.ts for fix in fixes if type(fix.ts) is int]
    seq = [fix.seq for fix in fixes if fix.seq is not None]
    boot = [fix.boot for fix in fixes if fix.boot is not None]
    if not count or len(ts_ms) < count or len(seq) < count or len(boot) < count:
        return None
    if min(seq) < 0 or max(seq) > SEQ_MAX or any(len(one) > 64 or "\0" in one for one in set(boot)):
        return None
    received_ms = message.received_ns / 1e6
    oldest_ms = MS_MIN if rule.max_age_s is None else received_ms - rule.max_age_s * 1000
    if min(ts_ms) < max(oldest_ms, MS_MIN) or max(ts_ms) > min(received_ms + future_s * 1000, MS_MAX):
        return None
    return _Identity(ts_ms, seq, boot)


def _on_earth(lons: list[float], lats: list[float]) -> bool:
    return min(lons) >= -180.0 and max(lons) <= 180.0 and min(lats) >= -90.0 and max(lats) <= 90.0 and 0.0 not in lons


def _within(speeds: list[float | None]) -> bool:
    known = [speed for speed in speeds if speed is not None]
    return not known or (min(known) >= 0.0 and max(known) <= SPEED_MAX_MPS)


def _ordinary(fix: Reading) -> bool:
    return not (
        fix.alarms
        or fix.oldest is not None
        or fix.alt_m is not None
        or fix.acc_m is not None
        or fix.load is not None
        or (fix.sat is not None and not 0 < fix.sat <= 1000)
        or (fix.heading_deg is not None and not -3600 <= fix.heading_deg <= 3600)
    )
