"""What is known of an incident beside its row: pictures, reports, repeats, and whether it stands alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.offsite import missing_words
from alerts.incidents.store import IncidentStore
from alerts.messages import report_name
from alerts.wire import instant
from curbwatch.cli.output import escaped
from schemas.incident import Attachment, Picture, Repeats
from schemas.units import utc

Lang = Literal["zh", "en"]
ROLES: dict[str, tuple[str, str]] = {
    "before": ("事前", "before"),
    "opening": ("发现", "opening"),
    "standing": ("持续", "standing on"),
    "back": ("再现", "back again"),
    "rework": ("返工", "still there"),
    "after": ("事后", "after"),
}


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """All of it. ``missing``: what enforcement from afar still wants, as keys of ``alerts.offsite.WORDS``."""

    pictures: tuple[Picture, ...]
    attachments: tuple[Attachment, ...]
    repeats: Repeats
    missing: tuple[str, ...]

    def as_json(self, lang: Lang) -> dict[str, Any]:
        """The same for programs; ``words`` are in the language asked for."""
        return {
            "attachments": [
                {
                    "kind": one.kind,
                    "ref": one.ref,
                    "at": instant(one.at),
                    "lon": one.lon,
                    "lat": one.lat,
                    "detail": dict(one.detail),
                }
                for one in self.attachments
            ],
            "repeats": {"spot": self.repeats.spot, "party": self.repeats.party, "days": self.repeats.days},
            "off_site": {
                "ready": not self.missing,
                "missing": list(self.missing),
                "words": missing_words(self.missing, lang),
            },
        }

    def lines(self, lang: Lang, clock: Callable[[Any], str]) -> list[str]:
        """The same for people; ``clock`` tells a moment as they read it."""
        english = lang == "en"
        told = [
            f"{report_name(one.kind, lang)} {one.ref}  {clock(one.at)}  "
            + " ".join(f"{key}={value}" for key, value in one.detail.items())
            for one in self.attachments
        ]
        spot, party, days = self.repeats.spot, self.repeats.party, self.repeats.days
        if english:
            often = f"cases here in {days} days, with this one: {spot}" + (f"; of its party: {party}" if party else "")
        else:
            often = f"{days} 天内本点位立案含本起 {spot} 起" + (f";同一责任人 {party} 起" if party else "")
        missing = ", ".join(missing_words(self.missing, lang))
        if english:
            alone = f"off-site enforcement: not ready, wants {missing}" if missing else "off-site enforcement: ready"
        else:
            alone = f"非现场执法证据不全:{missing}" if missing else "非现场执法证据齐全"
        return [*(escaped(line.rstrip()) for line in told), often, alone]


def facts_of_case(incidents: IncidentStore, incident_id: str, folder: EvidenceFolder | None) -> CaseFacts:
    """Gather them; without a folder no picture is intact. Raises UsageError where there is no such incident."""

    def intact(sha256: str) -> bool:
        return folder is not None and folder.intact(sha256)

    return CaseFacts(
        pictures=tuple(incidents.pictures(incident_id)),
        attachments=tuple(incidents.attachments(incident_id)),
        repeats=incidents.repeats(incident_id),
        missing=incidents.off_site_missing(incident_id, intact),
    )


def picture_json(picture: Picture, folder: EvidenceFolder | None) -> dict[str, Any]:
    """One picture: its role, what the record says, where its bytes are, and whether they are still the same."""
    record = picture.record
    return {
        "role": picture.role,
        "sha256": record.sha256,
        "size_bytes": record.size_bytes,
        "camera_id": record.camera_id,
        "captured_at": instant(utc(record.captured_ns)),
        "received_at": instant(utc(record.received_ns)),
        "clock": "device" if record.stamped else "received",
        "path": None if folder is None else str(folder.path(record.sha256)),
        "intact": folder is not None and folder.intact(record.sha256),
    }


def picture_lines(told: Mapping[str, Any], lang: Lang, folder: str) -> list[str]:
    """The same, of ``picture_json``, for people; ``folder`` is named where it is not there."""
    role = role_name(told["role"], lang)
    english = lang == "en"
    whole = ("完好", "intact")[english] if told["intact"] else ("已改动或缺失", "NOT INTACT OR MISSING")[english]
    first = f"{role:15} sha256 {told['sha256']}  {told['size_bytes']} {('字节', 'bytes')[english]}  {whole}"
    nowhere = f"no folder {folder}" if english else f"没有文件夹 {folder}"
    return [first, f"{'':15} {told['path'] or nowhere}"]


def role_name(role: str, lang: Lang) -> str:
    """A picture's role as people say it; unknown ones as they are."""
    return ROLES.get(role, (role, role))[lang == "en"]
