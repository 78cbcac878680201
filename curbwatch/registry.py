"""The devices the running system knows: from the city pack, by ``publish`` or accepted; read back as one value."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from config.pack import Pack, PackCamera, PackVehicle
from curbwatch.database import Connection
from curbwatch.packs_kept import keep_pack
from schemas.device import Crs, DeviceRule
from schemas.place import Calibration, CameraView, ImageZone

UPSERT = """
insert into device (device_id, kind, name, unit_id, cell_id, crs, max_age_s, rate_per_s, period_s, max_bytes, aliases,
                    shop_front, calibration, source)
values (%(device_id)s, %(kind)s, %(name)s, %(unit_id)s, %(cell_id)s, %(crs)s, %(max_age_s)s, %(rate_per_s)s,
        %(period_s)s, %(max_bytes)s, %(aliases)s, %(shop_front)s, %(calibration)s::jsonb, %(source)s)
on conflict (device_id) do update set
    kind = excluded.kind, name = excluded.name, unit_id = excluded.unit_id, cell_id = excluded.cell_id,
    crs = excluded.crs, max_age_s = excluded.max_age_s, rate_per_s = excluded.rate_per_s,
    period_s = excluded.period_s, max_bytes = excluded.max_bytes, aliases = excluded.aliases,
    shop_front = excluded.shop_front, calibration = excluded.calibration, source = excluded.source, updated_at = now()
"""
# What the pack names as its own is nobody else's.
RELEASE = """
update device set aliases = array(select unnest(aliases) except select unnest(%(aliases)s::text[]))
where aliases && %(aliases)s::text[] and not device_id = any(%(names)s)
"""
BLANK: dict[str, Any] = {
    "name": "",
    "unit_id": "",
    "cell_id": "",
    "crs": "wgs84",
    "max_age_s": None,
    "rate_per_s": None,
    "period_s": None,
    "max_bytes": None,
    "aliases": [],
    "shop_front": False,
    "calibration": None,
}


@dataclass(frozen=True, slots=True)
class Registry:
    """What the registry says at one moment. Keys are device ids.

    Attributes:
        views: cameras, for the detectors and the decision.
        rules: cameras and vehicles, for the intake.
        aliases: ids in other forms, ``{codec}:{foreign id}``, and whose they are.
        names: what a person calls each device; empty where nobody said.
    """

    views: dict[str, CameraView]
    rules: dict[str, DeviceRule]
    names: dict[str, str]
    aliases: dict[str, str]

    def known(self) -> dict[str, DeviceRule]:
        """Rules by id and by alias; ``rule.device_id`` tells an alias from an id."""
        return self.rules | {alias: self.rules[device_id] for alias, device_id in self.aliases.items()}


def sync_pack(conn: Connection, pack: Pack, *, past_limit_s: float) -> None:
    """Make the registry say what the pack says, in one transaction.

    Devices and zones of the pack are entered or replaced, also where ``publish`` had entered the same id; devices an
    earlier pack entered and this one does not name are removed. Others, which ``publish`` entered or an operator
    accepted, stay, without the aliases that the pack gives to its own. A device to which the pack gives no age limit
    gets ``past_limit_s``: only what ``publish`` entered may be of any age. The pack's files are kept with it.
    """
    with conn.transaction():
        keep_pack(conn, pack)
        names = [*pack.cameras, *pack.vehicles]
        conn.execute("delete from device where source = 'pack' and not device_id = any(%s)", (names,))
        devices: tuple[PackCamera | PackVehicle, ...] = (*pack.cameras.values(), *pack.vehicles.values())
        conn.execute(RELEASE, {"aliases": [alias for device in devices for alias in device.aliases], "names": names})
        for device in devices:
            row = _camera_row(device.view) if isinstance(device, PackCamera) else _vehicle_row(device)
            row |= {
                "name": device.name,
                "max_age_s": past_limit_s if device.max_age_s is None else device.max_age_s,
                "period_s": device.period_s,
                "max_bytes": device.max_bytes,
                "aliases": list(device.aliases),
                "source": "pack",
            }
            _write(conn, row, device.view.zones if isinstance(device, PackCamera) else ())


def register_camera(conn: Connection, view: CameraView, *, name: str = "") -> None:
    """Enter or replace one camera whose messages may be of any age and rate (recordings, the demo)."""
    with conn.transaction():
        _write(conn, _camera_row(view) | {"name": name, "source": "publish"}, view.zones)


def register_vehicle(
    conn: Connection, device_id: str, *, name: str = "", unit_id: str = "", crs: Crs = "wgs84"
) -> None:
    """Enter or replace one vehicle whose messages may be of any age and rate."""
    row = {"device_id": device_id, "kind": "vehicle", "name": name, "unit_id": unit_id, "crs": crs, "source": "publish"}
    with conn.transaction():
        _write(conn, BLANK | row, ())


def register_accepted(conn: Connection, values: dict[str, Any]) -> None:
    """Enter or replace a device that an operator accepted; ``values``: its id, its kind, and what is known of BLANK."""
    with conn.transaction():
        _write(conn, BLANK | values | {"source": "accepted"}, ())


def load_registry(conn: Connection) -> Registry:
    """Read every device and zone as they stand; an empty registry has none."""
    with conn.transaction():
        zones: dict[str, list[ImageZone]] = {}
        query = "select device_id, name, polygon, families, preset from zone order by device_id, name"
        for device_id, name, polygon, families, preset in conn.execute(query):
            corners = tuple((float(x), float(y)) for x, y in polygon)
            zones.setdefault(device_id, []).append(ImageZone(name, corners, frozenset(families), preset))
        registry = Registry({}, {}, {}, {})
        query = (
            "select device_id, kind, crs, max_age_s, rate_per_s, period_s, max_bytes, aliases,"
            " name, unit_id, cell_id, shop_front, calibration from device order by device_id"
        )
        for row in conn.execute(query):
            rule, aliases, (name, unit_id, cell_id, shop_front, calibration) = DeviceRule(*row[:7]), row[7], row[8:]
            device_id = rule.device_id
            registry.names[device_id] = name
            registry.rules[device_id] = rule
            registry.aliases.update(dict.fromkeys(aliases, device_id))
            if rule.kind == "camera":
                registry.views[device_id] = CameraView(
                    camera_id=device_id,
                    zones=tuple(zones.get(device_id, ())),
                    calibration=Calibration(**calibration) if calibration else None,
                    cell_id=cell_id,
                    unit_id=unit_id,
                    shop_front=shop_front,
                )
        return registry


def fingerprint(conn: Connection) -> tuple[object, ...]:
    """Return a value that changes with every change of the registry, whoever made it: cheaper than reading it."""
    query = (
        "select (select count(*) from zone), (select sum(hashtext(zone::text)) from zone),"
        " (select count(*) from device), (select sum(hashtext(device::text)) from device)"
    )
    row = conn.execute(query).fetchone()
    return tuple(row or ())


def _camera_row(view: CameraView) -> dict[str, Any]:
    return BLANK | {
        "device_id": view.camera_id,
        "kind": "camera",
        "unit_id": view.unit_id,
        "cell_id": view.cell_id,
        "shop_front": view.shop_front,
        "calibration": json.dumps(asdict(view.calibration)) if view.calibration else None,
    }


def _vehicle_row(vehicle: PackVehicle) -> dict[str, Any]:
    return BLANK | {
        "device_id": vehicle.device_id,
        "kind": "vehicle",
        "unit_id": vehicle.unit_id,
        "crs": vehicle.crs,
        "rate_per_s": vehicle.rate_per_s,
    }


def _write(conn: Connection, row: dict[str, Any], zones: tuple[ImageZone, ...]) -> None:
    """Upsert one device and replace its zones; inside the caller's transaction."""
    conn.execute(UPSERT, row)
    conn.execute("delete from zone where device_id = %s", (row["device_id"],))
    for zone in zones:
        conn.execute(
            "insert into zone (device_id, name, polygon, families, preset) values (%s, %s, %s::jsonb, %s, %s)",
            (row["device_id"], zone.name, json.dumps(zone.polygon), sorted(zone.families), zone.preset),
        )
