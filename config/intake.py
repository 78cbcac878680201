"""Knobs of the intake: broker sessions, windows, batches, gates."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from config.base import Knobs

LETTERS_MAX_BYTES = 32_000_000  # refused frames that wait to be written as dead letters; more are counted and dropped
BROKER_REMEDY = (
    "should be mqtt://host:port or mqtts://host:port with a port of 1 to 65535; in a user or password write"
    " # as %23, / as %2F, @ as %40"
)


class BrokerKnobs(Knobs):
    """How to reach the broker. Passwords come from files or the environment, never from argv."""

    url: str = Field(
        default="", pattern=r"^(mqtts?://.+)?$"
    )  # mqtt:// or mqtts://host:port; empty: the private broker of `curbwatch parts`
    positions_user: str = "intake-positions"
    positions_password_file: str = ""
    frames_user: str = "intake-frames"
    frames_password_file: str = ""
    devices_password_file: str = ""  # for `publish` and the simulator, which log in as user `devices`
    doctor_password_file: str = ""  # for `doctor --probe`, which plays a device as user `doctor`
    ca_file: str = ""
    keepalive_s: int = Field(default=15, ge=5, le=120)
    reconnect_max_s: float = Field(default=30.0, gt=0)

    @field_validator("url")
    @classmethod
    def _names_a_host_and_a_port(cls, url: str) -> str:
        try:
            address = urlsplit(url)
            port = address.port
        except ValueError:  # its words would show a piece of a password with a # in it
            raise ValueError(BROKER_REMEDY) from None
        if url and (not address.hostname or port == 0):
            raise ValueError(BROKER_REMEDY)
        return url


class IntakeKnobs(Knobs):
    """Windows, batches and gates of the two sessions."""

    client_id: str = Field(default="curbwatch-intake", pattern=r"^[A-Za-z0-9_-]{1,48}$")
    session_expiry_s: int = Field(default=86400, ge=60)
    positions_window: int = Field(default=10_000, ge=1, le=65535)
    positions_batch_max: int = Field(default=2500, ge=1)
    positions_batch_wait_s: float = Field(default=0.03, gt=0, le=1)
    positions_max_bytes: int = Field(default=1_000_000, ge=1000)
    positions_buffer_bytes: int = Field(default=64_000_000, ge=1_000_000)  # more are not read from the broker
    spool_dir: str = ""  # empty: spool/ in the private folder
    spool_max_bytes: int = Field(default=1_000_000_000, ge=0)  # 0: none, the broker keeps what cannot be stored
    spool_after_s: float = Field(default=2.0, ge=0)  # of failing writes until messages go to the spool
    frames_window: int = Field(default=64, ge=1, le=65535)
    frame_max_bytes: int = Field(default=2_000_000, ge=10_000)
    frame_max_pixels: int = Field(default=8_300_000, ge=10_000)
    frames_buffer_bytes: int = Field(default=200_000_000, ge=1_000_000)  # of all waiting frames together
    decode_limit_s: float = Field(default=2.0, ge=0.1, le=60)  # per picture; a longer one is a bomb
    frame_wait_max_s: float = Field(default=30.0, gt=0)  # waiting since received_ns, never since captured_ns
    retry_s: float = Field(default=30.0, gt=0)  # design 13.4: then the connection is dropped on purpose
    future_limit_s: float = Field(default=300.0, ge=0)
    past_limit_s: float = Field(default=604_800.0, gt=0)  # where the city pack gives a device no max_age_s
    silence_s: float = Field(default=300.0, gt=0)  # where the registry gives a device no period
    health_s: float = Field(default=5.0, ge=0.1, le=600)  # between two writings of the devices' health
    dead_letter_payload_bytes: int = Field(default=4096, ge=0, le=4096)
    dead_letter_cap_bytes: int = Field(default=1_000_000_000, ge=0)  # of all dead letters; more are dropped
