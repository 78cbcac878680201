"""What a broker is told, whatever its make: listeners, limits, users, and who may read and write which topic. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from config.model import Config
from ingest.mqtt import DROPPED_TOPIC, VERSION_TOPIC
from ingest.topics import DEVICE_ID, LEAVES, matches
from schemas.errors import SaidError, UsageError

Kind = Literal["camera", "vehicle"]
Act = Literal["read", "write", "deny"]

NAME = "%u"  # stands in a topic for the user's own name, which TLS or the password has proved; Mosquitto's own mark
PROBE_USER = "doctor"  # as which `curbwatch doctor --probe` plays a device
PLAYER_USER = "devices"  # as which the private broker's recordings and simulated city play every device
ANSWERS = ("ack", "resync")
KINDS: tuple[Kind, ...] = ("camera", "vehicle")
ROOM = 0.05  # of the largest payload, for topic and properties; half of it between message and packet
QUEUE_MESSAGES = 200_000
QUEUE_BYTES = 2 * 1024**3
MEMORY_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Tls:
    """Files at the broker, in PEM form. ``mutual``: a device shows a certificate whose common name is its id."""

    authority: str
    certificate: str
    key: str
    mutual: bool = False


@dataclass(frozen=True, slots=True)
class Foreign:
    """Topics of a foreign form: what a device may write, with ``%u`` where its name stands; its kind reads them.

    ``form`` is the codec's name, the first part of an alias.
    """

    kind: Kind
    topic: str
    form: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A user that speaks for many devices of one kind, on topics without a level for the device's own name."""

    user: str
    kind: Kind
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Right:
    """One line of an access list. ``user`` empty: every user, for topics with its own name in them."""

    user: str
    act: Act
    topic: str


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """Everything a configuration is written from.

    Attributes:
        base: prefix and site of our topics; ``+/+/+`` for every site.
        devices: ids of the registry, sorted.
        positions_user: as whom the intake takes positions.
        frames_user: as whom it takes pictures.
        tls: None only for a broker on loopback.
        port: of the devices; with mutual TLS the intake has its own, one higher.
        host: address to listen on; empty: all.
        payload_max_bytes: largest message that anybody sends.
        folder: where the written files lie at the broker.
        data: where the broker keeps its sessions.
        foreign: topics of foreign forms.
        gateways: who speaks for others.
        player: a user that plays all devices; empty: none.
        aliased: what devices may write where a form knows them by another id.
    """

    base: str
    devices: tuple[str, ...]
    positions_user: str
    frames_user: str
    tls: Tls | None
    port: int
    host: str
    payload_max_bytes: int
    folder: str
    data: str
    foreign: tuple[Foreign, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    player: str = ""
    aliased: tuple[Right, ...] = ()

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody with a password: the intake, the probe, gateways, and devices that have no certificate."""
        own = (self.positions_user, self.frames_user, PROBE_USER, *(gateway.user for gateway in self.gateways))
        return own if self.tls is not None and self.tls.mutual else own + self.devices

    @property
    def message_max_bytes(self) -> int:
        """Payload that the broker takes."""
        return round(self.payload_max_bytes * (1 + ROOM))

    @property
    def packet_max_bytes(self) -> int:
        """Packet beyond which a sender is disconnected."""
        return round(self.payload_max_bytes * (1 + 2 * ROOM))


def make_plan(  # noqa: PLR0913  # each is one decision of the operator
    config: Config,
    devices: Iterable[str],
    *,
    tls: Tls | None,
    folder: str,
    data: str,
    port: int = 8883,
    host: str = "",
    foreign: Iterable[Foreign] = (),
    gateways: Iterable[Gateway] = (),
    aliases: Mapping[str, str] | None = None,
) -> BrokerPlan:
    """Plan the broker of one site. No devices: only the intake can log in.

    ``aliases``: ``{form}:{id there}`` to device.
    Raises UsageError for device ids that could not be told apart from a rule or from one of our own users, and for
    foreign topics without a place for the device's name (every device could write as any other there) or that could be
    topics of ours.
    """
    intake, site, broker = config.intake, config.site, config.broker
    speakers = tuple(gateways)
    own = own_users(config, speakers)
    names = tuple(sorted(set(devices)))
    strange = sorted(user for user in own if DEVICE_ID.fullmatch(user) is None)
    if strange:
        raise UsageError(f"broker users {strange!r}: allowed are 1 to 64 letters, digits, '_' and '-'")
    refuse_names(names, own)
    listed, base = tuple(foreign), f"{site.topic_prefix}/{site.site}"
    _refuse_topics(listed, speakers, base)
    return BrokerPlan(
        base=base,
        devices=names,
        positions_user=broker.positions_user,
        frames_user=broker.frames_user,
        tls=tls,
        port=port,
        host=host,
        payload_max_bytes=max(intake.frame_max_bytes, intake.positions_max_bytes),
        folder=folder,
        data=data,
        foreign=listed,
        gateways=speakers,
        aliased=alias_rights(listed, names, aliases or {}),
    )


def alias_rights(forms: Iterable[Foreign], devices: Collection[str], aliases: Mapping[str, str]) -> tuple[Right, ...]:
    """What devices may write by the ids that forms know them by; an id that cannot be a level of a topic gives none.

    Raises UsageError for an alias that is the id of another device: that one could write as this one.
    """
    listed, found = tuple(forms), []
    for alias, name in sorted(aliases.items()):
        form, _, there = alias.partition(":")
        if name not in devices:
            continue
        if there in devices and there != name:
            raise UsageError(f"device {name}: its alias {alias} is the id of another device: give that one another id")
        if there and there.isprintable() and there == there.strip() and not set(there) & set("+#/%$"):
            found += [Right(name, "write", one.topic.replace(NAME, there)) for one in listed if one.form == form]
    return tuple(found)


def own_users(config: Config, gateways: Iterable[Gateway]) -> frozenset[str]:
    """Users of Curbwatch itself at its broker: no device may be called so."""
    broker = config.broker
    speakers = (gateway.user for gateway in gateways)
    return frozenset({broker.positions_user, broker.frames_user, PROBE_USER, PLAYER_USER, *speakers})


def _refuse_topics(forms: tuple[Foreign, ...], gateways: tuple[Gateway, ...], base: str) -> None:
    for form in forms:
        if NAME not in form.topic.split("/"):
            raise UsageError(f"topic {form.topic}: a level of it must be {NAME}, the device's own name")
    for topic in (*(form.topic for form in forms), *(topic for one in gateways for topic in one.topics)):
        if not topic.isprintable() or topic != topic.strip() or topic.replace(NAME, "").count("%"):
            raise UsageError(
                f"topic {topic!r}: cannot stand in an access list; take blanks at its ends and % out of it"
            )
        if _opens(topic, base):
            raise UsageError(
                f"topic {topic}: would open topics below {base}/; let its first level be a word of its own"
            )


def _opens(topic: str, base: str) -> bool:
    """Whether a foreign topic could be one below ``base``, such as another device's acknowledgements."""
    wanted, levels = topic.replace(NAME, "+").split("/"), base.split("/")
    if "#" in wanted[: len(levels) + 1]:
        return matches("/".join(wanted), base)
    return len(wanted) > len(levels) and matches("/".join(wanted[: len(levels)]), base)


def refuse_names(names: Iterable[str], own: Iterable[str]) -> None:
    """Raise UsageError where an id is none (a ``+`` or ``#`` in it would open others' topics) or is a user of ours."""
    strange = sorted(name for name in names if DEVICE_ID.fullmatch(name) is None)
    if strange:
        raise SaidError(
            f"device ids {strange!r}: allowed are 1 to 64 letters, digits, '_' and '-'",
            f"设备编号 {strange!r}:须为 1 至 64 个字母、数字、_ 或 -",
        )
    taken = sorted(set(names) & set(own))
    if taken:
        raise SaidError(
            f"device ids {taken!r} are users of Curbwatch itself: give these devices other ids",
            f"设备编号 {taken!r} 是 Curbwatch 自己的用户名:请另取编号",
        )


def rights(plan: BrokerPlan) -> tuple[Right, ...]:
    """Every line of the access list, the users of our own first. What is not listed nobody may."""
    found: list[Right] = []
    for user, kind in ((plan.positions_user, "vehicle"), (plan.frames_user, "camera")):
        # The devices' rules hold for every user: without this the intake could speak as a device of its name.
        found.append(Right(user, "deny", f"{plan.base}/+/{user}/#"))
        found += [Right(user, "deny", form.topic.replace(NAME, user)) for form in plan.foreign]
        found += [Right(user, "read", f"{plan.base}/{kind}/+/{leaf}") for leaf in LEAVES[kind]]
        found += [Right(user, "read", form.topic.replace(NAME, "+")) for form in plan.foreign if form.kind == kind]
        found += [Right(user, "read", topic) for one in plan.gateways if one.kind == kind for topic in one.topics]
        found += [Right(user, "read", topic) for topic in (VERSION_TOPIC, DROPPED_TOPIC)]
        found += [Right(user, "write", f"{plan.base}/{kind}/+/{leaf}") for leaf in ANSWERS]
    found.append(Right(plan.positions_user, "write", f"{plan.base}/incident/+"))
    found += [Right(gateway.user, "write", topic) for gateway in plan.gateways for topic in gateway.topics]
    found += plan.aliased
    if plan.player:
        found += [Right(plan.player, "write", topic) for gateway in plan.gateways for topic in gateway.topics]
        found += [Right(plan.player, right.act, right.topic.replace(NAME, "+")) for right in device_rights(plan)]
    return tuple(dict.fromkeys((*found, *device_rights(plan))))


def device_rights(plan: BrokerPlan) -> tuple[Right, ...]:
    """What each device may: write its own topics, read what is said to it."""
    writes = [f"{plan.base}/{kind}/{NAME}/{leaf}" for kind in KINDS for leaf in LEAVES[kind]]
    reads = [f"{plan.base}/{kind}/{NAME}/{leaf}" for kind in KINDS for leaf in ANSWERS]
    writes += [form.topic for form in plan.foreign]
    return (*(Right("", "write", topic) for topic in writes), *(Right("", "read", topic) for topic in reads))
