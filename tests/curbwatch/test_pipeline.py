"""The pipeline as a whole: what happens to the rest when one part ends by a defect."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from config.load import load_config
from curbwatch.build import prepare
from curbwatch.endpoints import resolve
from curbwatch.parts.process import free_port
from curbwatch.pipeline import STUCK_S, Pipeline
from curbwatch.shard import Shard
from curbwatch.telemetry import Telemetry
from ingest.forms import PositionForms
from ingest.mqtt import MqttSession
from ingest.slots import FrameSlots
from schemas.errors import CurbwatchError
from tests.devices import Devices
from tests.fix_service import Service, wait_until
from tests.ingest.jpegs import jpeg

pytestmark = [
    pytest.mark.servers,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


def made(service: Service) -> Pipeline:
    config = load_config(service.config)
    return Pipeline(prepare(config, resolve(config, service.servers)), Telemetry())


def fail(*_told: object, **_more: object) -> None:
    raise ValueError("a defect of ours")


async def ends_with(pipeline: Pipeline, act: Callable[[], None]) -> str:
    """Start, act, and return why ``watch`` ended; stopping must end too."""
    await pipeline.start()
    try:
        await asyncio.to_thread(act)
        with pytest.raises(CurbwatchError) as caught:
            await asyncio.wait_for(pipeline.watch(asyncio.Event()), 20)
        return str(caught.value)
    finally:
        await asyncio.wait_for(pipeline.stop(), 30)


async def test_a_writer_that_dies_ends_the_service_and_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PositionForms, "decode", fail)
    with Devices(service.servers, service.site) as devices:
        told = await ends_with(made(service), lambda: devices.position("yj-car-01", 0, time.time_ns() // 1_000_000))
    assert "position writer ended unexpectedly" in told


async def test_a_pump_that_dies_ends_the_service_and_everything_else_is_stopped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = made(service)
    monkeypatch.setattr(FrameSlots, "take", fail)
    with Devices(service.servers, service.site) as devices:
        told = await ends_with(pipeline, lambda: devices.send("camera/yj-cam-01/frame", jpeg(64, 48)))
    assert "frame pump ended unexpectedly" in told
    assert not any(pipeline._parts().values())


async def test_starting_and_stopping_without_a_message_is_clean(service: Service) -> None:
    pipeline = made(service)
    await pipeline.start()
    assert all(pipeline._parts().values())
    await pipeline.stop()
    assert not any(pipeline._parts().values())


async def test_too_little_memory_for_the_pictures_from_before_is_said_at_the_start(service: Service) -> None:
    service.configure(alerts={"before_ring_bytes": 2_399_999})
    pipeline = made(service)
    with capture_logs() as said:
        await pipeline.start()
        await pipeline.stop()
    (short,) = [entry for entry in said if entry["event"] == "before_pictures_short"]
    assert (short["cameras"], short["fit"]) == (8, 7)


def events(said: list[EventDict]) -> list[str]:
    return [entry["event"] for entry in said if entry["event"] in {"started", "ready"}]


async def test_it_is_not_called_ready_while_the_broker_is_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.configure(broker={"url": f"mqtt://127.0.0.1:{free_port(0)}"})
    pipeline = made(service)
    url = pipeline.health.url
    with capture_logs() as said:
        await pipeline.start()
        try:
            await asyncio.to_thread(wait_until, "its start", lambda: bool(events(said)))
            assert events(said) == ["started"]
            monkeypatch.setattr(MqttSession, "connected", property(lambda _session: True))
            await asyncio.to_thread(wait_until, "it to be ready", lambda: len(events(said)) == 2)
        finally:
            await pipeline.stop()
    assert events(said) == ["started", "ready"]
    (started,) = [entry for entry in said if entry["event"] == "started"]
    assert (started["waiting_for"], started["health"]) == (["broker"], url)


async def test_a_shard_that_waits_for_the_database_holds_up_neither_the_watch_nor_the_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    tries: list[Shard] = []

    def wait(shard: Shard) -> None:
        tries.append(shard)
        back.wait()

    dropped, ending = asyncio.Queue[str](), asyncio.Event()
    pipeline = made(service)
    await pipeline.start()
    with monkeypatch.context() as moment:
        moment.setattr(Shard, "retry", wait)
        moment.setattr(pipeline._position_session, "oldest_age_s", lambda: STUCK_S + 1)
        moment.setattr(pipeline._position_session, "drop", dropped.put_nowait)
        watch = asyncio.create_task(pipeline.watch(ending))
        try:
            for _ in range(2):
                assert await asyncio.wait_for(dropped.get(), 10) == "stuck"
            ending.set()
            await asyncio.wait_for(watch, 10)
            assert len(tries) == 1  # a try that is not over is not begun again
        finally:
            back.set()
    await asyncio.wait_for(pipeline.stop(), 30)
