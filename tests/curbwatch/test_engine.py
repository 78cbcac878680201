"""The contract every engine keeps; LocalEngine is the first."""

import asyncio
import threading

import pytest
import structlog

from curbwatch.engine.local import LocalEngine
from ingest.delivery import Delivery, Outcome
from schemas.frame import Frame


class RecordingShard:
    """Settles everything and remembers what came, or fails, or waits."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()
        self.broken_for = ""

    def handle(self, deliveries: list[Delivery[Frame]]) -> None:
        self.gate.wait(10)
        for delivery in deliveries:
            if delivery.payload.camera_id == self.broken_for:
                raise ArithmeticError("a defect")
            self.seen.append((delivery.payload.camera_id, delivery.payload.captured_ns))
            delivery.settle(Outcome.DONE)

    def close(self) -> None:
        self.closed = True


class Settled:
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Outcome, str]] = []

    def frame(self, camera: str, captured_ns: int) -> Delivery[Frame]:
        frame = Frame(camera, captured_ns, captured_ns, b"", 2, 2)
        return Delivery(frame, lambda outcome, reason: self.outcomes.append((camera, outcome, reason)))


async def test_nothing_submitted_drains_at_once() -> None:
    shard = RecordingShard()
    engine = LocalEngine([shard])
    await engine.start()
    await engine.drain()
    assert shard.closed
    assert shard.seen == []


async def test_a_camera_keeps_its_order_and_its_shard() -> None:
    shards = [RecordingShard(), RecordingShard()]
    engine = LocalEngine(shards, batch_max=3)
    settled = Settled()
    await engine.start()
    for captured_ns in range(20):
        for camera in ("a", "b", "c", "d"):
            await engine.submit(camera, [settled.frame(camera, captured_ns)])
    await engine.drain()
    assert len(settled.outcomes) == 80
    for camera in ("a", "b", "c", "d"):
        by_shard = [[ns for name, ns in shard.seen if name == camera] for shard in shards]
        assert sorted(by_shard, key=len) == [[], list(range(20))]


async def test_a_full_shard_makes_the_source_wait() -> None:
    shard = RecordingShard()
    shard.gate.clear()
    engine = LocalEngine([shard], batch_max=1, waiting_max=2)
    settled = Settled()
    await engine.start()
    feeding = asyncio.create_task(engine.submit("a", [settled.frame("a", ns) for ns in range(6)]))
    await asyncio.sleep(0.1)
    assert not feeding.done()
    shard.gate.set()
    await feeding
    await engine.drain()
    assert [ns for _, ns in shard.seen] == list(range(6))


async def test_a_defect_costs_its_batch_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    shard = RecordingShard()
    shard.broken_for = "bad"
    engine = LocalEngine([shard], batch_max=1)
    settled = Settled()
    await engine.start()
    for camera in ("good", "bad", "good"):
        await engine.submit(camera, [settled.frame(camera, 1)])
    await engine.drain()
    assert [(camera, outcome.name, reason) for camera, outcome, reason in settled.outcomes] == [
        ("good", "DONE", ""),
        ("bad", "REJECT", "failed"),
        ("good", "DONE", ""),
    ]
    assert "shard_failed" in capsys.readouterr().out


async def test_submitting_to_a_stopped_engine_is_refused() -> None:
    engine = LocalEngine([RecordingShard()])
    with pytest.raises(RuntimeError, match="not running"):
        await engine.submit("a", [])


def test_a_delivery_is_settled_exactly_once() -> None:
    settled = Settled()
    delivery = settled.frame("a", 1)
    delivery.settle(Outcome.DONE)
    with pytest.raises(RuntimeError, match="twice"):
        delivery.settle(Outcome.DONE)
    assert settled.outcomes == [("a", Outcome.DONE, "")]
