"""Decisions on their way into the database: pictures on disk first, then rows; what is not taken waits here."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace

import structlog

from alerts import crash
from alerts.deciding.decide import Decider
from alerts.incidents.before import BeforeRing
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from curbwatch.journal import Claim, Decision, DecisionJournal
from schemas.errors import SinkError
from schemas.frame import Frame
from schemas.incident import Departure, Opened, Sighting
from schemas.meter import Meter

log = structlog.get_logger()

WAITING_MAX = 256  # decisions that wait for the database, beside those of the last stop; beyond it the oldest goes

Key = tuple[str, int, int, bool]  # camera, track, when it appeared (ns), whether it is its opening


@dataclass(slots=True, eq=False)
class Teller:
    """Tells a shard's decisions to the incident store, in order; called from one thread at a time.

    The store, the journal and the meter are shared by all shards.
    """

    store: IncidentStore
    decider: Decider
    ring: BeforeRing
    evidence: EvidenceFolder
    journal: DecisionJournal
    meter: Meter
    _waiting: OrderedDict[Key, Decision] = field(init=False)
    _waiting_max: int = field(init=False)

    def __post_init__(self) -> None:
        """Begin with what the last stop left."""
        self._waiting = OrderedDict((_key(left), left) for left in self.journal.take(self))
        self._waiting_max = WAITING_MAX + len(self._waiting)

    def retry(self) -> None:
        """Store decisions that the database did not take before; it may still be away. Never raises.

        One that it refuses for good is dropped, counted and logged, so that those behind it get their turn.
        """
        while self._waiting:
            key, waiting = next(iter(self._waiting.items()))
            try:
                self._store(waiting)
            except SinkError as error:
                log.warning("decisions_wait", error=str(error), waiting=len(self._waiting))
                return
            self._waiting.pop(key, None)
        self.journal.keep(self, ())

    def close(self) -> None:
        """Keep the decisions that still wait: the next start stores them. What cannot be kept is counted and logged."""
        waiting = tuple(self._waiting.values())
        if not self.journal.keep(self, waiting):
            for what in waiting:
                self._drop(what, "shutdown", "neither the database nor the disk took it")
        elif waiting:
            self.meter.add("decisions_kept", len(waiting))
            file = str(self.journal.file)
            log.warning("decisions_kept", waiting=len(waiting), file=file, effect="the next start stores them")

    def say(self, sighting: Sighting, frame: Frame) -> Opened | None:
        """Evidence on disk first, then the incident; what cannot be stored now waits in memory and is tried again."""
        sighting = replace(sighting, preset=frame.preset)
        try:
            known = self.store.refresh(sighting)
            if known is not None:
                self.decider.stored(sighting)
                _count(self.meter, known)
                if known.wants_picture:
                    self._picture(known, frame)
                return known
        except SinkError as error:
            log.warning("incident_waits", camera=sighting.camera_id, error=str(error))
        before = self.ring.before(sighting.camera_id, sighting.appeared_ns)
        try:
            opening = self.evidence.keep(frame)
            claim = Claim(sighting, self.evidence.keep(before) if before is not None else None, opening)
        except SinkError as error:
            # Not noted as stored: the camera's next frame says it again.
            log.error("evidence_not_kept", camera=sighting.camera_id, error=str(error))  # noqa: TRY400
            self.meter.add("evidence_failures")
            return None
        crash.at("open_after_evidence")
        told = None
        try:
            told = self._store(claim)
        except SinkError:
            self.meter.add("incident_write_failures")
            self._wait(claim)
        self.decider.stored(sighting)  # also where it was refused: it is said again in its turn, not by each frame
        return told

    def _picture(self, told: Opened, frame: Frame) -> None:
        """Keep a second picture of what stands on; one that cannot be kept is due again at its next sighting."""
        try:
            self.store.stands(told, self.evidence.keep(frame))
        except SinkError as error:
            log.warning("picture_waits", incident=told.incident_id, error=str(error))

    def leave(self, departure: Departure, frame: Frame) -> None:
        """Where an incident waits for it, keep the picture in which the thing is gone, then say that it left."""
        waits = (*_key(departure)[:-1], True) in self._waiting  # its opening waits too: in order
        try:
            if not waits and not self.store.awaits(departure):
                return
        except Exception as error:  # noqa: BLE001  # whatever it is, what follows meets it too, and costs nobody else
            log.warning("departure_unasked", camera=departure.camera_id, error=str(error))
        try:
            departure = replace(departure, after=self.evidence.keep(frame))
        except SinkError as error:
            # That it left is worth more than the picture of it.
            log.error("evidence_not_kept", camera=departure.camera_id, error=str(error))  # noqa: TRY400
            self.meter.add("evidence_failures")
        if waits:
            self._wait(departure)
            return
        try:
            self._store(departure)
        except SinkError as error:
            log.warning("departure_waits", camera=departure.camera_id, error=str(error))
            self._wait(departure)

    def _store(self, what: Decision) -> Opened | None:
        """Store a decision, or drop one that can never be stored. Raises SinkError where the database is away."""
        try:
            if isinstance(what, Claim):
                return self._open(what)
            self._depart(what)
        except SinkError as error:
            if error.retryable:
                raise
            self._drop(what, "refused", str(error))
        except Exception as error:
            # A defect of ours costs this decision, never those that wait behind it.
            log.exception("decision_failed")
            self._drop(what, "failed", str(error))
        return None

    def _depart(self, departure: Departure) -> None:
        incident_id = self.store.depart(departure)
        if incident_id is not None:
            self.meter.add("incidents_departed")
            log.info("incident_left", incident=incident_id, camera=departure.camera_id)

    def _open(self, claim: Claim) -> Opened:
        sighting = claim.sighting
        told = self.store.open_or_refresh(sighting, claim.before, claim.opening)
        _count(self.meter, told)
        if told.opened:
            self.meter.add("incidents_opened", kind=sighting.family)
            if claim.before is None:
                self.meter.add("before_missing")
            log.info(
                "incident_opened",
                incident=told.incident_id,
                camera=sighting.camera_id,
                kind=sighting.family,
                code=sighting.class_code,
                dwell_s=round(sighting.dwell_s),
                confidence=round(sighting.confidence, 2),
            )
        return told

    def _wait(self, what: Decision) -> None:
        self._waiting.setdefault(_key(what), what)
        while len(self._waiting) > self._waiting_max:
            _, oldest = self._waiting.popitem(last=False)
            self._drop(oldest, "full", "too many wait: bring the database back")

    def _drop(self, what: Decision, reason: str, error: str) -> None:
        camera_id, track_id, _, opening = _key(what)
        self.meter.add("decisions_dropped", reason=reason)
        log.error("decision_dropped", camera=camera_id, track=track_id, opening=opening, reason=reason, error=error)


def _count(meter: Meter, told: Opened) -> None:
    """Count what else a sighting did than open an incident."""
    if told.reopened:
        meter.add("incidents_reopened")
    if told.reworked:
        meter.add("incidents_reworked")
    if told.quiet:
        meter.add("sightings_quiet")


def _key(what: Decision) -> Key:
    one = what.sighting if isinstance(what, Claim) else what
    return one.camera_id, one.track_id, one.appeared_ns, isinstance(what, Claim)
