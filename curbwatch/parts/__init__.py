"""The private servers: TimescaleDB, Mosquitto and Valkey in a folder of their own."""

from curbwatch.parts.servers import Servers, addresses, down, status, up

__all__ = ["Servers", "addresses", "down", "status", "up"]
