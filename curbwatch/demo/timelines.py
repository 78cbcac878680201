"""One stall's and one heap's whole way, step by step, out of the record: what the demo prints at its end."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from alerts.messages import class_name
from alerts.record.words import PARTS, actor_name, step_words
from alerts.wire import instant
from schemas.city import City
from schemas.incident import IncidentEvent, IncidentRow
from schemas.record import OPEN

Way = tuple[IncidentRow, Sequence[IncidentEvent]]


def farthest(ways: Sequence[Way], kind: str) -> Way | None:
    """The incident of a kind that came farthest: ended rather than open, then more steps; None where there is none."""
    found = [way for way in ways if way[0].family == kind]
    return max(found, key=lambda way: (way[0].state not in OPEN, len(way[1]), way[0].incident_id), default=None)


def way_lines(city: City, names: Mapping[str, str], way: Way) -> list[str]:
    """A heading and a line for each step: the city's clock, who, and what in Chinese and English."""
    row, events = way
    zone = ZoneInfo(city.timezone)
    what = " ".join(class_name(city, row.class_code, lang) for lang in ("zh", "en"))
    lines = [f"{what} · {names.get(row.camera_id, row.camera_id)} · {row.incident_id}"]
    for event in events:
        role = "system" if event.actor in PARTS else ""
        zh, en = (step_words(city, event.what, event.detail, lang) for lang in ("zh", "en"))
        who = actor_name(event.actor, role, "en")
        lines.append(f"  {event.at.astimezone(zone):%H:%M:%S}  {who:16} {zh} | {en}")
    return lines


def way_json(way: Way) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {"at": instant(event.at), "actor": event.actor, "what": event.what, "detail": dict(event.detail)}
        for event in way[1]
    ]
