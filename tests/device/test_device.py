"""What an integrator gets: keep it, and it arrives; newest picture wins; every answer is heard."""

import asyncio
import json
import math
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import aiomqtt
import pytest

from curbwatch.device import Broker, Device, DiskOutbox, Habits, MemoryOutbox, TopicScheme
from curbwatch.parts import Servers
from schemas.errors import FeedError, SetupError, UsageError
from tests.broker.city import VEHICLE, City, city
from tests.curbwatch.stub_intake import StubIntake, broker_of, stub_intake, wire_to
from tests.schemas.test_wire import accepts

PLACE: dict[str, Any] = {"lon": 104.6427, "lat": 30.1218}
QUICK = Habits(connect_s=1.0, reconnect_max_s=0.3, resend_s=0.3, resend_max_s=0.3)
NOWHERE = Broker("mqtt://127.0.0.1:1")


@pytest.fixture
def scheme() -> TopicScheme:
    return TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")


def seqs(stub: StubIntake) -> list[int]:
    return [item["seq"] for _, items in stub.positions for item in items]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def say(servers: Servers, scheme: TopicScheme, leaf: str, body: dict[str, Any]) -> None:
    """Tell car-1 something as the intake would."""
    broker = broker_of(servers, "intake-positions")
    host, port = servers.broker_url.removeprefix("mqtt://").split(":")
    async with aiomqtt.Client(host, int(port), username=broker.user, password=broker.password) as intake:
        await intake.publish(scheme.of("vehicle", "car-1", leaf), json.dumps(body), qos=1)


async def test_a_device_without_a_broker_keeps_what_it_is_given_and_says_what_is_wrong(
    scheme: TopicScheme, tmp_path: Path
) -> None:
    outbox = DiskOutbox(tmp_path)
    async with Device(
        NOWHERE, scheme, "vehicle", "car-1", outbox=outbox, habits=Habits(reconnect_max_s=0.1, close_s=0.1)
    ) as device:
        assert await device.positions([]) == -1
        assert [await device.position(**PLACE) for _ in range(3)] == [0, 1, 2]
        assert not await device.settled(0.2)
        assert (device.unacknowledged, device.connected) == (3, False)
        assert "broker mqtt://127.0.0.1:1 cannot be reached" in device.trouble
    again = DiskOutbox(tmp_path)
    again.open()
    assert len(again) == 3
    again.close()


@pytest.mark.servers
async def test_what_an_earlier_start_left_arrives_under_its_own_name_and_the_outbox_is_empty(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    away = Habits(close_s=0.1)
    async with Device(NOWHERE, scheme, "vehicle", "car-1", outbox=DiskOutbox(tmp_path), habits=away) as first:
        await first.positions([PLACE] * 3)
    async with (
        stub_intake(servers, scheme) as stub,
        Device(broker_of(servers), scheme, "vehicle", "car-1", outbox=DiskOutbox(tmp_path)) as second,
    ):
        assert await second.position(**PLACE) == 0
        assert await second.settled(20)
        assert (second.connected, second.trouble) == (True, "")
    found = {(item["boot"], item["seq"]) for _, items in stub.positions for item in items}
    assert found == {(first.boot, 0), (first.boot, 1), (first.boot, 2), (second.boot, 0)}
    assert first.boot != second.boot
    assert names(tmp_path) == {"lock"}


@pytest.mark.servers
async def test_a_position_is_what_the_wire_allows(servers: Servers, scheme: TopicScheme) -> None:
    said: dict[str, Any] = {
        "speed_kmh": 18.5,
        "heading_deg": 271,
        "sat": 9,
        "lift": False,
        "alarms": ["sos"],
        "crs": "gcj02",
    }
    async with (
        stub_intake(servers, scheme) as stub,
        Device(broker_of(servers), scheme, "vehicle", "car-1") as device,
    ):
        await device.position(**PLACE, ts_ns=1_777_851_000_250_000_000, load=None, **said)
        assert await device.settled(20)
    ((_, (item,)),) = stub.positions
    assert item == PLACE | said | {"ts": "2026-05-03T23:30:00.250000+00:00", "seq": 0, "boot": device.boot}
    assert accepts("position", item)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"lon": 181.0}, r"\$\.lon"),
        ({"lat": math.nan}, r"\$\.lat"),
        ({"lat": "30"}, r"\$\.lat"),
        ({"speed_mps": 3.0}, "speed_mps"),
        ({"speed_kmh": -1.0}, r"\$\.speed_kmh"),
        ({"load": math.inf}, r"\$\.load"),
        ({"alarms": ["x" * 65]}, r"\$\.alarms"),
        ({"alarms": ["\0"]}, r"\$\.alarms"),
        ({"seq": 3}, "seq is given by the device"),
        ({"ts": "now"}, "say when it was with ts_ns"),
        ({"ts_ns": 10**30}, "position: "),
        ({"ts_ns": 1_777_851_000_000}, "is before 2000: it counts nanoseconds"),
    ],
)
async def test_a_position_no_intake_would_take_is_refused_at_once_and_has_no_number(
    scheme: TopicScheme, wrong: dict[str, Any], named: str
) -> None:
    async with Device(NOWHERE, scheme, "vehicle", "car-1", habits=Habits(close_s=0.1)) as device:
        with pytest.raises(UsageError, match=named):
            await device.positions([PLACE, PLACE | wrong])
        assert device.unacknowledged == 0
        assert await device.position(**PLACE) == 0


async def test_a_counter_goes_on_where_the_disk_failed_and_where_the_caller_was_cancelled(
    scheme: TopicScheme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = DiskOutbox(tmp_path)
    async with Device(NOWHERE, scheme, "vehicle", "car-1", outbox=outbox, habits=Habits(close_s=0.1)) as device:
        with monkeypatch.context() as patched:
            patched.setattr(outbox, "append", lambda _entries: _raise(SetupError("outbox: full")))
            with pytest.raises(SetupError):
                await device.position(**PLACE)
        waiting = asyncio.create_task(device.position(**PLACE))
        await asyncio.sleep(0)
        waiting.cancel()
        assert await device.position(**PLACE) == 1
        assert [one.seq for one in outbox.held()] == [0, 1]


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.servers
async def test_what_the_intake_did_not_get_is_sent_again_until_it_has_it(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme, marks=False) as stub,
        Device(broker_of(servers), scheme, "vehicle", "car-1", habits=QUICK) as device,
    ):
        for _ in range(3):
            await device.position(**PLACE)
        await stub.until(lambda: seqs(stub)[:6] == [0, 1, 2, 0, 1, 2])
        assert device.unacknowledged == 3
        stub.marks = True
        assert await device.settled(20)


@pytest.mark.servers
async def test_a_lost_session_is_made_good_when_asked(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme, marks=False) as stub,
        Device(broker_of(servers), scheme, "vehicle", "car-1") as device,
    ):
        await device.positions([PLACE] * 4)
        await stub.until(lambda: len(stub.positions) == 1)
        await say(servers, scheme, "ack", {"boot": device.boot, "seq": 1})
        await device._client.link.until(lambda: device.unacknowledged == 2)
        await say(servers, scheme, "resync", {})
        await stub.until(lambda: len(stub.positions) == 2)
        assert seqs(stub) == [0, 1, 2, 3, 2, 3]
        stub.marks = True


@pytest.mark.servers
async def test_a_device_whose_outbox_ran_over_says_so_and_is_acknowledged_past_the_gap(
    servers: Servers, scheme: TopicScheme
) -> None:
    async with wire_to(servers) as wire:
        wire.closed = True
        broker = broker_of(servers, url=wire.url)
        small = MemoryOutbox(400)
        async with (
            stub_intake(servers, scheme) as stub,
            Device(broker, scheme, "vehicle", "car-1", outbox=small, habits=QUICK) as device,
        ):
            for _ in range(20):
                await device.position(**PLACE)
            assert device.lost == 20 - len(small) > 0
            wire.closed = False
            assert await device.settled(20)
    assert set(seqs(stub)) == set(range(device.lost, 20))
    assert stub.oldest[0] == str(device.lost)


@pytest.mark.servers
async def test_every_outcome_of_a_picture_is_heard(servers: Servers, scheme: TopicScheme) -> None:
    outcomes = ["processed", "shed:decimated", "rejected:format", None]
    async with (
        stub_intake(servers, scheme, lambda _device_id, seq: outcomes[seq]) as stub,
        Device(broker_of(servers), scheme, "camera", "cam-1", habits=Habits(answer_s=0.5)) as device,
    ):
        heard = [await device.frame(bytes([seq]), preset="gate") for seq in range(4)]
    assert heard == ["processed", "shed:decimated", "rejected:format", "timed_out"]
    assert [payload for _, payload, _ in stub.frames] == [b"\0", b"\1", b"\2", b"\3"]
    assert {properties["preset"] for _, _, properties in stub.frames} == {"gate"}


@pytest.mark.servers
async def test_of_pictures_that_could_not_be_sent_only_the_newest_is(servers: Servers, scheme: TopicScheme) -> None:
    async with wire_to(servers) as wire:
        wire.closed = True
        async with (
            stub_intake(servers, scheme) as stub,
            Device(broker_of(servers, url=wire.url), scheme, "camera", "cam-1", habits=QUICK) as device,
        ):
            asked = [device.frame(bytes([number])) for number in range(5)]
            assert [await one for one in asked[:4]] == ["shed:newer"] * 4
            wire.closed = False
            assert await asked[4] == "processed"
    assert [payload for _, payload, _ in stub.frames] == [b"\4"]


@pytest.mark.servers
async def test_one_picture_at_a_time_is_on_a_slow_line(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme) as stub,
        wire_to(servers) as wire,
        Device(broker_of(servers, url=wire.url), scheme, "camera", "cam-1", habits=QUICK) as device,
    ):
        assert await device.frame(b"0") == "processed"
        wire.silent = True  # the broker's answers are lost from here on
        asked = [device.frame(b"1")]
        await stub.until(lambda: len(stub.frames) == 2)
        asked += [device.frame(b"2"), device.frame(b"3")]
        assert await asked[1] == "shed:newer"
        wire.silent = False
        wire.cut()
        assert await asked[0] == "shed:newer"
        assert await asked[2] == "processed"
    assert [payload for _, payload, _ in stub.frames] == [b"0", b"1", b"3"]


@pytest.mark.servers
async def test_a_picture_of_the_last_moment_still_goes(servers: Servers, scheme: TopicScheme) -> None:
    async with stub_intake(servers, scheme) as stub:
        async with Device(broker_of(servers), scheme, "camera", "cam-1") as device:
            await stub.until(lambda: len(stub.statuses) == 1)
            device.frame(b"x")
        assert device._client.sent == 1
        await stub.until(lambda: len(stub.frames) == 1)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda scheme: Device(NOWHERE, scheme, "vehicle", "a/b"), "1 to 64 letters"),
        (lambda scheme: Device(NOWHERE, scheme, "camera", "c", outbox=MemoryOutbox()), "only positions are kept"),
        (lambda scheme: Device(NOWHERE, scheme, cast("Any", "car"), "c"), "kind 'car': camera or vehicle"),
    ],
)
async def test_what_can_never_be_a_device_is_refused(
    scheme: TopicScheme, make: Callable[[TopicScheme], Device], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        make(scheme)


async def test_each_kind_sends_its_own(scheme: TopicScheme) -> None:
    async with Device(NOWHERE, scheme, "vehicle", "car-1", habits=Habits(close_s=0.1)) as vehicle:
        with pytest.raises(UsageError, match="vehicle car-1 sends no picture"):
            vehicle.frame(b"x")
    async with Device(NOWHERE, scheme, "camera", "cam-1", habits=Habits(max_bytes=3, close_s=0.1)) as camera:
        with pytest.raises(UsageError, match="camera cam-1 sends no position"):
            await camera.position(**PLACE)
        with pytest.raises(UsageError, match="4 bytes are more than a message may have"):
            camera.frame(b"1234")
        with pytest.raises(UsageError, match="is before 2000"):
            camera.frame(b"1", ts_ns=5)


async def test_an_address_that_can_never_be_right_is_said_at_once(scheme: TopicScheme, tmp_path: Path) -> None:
    outbox = DiskOutbox(tmp_path)
    with pytest.raises(FeedError, match="not a broker's address"):
        async with Device(Broker("http://x"), scheme, "vehicle", "car-1", outbox=outbox):
            pass
    outbox.open()  # nobody holds it any more
    outbox.close()


@pytest.mark.servers
async def test_a_device_that_is_refused_keeps_trying(servers: Servers, scheme: TopicScheme) -> None:
    async with stub_intake(servers, scheme):
        device = Device(Broker(servers.broker_url, "devices", "wrong"), scheme, "vehicle", "car-1", habits=QUICK)
        async with device:
            await device.position(**PLACE)
            await device._client.link.until(lambda: device.trouble != "")
            assert "refuses user devices" in device.trouble
            device._client.link.broker = broker_of(servers)
            assert await device.settled(20)


def acknowledge_one(made: City, scheme: TopicScheme) -> None:
    """Be the intake for one message, over TLS and with the intake's own rights."""
    with made.guest("intake-positions") as intake:
        intake.subscribe(scheme.of("vehicle", VEHICLE, "position"))
        (message,) = intake.settle(wanted=1, wait_s=20)[:1]
        said = json.loads(message.payload)
        intake.publish(scheme.of("vehicle", VEHICLE, "ack"), json.dumps({"boot": said["boot"], "seq": 0}).encode())


@pytest.mark.servers
async def test_a_device_of_a_city_logs_in_with_its_own_name_over_tls(servers: Servers) -> None:
    """The configuration that ``curbwatch broker-config`` writes lets the client do all that it does."""
    with city(f"device-{os.getpid()}") as made:
        url, ca_file = f"mqtts://127.0.0.1:{made.port}", str(made.signer.certificate)
        scheme = TopicScheme("city/v1", "yanjiang")
        broker = Broker(url, VEHICLE, made.password(VEHICLE), ca_file)
        async with Device(broker, scheme, "vehicle", VEHICLE, habits=QUICK) as device:
            answering = asyncio.create_task(asyncio.to_thread(acknowledge_one, made, scheme))
            await device.position(**PLACE)
            assert await device.settled(20)
            await answering
