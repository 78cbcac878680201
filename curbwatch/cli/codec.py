"""``curbwatch codec list|try``: which forms are read, and what becomes of a sample. Offline."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from config.intake import IntakeKnobs
from config.load import load_config
from config.model import Config
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json
from ingest.codecs.base import Item, Passed, PictureItem, PositionItem, Refusal, StatusItem, device_id_of
from ingest.codecs.rows import Decoded, RefusedError, RowBuilder
from ingest.forms import Forms, PositionForms, load_codecs
from ingest.frames import read_frame
from ingest.topics import DEVICE_ID, TopicScheme
from schemas.device import Crs, DeviceRule
from schemas.errors import FrameError, UsageError
from schemas.flags import NAMES
from schemas.position import PositionRows, RawMessage
from schemas.units import utc

codec_app = typer.Typer(no_args_is_help=True, help="Other devices' languages: which are read, and a sample tried.")
app.add_typer(codec_app, name="codec")

NOTHING_USABLE = 2
TOO_OLD = "ts_too_old"
KINDS = ("vehicle", "camera")
# Columns of a row that are shown where they say something.
SHOWN = ("heading_deg", "alt_m", "acc_m", "sat", "ignition", "lift", "cover", "load", "boot", "seq", "alarms", "extra")


class Everybody(Mapping[str, DeviceRule]):
    """A registry that knows every id, as a vehicle of one coordinate system, and no alias. ``max_age_s`` None: any."""

    def __init__(self, crs: Crs, max_age_s: float | None = None) -> None:
        self._crs, self._max_age_s = crs, max_age_s

    def __getitem__(self, device_id: str) -> DeviceRule:
        if DEVICE_ID.fullmatch(device_id) is None:
            raise KeyError(device_id)
        return DeviceRule(device_id, "vehicle", self._crs, self._max_age_s)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@codec_app.command("list")
def codec_list(config: ConfigFile = None, as_json: Json = False) -> None:
    """Show every form that is read, and on which topics."""
    settings = load_config(config)
    scheme = TopicScheme(settings.site.topic_prefix, settings.site.site)
    topics_of = settings.codecs.topics
    found: list[tuple[str, str, tuple[str, ...]]] = [
        ("native", "vehicle", (scheme.wildcard("vehicle", "position"),)),
        ("native", "camera", (scheme.wildcard("camera", "frame"),)),
        *((one.name, one.kind, topics_of.get(one.name, one.filters)) for one in load_codecs(settings.codecs)),
    ]
    if as_json:
        listed = [{"name": name, "kind": kind, "topics": list(topics)} for name, kind, topics in found]
        typer.echo(json.dumps(listed, ensure_ascii=False))
        return
    for name, kind, topics in found:
        typer.echo(f"{name:<20} {kind:<8} {'  '.join(topics)}")


@codec_app.command("try")
def codec_try(
    *,
    topic: Annotated[str, typer.Option(help="The topic the sample was published on.")],
    file: Annotated[Path, typer.Option(metavar="SAMPLE", help="The message's bytes as they came.")],
    config: ConfigFile = None,
    crs: Annotated[Crs, typer.Option(help="What the registry would say of the device.")] = "wgs84",
    as_json: Json = False,
) -> None:
    """Read one message as the intake would, and show what would be stored; ends with 2 where nothing can be."""
    settings = load_config(config)
    found = examine(settings, topic, _sample(file), crs, time.time_ns())
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        for line in _lines(found):
            typer.echo(line)
    if not found["usable"]:
        raise typer.Exit(NOTHING_USABLE)


def examine(settings: Config, topic: str, payload: bytes, crs: Crs, now_ns: int) -> dict[str, Any]:
    """Return the form that reads a message, and each of its items as it would end, as JSON values.

    Raises UsageError where no form reads the topic.
    """
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        raise UsageError(f"--topic {topic}: give the topic of one message, without + and #")
    scheme, message = TopicScheme(settings.site.topic_prefix, settings.site.site), RawMessage(topic, payload, now_ns)
    ours = scheme.parse(topic)
    if ours is not None and (ours.kind, ours.leaf) == ("camera", "frame"):
        picture = _picture(PictureItem(ours.device_id, payload), message, settings.intake)
        return _report("native", "camera", [picture])
    vehicles, cameras = (Forms(settings.codecs, kind) for kind in KINDS)
    if ours is None and vehicles.of(topic) is None:
        if cameras.of(topic) is None:
            raise UsageError(f"--topic {topic}: no form is read there; `curbwatch codec list` shows the topics of each")
        return _pictures(cameras, message, settings.intake)
    if len(payload) > settings.intake.positions_max_bytes:
        build = RowBuilder(future_s=0.0)
        build.refuse(message, "", RefusedError("size", f"{len(payload)} bytes"))
        return _report("", "vehicle", _items(build.found, build.found, {}))
    forms = PositionForms(scheme, settings.intake.future_limit_s, vehicles)
    decoded, timely = (
        forms.decode([message], Everybody(crs, max_age_s), vehicles.begin(), now_ns)
        for max_age_s in (None, settings.intake.past_limit_s)
    )
    stepped = None if ours is not None else vehicles.step(vehicles.begin(), message, now_ns)
    name = stepped.codec if stepped is not None else "native"
    return _report(name, "vehicle", _items(decoded, timely, _aliases(name, stepped.items if stepped else [])))


def _sample(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"--file {file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _pictures(forms: Forms, message: RawMessage, knobs: IntakeKnobs) -> dict[str, Any]:
    """Pictures of a message as the gate takes them."""
    stepped = forms.step(forms.begin(), message, message.received_ns)
    name, items = ("", []) if stepped is None else (stepped.codec, stepped.place.judged(stepped.items, {}))
    return _report(name, "camera", [_picture(item, message, knobs) for item in items])


def _picture(item: Item, message: RawMessage, knobs: IntakeKnobs) -> dict[str, Any]:
    if isinstance(item, Passed):
        return {"item": "ignored", "reason": item.reason, "times": 1}
    device_id = device_id_of(item.device)
    if isinstance(item, StatusItem):
        return {"item": "status", "device_id": device_id, "online": item.online}
    if isinstance(item, Refusal):
        return _refused(device_id, item.reason, item.detail)
    if isinstance(item, PositionItem):
        return _refused(device_id, "topic", "a position where pictures are expected")
    inner = replace(message, payload=item.jpeg, properties=item.properties or message.properties)
    limits = {"max_bytes": knobs.frame_max_bytes, "max_pixels": knobs.frame_max_pixels}
    try:
        frame = read_frame(inner, DeviceRule(device_id, "camera"), future_s=knobs.future_limit_s, **limits)
    except FrameError as error:
        return _refused(device_id, error.reason, error.detail)
    found = {"item": "picture", "device_id": device_id, "bytes": len(item.jpeg), "properties": dict(item.properties)}
    return found | {"width_px": frame.width, "height_px": frame.height, "ts": _stamp(frame.captured_ns)}


def _refused(device_id: str, reason: str, detail: str) -> dict[str, Any]:
    return {"item": "refused", "device_id": device_id, "reason": reason, "detail": detail}


def _stamp(ns: int) -> str:
    return utc(ns).isoformat()


def _aliases(codec: str, items: list[Item]) -> dict[str, str]:
    """Device ids and the aliases under which the registry may know them otherwise."""
    return {device_id_of(item.device): f"{codec}:{item.device}" for item in items if isinstance(item, PositionItem)}


def _items(decoded: Decoded, timely: Decoded, aliases: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each item as it would end at any age; ``timely`` is what is left where the age counts."""
    rows, kept = decoded.rows, set(_identities(timely.rows))
    items = [
        _position(rows, index, aliases) | {"refused_now": None if identity in kept else TOO_OLD}
        for index, identity in enumerate(_identities(rows))
    ]
    items += [{"item": "status", "device_id": said.device, "online": said.online} for said in decoded.statuses]
    items += [_refused(letter.device_id, letter.reason, letter.detail) for letter in decoded.dead_letters]
    return items + [{"item": "ignored", "reason": why, "times": times} for why, times in decoded.ignored.items()]


def _identities(rows: PositionRows) -> Iterator[tuple[str, str, int, int]]:
    """What tells positions of one message apart, without the time, which a wrong week counter changes."""
    return zip(rows.device_id, rows.boot, rows.seq, rows.item_hash, strict=True)


def _position(rows: PositionRows, index: int, aliases: Mapping[str, str]) -> dict[str, Any]:
    flags = rows.flags[index]
    found: dict[str, Any] = {
        "item": "position",
        "device_id": rows.device_id[index],
        "alias": aliases.get(rows.device_id[index]),
        "ts": _stamp(rows.ts_ns[index]),
        "flags": [name for bit, name in NAMES.items() if flags & bit],
    }
    names = ("lon", "lat", "crs", "raw_lon", "raw_lat", "speed_mps", "raw_speed", *SHOWN)
    return found | {name: getattr(rows, name)[index] for name in names}


def _report(codec: str, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    usable = sum(item["item"] in ("position", "status", "picture") for item in items)
    return {"codec": codec, "kind": kind, "usable": usable, "items": items}


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"form {found['codec'] or 'none'}, {found['usable']} of {len(found['items'])} usable"
    for item in found["items"]:
        yield from _item_lines(item)


def _item_lines(item: Mapping[str, Any]) -> Iterator[str]:
    who = item.get("device_id") or "unknown device"
    if item["item"] == "position":
        yield f"position of {who} at {item['ts']}" + (f" (alias {item['alias']})" if item["alias"] else "")
        sent = f"as sent, {item['crs']}: {item['raw_lon']} {item['raw_lat']}"
        yield f"  place {item['lon']:.7f} {item['lat']:.7f} ({sent})"
        if item["raw_speed"] is not None:
            speed = "not known" if item["speed_mps"] is None else f"{item['speed_mps']:.3f} m/s"
            yield f"  speed {speed} (as sent: {item['raw_speed']})"
        said = {name: item[name] for name in SHOWN if item[name] not in (None, "", (), -1)}
        if said:
            yield "  " + ", ".join(f"{name} {_word(value)}" for name, value in said.items())
        if item["flags"]:
            yield f"  flags {', '.join(item['flags'])}"
        if item["refused_now"]:
            yield f"  would be refused now as {item['refused_now']}: older than intake.past_limit_s"
    elif item["item"] == "status":
        yield f"status of {who}: {'online' if item['online'] else 'offline'}"
    elif item["item"] == "picture":
        size = f"{item['width_px']} x {item['height_px']} px, {item['bytes']} bytes"
        yield f"picture of {who} at {item['ts']}: {size}" + "".join(f", {k} {v}" for k, v in item["properties"].items())
    elif item["item"] == "refused":
        yield f"refused, {who}: {item['reason']}" + (f": {item['detail']}" if item["detail"] else "")
    else:
        yield f"ignored: {item['reason']}"


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
