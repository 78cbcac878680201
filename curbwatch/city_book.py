"""The city pack that holds now: one book for all who decide, so that a new pack holds for all from one moment on."""

import threading
from collections.abc import Callable

from alerts.deciding.grid import grid_of
from config.pack import Pack, apply_modes
from schemas.city import City


class CityBook:
    """Holds the pack and its city; readers ask ``city()`` each time, from any thread, and keep none for long.

    ``direct_classes``: classes that the configuration has dispatched at once, whatever the pack says.
    """

    def __init__(self, pack: Pack, direct_classes: tuple[str, ...] = ()) -> None:
        """Begin with a checked pack. Raises ConfigError for a direct class that it does not have."""
        self._direct = direct_classes
        self._lock = threading.Lock()
        self._readers: list[Callable[[City], None]] = []
        self._held = (pack, apply_modes(pack.city, direct_classes))

    def city(self) -> City:
        """The city that holds now."""
        return self._held[1]

    def pack(self) -> Pack:
        """The pack that holds now."""
        return self._held[0]

    def tell(self, reader: Callable[[City], None]) -> None:
        """Call ``reader`` with each later city, in the thread that turns the page."""
        with self._lock:
            self._readers.append(reader)

    def check(self, pack: Pack) -> None:
        """Raise ConfigError where ``turn`` would."""
        apply_modes(pack.city, self._direct)

    def turn(self, pack: Pack) -> None:
        """Let another checked pack hold. Raises ConfigError, and changes nothing, for a direct class it does not have.

        One reader after another is told; one that raises costs the others nothing and is raised at the end.
        """
        city = apply_modes(pack.city, self._direct)
        grid_of(city)  # made here, so that no shard waits for it at its next frame: half a second for 10 000 cells
        with self._lock:
            self._held = (pack, city)
            failed: list[Exception] = []
            for reader in self._readers:
                try:
                    reader(city)
                except Exception as error:  # noqa: BLE001 - a reader's defect must not leave another with the old city
                    failed.append(error)
        if failed:
            raise failed[0]
