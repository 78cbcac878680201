"""The devices the running system knows: entered from the city pack or by ``publish``, read back as one value."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from config.pack import Pack
from curbwatch.database import Connection
from schemas.device import Crs, DeviceRule
from schemas.place import Calibration, CameraView, ImageZone

UPSERT = """
insert into device (device_id, kind, name, unit_id, cell_id, crs, max_age_s, rate_per_s, shop_front, calibration,
                    source)
values (%(device_id)s, %(kind)s, %(name)s, %(unit_id)s, %(cell_id)s, %(crs)s, %(max_age_s)s, %(rate_per_s)s,
        %(shop_front)s, %(calibration)s::jsonb, %(source)s)
on conflict (device_id) do update set
    kind = excluded.kind, name = excluded.name, unit_id = excluded.unit_id, cell_id = excluded.cell_id,
    crs = excluded.crs, max_age_s = excluded.max_age_s, rate_per_s = excluded.rate_per_s,
    shop_front = excluded.shop_front, calibration = excluded.calibration, source = excluded.source, updated_at = now()
"""
BLANK: dict[str, Any] = {
    "name": "",
    "unit_id": "",
    "cell_id": "",
    "crs": "wgs84",
    "max_age_s": None,
    "rate_per_s": None,
    "shop_front": False,
    "calibration": None,
}


@dataclass(frozen=True, slots=True)
class Registry:
    """What the registry says at one moment. Keys are device ids.

    Attributes:
        views: cameras, for the detectors and the decision.
        rules: cameras and vehicles, for the intake.
        names: what a person calls each device; empty where nobody said.
    """

    views: dict[str, CameraView]
    rules: dict[str, DeviceRule]
    names: dict[str, str]


def sync_pack(conn: Connection, pack: Pack, *, past_limit_s: float) -> None:
    """Make the registry say what the pack says, in one transaction.

    Devices and zones of the pack are entered or replaced, also where ``publish`` had entered the same id; devices an
    earlier pack entered and this one does not name are removed. Others that ``publish`` entered stay. A device to
    which the pack gives no age limit gets ``past_limit_s``: only what ``publish`` entered may be of any age.
    """
    with conn.transaction():
        names = [*pack.cameras, *pack.vehicles]
        conn.execute("delete from device where source = 'pack' and not device_id = any(%s)", (names,))
        for camera in pack.cameras.values():
            age_s = past_limit_s if camera.max_age_s is None else camera.max_age_s
            _write_camera(conn, camera.view, name=camera.name, max_age_s=age_s, source="pack")
        for vehicle in pack.vehicles.values():
            row = BLANK | {"device_id": vehicle.device_id, "kind": "vehicle", "name": vehicle.name, "crs": vehicle.crs}
            age_s = past_limit_s if vehicle.max_age_s is None else vehicle.max_age_s
            row |= {"unit_id": vehicle.unit_id, "max_age_s": age_s, "rate_per_s": vehicle.rate_per_s}
            _write(conn, row | {"source": "pack"}, ())


def register_camera(conn: Connection, view: CameraView, *, name: str = "") -> None:
    """Enter or replace one camera whose messages may be of any age and rate (recordings, the demo)."""
    with conn.transaction():
        _write_camera(conn, view, name=name, max_age_s=None, source="publish")


def register_vehicle(
    conn: Connection, device_id: str, *, name: str = "", unit_id: str = "", crs: Crs = "wgs84"
) -> None:
    """Enter or replace one vehicle whose messages may be of any age and rate."""
    row = {"device_id": device_id, "kind": "vehicle", "name": name, "unit_id": unit_id, "crs": crs, "source": "publish"}
    with conn.transaction():
        _write(conn, BLANK | row, ())


def load_registry(conn: Connection) -> Registry:
    """Read every device and zone as they stand; an empty registry has none."""
    with conn.transaction():
        zones: dict[str, list[ImageZone]] = {}
        query = "select device_id, name, polygon, families from zone order by device_id, name"
        for device_id, name, polygon, families in conn.execute(query):
            corners = tuple((float(x), float(y)) for x, y in polygon)
            zones.setdefault(device_id, []).append(ImageZone(name, corners, frozenset(families)))
        registry = Registry({}, {}, {})
        query = (
            "select device_id, kind, name, unit_id, cell_id, crs, max_age_s, rate_per_s, shop_front, calibration"
            " from device order by device_id"
        )
        for device_id, kind, name, unit_id, cell_id, crs, age_s, rate_per_s, shop_front, calibration in conn.execute(
            query
        ):
            registry.names[device_id] = name
            registry.rules[device_id] = DeviceRule(device_id, kind, crs, age_s, rate_per_s)
            if kind == "camera":
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


def _write_camera(conn: Connection, view: CameraView, *, name: str, max_age_s: float | None, source: str) -> None:
    row = {
        "device_id": view.camera_id,
        "kind": "camera",
        "name": name,
        "unit_id": view.unit_id,
        "cell_id": view.cell_id,
        "max_age_s": max_age_s,
        "shop_front": view.shop_front,
        "calibration": json.dumps(asdict(view.calibration)) if view.calibration else None,
        "source": source,
    }
    _write(conn, BLANK | row, view.zones)


def _write(conn: Connection, row: dict[str, Any], zones: tuple[ImageZone, ...]) -> None:
    """Upsert one device and replace its zones; inside the caller's transaction."""
    conn.execute(UPSERT, row)
    conn.execute("delete from zone where device_id = %s", (row["device_id"],))
    for zone in zones:
        conn.execute(
            "insert into zone (device_id, name, polygon, families) values (%s, %s, %s::jsonb, %s)",
            (row["device_id"], zone.name, json.dumps(zone.polygon), sorted(zone.families)),
        )
