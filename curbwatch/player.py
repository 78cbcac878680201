"""Plays devices: sends what they would publish, when they would, over MQTT 5 with aiomqtt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of a played device.

    Attributes:
        at_s: when it is to be sent, seconds after the start of the play, not before its predecessor.
        topic: full MQTT topic.
        payload: body as the device sends it.
        properties: MQTT 5 user properties, in order.
    """

    at_s: float
    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()
