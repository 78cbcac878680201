"""Whatever is killed: what the device has kept arrives."""

import asyncio
import sys
import time
import uuid
from pathlib import Path

import pytest

import curbwatch.database as db
from curbwatch.device import Broker, Device, DiskOutbox, TopicScheme
from curbwatch.parts import Servers
from curbwatch.registry import register_vehicle
from tests.curbwatch.stub_intake import broker_of, stub_intake
from tests.device.conftest import Fragile
from tests.device.playing import HABITS
from tests.fix_service import ROOT, Service, wait_until

pytestmark = pytest.mark.servers

FOREVER = 1_000_000


class Playing:
    """A vehicle's process; ``said`` is what it told of having kept."""

    def __init__(self, broker: Broker, site: str, device_id: str, folder: Path) -> None:
        self.words = [broker.url, site, device_id, str(folder)]
        self.password = broker.password
        self.said: list[tuple[str, int]] = []

    async def run(self, count: int, *, kill_after: int = FOREVER) -> int:
        """Let it keep ``count`` positions, and kill it -9 after so many; its exit code."""
        words = "-m", "tests.device.playing", *self.words, str(count)
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=-1, stdout=-1, cwd=ROOT)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self.password.encode() + b"\n")
        end = len(self.said) + kill_after
        async for line in process.stdout:
            if not line.endswith(b"\n"):
                break  # killed while it spoke
            boot, seq = line.split()
            self.said.append((boot.decode(), int(seq)))
            if len(self.said) == end:
                process.kill()
        return await process.wait()


def stored(service: Service, device_id: str) -> list[tuple[str, int]]:
    with db.connect(service.database_url) as conn:
        rows = conn.execute("select boot, seq from position where device_id = %s", (device_id,)).fetchall()
    return [(str(boot), int(seq)) for boot, seq in rows]


async def test_a_device_that_is_killed_loses_nothing_that_it_kept(servers: Servers, tmp_path: Path) -> None:
    scheme = TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")
    playing = Playing(broker_of(servers), scheme.site, "car-1", tmp_path)
    async with stub_intake(servers, scheme, marks=False) as stub:
        for kill_after in (1, 40, 150):
            assert await playing.run(FOREVER, kill_after=kill_after) == -9
        stub.marks = True
        assert await playing.run(5) == 0
    got = {(item["boot"], item["seq"]) for _, items in stub.positions for item in items}
    assert len({boot for boot, _ in playing.said}) == 4
    assert set(playing.said) - got == set()
    assert {path.name for path in tmp_path.iterdir()} == {"lock"}  # noqa: ASYNC240  # nothing else runs any more


@pytest.mark.faults
async def test_device_broker_and_intake_are_killed_and_every_position_is_stored_once(
    service: Service, fragile: Fragile, tmp_path: Path
) -> None:
    service.configure(broker={"url": fragile.url})
    await asyncio.to_thread(service.start)
    with db.connect(service.database_url) as conn:
        register_vehicle(conn, "car-1")
    login = Broker(fragile.url, "devices", fragile.passwords["devices"])
    playing = Playing(login, service.site, "car-1", tmp_path / "outbox")
    for number in range(3):
        running = asyncio.create_task(playing.run(FOREVER, kill_after=300))
        floor = 100 + 300 * number
        await asyncio.to_thread(wait_until, "some of it", lambda floor=floor: len(playing.said) > floor)  # type: ignore[misc]
        fragile.kill()
        if number == 1:
            service.kill()
        await running
        await asyncio.to_thread(fragile.start)
        if number == 1:
            await asyncio.to_thread(service.start)
    assert await playing.run(20) == 0
    rows = stored(service, "car-1")
    assert set(playing.said) - set(rows) == set()
    assert len(rows) == len(set(rows)) >= 920


async def test_a_broker_that_dies_while_it_is_sent_to_costs_nothing(
    service: Service, fragile: Fragile, tmp_path: Path
) -> None:
    service.configure(broker={"url": fragile.url})
    await asyncio.to_thread(service.start)
    with db.connect(service.database_url) as conn:
        register_vehicle(conn, "car-1")
    login, scheme = Broker(fragile.url, "devices", fragile.passwords["devices"]), TopicScheme("city/v1", service.site)
    outbox, base_ns = DiskOutbox(tmp_path / "outbox"), time.time_ns()
    async with Device(login, scheme, "vehicle", "car-1", outbox=outbox, habits=HABITS) as device:
        for seq in range(900):
            assert await device.position(lon=104.6, lat=30.1, ts_ns=base_ns + seq * 1_000_000) == seq
            if seq % 400 == 200:
                fragile.kill()
                await asyncio.to_thread(fragile.start)
        assert await device.settled(40)
        assert (device.unacknowledged, device.lost) == (0, 0)
    assert sorted(stored(service, "car-1")) == [(device.boot, seq) for seq in range(900)]
