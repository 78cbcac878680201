"""What ``publish`` plays: recordings and tracks found at paths, their times, and the words a terminal would send."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curbwatch.device import DeviceKey
from curbwatch.tuning.recording import START_NS, Recording, find_recordings, open_video
from curbwatch.tuning.tracks import Fix, Skipped, Track, find_tracks, free_id
from schemas.errors import UsageError
from schemas.units import utc

KMH_PER_MPS = 3.6
NAMED = 10


@dataclass(frozen=True, slots=True)
class CameraPlay:
    """One camera: ``offsets_ns`` of its frames, counted from its earliest one; at least one frame."""

    device_id: str
    recording: Recording
    offsets_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to be played, by device id, and what was found but does not count."""

    cameras: tuple[CameraPlay, ...]
    tracks: tuple[Track, ...]
    skipped: tuple[Skipped, ...]

    @property
    def devices(self) -> tuple[DeviceKey, ...]:
        """Kind and id of each device."""
        cameras: list[DeviceKey] = [("camera", play.device_id) for play in self.cameras]
        return (*cameras, *(("vehicle", track.device_id) for track in self.tracks))

    @property
    def frames(self) -> int:
        """Number of frames, by the files."""
        return sum(len(play.offsets_ns) for play in self.cameras)

    @property
    def positions(self) -> int:
        """Number of positions."""
        return sum(len(track.fixes) for track in self.tracks)


def make_plan(paths: Iterable[Path], *, time_scale_s: float | None = None) -> Plan:
    """Search each path, a file or a folder, for recordings and tracks.

    The same file found twice is played once; of two sources with the same name the later one gets a number. Raises
    UsageError where a path is missing, a recording is broken, or nothing at all can be played (then with what was
    found).
    """
    cameras: dict[str, CameraPlay] = {}
    tracks: dict[str, Track] = {}
    skipped: dict[tuple[Path, str], Skipped] = {}
    for path in paths:
        for recording in find_recordings(path):
            if any(play.recording.folder == recording.folder for play in cameras.values()):
                continue
            offsets = offsets_ns(recording, time_scale_s)
            if not offsets:
                reason = f"no pictures at {recording.media}"
                skipped[recording.folder, reason] = Skipped(recording.folder, reason)
                continue
            device_id = free_id(recording.name, cameras)
            cameras[device_id] = CameraPlay(device_id, recording, offsets)
        if path.name == "recording.json":
            continue
        found, without = find_tracks(path)
        skipped |= {(item.path.absolute(), item.reason): item for item in without}
        for track in found:
            file = track.path.absolute()
            if not any(known.path.absolute() == file and known.fixes == track.fixes for known in tracks.values()):
                device_id = free_id(track.device_id, tracks)
                tracks[device_id] = replace(track, device_id=device_id)
    plan = Plan(tuple(cameras.values()), tuple(tracks.values()), tuple(skipped.values()))
    if not plan.devices:
        listed = [f"\n  {item.path}: {item.reason}" for item in plan.skipped]
        more = [f"\n  and {len(listed) - NAMED} more"] if len(listed) > NAMED else []
        raise UsageError("nothing to play: no recording.json and no track with times" + "".join(listed[:NAMED] + more))
    return plan


def offsets_ns(recording: Recording, time_scale_s: float | None) -> tuple[int, ...]:
    """Return when each frame was captured, ns after the recording's earliest; reads no picture, only counts them."""
    count = _count(recording)
    if recording.times_ns:
        times: tuple[int, ...] = recording.times_ns[:count]
    else:
        apart_s = recording.apart_s if recording.own_time or time_scale_s is None else time_scale_s
        times = tuple(START_NS + round(index * apart_s * 1e9) for index in range(count))
    first = min(times, default=0)
    return tuple(time - first for time in times)


def position_of(fix: Fix, ts_ns: int, *, boot: str, seq: int) -> Mapping[str, Any]:
    """Return one position as JSON values: what the file knows, no more."""
    position: dict[str, Any] = {"ts": utc(ts_ns).isoformat(), "lon": fix.lon, "lat": fix.lat, "crs": "wgs84"}
    position |= {"seq": seq, "boot": boot}
    speed_kmh = None if fix.speed_mps is None else round(fix.speed_mps * KMH_PER_MPS, 3)
    known = {"alt_m": fix.alt_m, "speed_kmh": speed_kmh, "heading_deg": fix.heading_deg, "sat": fix.sat}
    return position | {name: value for name, value in known.items() if value is not None}


def _count(recording: Recording) -> int:
    if "*" in recording.media:
        return sum(1 for _ in recording.folder.glob(recording.media))
    video = open_video(recording.folder / recording.media)
    try:
        count = 0
        while video.grab():  # a header may lie about the number
            count += 1
        return count
    finally:
        video.release()
