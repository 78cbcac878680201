"""What the intake asks the spine about devices."""

from collections.abc import Mapping
from typing import Protocol

from schemas.device import DeviceRule


class KnownDevices(Protocol):
    """The registry as the intake sees it; safe to use from any thread."""

    @property
    def rules(self) -> Mapping[str, DeviceRule]:
        """Rules by device id and by alias (``{codec}:{foreign id}``), as of the last reading."""

    def refresh(self) -> bool:
        """Read the registry again where it changed: asked when a device is not known. True: there is news.

        May wait a second, but not each time: a stranger must hold up nobody. Raises SinkError where the registry cannot
        be read.
        """

    def ask(self) -> None:
        """Have it read again as ``refresh`` does, later, and wait for nothing. Never raises."""
