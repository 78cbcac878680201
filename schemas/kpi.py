"""What indicators are made of: named counts of cases and cameras, formulas over them, and what one case counts for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from schemas.rules import Stage

FormulaUnit = Literal["share", "h"]


@dataclass(frozen=True, slots=True)
class Count:
    """A number that formulas may name: what it counts, in words, and the stage whose post it is put down to.

    ``stage`` empty: it is nobody's in particular, and a report by post leaves it out. ``since``: the counting in which
    it is told first.
    """

    name_zh: str
    name_en: str
    stage: Stage | Literal[""] = ""
    since: int = 1


# What cases count for, as docs/kpi.md has it; one more whenever that says something else than before. A closed period
# keeps its own: config/kpis-N.toml has the indicators of an earlier one.
COUNTING = 2


# docs/kpi.md says of each exactly when a case counts. Those in seconds are whole seconds, so that sums are exact.
COUNTS: Mapping[str, Count] = {
    "reported": Count("上报数", "opened in the period"),
    "reported_filed": Count("有效上报数", "of these, filed"),
    "verified": Count("核实数", "leads that were verified", "verify"),
    "verified_on_time": Count("按时核实数", "of these, in time", "verify"),
    "filed": Count("立案数", "filed", "file"),
    "filed_on_time": Count("按时立案数", "of these, in time", "file"),
    "filed_right": Count("准确立案数", "of these, neither voided nor reclassed by a person", "file"),
    "to_dispatch": Count("应派遣数", "to be dispatched", "dispatch"),
    "dispatched": Count("派遣数", "of these, dispatched", "dispatch"),
    "dispatched_on_time": Count("按时派遣数", "of these, in time", "dispatch"),
    "dispatched_right": Count("准确派遣数", "of these, never moved to another unit by a person", "dispatch"),
    "to_handle": Count("应处置数", "with a unit", "handle"),
    "handled": Count("处置数", "of these, dealt with", "handle"),
    "handled_on_time": Count("按期处置数", "of these, in time", "handle"),
    "handled_dispatched": Count("派遣后处置数", "of these, after they were with a unit", "handle", since=2),
    "handled_unlimited": Count("无时限处置数", "dealt with, and no limit held", "handle"),
    "handling_s": Count("处置用时（秒）", "seconds from dispatch to dealt with", "handle"),
    "self_handled": Count("自处置数", "of these, on the spot", "handle"),
    "overdue_waiting": Count("超期待处置数", "not dealt with, and over the limit", "handle"),
    "extended": Count("延期数", "given more time", "handle"),
    "reworked": Count("返工数", "sent back", "check"),
    "checked": Count("核查数", "checked", "check"),
    "checked_on_time": Count("按时核查数", "of these, in time", "check"),
    "to_close": Count("应结案数", "to be closed", "check"),
    "closed": Count("结案数", "of these, closed", "check"),
    "closed_on_time": Count("按期结案数", "of these, no limit missed since filing", "check"),
    "voided": Count("作废数", "voided"),
    "gone": Count("自行消失数", "gone before anybody came"),
    "gone_overdue": Count("超期自行消失数", "of these, over the limit of a unit that they were with", since=2),
    "let_lie": Count("接单超时数", "not taken by a unit until the clock escalated them", since=2),
    "judged": Count("人工判定数", "camera alerts that a person judged", "verify"),
    "confirmed": Count("判定属实数", "of these, real", "verify"),
    "up_s": Count("相机在线（秒）", "seconds cameras were up"),
    "known_s": Count("相机状态已知（秒）", "seconds it is known whether they were"),
    "down_s": Count("相机断线（秒）", "seconds they were down"),
    "gaps": Count("相机断线次数", "times they went down"),
}


@dataclass(frozen=True, slots=True)
class Formula:
    """One indicator: ``numerator`` over ``denominator``, both names of ``COUNTS``.

    Attributes:
        kpi_id: unique; with ``version`` it names this formula for ever.
        unit: "share": 0..1 as it is; "h": seconds over a number, given in hours.
        higher_is_better: how it is ranked and scored.
        source: where the formula is from.
    """

    kpi_id: str
    version: int
    name_zh: str
    name_en: str
    numerator: str
    denominator: str
    unit: FormulaUnit
    higher_is_better: bool
    source: str


@dataclass(frozen=True, slots=True)
class Score:
    """A mark out of 100: each indicator's share times its weight, of one minus the share where lower is better."""

    score_id: str
    version: int
    name_zh: str
    name_en: str
    weights: Mapping[str, float]  # kpi_id -> points; together 100
    source: str


@dataclass(frozen=True, slots=True)
class Formulas:
    """A checked set of indicators and scores, in the order of their file."""

    formulas: tuple[Formula, ...]
    scores: tuple[Score, ...] = ()


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What one case, or one camera, counts for in one period: all that indicators ever ask.

    A closed month is read as tens of thousands of them, which is why it is no dataclass (docs/kpi.md): none can be in
    a cycle, so the garbage collector, which would take longer than the reading, leaves them alone.

    Attributes:
        key: incident id, or camera id.
        unit_id, cell_id, class_code, camera_id, source: at the end of the period; empty where it has none.
        posts: the role that did each stage, as far as it was done.
        counts: names of ``COUNTS`` with numbers above 0.
        packs: versions of the city packs that decided it and judged its clocks, sorted.
        closed: whether it ended in the period, done or void: what a sample is drawn from.
    """

    key: str
    unit_id: str
    cell_id: str
    class_code: str
    camera_id: str
    source: str
    posts: Mapping[str, str]
    counts: Mapping[str, int]
    packs: tuple[str, ...] = ()
    closed: bool = False
