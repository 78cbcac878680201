"""What of an incident's record its party's copy shows, and what it leaves out. Pure: lists of what is shown.

Left out is what is another person's: names of those who acted (a decision names who decided it; a list of everybody who
had a hand in it is nobody's to hand out), whoever complained and by which number, what was written in free words, and
the steps of the bureau's own dealings. Whatever a later step holds that nobody thought of is left out, not shown.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from alerts.desk.reasons import DOWNGRADES, VOIDS
from alerts.record.reading import plain
from alerts.record.words import CODES
from schemas.record import What

# Told by their number only: one of them alone would say that somebody complained, and when.
BY_NUMBER = frozenset({What.ATTACHED, What.NOTED, What.HELD, What.RELEASED, What.URGED, What.ESCALATED})
SHOWN = frozenset(
    {
        "class",
        "zone",
        "case_no",
        "unit",
        "rule",
        "at",
        "how",
        "until",
        "due_at",
        "stage",
        "also",
        "working_h",
        "rework",
        "was",
    }
    | {"permit", "urgent", "camera", "role", "evidence", "before", "after"}
)
OF_STEPS: dict[str, frozenset[str]] = {
    What.RECLASSED: frozenset({"from", "to", "to_unit"}),
    What.REASSIGNED: frozenset({"from", "to"}),
}
CODED = frozenset({"reason", "why"})  # shown where it is one of our codes: else it is somebody's own words
OUR_CODES = (CODES.keys() | VOIDS.keys() | DOWNGRADES.keys()) - {"complaint", "patrol", "vehicle"}
PERSONS = frozenset({"actor", "holder", "finished_by", "second", "asked_by", "by", "people"})
TEXTS = frozenset({"note", "reason", "name"})
# Of the incident itself: not who told of it first, nor what its pictures' digests are, which redaction.json says.
OF_INCIDENT = (
    *("case_no", "family", "class_code", "state", "outcome", "camera_id", "zone", "cell_id", "unit_id"),
    *("lon", "lat", "box_px", "appeared_at", "opened_at", "last_seen_at", "closed_at", "grace_until", "confidence"),
    *("rule_version", "urgent", "check", "reworks", "reopenings"),
)


def party_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the record (``detail`` as ``parsed`` reads it) as the party gets it, without any hash.

    ``left_out`` says of what kind there was more: ``person``, ``words``, ``other``; ``step``: all but its number.
    """
    if row["what"] in BY_NUMBER:
        return {"seq": int(row["seq"]), "left_out": ["step"]}
    told_by_person = row["role"] != "system"
    shown: dict[str, Any] = {name: row[name] for name in ("seq", "at_us", "proved", "what", "state")}
    left = {"person"} if told_by_person else set[str]()
    if not told_by_person:
        shown["actor"] = row["actor"]
    # Whoever entered what somebody told of has a role that says so.
    if told_by_person and row["what"] == What.OPENED:
        left.add("other")
    else:
        shown["role"] = row["role"]
    detail = {}
    for key, value in row["detail"].items():
        if _is_shown(str(row["what"]), key, value):
            detail[key] = plain(value)
        else:
            left.add("person" if key in PERSONS else "words" if key in TEXTS else "other")
    return shown | {"detail": detail, "left_out": sorted(left)}


def name_of(state: Mapping[str, Any]) -> str:
    """What the copy calls the case: its number, or before there is one the incident's id; empty where that tells more.

    The id of what somebody told of is made of the number of their complaint: whoever tries numbers would find it.
    """
    return str(state["case_no"] or (state["incident_id"] if state["source"] == "camera" else ""))


def party_incident(state: Mapping[str, Any]) -> dict[str, Any]:
    """The incident's state, as ``alerts.wire.incident_state`` gives it, without what is another person's."""
    return {name: state[name] for name in OF_INCIDENT}


def is_blinded(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the rows holds a picture's salted digest, which nobody can guess.

    Only then may a hash over them be handed out: of rows in which nothing is unknown but a name, it tells the name to
    whoever tries all of them.
    """
    return any(
        isinstance(row["detail"].get(key), str) and len(row["detail"][key]) == 64
        for row in rows
        for key in ("digest", "before_digest", "after_digest")
    )


def _is_shown(what: str, key: str, value: object) -> bool:
    if key in CODED:
        return isinstance(value, str) and value in OUR_CODES
    return key in SHOWN or key in OF_STEPS.get(what, frozenset())
