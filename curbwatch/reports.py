"""What a person or another system tells of a thing, made into a report: its class, its place, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from alerts.deciding.place import cell_of
from alerts.deciding.responsible import unit_for
from config.faults import nearest
from curbwatch.class_codes import class_named, part_named
from ingest.crs import to_wgs84
from schemas.city import CaseClass, City
from schemas.device import Crs
from schemas.errors import UsageError
from schemas.hours import LonLat
from schemas.incident import Box, Report
from schemas.place import CameraView

Kind = Literal["complaint", "patrol", "vehicle"]
DETAIL_MAX = 2000  # characters of each thing said


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, as it came. One of ``family`` and ``class_code``; one place: a point, a camera, or a cell.

    ``lon``, ``lat``: degrees in ``crs``. ``box_px``: x, y, w, h in the camera's picture. ``detail``: plain JSON.
    ``class_code``: as ``class_named`` reads it.
    """

    kind: Kind
    ref: str
    at: datetime
    family: str = ""
    class_code: str = ""
    lon: float | None = None
    lat: float | None = None
    crs: Crs = "wgs84"
    camera_id: str = ""
    box_px: Box | None = None
    cell_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def report_of(told: Told, city: City, views: Mapping[str, CameraView]) -> Report:
    """Make a report of what was told, by the rules of a city. Raises UsageError, saying what to give instead."""
    for name, said in told.detail.items():
        if len(str(said)) > DETAIL_MAX:
            raise UsageError(f"--{name}: at most {DETAIL_MAX} characters")
    if "part" in told.detail:
        part_named(str(told.detail["part"]), city)
    case = _case(told, city)
    point = _point(told)
    view = _view(told, views)
    if point is None and not told.camera_id and not told.cell_id:
        raise UsageError("where is it? --lon and --lat, or --camera, or --cell")
    if told.cell_id and told.cell_id not in city.cells:
        raise UsageError(f"no cell {told.cell_id!r}{nearest(told.cell_id, sorted(city.cells))} in pack {city.name}")
    cell_id = told.cell_id or cell_of(city, view, point)
    return Report(
        kind=told.kind,
        ref=told.ref.strip(),
        family=case.family,
        class_code=case.code,
        at=told.at,
        cell_id=cell_id,
        unit_id=unit_for(city, case, cell_id, told.at, own_unit=view.unit_id),
        rule_version=city.version,
        point=point,
        camera_id=told.camera_id,
        box_px=told.box_px,
        urgent=case.urgent,
        check=case.check,
        detail=told.detail,
        grave=case.grave,
    )


def _case(told: Told, city: City) -> CaseClass:
    code = told.class_code or city.default_class.get(told.family, "")
    if not code:
        families = ", ".join(sorted(city.default_class))
        asked = f"no family {told.family!r}: " if told.family else "what is it? "
        raise UsageError(f"{asked}--class CODE, or --family, one of: {families}")
    case = class_named(code, city)
    if case is None:
        raise UsageError(f"no class {code!r}{nearest(code, sorted(city.classes))} in pack {city.name}")
    if told.family and told.family != case.family:
        raise UsageError(f"class {code} is of family {case.family}, not {told.family}: give one of the two")
    return case


def _point(told: Told) -> LonLat | None:
    if told.lon is None and told.lat is None:
        return None
    if told.lon is None or told.lat is None:
        raise UsageError("a point has both --lon and --lat")
    if not (-180 <= told.lon <= 180 and -90 <= told.lat <= 90):
        raise UsageError(f"--lon {told.lon} --lat {told.lat}: longitude is -180..180, latitude -90..90 degrees")
    lon, lat = to_wgs84(np.array([told.lon]), np.array([told.lat]), told.crs)
    return float(lon[0]), float(lat[0])


def _view(told: Told, views: Mapping[str, CameraView]) -> CameraView:
    if not told.camera_id:
        if told.box_px is not None:
            raise UsageError("a box is one in the picture of a camera: --camera")
        return CameraView("")
    view = views.get(told.camera_id)
    if view is None:
        raise UsageError(f"no camera {told.camera_id!r}{nearest(told.camera_id, sorted(views))} in the registry")
    return view
