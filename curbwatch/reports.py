"""What a person or another system tells of a thing, made into a report: its class, its place, and whose it is."""

from collections.abc import Iterable, Mapping
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
from schemas.errors import SaidError
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
            raise SaidError(f"--{name}: at most {DETAIL_MAX} characters", f"--{name}:最多 {DETAIL_MAX} 个字符")
    if "part" in told.detail:
        part_named(str(told.detail["part"]), city)
    case = _case(told, city)
    point = _point(told)
    view = _view(told, views)
    if point is None and not told.camera_id and not told.cell_id:
        raise SaidError(
            "where is it? --lon and --lat, or --camera, or --cell", "请给出地点:--lon 和 --lat,或 --camera,或 --cell"
        )
    if told.cell_id and told.cell_id not in city.cells:
        raise _unknown("cell", "网格", told.cell_id, city.cells, f"pack {city.name}", f"城市包 {city.name}")
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
        asked_zh = f"没有大类 {told.family!r}:" if told.family else "请说明是什么:"
        raise SaidError(
            f"{asked}--class CODE, or --family, one of: {families}",
            f"{asked_zh}--class 类别代码,或 --family,可用:{families}",
        )
    case = class_named(code, city)
    if case is None:
        raise _unknown("class", "类别", code, city.classes, f"pack {city.name}", f"城市包 {city.name}")
    if told.family and told.family != case.family:
        raise SaidError(
            f"class {code} is of family {case.family}, not {told.family}: give one of the two",
            f"类别 {code} 属于大类 {case.family},不是 {told.family}:只给其中一个",
        )
    return case


def _point(told: Told) -> LonLat | None:
    if told.lon is None and told.lat is None:
        return None
    if told.lon is None or told.lat is None:
        raise SaidError("a point has both --lon and --lat", "坐标须同时给出 --lon 和 --lat")
    if not (-180 <= told.lon <= 180 and -90 <= told.lat <= 90):
        raise SaidError(
            f"--lon {told.lon} --lat {told.lat}: longitude is -180..180, latitude -90..90 degrees",
            f"--lon {told.lon} --lat {told.lat}:经度应在 -180 至 180 度,纬度应在 -90 至 90 度",
        )
    lon, lat = to_wgs84(np.array([told.lon]), np.array([told.lat]), told.crs)
    return float(lon[0]), float(lat[0])


def _view(told: Told, views: Mapping[str, CameraView]) -> CameraView:
    if not told.camera_id:
        if told.box_px is not None:
            raise SaidError("a box is one in the picture of a camera: --camera", "方框须属于某相机的画面:--camera")
        return CameraView("")
    view = views.get(told.camera_id)
    if view is None:
        raise _unknown("camera", "相机", told.camera_id, views, "the registry", "登记")
    return view


def _unknown(what: str, what_zh: str, said: str, known: Iterable[str], where: str, where_zh: str) -> SaidError:
    """Something that was named is not there; with what may have been meant."""
    there = sorted(known)
    return SaidError(
        f"no {what} {said!r}{nearest(said, there)} in {where}",
        f"{where_zh}中没有{what_zh} {said!r}{nearest(said, there, 'zh')}",
    )
