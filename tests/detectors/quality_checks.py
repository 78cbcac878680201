"""One function per rule of the quality list: it raises AssertionError where a detector does not keep the rule."""

import ast
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path

from config.model import Config
from config.pack import load_pack
from curbwatch.tuning.quality import Entry
from curbwatch.tuning.replay import Road
from detectors import contract
from detectors.base import Detector
from detectors.contract import Make
from schemas.crops import CropBatch, Piece
from schemas.detections import Detections
from schemas.errors import FrameError
from schemas.frame import Frame, FrameBatch
from schemas.place import CameraView

ROOT = Path(__file__).parents[2]
SHAPE = r"\([A-Z]\b[^()]*\)|\b[NK] [a-z]"  # of an array; how many, of a tuple
POINTS_MIN = 5  # of a chapter of limits
FIGURE = r"\|\s*(?:[\d.]+(?: to [\d.]+)?)(?: ms)?\s*\|"


@dataclass(frozen=True, slots=True)
class Subject:
    """One detector to check: what is claimed of it, how one is made, and the configuration that names it."""

    entry: Entry
    make: Make
    config: Config


def shapes_documented(subject: Subject) -> None:
    module, _, name = subject.entry.where.partition(":")
    kind = getattr(import_module(module), name)
    methods = [method for method in vars(Detector) if not method.startswith("_")]
    bare = [method for method in methods if not (getattr(kind, method).__doc__ or "").strip()]
    assert not bare, f"no docstring: {bare}"
    for batch in (FrameBatch, CropBatch, Detections):
        told = dict(re.findall(r"^ {4,8}(\w+): (.*)$", batch.__doc__ or "", re.MULTILINE))
        vague = [one.name for one in fields(batch) if not re.search(SHAPE, told.get(one.name, ""))]
        assert not vague, f"{batch.__name__}: no shape of {vague}"
    contract.check_columns(subject.make)


def empty_batch(subject: Subject) -> None:
    contract.check_empty_batch(subject.make)
    contract.check_lost_pieces(subject.make)


def deterministic(subject: Subject) -> None:
    contract.check_deterministic(subject.make)
    contract.check_cameras_apart(subject.make)
    contract.check_input_is_left_alone(subject.make)


def time_is_the_frames(subject: Subject) -> None:
    contract.check_late_frames(subject.make)
    contract.check_tracks(subject.make)


def snapshot(subject: Subject) -> None:
    contract.check_snapshot(subject.make)
    contract.check_snapshot_of_others(subject.make)
    contract.check_forget(subject.make)


def orders(subject: Subject) -> None:
    contract.check_orders(subject.make)


def evaluated_clips(subject: Subject) -> None:
    def cut(wanted: Sequence[tuple[Frame, Piece]]) -> list[FrameError]:
        return [FrameError("corrupt", "the made-up street has no originals") for _ in wanted]

    road = Road(subject.config, load_pack(Path("yanjiang")).city, CameraView("cam-1"), cut)
    stood = 0
    for k in range(contract.FRAMES):
        road.see(contract.street(k), Frame("cam-1", contract.START_NS, 0, b"", *contract.NATIVE))
        stood += len(road.found)
    assert stood, "the replay sees nothing with it"
    tables = [head for head in page(subject, "figures").splitlines() if head.startswith("|") and "false" in head]
    assert any("events" in head and "found" in head for head in tables), "no table of what was found and what was false"


def throughput(subject: Subject) -> None:
    detector = subject.make()
    began_s = time.perf_counter()
    contract.run(detector)
    assert time.perf_counter() > began_s
    chapter = re.split(r"^#+ (?:Cost|What it costs)$", page(subject, "cost"), flags=re.MULTILINE)
    assert len(chapter) > 1, "no chapter of its cost"
    assert re.search(FIGURE, chapter[1]), "no figure in the chapter of its cost"
    assert re.search(r"\bms\b|µs|frames/s", chapter[1]), "no unit in the chapter of its cost"


def class_report(subject: Subject) -> None:
    file, _, name = subject.entry.class_report.partition("::")
    assert (ROOT / file).is_file(), f"no test {subject.entry.class_report!r}"
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert named, f"no test {name} in {file}"
    assert re.search(r"confusion|by_kind", ast.unparse(named[0])), f"{name} looks at no class"


def tuning_page(subject: Subject) -> None:
    text = page(subject, "tuning")
    ours = subject.entry.name == "majority"
    verbs = ("evaluate", "explain", "compare") if ours else ("evaluate", "check")
    missing = [verb for verb in verbs if f"curbwatch {verb}" not in text]
    assert not missing, f"the page does not walk through {missing}"


def failure_notes(subject: Subject) -> None:
    chapter = re.split(r"^#+ (?:Limits|What it cannot do)$", page(subject, "limits"), flags=re.MULTILINE)
    assert len(chapter) > 1, "no chapter of limits"
    points = re.split(r"^#", chapter[1], flags=re.MULTILINE)[0].count("\n* ")
    assert points >= POINTS_MIN, f"{points} points"


def page(subject: Subject, name: str) -> str:
    path = ROOT / subject.entry.pages[name]
    assert path.is_file(), f"no page {subject.entry.pages[name]}"
    return path.read_text(encoding="utf-8")


CHECKS: Mapping[str, Callable[[Subject], None]] = {
    check.__name__: check
    for check in (
        shapes_documented,
        empty_batch,
        deterministic,
        time_is_the_frames,
        snapshot,
        orders,
        evaluated_clips,
        throughput,
        class_report,
        tuning_page,
        failure_notes,
    )
}
