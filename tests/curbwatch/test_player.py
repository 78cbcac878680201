"""A played device behaves as a good device does, on a real broker."""

import asyncio
import json
import uuid

import aiomqtt
import pytest

from curbwatch.parts import Servers
from curbwatch.player import Broker, Outgoing, Player, frame_message, position_message
from ingest.topics import TopicScheme
from schemas.errors import FeedError, UsageError
from schemas.units import ns_of, utc
from tests.curbwatch.stub_intake import broker_of, stub_intake, wire_to

pytestmark = pytest.mark.servers

TS_NS = 1_777_851_000_250_000_000


@pytest.fixture
def scheme() -> TopicScheme:
    return TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")


def position(scheme: TopicScheme, seq: int) -> Outgoing:
    body = {"lon": 104.6, "lat": 30.1, "boot": "b1", "seq": seq}
    return position_message(scheme.of("vehicle", "car-1", "position"), [body])


async def test_nothing_sent_says_online_and_offline(servers: Servers, scheme: TopicScheme) -> None:
    async with stub_intake(servers, scheme) as stub:
        async with Player(broker_of(servers), scheme, [("vehicle", "car-1"), ("vehicle", "car-2")]) as player:
            await stub.until(lambda: len(stub.statuses) == 2)
            assert player.unsent == 0
        await stub.until(lambda: len(stub.statuses) == 4)
    assert stub.statuses == [("car-1", "online"), ("car-2", "online"), ("car-1", "offline"), ("car-2", "offline")]
    assert (player.sent, player.resent, player.reconnects) == (0, 0, 0)


async def test_a_frame_travels_with_its_properties_and_comes_back_with_its_outcome(
    servers: Servers, scheme: TopicScheme
) -> None:
    async with (
        stub_intake(servers, scheme, lambda _device_id, _seq: "shed:decimated") as stub,
        Player(broker_of(servers), scheme, [("camera", "cam-1")]) as player,
    ):
        outcome = player.ask("cam-1", "b1", 7)
        topic = scheme.of("camera", "cam-1", "frame")
        await player.send(frame_message(topic, b"\xff\xd8jpeg", ts_ns=TS_NS, boot="b1", seq=7))
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
        Player(broker_of(servers), scheme, [("vehicle", "car-1")]) as player,
    ):
        for seq in range(250):
            await player.send(position(scheme, seq))
        assert await player.wait_marks({("car-1", "b1"): 249}, 10) == {}
        assert await player.wait_marks({("car-1", "b1"): 250}, 0.05) == {("car-1", "b1"): 250}
    assert player.marks == {("car-1", "b1"): 249}
    assert player.sent == 250


async def test_a_mark_that_comes_late_takes_nothing_back(servers: Servers, scheme: TopicScheme) -> None:
    broker = broker_of(servers, "intake-positions")
    host, port = servers.broker_url.removeprefix("mqtt://").split(":")
    async with (
        Player(broker_of(servers), scheme, [("vehicle", "car-1")]) as player,
        aiomqtt.Client(host, int(port), username=broker.user, password=broker.password) as intake,
    ):
        for boot, seq in (("b1", 5), ("b1", 3), ("b2", 0)):
            await intake.publish(scheme.of("vehicle", "car-1", "ack"), json.dumps({"boot": boot, "seq": seq}), qos=1)
        assert await player.wait_marks({("car-1", "b2"): 0}, 10) == {}
        assert player.marks == {("car-1", "b1"): 5, ("car-1", "b2"): 0}


async def test_what_was_not_acked_is_sent_again_in_order(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme) as stub,
        wire_to(servers) as wire,
        Player(broker_of(servers, url=wire.url), scheme, [("vehicle", "car-1")], window=5) as player,
    ):
        await player.send(position(scheme, 0))
        await player.flush()
        wire.silent = True  # the broker's answers are lost from here on
        for seq in range(1, 6):
            await player.send(position(scheme, seq))
        await stub.until(lambda: len(stub.positions) == 6)
        sending = asyncio.create_task(player.send(position(scheme, 6)))
        done, _ = await asyncio.wait({sending}, timeout=0.1)
        assert not done, "the window of five is full"
        assert player.unsent == 5
        wire.silent = False
        wire.cut()
        await sending
        await player.flush()
        assert (player.sent, player.reconnects) == (7, 1)
        assert player.resent == 5
        await stub.until(lambda: len(stub.positions) == 12)
    heard = [items[0]["seq"] for _, items in stub.positions]
    assert heard == [0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6]


async def test_a_single_device_that_dies_is_told_offline_by_the_broker(servers: Servers, scheme: TopicScheme) -> None:
    async with (
        stub_intake(servers, scheme) as stub,
        wire_to(servers) as wire,
        Player(broker_of(servers, url=wire.url), scheme, [("camera", "cam-1")]),
    ):
        await stub.until(lambda: len(stub.statuses) == 1)
        wire.cut()
        await stub.until(lambda: len(stub.statuses) == 3)
    assert stub.statuses[:3] == [("cam-1", "online"), ("cam-1", "offline"), ("cam-1", "online")]


async def test_a_message_that_costs_the_connection_each_time_is_put_aside(
    servers: Servers, scheme: TopicScheme
) -> None:
    """The broker disconnects a sender above its limit; a careless ``max_bytes`` must not become a storm."""
    async with (
        stub_intake(servers, scheme) as stub,
        Player(broker_of(servers), scheme, [("vehicle", "car-1")], max_bytes=5_000_000, reconnect_max_s=0.1) as player,
    ):
        await player.send(Outgoing(scheme.of("vehicle", "car-1", "position"), bytes(3_000_000)))
        await player.flush()
        assert (player.put_aside, player.sent) == (1, 0)
        await player.send(position(scheme, 0))
        await stub.until(lambda: len(stub.positions) == 1)


async def test_an_oversize_payload_is_refused_before_it_is_sent(servers: Servers, scheme: TopicScheme) -> None:
    async with Player(broker_of(servers), scheme, [("camera", "cam-1")], max_bytes=10) as player:
        assert player.fits(bytes(10))
        with pytest.raises(UsageError, match="11 bytes are more than a message may have"):
            await player.send(Outgoing(scheme.of("camera", "cam-1", "frame"), bytes(11)))
        assert player.unsent == 0


@pytest.mark.parametrize("noise", [b"", b"[]", b"{", b'{"boot": 1}', b"\xff", b'{"boot":"b","seq":"x","outcome":1}'])
async def test_an_answer_that_is_none_costs_nothing(servers: Servers, scheme: TopicScheme, noise: bytes) -> None:
    broker = broker_of(servers, "intake-frames")
    host, port = servers.broker_url.removeprefix("mqtt://").split(":")
    async with (
        Player(broker_of(servers), scheme, [("camera", "cam-1")]) as player,
        aiomqtt.Client(host, int(port), username=broker.user, password=broker.password) as intake,
    ):
        outcome = player.ask("cam-1", "b1", 0)
        good = json.dumps({"boot": "b1", "seq": 0, "outcome": "processed"})
        for body in (noise, good, good):
            await intake.publish(scheme.of("camera", "cam-1", "ack"), body, qos=1)
        assert await asyncio.wait_for(outcome, 10) == "processed"


async def test_a_question_nobody_answers_is_forgotten(servers: Servers, scheme: TopicScheme) -> None:
    async with Player(broker_of(servers), scheme, [("camera", "cam-1")]) as player:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(player.ask("cam-1", "b1", 0), 0.01)
        assert player._asked == {}


async def test_a_wrong_password_is_one_clean_error(servers: Servers, scheme: TopicScheme) -> None:
    broker = Broker(servers.broker_url, "devices", "wrong")
    with pytest.raises(FeedError, match=r"refuses user devices .*: check user, password"):
        async with Player(broker, scheme, [("camera", "cam-1")]):
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
        async with Player(Broker(url, ca_file=ca_file), scheme, [("camera", "cam-1")]):
            pass
    assert "secret" not in str(caught.value)


async def test_a_broker_that_no_longer_lets_us_in_ends_the_play(servers: Servers, scheme: TopicScheme) -> None:
    async with wire_to(servers) as wire:
        player = Player(broker_of(servers, url=wire.url), scheme, [("vehicle", "car-1")], window=1)
        async with player:
            player._broker = Broker(wire.url, "devices", "changed meanwhile")
            wire.silent = True
            await player.send(position(scheme, 0))
            wire.silent = False
            wire.cut()
            with pytest.raises(FeedError, match="refuses user devices"):
                await player.send(position(scheme, 1))
        assert player.unsent == 1


async def test_a_fault_of_the_player_itself_ends_the_waiting(
    servers: Servers, scheme: TopicScheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Player, "_greet", broken)
    with pytest.raises(FeedError, match="the connection is no longer held"):
        async with Player(broker_of(servers), scheme, [("camera", "cam-1")]):
            pass


def test_a_time_keeps_its_microseconds() -> None:
    message = frame_message("t", b"", ts_ns=TS_NS + 1_000, boot="b", seq=0)
    assert dict(message.properties)["ts"] == "2026-05-03T23:30:00.250001+00:00"
    assert ns_of(utc(TS_NS + 1_000)) == TS_NS + 1_000
