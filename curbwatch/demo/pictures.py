"""Pictures of the demo's evidence: the originals, a copy with the outline, and one sheet with all of them."""

from collections.abc import Sequence
from pathlib import Path

from alerts.incidents.evidence import EvidenceFolder
from ingest.decode import contact_sheet, draw_outline
from schemas.incident import IncidentRow


def write_pictures(incidents: Sequence[IncidentRow], evidence: EvidenceFolder, folder: Path) -> list[Path]:
    """Write ``NN-kind-camera-{before,opening,outline}.jpg`` of each incident, oldest first, and ``evidence.jpg``.

    The first two are the stored bytes, unchanged. No incidents: no files; none of one that no camera saw.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    written: list[Path] = []
    pairs: list[tuple[bytes | None, bytes]] = []
    for number, row in enumerate(sorted(incidents, key=lambda row: (row.opened_at, row.incident_id)), 1):
        if row.opening_sha256 is None:
            continue
        stem = f"{number:02d}-{row.family}-{row.camera_id}"
        opening = evidence.path(row.opening_sha256).read_bytes()
        before = evidence.path(row.before_sha256).read_bytes() if row.before_sha256 else None
        text = f"{number} {row.family} {row.class_code} {row.confidence:.0%}"
        outline = draw_outline(opening, row.box_px, text)
        for name, data in (("before", before), ("opening", opening), ("outline", outline)):
            if data is not None:
                path = folder / f"{stem}-{name}.jpg"
                path.write_bytes(data)
                written.append(path)
        pairs.append((before, outline))
    if pairs:
        sheet = folder / "evidence.jpg"
        sheet.write_bytes(contact_sheet(pairs))
        written.append(sheet)
    return written
