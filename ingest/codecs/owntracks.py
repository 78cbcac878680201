"""OwnTracks: phones, and trackers of Queclink and others that speak its JSON. Pure.

Source: owntracks.org/booklet/tech/json; ``vel`` in km/h, ``tst`` in s.
"""

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PositionItem, StatusItem
from ingest.codecs.json_body import JsonForm, extras, known, required
from ingest.codecs.rows import RefusedError
from ingest.owners import device_level
from schemas.position import RawMessage

FILTERS = ("owntracks/+/+", "owntracks/+/+/event")


class Head(msgspec.Struct):
    """What kind of message, and the topic the app believes it publishes to."""

    kind: str = msgspec.field(name="_type")
    topic: str | None = None


class Location(msgspec.Struct):
    """One position. ``tst`` in s since 1970 UTC, ``vel`` in km/h, ``acc`` and ``alt`` in m, ``batt`` in percent."""

    lat: float
    lon: float
    tst: int | float | None = None
    acc: float | None = None
    alt: float | None = None
    vel: float | None = None
    cog: float | None = None
    ign: bool | None = None
    batt: object = None
    odometer: object = None
    motion: object = None


class OwnTracks(JsonForm):
    """``owntracks/{user}/{device}``: the user is the device, because both joined would not tell a/b-c from a-b/c."""

    def __init__(self, knobs: CodecKnobs) -> None:
        super().__init__("owntracks", FILTERS, knobs)
        self._head = msgspec.json.Decoder(Head)
        self._location = msgspec.json.Decoder(Location)

    def who(self, message: RawMessage, raw: bytes) -> str:  # noqa: ARG002  # the topic says it
        """Return what the topic says."""
        return device_level(self.filters, message.topic)

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Read one object by its ``_type``."""
        head = self._head.decode(raw)
        device = required(self.who(message, raw))
        if head.topic and message.topic != head.topic and not message.topic.startswith(f"{head.topic}/"):
            raise RefusedError("spoof", f"topic {head.topic!r} in the message")
        if head.kind == "lwt":
            return [StatusItem(device, online=False)]
        if head.kind == "encrypted":
            raise RefusedError("encrypted", "OwnTracks with a secret key")
        if head.kind != "location":
            return [Passed(head.kind if head.kind in ("transition", "waypoint") else "no_position")]
        return [_position(device, self._location.decode(raw), raw)]


def _position(device: str, said: Location, raw: bytes) -> PositionItem:
    speed_kmh = known(said.vel)
    return PositionItem(
        device=device,
        raw=raw,
        lon=said.lon,
        lat=said.lat,
        ts=None if said.tst is None else said.tst * 1000,
        speed_mps=None if speed_kmh is None else speed_kmh / 3.6,
        raw_speed=said.vel,
        heading_deg=known(said.cog),
        alt_m=said.alt,
        acc_m=said.acc or None,  # 0 stands for "not known"
        ignition=said.ign,
        extra=extras({"battery_pct": said.batt, "mileage_km": said.odometer, "motion": said.motion}),
    )


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make the codec."""
    return (OwnTracks(knobs),)
