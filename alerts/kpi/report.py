"""The report of a period: counts by group, indicators over them, a form that regenerates byte for byte. Pure.

There is no clock in it and no name that a later city pack could change: whoever makes it again from the same facts gets
the same bytes, and so the same digest.
"""

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec

from alerts.kpi.period import Period
from schemas.kpi import COUNTING, COUNTS, Fact, Formula, Formulas, Score

FORM = "curbwatch-kpi"  # and the counting behind it
DIGITS = 6  # of an indicator's value
Group = Literal["unit", "cell", "community", "street", "district", "class", "post", "camera", "source"]
# A cell's id is division, street, community, cell: 6 + 3 + 3 + 3 digits.
PREFIXES = {"cell": 15, "community": 12, "street": 9, "district": 6}
Counts = defaultdict[str, int]
Groups = defaultdict[str | None, Counts]  # None: what is nobody's in particular
TO_LINES = msgspec.json.Encoder(order="sorted")
FROM_LINES = msgspec.json.Decoder(tuple[Literal["case", "untaken", "camera"], Fact])


@dataclass(frozen=True, slots=True)
class Value:
    """One indicator of one group. ``value`` None: its denominator is 0, and nothing can be said."""

    kpi_id: str
    numerator: int
    denominator: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One group: its key (empty: nobody's), what it counts, and what follows from that."""

    key: str
    counts: Mapping[str, int]
    values: tuple[Value, ...]
    scores: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """A period's indicators. ``closed`` False: the period is not over, and the next report may say otherwise.

    ``packs``: versions of the city packs that decided its cases and judged their clocks. ``counting``: of its facts.
    """

    period: Period
    closed: bool
    by: Group
    formulas: Formulas
    packs: tuple[str, ...]
    cases: int
    total: Line
    lines: tuple[Line, ...]
    counting: int = COUNTING


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a period: what each case and each camera counts for.

    ``untaken``: jobs that a unit did not take; its unit is that one, whoever had the case in the end.
    """

    cases: tuple[Fact, ...] = ()
    cameras: tuple[Fact, ...] = ()
    untaken: tuple[Fact, ...] = ()


def report_of(
    facts: Facts, formulas: Formulas, period: Period, by: Group, *, closed: bool, counting: int = COUNTING
) -> Report:
    """Put facts together by group. No facts: a report of zeros, without a value.

    ``counting``: the one by which they were counted. What was not counted then is not in it, and no indicator of it
    has a value.
    """
    groups: Groups = defaultdict(lambda: defaultdict(int))
    for fact in facts.cases:
        _share(fact, by, groups)
    for fact in facts.untaken:
        _share(fact, by, groups)
    for camera in facts.cameras:  # how a camera did is nobody's but its own
        _add(groups[camera.key if by == "camera" else None], camera.counts)
    everything: Counts = defaultdict(int)
    for counts in groups.values():
        _add(everything, counts)
    return Report(
        period=period,
        closed=closed,
        by=by,
        formulas=formulas,
        packs=tuple(sorted({pack for fact in (*facts.cases, *facts.untaken) for pack in fact.packs})),
        cases=len(facts.cases),
        total=line_of("", everything, formulas, counting),
        lines=tuple(
            line_of(key, groups[key], formulas, counting) for key in sorted(key for key in groups if key is not None)
        ),
        counting=counting,
    )


def line_of(key: str, counts: Mapping[str, int], formulas: Formulas, counting: int = COUNTING) -> Line:
    """Work out a group's indicators and scores."""
    counted = {name: counts.get(name, 0) for name, count in COUNTS.items() if count.since <= counting}
    values = tuple(value_of(formula, counted) for formula in formulas.formulas)
    known = {value.kpi_id: value for value in values}
    better = {formula.kpi_id: formula.higher_is_better for formula in formulas.formulas}
    scores = {score.score_id: score_of(score, known, better) for score in formulas.scores}
    return Line(key, counted, values, scores)


def value_of(formula: Formula, counts: Mapping[str, int]) -> Value:
    """One indicator. Without a denominator, or where it was not counted, it has none: not 0 or 100 %."""
    numerator, denominator = counts.get(formula.numerator, 0), counts.get(formula.denominator, 0)
    scale = 3600 if formula.unit == "h" else 1
    unknown = denominator == 0 or formula.numerator not in counts
    value = None if unknown else round(numerator / denominator / scale, DIGITS)
    return Value(formula.kpi_id, numerator, denominator, value)


def score_of(score: Score, values: Mapping[str, Value], better: Mapping[str, bool]) -> float | None:
    """Points out of 100; None where an indicator that it is made of has no value."""
    points = 0.0
    for kpi_id, weight in score.weights.items():
        value = values[kpi_id].value
        if value is None:
            return None
        points += weight * (value if better[kpi_id] else 1 - value)
    return round(points, 4)


def as_json(report: Report) -> str:
    """The canonical form: sorted keys, one line, a line feed at its end."""
    return json.dumps(as_dict(report), ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """Everything the report says, as plain values."""
    return {
        "form": f"{FORM}/{report.counting}",
        "period": {
            "from": report.period.first.isoformat(),
            "to": report.period.last.isoformat(),
            "zone": report.period.zone,
            "closed": report.closed,
        },
        "by": report.by,
        "kpis": [asdict(formula) for formula in report.formulas.formulas],
        "scores": [asdict(score) for score in report.formulas.scores],
        "packs": list(report.packs),
        "cases": report.cases,
        "total": _line(report.total),
        "groups": [_line(line) for line in report.lines],
    }


def as_csv(report: Report) -> str:
    """One row per group and indicator, for a spreadsheet; the group of all together is named ``*``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["from", "to", report.by, "kpi", "version", "numerator", "denominator", "value"])
    versions = {formula.kpi_id: formula.version for formula in report.formulas.formulas}
    first, last = report.period.first.isoformat(), report.period.last.isoformat()
    for key, line in [("*", report.total), *((line.key, line) for line in report.lines)]:
        for value in line.values:
            told = "" if value.value is None else value.value
            name = value.kpi_id
            writer.writerow([first, last, key, name, versions[name], value.numerator, value.denominator, told])
    return out.getvalue()


def digest_of(text: str) -> str:
    """SHA-256 of a report's canonical form, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def facts_text(facts: Facts) -> str:
    """Canonical form of facts, a line each, cases first: what is kept of a closed period, under its digest."""
    kinds = (("case", facts.cases), ("untaken", facts.untaken), ("camera", facts.cameras))
    lines = [(kind, fact) for kind, found in kinds for fact in found]
    return TO_LINES.encode_lines(lines).decode()


def facts_from(text: str) -> Facts:
    """Facts out of ``facts_text``, in its order. Raises ValueError where it is none."""
    found: dict[str, list[Fact]] = {"case": [], "untaken": [], "camera": []}
    for kind, fact in FROM_LINES.decode_lines(text):
        found[kind].append(fact)
    return Facts(tuple(found["case"]), tuple(found["camera"]), tuple(found["untaken"]))


def in_order(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Sorted by key, then by unit: the order of every report."""
    return tuple(sorted(facts, key=lambda fact: (fact.key, fact.unit_id)))


def _share(fact: Fact, by: Group, groups: Groups) -> None:
    """Add a case to its groups. By post each stage goes to the role that did it, empty: not done yet."""
    if by != "post":
        _add(groups[_key(fact, by)], fact.counts)
        return
    for name, number in fact.counts.items():
        stage = COUNTS[name].stage
        groups[fact.posts.get(stage, "") if stage else None][name] += number


def _add(total: Counts, counts: Mapping[str, int]) -> None:
    for name, number in counts.items():  # a sixth of the time that Counter.update takes
        total[name] += number


def _key(fact: Fact, by: Group) -> str:
    if by in PREFIXES:
        return fact.cell_id[: PREFIXES[by]]
    return {"unit": fact.unit_id, "class": fact.class_code, "camera": fact.camera_id, "source": fact.source}[by]


def _line(line: Line) -> dict[str, Any]:
    return {
        "key": line.key,
        "counts": dict(line.counts),
        "values": [asdict(value) for value in line.values],
        "scores": dict(line.scores),
    }
