"""The private broker: Mosquitto, loopback only, a password and an access list for each user."""

import base64
import hashlib
import secrets
import signal
from pathlib import Path

from curbwatch.parts import process
from curbwatch.parts.paths import Identity, make_folder, write_private

USERS = ("intake-positions", "intake-frames", "devices")

# Each line that is not a default has its reason.
SETTINGS = """
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/access

# Sessions of the intake survive a restart. Still a window after kill -9: the application acknowledgement covers it.
persistence true
persistence_location {folder}/
autosave_interval 30

# The default of 1000 drops the newest without a word, although the publisher got its PUBACK.
max_queued_messages 200000
max_queued_bytes 2147483648
# 0: each client's own MQTT 5 Receive Maximum rules.
max_inflight_messages 0

# Oversize senders are disconnected; without a limit on v3.1.1 a dropped message is acknowledged.
max_packet_size 2200000
message_size_limit 2100000
# No max_keepalive: with it Mosquitto 2.0.21 disconnects clients at random, some at once (its issues 3226 and 3286).
persistent_client_expiration 7d
memory_limit 4294967296

log_dest stdout
log_type error
log_type warning
log_type notice
connection_messages false
"""

ACCESS = """
# The intake reads everything and answers devices.
user intake-positions
topic read #
topic read $SYS/broker/#
topic write +/+/+/vehicle/+/ack
topic write +/+/+/vehicle/+/resync
topic write +/+/+/incident/+

user intake-frames
topic read #
topic write +/+/+/camera/+/ack
topic write +/+/+/camera/+/resync

# Played devices: the simulated city and recordings. A city gives each device its own user.
user devices
topic write +/+/+/camera/+/frame
topic write +/+/+/camera/+/status
topic write +/+/+/vehicle/+/position
topic write +/+/+/vehicle/+/status
topic read +/+/+/camera/+/ack
topic read +/+/+/camera/+/resync
topic read +/+/+/vehicle/+/ack
topic read +/+/+/vehicle/+/resync
"""


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

    def start(self, port: int, passwords: dict[str, str]) -> None:
        """Write its files and start it; wait until it listens."""
        process.stop(self._config, signal.SIGTERM)
        make_folder(self._folder, 0o700, self._owner)
        lines = "".join(f"{user}:{hashed(password)}\n" for user, password in passwords.items())
        write_private(self._folder / "passwords", lines, self._owner)
        write_private(self._folder / "access", ACCESS, self._owner)
        write_private(self._config, SETTINGS.format(port=port, folder=self._folder), self._owner)
        process.launch([str(self._program), "-c", str(self._config)], self._log, self._owner)
        process.wait_ready("Mosquitto", lambda: process.is_open(port), self._log, self._config)

    def stop(self) -> None:
        """SIGTERM: sessions and queues are written to disk."""
        process.stop(self._config, signal.SIGTERM)


def hashed(password: str) -> str:
    """Mosquitto's ``$7$`` form: PBKDF2-HMAC-SHA512, 101 rounds, the broker's own default."""
    salt, rounds = secrets.token_bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
