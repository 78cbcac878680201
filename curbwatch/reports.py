"""What a person or another system tells of a thing, made into a report: its class, its place, and whose it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np

from alerts.deciding.classing import SHOP, Circumstances, class_code, width_m
from alerts.deciding.exceptions import Spot, area_class, front_at
from alerts.deciding.permits import market_at
from alerts.deciding.place import cell_of, zone_of
from alerts.deciding.responsible import unit_for
from config.alerts import AlertKnobs
from config.faults import nearest
from config.ground import ground_point
from curbwatch.class_codes import class_named, part_named
from ingest.crs import to_wgs84
from schemas.city import CaseClass, City, CityBox
from schemas.device import Crs
from schemas.errors import SaidError
from schemas.hours import LonLat
from schemas.incident import Box, Report
from schemas.place import CameraView

Kind = Literal["complaint", "patrol", "vehicle"]
DETAIL_MAX = 2000  # characters of each thing said
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)  # in no picture


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


@dataclass(frozen=True, slots=True)
class Atlas:
    """What is known of the ground: where cameras look, and where the city is.

    Attributes:
        views: each camera's view by its id.
        sizes: width and height of its original pictures, px, where they are known.
        box: outside it nothing is of this city; None: the pack has no grid to say so.
        knobs: by which a camera's look is classed.
    """

    views: Mapping[str, CameraView]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    box: CityBox | None = None
    knobs: AlertKnobs = field(default_factory=AlertKnobs)


def report_of(told: Told, city: City, atlas: Atlas) -> Report:
    """Make a report of what was told, by the rules of a city. Raises UsageError, saying what to give instead.

    What is told by its family alone gets the class that a camera's look would give it there and then.
    """
    for name, said in told.detail.items():
        if len(str(said)) > DETAIL_MAX:
            raise SaidError(f"--{name}: at most {DETAIL_MAX} characters", f"--{name}:最多 {DETAIL_MAX} 个字符")
    if "part" in told.detail:
        part_named(str(told.detail["part"]), city)
    case = _case(told, city)
    point = _point(told, atlas.box)
    view = _view(told, atlas.views)
    if point is None and not told.camera_id and not told.cell_id:
        raise SaidError(
            "where is it? --lon and --lat, or --camera, or --cell", "请给出地点:--lon 和 --lat,或 --camera,或 --cell"
        )
    if told.cell_id and told.cell_id not in city.cells:
        raise _unknown("cell", "网格", told.cell_id, city.cells, f"pack {city.name}", f"城市包 {city.name}")
    spot = _spot(told, view, case.family, point, atlas)
    if not told.class_code:
        case = city.classes[class_code(city, case.family, _circumstances(told, city, view, spot), atlas.knobs)]
    front = front_at(city, spot)
    cell_id = told.cell_id or cell_of(city, view, spot.point)
    return Report(
        kind=told.kind,
        ref=told.ref.strip(),
        family=case.family,
        class_code=case.code,
        at=told.at,
        cell_id=cell_id,
        unit_id=unit_for(city, case, cell_id, told.at, own_unit=view.unit_id),
        rule_version=city.version,
        point=spot.point,
        camera_id=told.camera_id,
        box_px=told.box_px,
        urgent=case.urgent,
        check=case.check,
        detail=told.detail,
        grave=case.grave,
        party=front.party if front is not None and case.code == SHOP else "",
    )


def _spot(told: Told, view: CameraView, family: str, point: LonLat | None, atlas: Atlas) -> Spot:
    """Where it stands, as a camera's look has it: without a point that of its box, in the zone that holds its foot."""
    box, size = told.box_px, atlas.sizes.get(view.camera_id)
    if point is None and box is not None and size is not None and view.calibration is not None:
        point = ground_point(view.calibration, box, size)
    zone = None
    if view.camera_id and (box is not None or not view.zones) and not view.unbound(""):
        shown = replace(view, zones=view.zones_in(""))
        zone = zone_of(shown, family, box or NOWHERE, atlas.knobs.zone_overlap)
    return Spot(point, view.camera_id, "" if zone is None else zone.name, box or NOWHERE)


def _circumstances(told: Told, city: City, view: CameraView, spot: Spot) -> Circumstances:
    """What tells classes of its family apart; how long it stood, and what spilled it, nobody told."""
    family = told.family
    stall = family == "stall"
    market = market_at(city, "stall", told.at, spot.point, spot.camera_id, spot.zone) if stall else None
    return Circumstances(
        at_shop=stall and (front_at(city, spot) is not None or view.shop_front),
        at_market=market is not None,
        area_code=area_class(city, family, spot),
        width_m=width_m(view.calibration, spot.box) if told.box_px is not None else None,
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


def _point(told: Told, box: CityBox | None) -> LonLat | None:
    if told.lon is None and told.lat is None:
        return None
    if told.lon is None or told.lat is None:
        raise SaidError("a point has both --lon and --lat", "坐标须同时给出 --lon 和 --lat")
    if not (-180 <= told.lon <= 180 and -90 <= told.lat <= 90):
        raise SaidError(
            f"--lon {told.lon} --lat {told.lat}: longitude is -180..180, latitude -90..90 degrees: swapped?",
            f"--lon {told.lon} --lat {told.lat}:经度应在 -180 至 180 度,纬度应在 -90 至 90 度:是否写反了?",
        )
    lon, lat = to_wgs84(np.array([told.lon]), np.array([told.lat]), told.crs)
    point = float(lon[0]), float(lat[0])
    if box is not None and not (box.west <= point[0] <= box.east and box.south <= point[1] <= box.north):
        west, south, east, north = (f"{edge:.3f}" for edge in (box.west, box.south, box.east, box.north))
        raise SaidError(
            f"--lon {told.lon} --lat {told.lat} ({told.crs}) is not in this city, which is within longitude"
            f" {west}..{east}, latitude {south}..{north}: swapped?",
            f"--lon {told.lon} --lat {told.lat}({told.crs})不在本市,本市范围为经度 {west} 至 {east}、"
            f"纬度 {south} 至 {north}:经纬度是否写反了?",
        )
    return point


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
