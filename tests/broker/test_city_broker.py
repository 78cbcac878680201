"""A city's broker as its devices, its intake and a stranger meet it: the written configuration in the real Mosquitto.

A subscription that is granted proves nothing, Mosquitto filters at delivery: these tests look at what arrives.
"""

import contextlib
import os
import socket
import ssl
import warnings

import pytest

from curbwatch.doctor.guest import Guest
from curbwatch.packets import Login
from curbwatch.parts import Servers
from ingest.mqtt import DROPPED_TOPIC, VERSION_TOPIC
from schemas.errors import FeedError
from tests.broker.city import BASE, CAMERA, OTHER, VEHICLE, City, city
from tests.fix_service import wait_until

pytestmark = pytest.mark.servers
POSITIONS, FRAMES = "intake-positions", "intake-frames"
POSITION = f"{BASE}/vehicle/{VEHICLE}/position"
FRAME = f"{BASE}/camera/{CAMERA}/frame"


@pytest.mark.parametrize(
    ("device", "user", "topic"),
    [
        (VEHICLE, POSITIONS, POSITION),
        (VEHICLE, POSITIONS, f"{BASE}/vehicle/{VEHICLE}/status"),
        (VEHICLE, POSITIONS, f"owntracks/{VEHICLE}/phone"),
        (VEHICLE, POSITIONS, f"v1/devices/{VEHICLE}/telemetry"),
        ("gateway-traccar", POSITIONS, "traccar/positions"),
        ("gateway-frigate", FRAMES, "frigate/front/person/snapshot"),
        (CAMERA, FRAMES, f"esp32/{CAMERA}/chunk/3"),
        (CAMERA, FRAMES, FRAME),
        (CAMERA, FRAMES, f"{BASE}/camera/{CAMERA}/status"),
        (POSITIONS, VEHICLE, f"{BASE}/vehicle/{VEHICLE}/ack"),
        (POSITIONS, VEHICLE, f"{BASE}/vehicle/{VEHICLE}/resync"),
        (FRAMES, CAMERA, f"{BASE}/camera/{CAMERA}/ack"),
        (FRAMES, CAMERA, f"{BASE}/camera/{CAMERA}/resync"),
    ],
)
def test_what_must_be_said_arrives(yanjiang: City, device: str, user: str, topic: str) -> None:
    with yanjiang.guest(user) as listener, yanjiang.guest(device) as speaker:
        assert listener.subscribe("#") < 0x80
        assert speaker.publish(topic, b"said") < 0x80
        assert (topic, b"said") in yanjiang.heard_by(listener)


@pytest.mark.parametrize(
    ("speaker", "topic"),
    [
        (VEHICLE, f"{BASE}/vehicle/{OTHER}/position"),  # as another device
        (VEHICLE, f"{BASE}/vehicle/{OTHER}/status"),
        (VEHICLE, f"{BASE}/camera/{CAMERA}/frame"),
        (VEHICLE, f"owntracks/{OTHER}/phone"),
        (VEHICLE, f"v1/devices/{OTHER}/telemetry"),
        (VEHICLE, f"{BASE}/vehicle/{VEHICLE}/ack"),  # T17: in the intake's name, to itself and to others
        (VEHICLE, f"{BASE}/vehicle/{VEHICLE}/resync"),
        (VEHICLE, f"{BASE}/vehicle/{OTHER}/ack"),
        (VEHICLE, f"{BASE}/vehicle/{OTHER}/resync"),
        (VEHICLE, f"{BASE}/vehicle/{VEHICLE}/cmd"),
        (VEHICLE, f"{BASE}/incident/1"),
        (VEHICLE, "anything/else"),
        (VEHICLE, "traccar/positions"),  # as a gateway, which speaks for all
        (VEHICLE, "v1/gateway/telemetry"),
        (VEHICLE, "ngsi-ld/Vehicle"),
        (CAMERA, f"frigate/{CAMERA}/person/snapshot"),
        ("gateway-traccar", POSITION),
        ("gateway-traccar", "v1/gateway/telemetry"),
        (POSITIONS, POSITION),  # the intake in a device's name, and in its own
        (POSITIONS, f"{BASE}/vehicle/{POSITIONS}/position"),
        (POSITIONS, f"owntracks/{POSITIONS}/phone"),
        (POSITIONS, FRAME),
        (POSITIONS, f"{BASE}/camera/{CAMERA}/ack"),
        (FRAMES, FRAME),
        (FRAMES, f"{BASE}/camera/{FRAMES}/frame"),
        (FRAMES, POSITION),
        (FRAMES, f"{BASE}/vehicle/{VEHICLE}/ack"),
    ],
)
def test_what_nobody_may_say_reaches_nobody(yanjiang: City, speaker: str, topic: str) -> None:
    users = (POSITIONS, FRAMES, VEHICLE, OTHER, CAMERA, "doctor")
    listeners = [yanjiang.guest(user) for user in users]
    for listener in listeners:
        listener.subscribe("#")
        listener.subscribe(topic)
    with yanjiang.guest(speaker) as guest:
        guest.publish(topic, b"forged")
    heard = [(topic, b"forged") in yanjiang.heard_by(listener) for listener in listeners]
    for listener in listeners:
        listener.leave()
    assert heard == [False] * len(users)


def test_a_device_that_listens_to_everything_hears_only_what_is_said_to_it(yanjiang: City) -> None:  # T31
    with yanjiang.guest(OTHER) as curious, yanjiang.guest(VEHICLE) as car, yanjiang.guest(POSITIONS) as intake:
        for topic in ("#", "$SYS/#", f"{BASE}/vehicle/+/position", POSITION, f"{BASE}/+/+/ack"):
            curious.subscribe(topic)
        car.publish(POSITION, b"mine")
        intake.publish(f"{BASE}/vehicle/{VEHICLE}/ack", b"for the other")
        intake.publish(f"{BASE}/vehicle/{OTHER}/ack", b"for me")
        assert {topic for topic, _ in yanjiang.heard_by(curious)} == {f"{BASE}/vehicle/{OTHER}/ack"}


def test_the_intake_learns_version_and_drops_and_nobody_writes_them(yanjiang: City) -> None:  # T16
    with yanjiang.guest(POSITIONS) as intake, yanjiang.guest(VEHICLE) as car:
        intake.subscribe(VERSION_TOPIC)
        intake.subscribe(DROPPED_TOPIC)
        told = dict(yanjiang.heard_by(intake))
        assert told[VERSION_TOPIC].startswith(b"mosquitto version 2.")
        assert told[DROPPED_TOPIC].isdigit()
        with contextlib.suppress(FeedError):  # a broker may end the connection of one who tries
            car.publish(VERSION_TOPIC, b"mine")
    with yanjiang.guest(POSITIONS) as intake:
        intake.subscribe(VERSION_TOPIC)
        assert (VERSION_TOPIC, b"mine") not in yanjiang.heard_by(intake)


@pytest.mark.parametrize(
    "login",
    [
        Login("", client_id="nobody"),
        Login(VEHICLE),
        Login(VEHICLE, "wrong"),
        Login("unknown", "wrong"),
        Login("", "wrong"),
    ],
    ids=["anonymous", "no password", "wrong password", "unknown user", "password without user"],
)
def test_who_cannot_prove_who_he_is_stays_out(yanjiang: City, login: Login) -> None:
    with pytest.raises(FeedError, match=r"refuses|ends the connection|closed|broke"):
        Guest(yanjiang.address(), login)


def test_one_devices_password_is_no_other_ones(yanjiang: City) -> None:
    with pytest.raises(FeedError, match="refuses"):
        yanjiang.guest(VEHICLE, password=yanjiang.password(OTHER))


def test_plain_text_on_the_port_of_tls_gets_no_answer_in_mqtt(yanjiang: City) -> None:
    login = Login(VEHICLE, yanjiang.password(VEHICLE))
    with pytest.raises(FeedError, match=r"closed|broke|no MQTT|does not answer"):
        Guest(yanjiang.address(scheme="mqtt"), login)


def test_tls_below_1_2_is_refused(yanjiang: City) -> None:
    old = ssl.create_default_context(cafile=str(yanjiang.signer.certificate))
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", yanjiang.port), timeout=5) as wire,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        old.wrap_socket(wire, server_hostname="127.0.0.1")


@pytest.mark.parametrize("topic", [f"{BASE}/vehicle/+/position", "#", f"{BASE}/vehicle/{VEHICLE}/#"])
def test_a_message_to_a_filter_costs_the_sender_its_connection_and_reaches_nobody(yanjiang: City, topic: str) -> None:
    with yanjiang.guest(POSITIONS) as intake:  # T15
        intake.subscribe(f"{BASE}/vehicle/+/position")
        guest = yanjiang.guest(VEHICLE)
        with pytest.raises(FeedError):
            guest.publish(topic, b"to all")
        guest.leave()
        assert yanjiang.heard_by(intake) == []


def test_a_device_that_lost_its_power_is_offline_for_those_who_come_later(yanjiang: City) -> None:
    status = f"{BASE}/vehicle/{OTHER}/status"
    guest = yanjiang.guest(OTHER, will=(status, b"offline"))
    guest.publish(status, b"online", retain=True)
    with yanjiang.guest(POSITIONS) as intake:
        intake.subscribe(f"{BASE}/vehicle/+/status")
        assert (status, b"online") in yanjiang.heard_by(intake)
        guest.vanish()
        assert (status, b"offline") in [
            (message.topic, message.payload) for message in intake.settle(wanted=2, wait_s=5)
        ]
    with yanjiang.guest(POSITIONS) as later:
        later.subscribe(f"{BASE}/vehicle/+/status")
        assert (status, b"offline") in yanjiang.heard_by(later)


def test_a_will_in_another_devices_name_is_never_said(yanjiang: City) -> None:
    topic = f"{BASE}/vehicle/{OTHER}/position"
    with yanjiang.guest(POSITIONS) as intake:
        intake.subscribe(f"{BASE}/vehicle/+/position")
        with contextlib.suppress(FeedError):  # a broker may refuse it at the door
            yanjiang.guest(VEHICLE, will=(topic, b"forged")).vanish()
        assert yanjiang.heard_by(intake) == []


def test_a_device_is_whom_its_certificate_names_whatever_it_says(mutual: City) -> None:
    login = Login(OTHER, "whatever", client_id=OTHER)
    with mutual.guest(POSITIONS) as intake, Guest(mutual.address(device=VEHICLE), login) as car:
        intake.subscribe(f"{BASE}/vehicle/+/position")
        car.publish(f"{BASE}/vehicle/{OTHER}/position", b"forged")
        car.publish(POSITION, b"mine")
        assert mutual.heard_by(intake) == [(POSITION, b"mine")]


def test_without_a_certificate_nobody_enters_by_the_devices_door(mutual: City) -> None:
    with pytest.raises(FeedError):
        Guest(mutual.address(), Login(POSITIONS, mutual.password(POSITIONS)))


def test_devices_with_certificates_have_no_password_to_lose(mutual: City) -> None:
    named = {path.name for path in (mutual.folder / "credentials").iterdir() if not path.name.startswith("gateway-")}
    assert named == {"doctor", FRAMES, POSITIONS}
    assert VEHICLE not in (mutual.folder / "passwords").read_text()


def test_after_a_reload_a_new_device_comes_in_and_a_revoked_one_is_out(servers: Servers) -> None:
    with city(f"test-{os.getpid()}-reload") as made:
        revoked = made.password(OTHER)
        stays, goes = made.guest(VEHICLE), made.guest(OTHER)
        made.write((CAMERA, VEHICLE, "car-3"))
        made.reload()
        wait_until("the new device to be let in", lambda: logs_in(made, "car-3", made.password("car-3")))
        assert logs_in(made, VEHICLE, made.password(VEHICLE))
        assert not logs_in(made, OTHER, revoked)
        assert stays.publish(POSITION, b"still here") < 0x80
        stays.leave()
        with pytest.raises(FeedError):
            goes.publish(f"{BASE}/vehicle/{OTHER}/position", b"still here")
        goes.leave()


def logs_in(made: City, user: str, password: str) -> bool:
    try:
        Guest(made.address(), Login(user, password)).leave()
    except FeedError:
        return False
    return True
