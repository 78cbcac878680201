"""Which standing objects are alerts: zone, place, permit, class and dwell decide. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from alerts.deciding.classing import SHOP, Circumstances, class_code, width_m
from alerts.deciding.exceptions import Effort, Spot, area_class, effort_for, fixture_at, front_at
from alerts.deciding.patience import Patience
from alerts.deciding.permits import market_at, permit_for
from alerts.deciding.place import cell_of, zone_of
from alerts.deciding.responsible import UNROUTED, unit_for
from config.alerts import AlertKnobs
from config.ground import ground_point
from schemas.city import CaseClass, City
from schemas.detections import CLASSES, Detections, Phase
from schemas.hours import LonLat
from schemas.incident import Box, Departure, Sighting
from schemas.place import CameraView
from schemas.units import utc

FAMILIES = ("stall", "waste")
EXCUSES = frozenset({"permit", "fixture"})  # why a thing that could be an alert may stand
REMEMBERED_S = 3600.0  # captured s after its last sighting that a thing is known to have been an alert


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """The frames behind a batch of detections.

    Attributes:
        camera_ids: N device ids.
        captured_ns: (N,) int64, ns since 1970 UTC.
        native_px: (N, 2) int32, width and height of each original, px.
        presets: N names of views, empty where the camera named none; (): none named any.
    """

    camera_ids: tuple[str, ...]
    captured_ns: NDArray[np.int64]
    native_px: NDArray[np.int32]
    presets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a batch means: sightings to store, departures, and why other rows are none, by reason.

    ``unrouted``: how many of the sightings no unit is responsible for.
    """

    sightings: tuple[Sighting, ...] = ()
    departures: tuple[Departure, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    unrouted: int = 0


@dataclass(frozen=True, slots=True)
class _Thing:
    """One standing row that is of a family, sure enough and in a zone; units as in ``Sighting``."""

    view: CameraView
    track_id: int
    family: str
    confidence: float
    spot: Spot
    captured_ns: int
    appeared_ns: int
    dwell_s: float


def no_spill(point: LonLat, appeared_ns: int) -> bool:  # noqa: ARG001  # the shape of a witness
    """No truck's track tells of a spill: what holds where nobody watches tracks."""
    return False


@dataclass(slots=True)
class Decider:
    """Remembers which tracks were stored and when, so that a standing thing is stored once per ``refresh_s``.

    A sighting counts as stored only when ``stored`` was called for it: after a failed write the next frame of the
    same camera says it again, so no alert is lost while its object stands.

    ``adopt`` puts another city in the place of this one between two calls: what is remembered stays, and what stands
    is decided by the new one from then on. ``spilled(point, appeared_ns)`` says whether a truck's track shows that it
    spilled something there then.
    """

    city: City
    knobs: AlertKnobs
    spilled: Callable[[LonLat, int], bool] = no_spill
    _stored_ns: dict[str, dict[int, int]] = field(default_factory=dict)  # camera, then track
    _patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        """Begin without any track."""
        self._patience = Patience(self.knobs)

    def decide(self, detections: Detections, frames: FrameTimes, views: Mapping[str, CameraView]) -> Decisions:
        """Decide each row. No rows give no decisions."""
        sightings: list[Sighting] = []
        departures: list[Departure] = []
        passed_over: Counter[str] = Counter()
        for row in np.flatnonzero(detections.phase != Phase.MATURING):
            frame = int(detections.frame[row])
            camera_id, captured_ns = frames.camera_ids[frame], int(frames.captured_ns[frame])
            track_id = int(detections.track_id[row])
            if detections.phase[row] == Phase.GONE:
                self._stored_ns.get(camera_id, {}).pop(track_id, None)
                self._patience.forget(camera_id, track_id)
                departures.append(Departure(camera_id, track_id, captured_ns, int(detections.appeared_ns[row])))
                continue
            stored_ns = self._stored_ns.get(camera_id, {}).get(track_id)
            if stored_ns is not None and captured_ns - stored_ns < self.knobs.refresh_s * 1e9:
                continue
            view = views.get(camera_id, CameraView(camera_id))
            preset = frames.presets[frame] if frames.presets else ""
            if view.unbound(preset):
                passed_over["preset"] += 1
                continue
            view = replace(view, zones=view.zones_in(preset))
            native = (int(frames.native_px[frame, 0]), int(frames.native_px[frame, 1]))
            thing = self._thing(detections, int(row), view, captured_ns, native)
            found = thing if isinstance(thing, str) else self._judge(thing)
            if isinstance(found, Sighting):
                sightings.append(found)
            else:
                passed_over[self._once_open(found, camera_id, track_id)] += 1
        unrouted = sum(sighting.unit_id == UNROUTED for sighting in sightings)
        return Decisions(tuple(sightings), tuple(departures), passed_over, unrouted)

    def adopt(self, city: City) -> None:
        """Decide by another city pack from now on; what was stored stays known. In the shard's own thread."""
        self.city = city

    def stored(self, sighting: Sighting) -> None:
        """Note that a sighting was stored; what was not seen as an alert for an hour is forgotten."""
        tracks = self._stored_ns.setdefault(sighting.camera_id, {})
        tracks[sighting.track_id] = sighting.captured_ns
        old_ns = sighting.captured_ns - max(self.knobs.refresh_s, REMEMBERED_S) * 1e9
        for track_id in [one for one, ns in tracks.items() if ns <= old_ns]:
            del tracks[track_id]

    def forget(self, camera_id: str) -> None:
        """Drop what is known of a camera. Unknown cameras are ignored."""
        self._patience.forget(camera_id)
        self._stored_ns.pop(camera_id, None)

    def _once_open(self, reason: str, camera_id: str, track_id: int) -> str:
        """The reason, told apart once where the thing was an alert until then: its incident stays for a person."""
        if reason in EXCUSES and self._stored_ns.get(camera_id, {}).pop(track_id, None) is not None:
            return f"{reason}_began"
        return reason

    def _thing(
        self, detections: Detections, row: int, view: CameraView, captured_ns: int, native_px: tuple[int, int]
    ) -> _Thing | str:
        """What stands there, as one STANDING row has it, or the reason why it does not count.

        A heap beside a cart is both: what counts is that it is one of the two, and the likelier names it.
        """
        posterior = detections.posterior[row]
        track_id, dwell_s = int(detections.track_id[row]), float(detections.dwell_s[row])
        family = FAMILIES[int(posterior[: len(FAMILIES)].argmax())]
        confidence = float(posterior[: len(FAMILIES)].sum())
        if confidence < self._patience.least(view.camera_id, track_id, dwell_s, family):
            top = CLASSES[int(posterior.argmax())]
            return "unsure" if top in FAMILIES else f"class_{top}"
        if family not in self.city.default_class:
            return f"class_{family}"
        x, y, w, h = (float(value) for value in detections.box_px[row])
        box: Box = (x, y, w, h)
        zone = zone_of(view, family, box, self.knobs.zone_overlap)
        if zone is None:
            return "outside_zones"
        point = ground_point(view.calibration, box, native_px) if view.calibration else None
        spot = Spot(point, view.camera_id, zone.name, box)
        appeared_ns = int(detections.appeared_ns[row])
        return _Thing(view, track_id, family, confidence, spot, captured_ns, appeared_ns, dwell_s)

    def _judge(self, thing: _Thing) -> Sighting | str:
        """The sighting of a thing, or the reason why it may stand where it stands."""
        city, spot, when = self.city, thing.spot, utc(thing.captured_ns)
        day = when.astimezone(ZoneInfo(city.timezone)).date()
        cell_id = cell_of(city, thing.view, spot.point)
        front = front_at(city, spot)
        seen = self._circumstances(thing, front is not None)
        case = city.classes[class_code(city, thing.family, seen, self.knobs)]
        effort = effort_for(city, case, cell_id, day)
        if case.dwell_s is not None and thing.dwell_s < case.dwell_s * effort.dwell_factor:
            return "dwell"
        # What is a market's affair outside its hours is within them whatever it would be elsewhere.
        code = class_code(city, thing.family, replace(seen, at_market=False), self.knobs)
        if permit_for(city, thing.family, when, spot.point, spot.camera_id, spot.zone, code=code) is not None:
            return "permit"
        if fixture_at(city, thing.family, day, spot, self.knobs.fixture_iou) is not None:
            return "fixture"
        unit_id = unit_for(city, case, cell_id, when, own_unit=thing.view.unit_id)
        party = front.party if front is not None and case.code == SHOP else ""
        return _sighting(city, thing, case, effort, (cell_id, unit_id, party))

    def _circumstances(self, thing: _Thing, at_front: bool) -> Circumstances:
        """What is known of a thing that tells classes of its family apart."""
        spot, when = thing.spot, utc(thing.captured_ns)
        stall = thing.family == "stall"
        return Circumstances(
            at_shop=stall and (at_front or thing.view.shop_front),
            at_market=stall and market_at(self.city, "stall", when, spot.point, spot.camera_id, spot.zone) is not None,
            area_code=area_class(self.city, thing.family, spot),
            spilled=not stall and spot.point is not None and self.spilled(spot.point, thing.appeared_ns),
            width_m=width_m(thing.view.calibration, spot.box),
            stood_s=(thing.captured_ns - thing.appeared_ns) / 1e9,
        )


def _sighting(city: City, thing: _Thing, case: CaseClass, effort: Effort, whose: tuple[str, str, str]) -> Sighting:
    """Put together what is stored; ``whose``: cell, unit and party.

    What nobody is responsible for is never direct: it waits for a person, who says whose it is.
    """
    cell_id, unit_id, party = whose
    return Sighting(
        camera_id=thing.view.camera_id,
        track_id=thing.track_id,
        family=thing.family,
        class_code=case.code,
        zone=thing.spot.zone,
        cell_id=cell_id,
        unit_id=unit_id,
        point=thing.spot.point,
        box_px=thing.spot.box,
        captured_ns=thing.captured_ns,
        appeared_ns=thing.appeared_ns,
        dwell_s=thing.dwell_s,
        confidence=thing.confidence,
        direct=(case.mode == "direct" or effort.direct) and unit_id != UNROUTED,
        urgent=case.urgent or effort.urgent,
        rule_version=city.version,
        check=case.check,
        grace_h=case.grace_h,
        party=party,
        grave=case.grave,
    )
