"""The private broker: Mosquitto, loopback only, a password and an access list for each user."""

import signal
from pathlib import Path

from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from curbwatch.broker.foreign import foreign_forms
from curbwatch.broker.mosquitto import access, passwords, settings
from curbwatch.broker.plan import PROBE_USER, BrokerPlan, Right, rights
from curbwatch.parts import process
from curbwatch.parts.paths import Identity, make_folder, write_private

USERS = ("intake-positions", "intake-frames", "devices", PROBE_USER)


def private_plan(port: int, folder: Path) -> BrokerPlan:
    """Any site's topics, and one user that plays all devices and gateways: the simulated city and recordings."""
    positions, frames, player, _ = USERS
    foreign, gateways = foreign_forms(CodecKnobs())
    return BrokerPlan(
        base="+/+/+",
        devices=(),
        positions_user=positions,
        frames_user=frames,
        tls=None,
        port=port,
        host=process.LOOPBACK,
        payload_max_bytes=IntakeKnobs().frame_max_bytes,
        folder=str(folder),
        data=str(folder),
        foreign=foreign,
        gateways=gateways,
        player=player,
    )


class Mosquitto:
    """One private Mosquitto in ``folder``."""

    def __init__(self, folder: Path, root: Path, owner: Identity) -> None:
        self._program = root / "usr/sbin/mosquitto"
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._owner = owner

    def running(self, port: int) -> bool:
        """Whether it runs and listens."""
        return bool(process.find(self._config)) and process.is_open(port)

    def start(self, port: int, secret: dict[str, str]) -> None:
        """Write its files and start it; wait until it listens. ``secret`` maps user to password."""
        process.stop(self._config, signal.SIGTERM)
        make_folder(self._folder, 0o700, self._owner)
        plan = private_plan(port, self._folder)
        # Whatever is played, also in foreign forms, may be watched by both sessions.
        watched = (Right(plan.positions_user, "read", "#"), Right(plan.frames_user, "read", "#"))
        system = Right(plan.positions_user, "read", "$SYS/broker/#")
        write_private(self._folder / "passwords", passwords(secret), self._owner)
        write_private(self._folder / "access", access((*watched, system, *rights(plan))), self._owner)
        write_private(self._config, settings(plan), self._owner)
        process.launch([str(self._program), "-c", str(self._config)], self._log, self._owner)
        process.wait_ready("Mosquitto", lambda: process.is_open(port), self._log, self._config)

    def stop(self) -> None:
        """SIGTERM: sessions and queues are written to disk."""
        process.stop(self._config, signal.SIGTERM)
