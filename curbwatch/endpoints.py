"""Where the broker, the database and the queue are: the configured URLs, else the private servers."""

import os
from dataclasses import dataclass
from pathlib import Path

from config.load import read_secret
from config.model import Config
from config.service import DatabaseKnobs, RedisKnobs
from curbwatch.database import refuse_unreadable
from curbwatch.parts import Servers, addresses, up
from schemas.errors import ConfigError, Fault, SetupError


@dataclass(frozen=True, slots=True, repr=False)
class Endpoints:
    """Addresses with their credentials. Never printed: ``repr`` shows nothing.

    ``passwords`` maps broker user to password; users without one log in anonymously.
    """

    database_url: str
    redis_url: str
    broker_url: str
    passwords: dict[str, str]

    @property
    def devices_user(self) -> str:
        """Broker user that played devices log in as."""
        return "devices"

    @property
    def devices_password(self) -> str:
        """Password of that user; empty for an open broker."""
        return self.passwords.get(self.devices_user, "")


def resolve(config: Config, servers: Servers | None = None) -> Endpoints:
    """Resolve a configuration to addresses.

    URLs of the configuration win. For what it leaves open the private servers are used, and started where they
    do not run; ``servers`` are those already at hand. Raises SetupError where they cannot be had or the database's
    address cannot be read, ConfigError where a secret file cannot be read.
    """
    database = _url(config.database, "database", "CURBWATCH_DATABASE_URL")
    redis = _url(config.redis, "redis", "CURBWATCH_REDIS_URL")
    broker = config.broker.url
    passwords = _broker_passwords(config)
    if not (database and redis and broker):
        own = private(servers or up())
        database = database or own.database_url
        redis = redis or own.redis_url
        if not broker:
            broker = own.broker_url
            passwords = own.passwords | passwords
    refuse_unreadable(database)
    return Endpoints(database, redis, broker, passwords)


def standing(config: Config) -> Endpoints:
    """Resolve as ``resolve`` does, but start nothing: what neither the configuration nor ``parts up`` gives is empty.

    Raises SetupError where the database's address cannot be read, ConfigError where a secret file cannot be read.
    """
    try:
        servers = addresses()
    except SetupError:
        servers = Servers("", "", "")
    return resolve(config, servers)


def private(servers: Servers) -> Endpoints:
    """Addresses of the private servers, whatever the configuration and the environment say."""
    passwords = {user: path.read_text().strip() for user, path in servers.password_files.items()}
    return Endpoints(servers.database_url, servers.redis_url, servers.broker_url, passwords)


def _url(knobs: DatabaseKnobs | RedisKnobs, section: str, variable: str) -> str:
    if knobs.url and knobs.url_file:
        fault = Fault("config", f"{section}.url_file", knobs.url_file, "give url or url_file, not both")
        raise ConfigError((fault,))
    if knobs.url_file:
        return read_secret(Path(knobs.url_file), f"{section}.url_file")
    return knobs.url or os.environ.get(variable, "")


def _broker_passwords(config: Config) -> dict[str, str]:
    broker = config.broker
    files = {
        broker.positions_user: ("positions", broker.positions_password_file),
        broker.frames_user: ("frames", broker.frames_password_file),
        "devices": ("devices", broker.devices_password_file),
        "doctor": ("doctor", broker.doctor_password_file),
    }
    return {
        user: read_secret(Path(name), f"broker.{whose}_password_file") for user, (whose, name) in files.items() if name
    }
