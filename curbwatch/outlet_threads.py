"""Threads that tell other systems: one for each outlet, each on a database connection of its own."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

import structlog

from alerts.outlets.sender import MqttOutlet, Outlet, Patience, Sender, WebhookOutlet
from alerts.outlets.store import OutletStore, Wants
from alerts.outlets.webhook import Reach
from alerts.store import AlertDatabase
from config.load import read_secret
from config.outlets import MQTT, OutletKnobs
from schemas.errors import SinkError
from schemas.meter import Meter

log = structlog.get_logger()

POLL_S = 0.25  # between two looks for new steps
ALWAYS = 1_000_000  # tries: the broker is asked for as long as it takes
BROKER_WAIT_MAX_S = 30.0
LOCK = 0x6F750000  # with the name's checksum: one process tells an outlet

Publish = Callable[[str, bytes, int], bool]


def make_outlets(knobs: OutletKnobs, topic_of: Callable[[str], str], publish: Publish) -> list[tuple[Outlet, Patience]]:
    """Every outlet of the configuration, and how patient each is. Raises ConfigError for a secret's file."""
    found: list[tuple[Outlet, Patience]] = []
    if knobs.mqtt:
        outlet = MqttOutlet(Wants(MQTT), topic_of, publish, knobs.mqtt_keep_h * 3600)
        found.append((outlet, Patience(ALWAYS, knobs.wait_first_s, max(knobs.wait_first_s, BROKER_WAIT_MAX_S))))
    reach = Reach(knobs.timeout_s, knobs.answer_max_bytes, knobs.allow_hosts, knobs.allow_http)
    patience = Patience(knobs.tries_max, knobs.wait_first_s, knobs.wait_max_s)
    for number, hook in enumerate(knobs.webhooks):
        key = f"outlets.webhooks.{number}.secret_file"
        secret = read_secret(Path(hook.secret_file), key).encode() if hook.secret_file else b""
        wants = Wants(hook.name, hook.families, tuple(str(step) for step in hook.steps))
        found.append((WebhookOutlet(wants, hook.url, reach, secret=secret, receipt=hook.receipt), patience))
    return found


class OutletThreads:
    """Tells every outlet. Start and stop it once; what still waits then is told after the next start."""

    def __init__(self, outlets: Sequence[tuple[Outlet, Patience]], database_url: str, meter: Meter) -> None:
        self._outlets = tuple(outlets)
        self._databases = [AlertDatabase(database_url) for _ in (*self._outlets, None)]
        self._meter = meter
        self._entered = False
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"outlet-{outlet.wants.name}", daemon=True)
            for number, (outlet, _) in enumerate(self._outlets)
        ]

    def start(self) -> None:
        """Begin. A database that is away is waited for."""
        if not self._threads:
            self._enter_quietly()
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether all still work."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End after the present message."""
        self._ending.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for database in self._databases:
            database.close()

    def _run(self, number: int) -> None:
        outlet, patience = self._outlets[number]
        database, name = self._databases[number], outlet.wants.name
        wanted = [one.wants for one, _ in self._outlets]
        sender = Sender(outlet, OutletStore(database), wanted, patience, self._meter)
        lock, failing, told = LOCK + (crc32(name.encode()) & 0xFFFF), False, 0
        while not self._ending.is_set():
            try:
                self._enter()
                told = sender.once() if database.leads(lock) else 0
                failing = False
            except SinkError as error:
                if not failing:
                    log.warning("outlet_without_database", outlet=name, error=str(error))
                failing, told = True, 0
                self._ending.wait(max(error.wait_s, POLL_S))
            if not told:
                self._ending.wait(POLL_S)

    def _enter(self) -> None:
        """Note once which outlets there are."""
        with self._lock:
            if not self._entered:
                OutletStore(self._databases[-1]).enter([outlet.wants.name for outlet, _ in self._outlets])
                self._databases[-1].close()
                self._entered = True

    def _enter_quietly(self) -> None:
        """The same where nobody is to be told; a database that is away then changes nothing."""
        try:
            self._enter()
        except SinkError as error:
            log.warning("outlets_not_entered", error=str(error))
