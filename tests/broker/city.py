"""A city's broker for the tests: the written configuration, loaded by a Mosquitto of the test's own."""

import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.model import Config
from curbwatch.broker.kit import Written, write_kit
from curbwatch.broker.plan import Tls
from curbwatch.doctor.guest import Address, Guest
from curbwatch.packets import Login
from curbwatch.parts import process
from curbwatch.parts.paths import home, identity, make_folder
from tests.certificate import Signer, make_signer

CAMERA, VEHICLE, OTHER = "cam-1", "car-1", "car-2"
DEVICES = (CAMERA, VEHICLE, OTHER)
BASE = "city/v1/yanjiang"


@dataclass
class City:
    """A running broker of three devices."""

    folder: Path
    signer: Signer
    port: int
    mutual: bool
    tls: Tls
    config: Config

    def write(self, devices: Iterable[str]) -> Written:
        """Write the configuration for these devices."""
        return write_kit(
            "mosquitto",
            self.config,
            devices,
            self.folder,
            tls=self.tls,
            port=self.port,
            host="127.0.0.1",
            data=f"{self.folder}/data",
        )

    def reload(self) -> None:
        """Have the broker read users and access list again."""
        for pid in process.find(self.folder / "mosquitto.conf"):
            os.kill(pid, signal.SIGHUP)

    def password(self, user: str) -> str:
        return (self.folder / "credentials" / user).read_text().strip()

    def address(self, *, scheme: str = "mqtts", port: int = 0, device: str = "") -> Address:
        shown = None
        if device:
            certificate, key = self.signer.issue(device)
            shown = (str(certificate), str(key))
        return Address(f"{scheme}://127.0.0.1:{port or self.port}", str(self.signer.certificate), shown)

    def guest(self, user: str, **login: object) -> Guest:
        """Log in with the user's own password."""
        port = self.port + 1 if self.mutual else self.port
        words = {"user": user, "password": self.password(user)} | login
        return Guest(self.address(port=port), Login(**words))  # type: ignore[arg-type]

    def heard_by(self, listener: Guest) -> list[tuple[str, bytes]]:
        """What has arrived when a ping came back: Mosquitto, which does one thing after another, has no more."""
        return [(message.topic or "", message.payload) for message in listener.settle(quiet_s=0)]


@contextmanager
def city(name: str, *, mutual: bool = False, config: Config | None = None) -> Iterator[City]:
    """Write the configuration and start the broker; both are gone afterwards."""
    folder = home() / name
    shutil.rmtree(folder, ignore_errors=True)
    owner = identity()
    for part in (folder, folder / "data", folder / "tls"):
        make_folder(part, 0o755)
    owner.own(folder / "data")
    signer = make_signer(folder / "tls")
    certificate, key = signer.issue("broker", "server")
    port = process.free_port(0)
    if mutual:
        while process.free_port(port + 1) != port + 1:
            port = process.free_port(0)
    tls = Tls(str(signer.certificate), str(certificate), str(key), mutual)
    made = City(folder, signer, port, mutual, tls, config or Config())
    written = made.write(DEVICES)
    for file in (*(folder / name for name in written.files), key):
        owner.own(file)
    with mosquitto(folder / "mosquitto.conf", port):
        yield made
    shutil.rmtree(folder)


@contextmanager
def mosquitto(config: Path, port: int) -> Iterator[None]:
    """Start the private Mosquitto with a configuration; the packages must be there."""
    log = config.with_suffix(".log")
    program = home() / "packages/root/usr/sbin/mosquitto"
    process.launch([str(program), "-c", str(config)], log, identity())
    try:
        process.wait_ready("Mosquitto", lambda: process.is_open(port), log, config)
        yield
    finally:
        process.stop(config, signal.SIGTERM)
