"""A device that loses nothing: the reference client, which the simulator, ``publish`` and city integrators use."""

from curbwatch.device.client import Client
from curbwatch.device.device import Device
from curbwatch.device.disk import DiskOutbox
from curbwatch.device.messages import Broker, DeviceKey, Habits, new_boot
from curbwatch.device.outbox import MemoryOutbox
from ingest.topics import TopicScheme

__all__ = [
    "Broker",
    "Client",
    "Device",
    "DeviceKey",
    "DiskOutbox",
    "Habits",
    "MemoryOutbox",
    "TopicScheme",
    "new_boot",
]
