"""The session on the real broker: nothing is acknowledged by itself, out of order, or on another connection."""

import socket
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

from curbwatch.packets import packet, publish
from curbwatch.parts import Servers
from ingest.broker_version import trustworthy
from ingest.ledger import Ticket
from ingest.mqtt import MqttSession
from ingest.session_plan import SessionPlan, secret_of
from schemas.errors import FeedError
from schemas.meter import NullMeter
from schemas.position import RawMessage
from tests.devices import Devices

USER = "intake-positions"


class Inbox:
    """A session and what it has received."""

    def __init__(self, servers: Servers, site: str, *, window: int = 500, password: str | None = None) -> None:
        self.got: list[tuple[bytes, Ticket | None]] = []
        self.lost = 0
        self.changed = threading.Condition()
        plan = SessionPlan(
            url=servers.broker_url,
            client_id=f"inbox-{site}",
            user=USER,
            window=window,
            expiry_s=600,
            topics=((f"city/v1/{site}/vehicle/+/position", False),),
            reconnect_max_s=0.2,
        )
        secret = servers.password_files[USER].read_text().strip() if password is None else password
        self.session = MqttSession(plan, secret, NullMeter(), self._hear, self._lose)

    def until(self, true: Callable[[], bool], wait_s: float = 15) -> None:
        with self.changed:
            assert self.changed.wait_for(true, wait_s), [body for body, _ in self.got]

    def bodies(self) -> list[bytes]:
        return [body for body, _ in self.got]

    def finish(self, *bodies: bytes) -> None:
        self.session.finish([ticket for body, ticket in self.got if body in bodies and ticket is not None])

    def _hear(self, message: RawMessage, ticket: Ticket | None) -> None:
        with self.changed:
            self.got.append((message.payload, ticket))
            self.changed.notify_all()

    def _lose(self) -> None:
        with self.changed:
            self.lost += 1
            self.changed.notify_all()


@pytest.fixture
def site() -> str:
    return f"m{uuid.uuid4().hex[:8]}"


@pytest.fixture
def inbox(servers: Servers, site: str) -> Iterator[Inbox]:
    made = Inbox(servers, site)
    yield made
    made.session.stop()


def send(devices: Devices, *bodies: bytes) -> None:
    for body in bodies:
        devices.send("vehicle/car/position", body)
    assert devices.settled()


@pytest.mark.servers
def test_what_is_not_finished_comes_again_on_the_next_connection(inbox: Inbox, servers: Servers, site: str) -> None:
    inbox.session.start()
    with Devices(servers, site) as devices:
        send(devices, b"0", b"1", b"2")
        inbox.until(lambda: len(inbox.got) == 3)
        inbox.finish(b"0")
        inbox.session.drop("test")
        inbox.until(lambda: len(inbox.got) == 5)
    assert inbox.bodies()[3:] == [b"1", b"2"]
    assert inbox.lost == 1  # only the very first connection had no session


@pytest.mark.servers
def test_a_later_message_waits_for_the_earlier_one(inbox: Inbox, servers: Servers, site: str) -> None:
    inbox.session.start()
    with Devices(servers, site) as devices:
        send(devices, b"0", b"1")
        inbox.until(lambda: len(inbox.got) == 2)
        inbox.finish(b"1")
        inbox.session.drop("test")
        inbox.until(lambda: len(inbox.got) == 4)
        assert inbox.bodies()[2:] == [b"0", b"1"]


@pytest.mark.servers
def test_a_ticket_of_an_older_connection_acknowledges_nothing(inbox: Inbox, servers: Servers, site: str) -> None:
    inbox.session.start()
    with Devices(servers, site) as devices:
        send(devices, b"0")
        inbox.until(lambda: len(inbox.got) == 1)
        old = inbox.got[0][1]
        inbox.session.drop("test")
        inbox.until(lambda: len(inbox.got) == 2)
        assert old is not None
        inbox.session.finish([old])
        inbox.session.drop("test")
        inbox.until(lambda: len(inbox.got) == 3)


@pytest.mark.servers
def test_messages_sent_between_two_lives_of_the_process_are_delivered(servers: Servers, site: str) -> None:
    first = Inbox(servers, site)
    first.session.start()
    first.session.stop()
    with Devices(servers, site) as devices:
        send(devices, b"0", b"1")
    second = Inbox(servers, site)
    second.session.start()
    second.until(lambda: second.bodies() == [b"0", b"1"])
    second.session.stop()
    assert second.lost == 0


@pytest.mark.servers
def test_the_broker_sends_no_more_than_the_window(servers: Servers, site: str) -> None:
    inbox = Inbox(servers, site, window=10)
    inbox.session.start()
    with Devices(servers, site) as devices:
        send(devices, *(b"%d" % number for number in range(30)))
        inbox.until(lambda: len(inbox.got) == 10)
        inbox.finish(b"0", b"1", b"2")
        inbox.until(lambda: len(inbox.got) == 13)
    inbox.session.stop()
    assert len(inbox.got) == 13


@pytest.mark.servers
def test_a_paused_session_takes_nothing_and_loses_nothing(inbox: Inbox, servers: Servers, site: str) -> None:
    inbox.session.start()
    inbox.session.pause()
    with Devices(servers, site) as devices:
        send(devices, b"0")
    inbox.session.stop()
    assert inbox.got == []
    again = Inbox(servers, site)
    again.session.start()
    again.until(lambda: again.bodies() == [b"0"])
    again.session.stop()


def test_no_packet_is_read_once_there_is_no_room(site: str) -> None:
    """A broker that sends faster than any test could: 100 messages in one piece."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = threading.Semaphore(0)
    asked_when_full = threading.Event()
    room = 5
    got: list[bytes] = []

    def hold() -> bool:
        if len(got) < room:
            return False
        asked_when_full.set()
        return True

    def hear(message: RawMessage, _ticket: Ticket | None) -> None:
        got.append(message.payload)
        heard.release()

    def serve() -> None:
        there, _ = listener.accept()
        with there:
            there.recv(4096)
            there.sendall(packet(0x20, b"\0\0\0"))
            there.recv(4096)
            messages = [publish("a", b"%d" % number, number + 1) for number in range(100)]
            there.sendall(packet(0x90, b"\0\1\0\1") + b"".join(messages))
            ended.wait(15)

    ended = threading.Event()
    broker = threading.Thread(target=serve)
    broker.start()
    plan = SessionPlan(f"mqtt://127.0.0.1:{listener.getsockname()[1]}", "c", USER, 500, 60, (("a", False),))
    session = MqttSession(plan, "", NullMeter(), hear, None, hold)
    session.start()
    assert asked_when_full.wait(15)
    assert len(got) == 5
    room = 1000
    assert all(heard.acquire(timeout=15) for _ in range(100))
    assert got == [b"%d" % number for number in range(100)]
    ended.set()
    session.stop()
    broker.join()
    listener.close()


@pytest.mark.servers
def test_a_handler_that_fails_does_not_end_the_session(servers: Servers, site: str) -> None:
    inbox = Inbox(servers, site)
    hear = inbox.session._on_message

    def failing(message: RawMessage, ticket: Ticket | None) -> None:
        if message.payload == b"poison":
            raise ValueError("a defect of ours")
        hear(message, ticket)

    inbox.session._on_message = failing
    inbox.session.start()
    with Devices(servers, site) as devices:
        send(devices, b"poison", b"good")
        inbox.until(lambda: inbox.bodies() == [b"good"])
    inbox.session.stop()


@pytest.mark.servers
def test_a_refused_password_is_said_at_once(servers: Servers, site: str) -> None:
    inbox = Inbox(servers, site, password="wrong")
    with pytest.raises(FeedError, match=r"refuses inbox-.* as user intake-positions"):
        inbox.session.start()


def test_a_broker_that_is_away_is_waited_for(site: str) -> None:
    plan = SessionPlan("mqtt://127.0.0.1:9", "c", USER, 10, 60, (("a", False),), reconnect_max_s=0.1)
    session = MqttSession(plan, "", NullMeter(), lambda _message, _ticket: None)
    session.start(wait_s=0.3)
    assert not session.connected
    session.publish("nobody", b"hears this")
    session.stop()


@pytest.mark.parametrize(
    ("version", "fit"),
    [
        ("mosquitto version 2.0.11", False),
        ("mosquitto version 2.0.20", False),
        ("mosquitto version 2.0.21", True),
        ("mosquitto version 2.1.2", True),
        ("mosquitto version 1.6.9", False),
        ("5.8.0", True),
        ("", True),
    ],
)
def test_only_brokers_that_keep_the_window_are_trusted(version: str, fit: bool) -> None:
    assert trustworthy(version) is fit


@pytest.mark.servers
def test_an_unfit_broker_is_given_up_with_the_remedy(
    servers: Servers, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.mqtt.trustworthy", lambda _version: False)
    plan = SessionPlan(servers.broker_url, f"unfit-{site}", USER, 10, 0, (("$SYS/broker/version", True),))
    secret = servers.password_files[USER].read_text().strip()
    session = MqttSession(plan, secret, NullMeter(), lambda _message, _ticket: None)
    with pytest.raises(FeedError, match=r"Use Mosquitto >= 2\.0\.21"):
        session.start()


def test_the_piece_of_a_client_id_that_nobody_can_guess_hangs_on_the_password_and_the_id() -> None:
    assert secret_of("intake-a", "") == ""
    assert secret_of("intake-a", "one") == secret_of("intake-a", "one")
    assert len({secret_of(name, word) for name in ("intake-a", "intake-b") for word in ("one", "two")}) == 4


def test_the_secret_of_a_session_is_not_shown() -> None:
    plan = SessionPlan("mqtt://h:1", "intake-a", USER, 1, 0, (), secret="hidden")
    assert "hidden" not in repr(plan)
