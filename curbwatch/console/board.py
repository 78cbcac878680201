"""The live board of the demo, as a pure picture of a state."""

from dataclasses import dataclass, field

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One incident as the board shows it: texts only."""

    opened: str
    camera: str
    what: str
    kind: str
    state: str
    unit: str


@dataclass(frozen=True, slots=True)
class BoardState:
    """Everything the board shows at one moment. Counts are since the start, rates per second."""

    elapsed_s: float
    total_s: float | None
    frames: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    cameras: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    incidents: tuple[IncidentLine, ...] = ()
    evidence_dir: str = ""
    note: str = ""


def render(state: BoardState) -> RenderableType:
    """Draw a state. An empty one draws an empty board."""
    total = "" if state.total_s is None else f" / {state.total_s:.0f}"
    title = f"Curbwatch 街面值守 · {state.elapsed_s:.0f}{total} s"
    parts: list[RenderableType] = [
        Columns(
            [
                _counts("Frames 帧", state.frames, state.rates.get("frames")),
                _counts("Positions 定位", state.positions, state.rates.get("positions")),
                _counts("Jobs 派遣", state.jobs, None),
                _cameras(state.cameras),
            ]
        ),
        _incidents(state.incidents),
    ]
    if state.evidence_dir:
        parts.append(Text(f"Evidence 证据: {state.evidence_dir}", style="dim"))
    if state.note:
        parts.append(Text(state.note, style="dim"))
    return Panel(Group(*parts), title=title, border_style="cyan")


def _counts(title: str, counts: dict[str, int], rate_per_s: float | None) -> Table:
    table = Table(title=title if rate_per_s is None else f"{title} {rate_per_s:.0f}/s", show_header=False, box=None)
    for name, value in counts.items():
        table.add_row(name, f"{value}")
    return table


def _cameras(cameras: dict[str, str]) -> Table:
    table = Table(title="Cameras 探头", show_header=False, box=None)
    for camera, state in cameras.items():
        table.add_row(camera, Text(state, style="green" if state == "ok" else "yellow"))
    return table


def _incidents(incidents: tuple[IncidentLine, ...]) -> Table:
    table = Table(title="Incidents 案件", expand=True, title_justify="left")
    for column in ("time 时间", "camera 探头", "what 事项", "state 状态", "unit 中队"):
        table.add_column(column, overflow="fold")
    colours = {"stall": "magenta", "waste": "yellow"}
    for line in incidents:
        table.add_row(
            line.opened, line.camera, Text(line.what, style=colours.get(line.kind, "")), line.state, line.unit
        )
    return table
