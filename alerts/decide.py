"""Which standing objects are alerts: zone, permit, class and dwell decide. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from alerts.patience import Patience
from alerts.permits import permit_for
from alerts.place import cell_of, ground_point, unit_of, zone_share
from config.alerts import AlertKnobs
from schemas.city import CaseClass, City
from schemas.detections import CLASSES, Detections, Phase
from schemas.incident import Box, Departure, Sighting
from schemas.place import CameraView, ImageZone
from schemas.units import utc

FAMILIES = ("stall", "waste")
WHOLE_PICTURE = ImageZone("picture", ())


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
    """What a batch means: sightings to store, departures, and why other rows are none, by reason."""

    sightings: tuple[Sighting, ...] = ()
    departures: tuple[Departure, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Decider:
    """Remembers which tracks were stored and when, so that a standing thing is stored once per ``refresh_s``.

    A sighting counts as stored only when ``stored`` was called for it: after a failed write the next frame of the
    same camera says it again, so no alert is lost while its object stands.
    """

    city: City
    knobs: AlertKnobs
    _stored_ns: dict[tuple[str, int], int] = field(default_factory=dict)
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
                self._stored_ns.pop((camera_id, track_id), None)
                self._patience.forget(camera_id, track_id)
                departures.append(Departure(camera_id, track_id, captured_ns, int(detections.appeared_ns[row])))
                continue
            stored_ns = self._stored_ns.get((camera_id, track_id))
            if stored_ns is not None and captured_ns - stored_ns < self.knobs.refresh_s * 1e9:
                continue
            view = views.get(camera_id, CameraView(camera_id))
            native = (int(frames.native_px[frame, 0]), int(frames.native_px[frame, 1]))
            preset = frames.presets[frame] if frames.presets else ""
            if view.unbound(preset):
                passed_over["preset"] += 1
                continue
            view = replace(view, zones=view.zones_in(preset))
            found = self._row(detections, int(row), view, captured_ns, native)
            if isinstance(found, Sighting):
                sightings.append(found)
            else:
                passed_over[found] += 1
        return Decisions(tuple(sightings), tuple(departures), passed_over)

    def adopt(self, city: City) -> None:
        """Decide by another city pack from now on; what was stored stays known. In the shard's own thread."""
        self.city = city

    def stored(self, sighting: Sighting) -> None:
        """Note that a sighting was stored; what is due to be said again is forgotten."""
        self._stored_ns[sighting.camera_id, sighting.track_id] = sighting.captured_ns
        old_ns = sighting.captured_ns - self.knobs.refresh_s * 1e9
        for key in [one for one, ns in self._stored_ns.items() if one[0] == sighting.camera_id and ns <= old_ns]:
            del self._stored_ns[key]

    def forget(self, camera_id: str) -> None:
        """Drop what is known of a camera. Unknown cameras are ignored."""
        self._patience.forget(camera_id)
        for key in [one for one in self._stored_ns if one[0] == camera_id]:
            del self._stored_ns[key]

    def _row(
        self, detections: Detections, row: int, view: CameraView, captured_ns: int, native_px: tuple[int, int]
    ) -> Sighting | str:
        """Return the sighting of one STANDING row, or the reason why it is none.

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
        zone = _zone(view, family, box, self.knobs.zone_overlap)
        if zone is None:
            return "outside_zones"
        point = ground_point(view.calibration, box, native_px) if view.calibration else None
        case = self._case(family, view)
        if case.dwell_s is not None and dwell_s < case.dwell_s:
            return "dwell"
        if permit_for(self.city, family, utc(captured_ns), point, view.camera_id, zone.name) is not None:
            return "permit"
        cell_id = cell_of(self.city, view, point)
        return Sighting(
            camera_id=view.camera_id,
            track_id=track_id,
            family=family,
            class_code=case.code,
            zone=zone.name,
            cell_id=cell_id,
            unit_id=unit_of(self.city, view, cell_id, family),
            point=point,
            box_px=box,
            captured_ns=captured_ns,
            appeared_ns=int(detections.appeared_ns[row]),
            dwell_s=dwell_s,
            confidence=confidence,
            direct=case.mode == "direct",
            urgent=case.urgent,
            rule_version=self.city.version,
            check=case.check,
            grace_h=case.grace_h,
        )

    def _case(self, family: str, view: CameraView) -> CaseClass:
        """Goods out of a fixed shop are 09005; the pack's default for the family otherwise."""
        code = "09005" if family == "stall" and view.shop_front and "09005" in self.city.classes else ""
        return self.city.classes[code or self.city.default_class[family]]


def _zone(view: CameraView, family: str, box: Box, overlap: float) -> ImageZone | None:
    """The zone that holds most of the box's foot, at least ``overlap`` of it; the whole picture where none is drawn."""
    zones = view.zones or (WHOLE_PICTURE,)
    shares = [(zone_share(box, zone.polygon), zone) for zone in zones if family in zone.families]
    share, best = max(shares, key=lambda pair: pair[0], default=(0.0, WHOLE_PICTURE))
    return best if share >= overlap else None
