"""What a running system found while a camera was recorded, written into its recording: a start for labelling.

Incidents that a person confirmed become events, those that a person voided become distractors. The others are listed
apart, because nobody knows yet.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alerts.durable import write_whole
from curbwatch.database import Connection
from curbwatch.tuning.record import FACTS
from schemas.units import ns_of, utc

INCIDENTS = """
select incident_id::text, family, box_px, appeared_at, opened_at, coalesce(closed_at, last_seen_at), state, decided_by,
       confidence
from incident
where camera_id = %(camera_id)s and appeared_at <= %(last)s and coalesce(closed_at, last_seen_at) >= %(first)s
order by opened_at
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One incident of a camera; boxes in native px."""

    incident_id: str
    family: str
    box_px: Sequence[float]
    appeared_at: datetime
    opened_at: datetime
    ended_at: datetime
    state: str
    decided_by: str
    confidence: float

    @property
    def judged(self) -> str:
        """``real`` or ``false``, by a person; else nothing."""
        if self.state == "void":
            return "false"
        return "real" if self.decided_by else ""


def label(folder: Path, conn: Connection) -> int:
    """Write the incidents of a recording's time into it; how many there were. Raises OSError, SinkError.

    Labels that an earlier call wrote are replaced, those that a person wrote by hand stay.
    """
    file = folder / FACTS
    facts = json.loads(file.read_text(encoding="utf-8"))
    times = [ns_of(datetime.fromisoformat(stamp)) for stamp in facts["stamps"]]
    span = {"camera_id": facts["camera_id"], "first": utc(min(times)), "last": utc(max(times))}
    found = [Found(*row) for row in conn.execute(INCIDENTS, span)]
    labelled = facts | labels(found, times, facts)
    if labelled != facts:
        write_whole(file, json.dumps(labelled, ensure_ascii=False, indent=1).encode())
    return len(found)


def labels(found: Iterable[Found], times: Sequence[int], facts: dict[str, Any]) -> dict[str, Any]:
    """The keys ``events``, ``distractors`` and ``incidents`` of a recording with frames at ``times``. Pure."""
    kept = {
        key: [entry for entry in facts.get(key) or () if "incident_id" not in entry]
        for key in ("events", "distractors")
    }
    open_ = []
    ordered = sorted(times)
    for one in found:
        entry = _entry(one, ordered)
        if one.judged == "real":
            kept["events"].append(entry)
        elif one.judged == "false":
            kept["distractors"].append(entry | {"label": one.family})
        else:
            open_.append(entry)
    return kept | {"incidents": open_}


def _entry(one: Found, times: Sequence[int]) -> dict[str, Any]:
    first = min(len(times) - 1, bisect_left(times, ns_of(one.appeared_at)))
    last = max(first, bisect_right(times, ns_of(one.ended_at)) - 1)
    return {
        "incident_id": one.incident_id,
        "kind": one.family,
        "label": one.state,
        "appear_frame": first,
        "first_frame": first,
        "last_frame": last,
        "bbox": [round(side) for side in one.box_px],
        "opened_at": one.opened_at.isoformat(),
        "confidence": round(one.confidence, 3),
        "judged_by": one.decided_by,
    }
