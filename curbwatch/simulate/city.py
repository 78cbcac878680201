"""A city that can be played: the pack's cameras and vehicles, what happens before them, and the truth about it."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from alerts.deciding.permits import permit_for
from alerts.deciding.place import zone_share
from config.ground import ground_point
from config.pack import Pack, PackCamera
from curbwatch.device import Client, DeviceKey, new_boot
from curbwatch.simulate.painter import Painter, View
from curbwatch.simulate.plan import Plan, plan_view
from curbwatch.simulate.script import EVENTS, Placement, random_script
from curbwatch.simulate.truth import Happening, Truth, bbox_of, happenings, truth_of
from curbwatch.simulate.vehicles import Vehicle, fleet
from curbwatch.simulate.weather import WEATHERS, Weather
from schemas.place import ImageZone
from schemas.units import utc

FRAME_PERIOD_S = 2.0
INSIDE = 0.9  # share of a thing's foot that lies in the zone it is put into
Scripts = Mapping[str, tuple[Placement, ...]]


@dataclass(frozen=True, slots=True)
class Site:
    """One camera of the city: what the pack says of it, and how it is drawn."""

    pack: PackCamera
    plan: Plan
    weather: Weather

    def zone_of(self, placement: Placement) -> ImageZone | None:
        """Return the pack's zone that a thing stands in and counts in; None where there is none.

        Where the pack names no zones the whole picture is one.
        """
        family = placement.kind if placement.kind in EVENTS else ""
        box = bbox_of(self.plan, placement)
        for zone in self.pack.view.zones or (ImageZone("picture", ()),):
            if (not family or family in zone.families) and zone_share(box, zone.polygon) >= INSIDE:
                return zone
        return None


class City:
    """The cameras and vehicles of ``pack`` and what happens there, from ``seed``.

    ``scripts`` says by camera what is put down; what lies outside the camera's zones is left out. ``start`` is the
    moment at which t = 0: permits are read by it (default: now). A pack without cameras or vehicles plays none.

    Attributes:
        sites: cameras by id, in the order of the pack.
        vehicles: by id.
        views: what a Painter draws, by camera id.
        truth: all that happens; stalls where the city allows one at that moment are ``permitted``.
        frame_period_s: seconds between two frames of a camera; the cameras take turns.
    """

    def __init__(
        self,
        pack: Pack,
        seed: int,
        scripts: Scripts,
        *,
        weathers: Mapping[str, Weather] | None = None,
        start: datetime | None = None,
        frame_period_s: float = FRAME_PERIOD_S,
    ) -> None:
        self.pack, self.seed, self.frame_period_s = pack, seed, frame_period_s
        self.sites = sites_of(pack, seed, weathers or {})
        self.vehicles: dict[str, Vehicle] = fleet(pack, seed)
        self.views: dict[str, View] = {}
        found: list[Happening] = []
        start = datetime.now(UTC) if start is None else start
        for index, (name, site) in enumerate(self.sites.items()):
            script = tuple(placed for placed in scripts.get(name, ()) if site.zone_of(placed) is not None)
            width, height = site.pack.width, site.pack.height
            # The font that draws the camera's name knows no Chinese.
            self.views[name] = View(seed, index, width, height, site.weather, name, script)
            found += [
                replace(item, zone=zone.name, permitted=allowed(pack, site, placed, start.timestamp()))
                for item, placed in zip(happenings(name, site.plan, script), script, strict=True)
                if (zone := site.zone_of(placed)) is not None
            ]
        self.truth: Truth = truth_of(tuple(found))

    @property
    def devices(self) -> tuple[DeviceKey, ...]:
        """Kind and id of every device, for a Client."""
        cameras: list[DeviceKey] = [("camera", name) for name in self.sites]
        return (*cameras, *(("vehicle", name) for name in self.vehicles))

    async def run(
        self,
        client: Client,
        painter: Painter,
        *,
        seconds: float = math.inf,
        stop: asyncio.Event | None = None,
        boot: str = "",
    ) -> Counter[str]:
        """Publish live for ``seconds`` or until ``stop``; return how many ``frames`` and ``positions`` were sent.

        Each frame shows, and is stamped with, the moment at which it is drawn and sent. What could not be sent in
        its time is left out, not sent later. Raises FeedError where the broker no longer lets us in.
        """
        live = _Live(self, client, painter, (seconds, stop or asyncio.Event(), boot or new_boot()))
        try:
            async with asyncio.TaskGroup() as group:
                for index, name in enumerate(self.sites):
                    group.create_task(live.camera(name, index * self.frame_period_s / len(self.sites)))
                for index, vehicle in enumerate(self.vehicles.values()):
                    group.create_task(live.vehicle(vehicle, index * vehicle.period_s / len(self.vehicles)))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return live.sent


class _Live:
    """One run of a city."""

    def __init__(self, city: City, client: Client, painter: Painter, how: tuple[float, asyncio.Event, str]) -> None:
        self.city, self.client, self.painter = city, client, painter
        self.seconds, self.stop, self.boot = how
        self.sent: Counter[str] = Counter(frames=0, positions=0)
        self.start_s, self.start_ns = time.monotonic(), time.time_ns()

    def clock(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start_s

    async def camera(self, name: str, first_s: float) -> None:
        async def send(seq: int) -> None:
            t, jpeg = await self.painter.live(name, self.clock)
            await self.client.frame(name, jpeg, ts_ns=self._ns(t), boot=self.boot, seq=seq)
            self.sent["frames"] += 1

        await self._repeat(send, first_s, self.city.frame_period_s)

    async def vehicle(self, vehicle: Vehicle, first_s: float) -> None:
        async def send(seq: int) -> None:
            t = self.clock()
            said = vehicle.position(t, ts=utc(self._ns(t)).isoformat(), boot=self.boot, seq=seq)
            await self.client.positions(vehicle.pack.device_id, [said])
            self.sent["positions"] += 1

        await self._repeat(send, first_s, vehicle.period_s)

    def _ns(self, t: float) -> int:
        return self.start_ns + round(t * 1e9)

    async def _repeat(self, send: Callable[[int], Awaitable[None]], first_s: float, period_s: float) -> None:
        turn, seq = 0, 0
        while await self._due(first_s + turn * period_s):
            await send(seq)
            seq += 1
            turn = max(turn + 1, math.ceil((self.clock() - first_s) / period_s))

    async def _due(self, at_s: float) -> bool:
        """Wait for a moment; False where the run ends before it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(at_s, self.seconds) - self.clock()):
                await self.stop.wait()
                return False
        return at_s < self.seconds


def sites_of(pack: Pack, seed: int, weathers: Mapping[str, Weather]) -> dict[str, Site]:
    """Lay out the pack's cameras; ``weathers`` by camera id, else as the seed has it."""
    sites: dict[str, Site] = {}
    for index, (name, camera) in enumerate(pack.cameras.items()):
        plan = plan_view(seed, index, (camera.width, camera.height))
        drawn = WEATHERS[int(plan.rng(13).integers(len(WEATHERS)))]
        sites[name] = Site(camera, plan, weathers.get(name, drawn))
    return sites


def allowed(pack: Pack, site: Site, placed: Placement, start_s: float) -> bool:
    """Whether the city permits this thing at this place when it appears; ``start_s``: epoch seconds of t = 0."""
    zone = site.zone_of(placed)
    if placed.kind not in EVENTS or zone is None:
        return False
    view, point = site.pack.view, None
    if view.calibration is not None:
        point = ground_point(view.calibration, bbox_of(site.plan, placed), (site.pack.width, site.pack.height))
    when = datetime.fromtimestamp(start_s + placed.appear_s, UTC)
    return permit_for(pack.city, placed.kind, when, point, view.camera_id, zone.name) is not None


def random_city(
    pack: Pack, seed: int, seconds: float, *, per_hour: float = 40.0, stay_s: tuple[float, float] = (120.0, 300.0)
) -> City:
    """Return a city in which things are put down at random: ``per_hour`` at each camera, each for ``stay_s``."""
    scripts = {
        name: random_script(site.plan, seconds, per_hour=per_hour, stay_s=stay_s)
        for name, site in sites_of(pack, seed, {}).items()
    }
    return City(pack, seed, scripts)
