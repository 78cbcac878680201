"""The demo's state in the words of its board. Pure."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from alerts.messages import class_name, job_state_name, state_name, unit_name
from curbwatch.console.board import BoardState, IncidentLine
from curbwatch.demo.setting import DWELL_S, Setting
from curbwatch.telemetry import Telemetry
from schemas.incident import IncidentRow


def board_state(  # one argument for each thing the board shows
    setting: Setting,
    telemetry: Telemetry,
    incidents: Sequence[IncidentRow],
    jobs: Mapping[str, int],
    scenes: Mapping[str, str],
    *,
    elapsed_s: float,
    total_s: float,
) -> BoardState:
    """Gather what the board shows at one moment."""
    city, lang = setting.site.pack.city, setting.site.pack.lang
    zone = ZoneInfo(city.timezone)
    seconds = max(elapsed_s, 1.0)
    names = {name: camera.name for name, camera in setting.site.pack.cameras.items()}
    frames = {name: int(telemetry.total(f"frames_{name}")) for name in ("received", "processed", "shed", "rejected")}
    positions = {
        name: int(telemetry.total(f"positions_{name}")) for name in ("received", "stored", "duplicate", "rejected")
    }
    return BoardState(
        elapsed_s=elapsed_s,
        total_s=total_s,
        frames=frames,
        positions=positions,
        rates={"frames": frames["received"] / seconds, "positions": positions["received"] / seconds},
        cameras={names.get(name, name): state for name, state in sorted(scenes.items())},
        jobs={job_state_name(state, lang): count for state, count in sorted(jobs.items())},
        incidents=tuple(
            IncidentLine(
                opened=row.opened_at.astimezone(zone).strftime("%H:%M:%S"),
                camera=names.get(row.camera_id, row.camera_id),
                what=class_name(city, row.class_code, lang),
                kind=row.family,
                state=state_name(row.state, lang),
                unit=unit_name(city, row.unit_id, lang),
            )
            for row in incidents
        ),
        evidence_dir=str(setting.folder / "pictures"),
        note=f"dwell {DWELL_S:.0f} s 停留 (default 90 s) · Ctrl-C ends with the summary 结束并汇总",
    )
