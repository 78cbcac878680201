"""A client behaves as a good device does, on a real broker."""

import asyncio
import json
import uuid

import aiomqtt
import pytest

from curbwatch.device import Broker, Client, Habits
from curbwatch.device.link import Link
from curbwatch.device.messages import frame_message
from curbwatch.parts import Servers
from ingest.topics import TopicScheme
from schemas.errors import FeedError, UsageError
from schemas.units import ns_of, utc
from tests.curbwatch.stub_intake import broker_of, stub_intake, wire_to

pytestmark = pytest.mark.servers

TS_NS = 1_777_851_000_250_000_000


@pytest.fixture
def scheme() -> TopicScheme:
    return TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")


async def position(client: Client, seq: int) -> None:
    await client.positions("car-1", [{"lon": 104.6, "lat": 30.1, "boot": "b1", "seq": seq}])


async def test_nothing_sent_says_online_and_offline(servers: Servers, scheme: TopicScheme) -> None:
    async with stub_intake(servers, scheme) as stub:
        async with Client(broker_of(servers), scheme, [("vehicle", "car-1"), ("vehicle", "car-2")]) as client:
            await stub.until(lambda: len(stub.statuses) == 2)
            assert client.unsent == 0
        await stub.until(lambda: len(stub.statuses) == 4)
    assert stub.statuses == [("car-1", "online"), ("car-2", "online"), ("car-1", "offline"), ("car-2", "offline")]
    assert (client.sent, client.resent, client.reconnects) == (0, 0, 0)


async def test_a_frame_travels_with_its_properties_and_comes_back_with_its_outcome(
    servers: Servers, scheme: TopicScheme
) -> None:
    async with (
        stub_intake(servers, scheme, lambda _device_id, _seq: "shed:decimated") as stub,
        Client(broker_of(servers), scheme, [("camera", "cam-1")]) as client,
    ):
        outcome = client.ask("cam-1", "b1", 7)
        await client.frame("cam-1", b"\xff\xd8jpeg", ts_ns=TS_NS, boot="b1", seq=7)
        assert await asyncio.wait_for(outcome, 10) == "shed:decimated"
    ((device_id, payload, properties),) = stub.frames
    assert (device_id, payload) == ("cam-1", b"\xff\xd8jpeg")
    assert properties == {
        "ts": "2026-05-03T23:30:00.250000+00:00",
        "seq": "7",
        "boot": "b1",
        "sha256": "75364d73942981b123e02054567bda3770e19b30782029b656abe3b13d95d076",
    }


async def test_a_mark_says_what_is_stored_and_what_is_not(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme),
        Client(broker_of(servers), scheme, [("vehicle", "car-1")]) as client,
    ):
        for seq in range(250):
            await position(client, seq)
        assert await client.wait_marks({("car-1", "b1"): 249}, 10) == {}
        assert await client.wait_marks({("car-1", "b1"): 250}, 0.05) == {("car-1", "b1"): 250}
    assert client.marks == {("car-1", "b1"): 249}
    assert client.sent == 250


async def test_a_mark_that_comes_late_takes_nothing_back(servers: Servers, scheme: TopicScheme) -> None:
    broker = broker_of(servers, "intake-positions")
    host, port = servers.broker_url.removeprefix("mqtt://").split(":")
    async with (
        Client(broker_of(servers), scheme, [("vehicle", "car-1")]) as client,
        aiomqtt.Client(host, int(port), username=broker.user, password=broker.password) as intake,
    ):
        for boot, seq in (("b1", 5), ("b1", 3), ("b2", 0)):
            await intake.publish(scheme.of("vehicle", "car-1", "ack"), json.dumps({"boot": boot, "seq": seq}), qos=1)
        assert await client.wait_marks({("car-1", "b2"): 0}, 10) == {}
        assert client.marks == {("car-1", "b1"): 5, ("car-1", "b2"): 0}


async def test_what_was_not_acked_is_sent_again_in_order(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme) as stub,
        wire_to(servers) as wire,
        Client(broker_of(servers, url=wire.url), scheme, [("vehicle", "car-1")], habits=Habits(window=5)) as client,
    ):
        await position(client, 0)
        await client.flush()
        wire.silent = True  # the broker's answers are lost from here on
        for seq in range(1, 6):
            await position(client, seq)
        await stub.until(lambda: len(stub.positions) == 6)
        sending = asyncio.create_task(position(client, 6))
        done, _ = await asyncio.wait({sending}, timeout=0.1)
        assert not done, "the window of five is full"
        assert client.unsent == 5
        wire.silent = False
        wire.cut()
        await sending
        await client.flush()
        assert (client.sent, client.reconnects) == (7, 1)
        assert client.resent == 5
        await stub.until(lambda: len(stub.positions) == 12)
    heard = [items[0]["seq"] for _, items in stub.positions]
    assert heard == [0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6]


async def test_a_single_device_that_dies_is_told_offline_by_the_broker(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme) as stub,
        wire_to(servers) as wire,
        Client(broker_of(servers, url=wire.url), scheme, [("camera", "cam-1")]),
    ):
        await stub.until(lambda: len(stub.statuses) == 1)
        wire.cut()
        await stub.until(lambda: len(stub.statuses) == 3)
    assert stub.statuses[:3] == [("cam-1", "online"), ("cam-1", "offline"), ("cam-1", "online")]


async def test_a_message_that_costs_the_connection_each_time_is_put_aside(
    servers: Servers, scheme: TopicScheme
) -> None:
    """The broker disconnects a sender above its limit; a careless ``max_bytes`` must not become a storm."""
    careless = Habits(max_bytes=5_000_000, reconnect_max_s=0.1)
    async with (
        stub_intake(servers, scheme) as stub,
        Client(broker_of(servers), scheme, [("vehicle", "car-1"), ("camera", "cam-1")], habits=careless) as client,
    ):
        await client.frame("cam-1", bytes(3_000_000), ts_ns=TS_NS, boot="b1", seq=0)
        await client.flush()
        assert (client.put_aside, client.sent) == (1, 0)
        await position(client, 0)
        await stub.until(lambda: len(stub.positions) == 1)


async def test_an_oversize_payload_is_refused_before_it_is_sent(servers: Servers, scheme: TopicScheme) -> None:
    async with Client(broker_of(servers), scheme, [("camera", "cam-1")], habits=Habits(max_bytes=10)) as client:
        assert client.fits(bytes(10))
        with pytest.raises(UsageError, match="11 bytes are more than a message may have"):
            await client.frame("cam-1", bytes(11), ts_ns=TS_NS, boot="b1", seq=0)
        assert client.unsent == 0


@pytest.mark.parametrize("noise", [b"", b"[]", b"{", b'{"boot": 1}', b"\xff", b'{"boot":"b","seq":"x","outcome":1}'])
async def test_an_answer_that_is_none_costs_nothing(servers: Servers, scheme: TopicScheme, noise: bytes) -> None:
    broker = broker_of(servers, "intake-frames")
    host, port = servers.broker_url.removeprefix("mqtt://").split(":")
    async with (
        Client(broker_of(servers), scheme, [("camera", "cam-1")]) as client,
        aiomqtt.Client(host, int(port), username=broker.user, password=broker.password) as intake,
    ):
        outcome = client.ask("cam-1", "b1", 0)
        good = json.dumps({"boot": "b1", "seq": 0, "outcome": "processed"})
        for body in (noise, good, good):
            await intake.publish(scheme.of("camera", "cam-1", "ack"), body, qos=1)
        assert await asyncio.wait_for(outcome, 10) == "processed"


async def test_a_question_nobody_answers_is_forgotten(servers: Servers, scheme: TopicScheme) -> None:
    async with Client(broker_of(servers), scheme, [("camera", "cam-1")]) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.ask("cam-1", "b1", 0), 0.01)
        assert client._asked == {}


async def test_a_wrong_password_is_one_clean_error(servers: Servers, scheme: TopicScheme) -> None:
    broker = Broker(servers.broker_url, "devices", "wrong")
    with pytest.raises(FeedError, match=r"refuses user devices .*: check user, password"):
        async with Client(broker, scheme, [("camera", "cam-1")]):
            pass
    assert "wrong" not in repr(broker)


@pytest.mark.parametrize(
    ("url", "ca_file"),
    [
        ("mqtt://127.0.0.1:1", ""),
        ("mqtts://127.0.0.1:1", ""),
        ("mqtts://127.0.0.1:1", "/no/such/file.pem"),
        ("mqtt://127.0.0.1:99999", ""),
        ("http://127.0.0.1", ""),
        ("mqtt://user:secret@", ""),
        ("x", ""),
    ],
)
async def test_an_address_without_a_broker_is_one_clean_error(url: str, ca_file: str, scheme: TopicScheme) -> None:
    with pytest.raises(FeedError, match=r"^broker ") as caught:
        async with Client(Broker(url, ca_file=ca_file), scheme, [("camera", "cam-1")]):
            pass
    assert "secret" not in str(caught.value)


async def test_a_broker_that_no_longer_lets_us_in_ends_the_play(servers: Servers, scheme: TopicScheme) -> None:
    async with wire_to(servers) as wire:
        client = Client(broker_of(servers, url=wire.url), scheme, [("vehicle", "car-1")], habits=Habits(window=1))
        async with client:
            client.link.broker = Broker(wire.url, "devices", "changed meanwhile")
            wire.silent = True
            await position(client, 0)
            wire.silent = False
            wire.cut()
            with pytest.raises(FeedError, match="refuses user devices"):
                await position(client, 1)
        assert client.unsent == 1


async def test_a_fault_of_the_client_itself_ends_the_waiting(
    servers: Servers, scheme: TopicScheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Link, "_greet_and_serve", broken)
    with pytest.raises(FeedError, match="the connection is no longer held"):
        async with Client(broker_of(servers), scheme, [("camera", "cam-1")]):
            pass


def test_a_time_keeps_its_microseconds() -> None:
    message = frame_message("t", b"", ts_ns=TS_NS + 1_000, boot="b", seq=0)
    assert dict(message.properties)["ts"] == "2026-05-03T23:30:00.250001+00:00"
    assert ns_of(utc(TS_NS + 1_000)) == TS_NS + 1_000
