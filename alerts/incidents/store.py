"""Incidents in the database: one open row per family and place, with pictures, record, job and outbox."""

from collections.abc import Callable

from alerts.incidents import attaching, grace, leaving, opening, pictures, quiet, reading, sites
from alerts.incidents.case_numbers import Numbering
from alerts.incidents.going_on import Pair, looked
from alerts.incidents.locking import lock, place_keys
from alerts.incidents.offsite import facts_of, off_site_ready
from alerts.incidents.quiet import Quiet
from alerts.incidents.sites import Rules
from alerts.record.steps import DETECTOR, OPEN_STATES, record
from alerts.rows import incident_row
from alerts.store import AlertDatabase
from config.incidents import IncidentKnobs
from schemas.city import City
from schemas.incident import (
    Attachment,
    Departure,
    EvidenceRecord,
    IncidentEvent,
    IncidentRow,
    Opened,
    Picture,
    Repeats,
    Report,
    Reported,
    Sighting,
)
from schemas.record import Actor, What


class IncidentStore:
    """Writes decisions; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(
        self,
        database: AlertDatabase,
        *,
        merge_m: float,
        merge_iou: float,
        knobs: IncidentKnobs | None = None,
        numbering: Callable[[], Numbering] = Numbering,
        city: Callable[[], City] | None = None,
    ) -> None:
        """``numbering``: how the city numbers its cases. ``city``: whose permits hold when a grace ends; None: none."""
        self._database, self._city = database, city
        self.rules = Rules(merge_m, merge_iou, knobs or IncidentKnobs(), numbering)

    def open_or_refresh(self, sighting: Sighting, before: EvidenceRecord | None, picture: EvidenceRecord) -> Opened:
        """Attach a sighting to its incident, or open one, with job and outbox row where it is dispatched at once.

        One that had ended may open again, and a case in its check may go back to its crew:
        ``alerts/incidents/effects.py``. Saying the same sighting twice changes nothing. The evidence must be on disk
        already.
        """
        keys = set(sites.lock_keys(sighting.camera_id, sighting.cell_id, sighting.point, self.rules.merge_m))
        with self._database.transaction("open") as conn:
            # Makers of sites of one place wait for each other: two cameras must not make two sites of one thing. A
            # known track may open its incident again at a place other than where it is seen now: all in one order.
            known = opening.incident_of_track(conn, sighting)
            keys |= set() if known is None else place_keys(conn, [known])
            sites.hold(conn, keys, sites.wide_keys(sighting.camera_id, sighting.cell_id))
            return opening.present_opened(opening.see(conn, sighting, self.rules, Pair(before, picture)))

    def refresh(self, sighting: Sighting) -> Opened | None:
        """Attach a sighting that needs no pictures; None for one that does: keep its evidence, ``open_or_refresh``."""
        with self._database.transaction() as conn:
            return opening.see(conn, sighting, self.rules, None)

    def stands(self, told: Opened, picture: EvidenceRecord) -> None:
        """Keep a second picture of a thing that stands on, as enforcement from afar wants it (非现场执法); once."""
        with self._database.transaction() as conn:
            row = lock(conn, reading.view(conn, told.incident_id)["incident_id"])
            incident_id = row["incident_id"]
            if row["state"] not in OPEN_STATES or pictures.standing_since(conn, incident_id) is None:
                return
            kept = pictures.attach(conn, incident_id, picture, "standing")
            detail = looked(told.sighting) | {"role": "standing"} | pictures.named(conn, kept)
            record(conn, incident_id, DETECTOR, What.EVIDENCE, detail)

    def awaits(self, departure: Departure) -> bool:
        """Whether a departure is news to an open incident: then keep the picture in which the thing is gone."""
        with self._database.transaction() as conn:
            incident_id = leaving.of_departure(conn, departure)
            return incident_id is not None and leaving.is_open(conn, incident_id)

    def depart(self, departure: Departure) -> str | None:
        """Close the incident of a track whose object left; its id where this closed it, else None.

        It stays open while another track that was merged into it still stands. A job that nobody took yet is
        withdrawn; a crew that is on its way keeps its job and is not called back by a machine: the record says that
        the object left, and the crew closes; given back, the job is withdrawn. Within its grace the thing was put
        right and never was a case; after a crew's word a camera's check is passed. Saying the same departure twice
        changes nothing.
        """
        with self._database.transaction("depart") as conn:
            closed = leaving.depart(conn, departure)
            return None if closed is None else str(closed)

    def end_grace(self) -> int:
        """Move on what was not put right within its grace; how many."""
        with self._database.transaction("grace") as conn:
            return grace.end_grace(conn, self.rules.numbering(), None if self._city is None else self._city())

    def report(self, told: Report, actor: Actor) -> Reported:
        """Attach a complaint or finding to the open incident it tells of, or open one that waits for a person.

        The same number twice is once. Raises UsageError where it has no number.
        """
        with self._database.transaction() as conn:
            return attaching.report(conn, told, actor, self.rules)

    def hush(self, incident_id: str, word: Quiet) -> None:
        """Make the place of an incident quiet; see ``alerts.incidents.quiet``, which an action calls in its step."""
        with self._database.transaction() as conn:
            quiet.hush(conn, lock(conn, reading.view(conn, incident_id)["incident_id"]), word, self.rules)

    def show(self, incident_id: str) -> IncidentRow:
        """One incident. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            return incident_row(reading.view(conn, incident_id))

    def of_ref(self, ref: str, kind: str = "") -> str:
        """The incident of a complaint or finding, by its own number. Raises UsageError where none has it, or two."""
        with self._database.transaction() as conn:
            return str(reading.of_ref(conn, ref, kind))

    def events(self, incident_id: str) -> list[IncidentEvent]:
        """Every step of an incident, oldest first. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            return reading.events(conn, incident_id)

    def pictures(self, incident_id: str) -> list[Picture]:
        """Every picture of an incident with its role. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            return reading.all_pictures(conn, incident_id)

    def evidence(self, incident_id: str) -> list[EvidenceRecord]:
        """Every picture once, the one before first. Raises UsageError where there is none of this id."""
        return list(dict.fromkeys(picture.record for picture in self.pictures(incident_id)))

    def attachments(self, incident_id: str) -> list[Attachment]:
        """Complaints and findings that belong to it. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            return reading.attachments(conn, incident_id)

    def off_site_missing(self, incident_id: str, intact: Callable[[str], bool]) -> tuple[str, ...]:
        """What enforcement from afar still wants, as keys of ``alerts.offsite.WORDS``; nothing: it is ready.

        ``intact`` says of a SHA-256 whether its bytes are as they were. Raises UsageError for an unknown incident.
        """
        facts = facts_of(self.show(incident_id), self.pictures(incident_id), self.attachments(incident_id), intact)
        return off_site_ready(facts, self.rules.knobs.standing_min)

    def repeats(self, incident_id: str) -> Repeats:
        """How often its place and its party were cases lately. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            return reading.repeats(conn, incident_id, self.rules.knobs.repeat_days, self.rules)

    def recent(self, limit: int = 50, *, state: str = "") -> list[IncidentRow]:
        """The newest incidents first, of one state where given."""
        with self._database.transaction() as conn:
            return reading.recent(conn, limit, state)
