"""Doing away with a session at the broker."""

from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from curbwatch.parts import Servers


def wipe(servers: Servers, client_id: str, user: str = "intake-positions") -> None:
    """Log in with another's client id and a clean start: its session and its queue are gone."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(user, servers.password_files[user].read_text().strip())
    address = urlsplit(servers.broker_url)
    client.connect(address.hostname or "", address.port or 0, clean_start=True)
    while not client.is_connected():
        client.loop(timeout=0.1)
    client.disconnect()
    while client.loop(timeout=0.1) == paho.MQTT_ERR_SUCCESS:
        pass
