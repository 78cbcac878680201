"""The nightly run: every case played with a configuration, and a ledger of what passed, so that nothing is lost."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alerts.durable import write_whole
from curbwatch.tuning.cases import Case, case_ids, read_case
from curbwatch.tuning.cases_keep import at_place, bench_of
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.explain import alerts_of
from curbwatch.tuning.recording import read_recording
from schemas.errors import UsageError

LEDGER = "ledger.json"
RUNS_MAX = 400  # summaries kept: more than a year of nights


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case in one run.

    Attributes:
        case_id, key: which case, and the verdict it was held against.
        passed: None where it cannot be played.
        got: families of the alerts at the place, in their order.
        change: ``lost`` (it passed before), ``gained`` (it never did), or empty.
        fault: why it could not be played; empty where it was.
    """

    case_id: str
    key: str
    passed: bool | None
    got: tuple[str, ...] = ()
    change: str = ""
    fault: str = ""


@dataclass(slots=True)
class Ledger:
    """What each case did in earlier runs: by case id its key, whether it ever passed under that key, and when last."""

    cases: dict[str, dict[str, Any]]
    runs: list[dict[str, Any]]

    def change(self, case_id: str, key: str, *, passed: bool) -> str:
        """``lost`` or ``gained`` against all earlier runs under the same verdict, or nothing."""
        known = self.cases.get(case_id)
        if known is None or (key and known["key"] != key):
            return ""
        before = known["passed_at"] is not None
        return "lost" if before and not passed else "gained" if passed and not before else ""

    def key(self, case_id: str) -> str:
        """The verdict of the newest result; empty where there is none."""
        return str(self.cases[case_id]["key"]) if case_id in self.cases else ""

    def note(self, outcome: Outcome, at: datetime) -> None:
        """Take one outcome into the ledger; what once passed stays noted until it is judged anew or dropped."""
        known = self.cases.get(outcome.case_id)
        passed_at = known["passed_at"] if known is not None and known["key"] == outcome.key else None
        if outcome.passed:
            passed_at = at.isoformat()
        self.cases[outcome.case_id] = {"key": outcome.key, "passed_at": passed_at, "last": asdict(outcome)}


def due(folder: Path) -> list[str]:
    """Names of all cases of a folder, also of those that only its ledger knows, so that a vanished one is told.

    Raises UsageError where there is no such folder, or where every case that the ledger knows has vanished.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; `curbwatch cases label` makes it with its first case")
    there, known = case_ids(folder), read_ledger(folder).cases
    if known and not there:
        raise UsageError(f"{folder}: its {LEDGER} names {', '.join(sorted(known)[:3])}, and no case is there any more")
    return sorted({*there, *known})


def run_cases(
    folder: Path,
    names: Iterable[str],
    bench: Bench,
    at: datetime,
    tick: Callable[[], None] = lambda: None,
    *,
    write: bool = True,
) -> list[Outcome]:
    """Play each case with the bench's configuration and its own dwell, and write the ledger; no cases: no outcomes.

    A case that cannot be read is an outcome like any other: it is lost where it passed before. Without ``write`` the
    run is held against the ledger and leaves it as it is.
    """
    ledger = read_ledger(folder)
    outcomes = []
    for case_id in names:
        try:
            outcome = play_case(folder, read_case(folder / case_id), bench, ledger)
        except UsageError as error:
            change = ledger.change(case_id, "", passed=False)
            outcome = Outcome(case_id, ledger.key(case_id), passed=False, change=change, fault=str(error))
        outcomes.append(outcome)
        tick()
    if outcomes and write:
        summary = {name: [one.case_id for one in outcomes if one.change == name] for name in ("lost", "gained")}
        passed = sum(one.passed is True for one in outcomes)
        ledger.runs.append({"at": at.isoformat(), "cases": len(outcomes), "passed": passed, **summary})
        for outcome in outcomes:
            ledger.note(outcome, at)
        write_ledger(folder, ledger)
    return outcomes


def play_case(folder: Path, case: Case, bench: Bench, ledger: Ledger) -> Outcome:
    """Play one case: a real one must be reported as what it is, a false one must not be reported."""
    if case.pictures_only:
        return Outcome(case.case_id, case.key, None, fault="pictures only")
    try:
        alerts = alerts_of(read_recording(folder / case.case_id), bench_of(case, bench))
    except UsageError as error:
        change = ledger.change(case.case_id, case.key, passed=False)
        return Outcome(case.case_id, case.key, passed=False, change=change, fault=str(error))
    got = tuple(alert.family for alert in at_place(case, alerts))
    passed = case.what in got if case.verdict == "real" else not got
    return Outcome(case.case_id, case.key, passed, got, ledger.change(case.case_id, case.key, passed=passed))


def read_ledger(folder: Path) -> Ledger:
    """The ledger of a folder; an empty one where there is none. Raises UsageError where it cannot be read."""
    file = folder / LEDGER
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return Ledger(dict(facts["cases"]), list(facts["runs"]))
    except FileNotFoundError:
        return Ledger({}, [])
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{file}: cannot be read: {error}; move it away, and the next run begins a new one"
        raise UsageError(message) from None


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Write the ledger, whole or not at all. Raises UsageError where the disk does not take it."""
    facts = {"cases": ledger.cases, "runs": ledger.runs[-RUNS_MAX:]}
    try:
        write_whole(folder / LEDGER, (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode())
    except OSError as error:
        raise UsageError(f"{folder / LEDGER}: cannot be written: {error.strerror}") from None


def forget(folder: Path, case_id: str) -> None:
    """Take a dropped case out of the ledger."""
    ledger = read_ledger(folder)
    if ledger.cases.pop(case_id, None) is not None:
        write_ledger(folder, ledger)
