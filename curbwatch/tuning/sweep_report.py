"""A sweep as a page or a picture, as JSON, and as a table in the terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alerts.messages import Lang
from curbwatch.tuning.report import Html, heading, page, paragraph, table, write_page
from curbwatch.tuning.sweep import Axis, Point, shown
from curbwatch.tuning.sweep_plot import plot
from curbwatch.tuning.sweep_run import Outcome, Size
from schemas.errors import UsageError

MARKED = "<style>tr:has(a:target){outline:2px solid var(--mark)}</style>"  # the row that a dot leads to
KINDS = (".html", ".svg")
RESULT_HEADS = ("number", "mark", "found", "recall", "interval", "false", "rate", "doubled", "late")
WORDS = {
    "title": ("参数扫描", "Parameter sweep"),
    "knobs": ("参数", "Knobs"),
    "all": ("全部结果", "Every result"),
    "front": ("帕累托前沿", "The Pareto front"),
    "read": (
        "左上为佳:发现更多,误报更少。鼠标停在点上可见其配置。",
        "Up and left is better: more found, fewer false alarms. A dot under the pointer names its configurations.",
    ),
    "few": (
        "事件少,差一个事件就移动一大步:95 % 区间重叠的两种配置不能说谁更好。",
        "Few events make large steps: of two whose 95 % intervals overlap neither is known to be better.",
    ),
    "number": ("编号", "No."),
    "found": ("发现", "found"),
    "recall": ("召回率", "recall"),
    "interval": ("95 % 区间", "95 %"),
    "false": ("误报", "false"),
    "rate": ("每小时", "per h"),
    "doubled": ("重复", "doubled"),
    "late": ("迟报 s", "late s"),
    "unit": ("单位", "unit"),
    "values": ("取值", "values"),
    "base": ("基准", "base"),
    "about": ("含义", "meaning"),
    "mark": ("前沿", "front"),
    "size": (
        "{points} 种配置,{recordings} 段录像,{frames} 帧,{hours:.2f} 小时",
        "{points} configurations, {recordings} recordings, {frames} frames, {hours:.2f} hours",
    ),
}


def check_plot(path: Path | None) -> None:
    """Raise UsageError, before anything runs, where no plot can be written to ``path``; None: nowhere."""
    if path is None:
        return
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"--plot {path}: should end in {' or '.join(KINDS)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.absolute().parent}")


def write_plot(
    path: Path, outcomes: Sequence[Outcome], axes: Sequence[Axis], base: Point, size: Size, lang: Lang
) -> None:
    """Write the page or, where the file's name ends in .svg, the picture alone. Raises UsageError."""
    if path.suffix.lower() == ".svg":
        write_page(path, plot(outcomes, lang) + "\n", "--plot")
    else:
        write_page(path, _page(outcomes, axes, base, size, lang), "--plot")


def to_dict(outcomes: Sequence[Outcome], axes: Sequence[Axis], size: Size) -> dict[str, Any]:
    """Everything for programs: knobs, points in the order of the table, numbers of those on the front."""
    return {
        "size": asdict(size) | {"looks": size.looks},
        "knobs": [
            {"key": axis.key, "unit": axis.unit, "values": list(axis.values), "about": axis.about} for axis in axes
        ],
        "points": [
            {
                "number": number,
                "settings": dict(one.point.settings),
                "front": one.front,
                "recall": one.recall,
                "unwanted_per_hour": one.unwanted_per_hour,
                "result": one.found,
            }
            for number, one in enumerate(outcomes)
        ],
        "front": [number for number, one in enumerate(outcomes) if one.front],
    }


def best_first(outcomes: Sequence[Outcome]) -> list[tuple[int, Outcome]]:
    """Numbered; the front first, each by recall, then by false alarms."""
    return sorted(enumerate(outcomes), key=lambda pair: (not pair[1].front, *_goods(pair[1]), pair[0]))


def row(number: int, one: Outcome, axes: Sequence[Axis], base: Point) -> tuple[object, ...]:
    """Cells of one configuration, as ``heads`` names them."""
    settings = dict(one.point.settings)
    own = tuple(shown(settings.get(axis.key, value_of(base, axis))) for axis in axes)
    return number, *results(one), *own


def results(one: Outcome) -> tuple[object, ...]:
    """What a configuration gave, as ``RESULT_HEADS`` names it behind the number; None where it is not known."""
    found, reach = one.found, one.found["recall_95"]
    late_s = found["delay_s"]["median"]
    return (
        "●" if one.front else "",
        f"{found['found']}/{found['events']}",
        None if one.recall is None else f"{one.recall:.3f}",
        None if reach is None else f"{reach[0]:.2f}–{reach[1]:.2f}",
        found["false_alarms"],
        None if one.unwanted_per_hour is None else f"{one.unwanted_per_hour:.3g}",
        found["duplicates"],
        None if late_s is None else f"{late_s:.0f}",
    )


def heads(axes: Sequence[Axis], lang: Lang) -> tuple[str, ...]:
    """Heads of the table: what they gave, then the knobs, whose sections and units stand in a table of their own."""
    return *(word(name, lang) for name in RESULT_HEADS), *(axis.name for axis in axes)


def value_of(point: Point, axis: Axis) -> object:
    """What a configuration says of a knob."""
    return getattr(getattr(point.config, axis.section), axis.name)


def word(name: str, lang: Lang) -> str:
    """A word of the page."""
    return WORDS[name][lang == "en"]


def _goods(one: Outcome) -> tuple[float, float]:
    return -(one.recall or 0.0), one.unwanted_per_hour or 0.0


def _page(outcomes: Sequence[Outcome], axes: Sequence[Axis], base: Point, size: Size, lang: Lang) -> str:
    hours = outcomes[0].found["hours"] if outcomes else 0.0
    told = word("size", lang).format(points=size.points, recordings=size.recordings, frames=size.frames, hours=hours)
    listed = [row(number, one, axes, base) for number, one in best_first(outcomes)]
    knobs = [
        (
            axis.key,
            axis.unit,
            ", ".join(map(shown, axis.values)),
            shown(value_of(base, axis)),
            axis.about,
        )
        for axis in axes
    ]
    body = [
        paragraph(told, "soft"),
        Html(MARKED + plot(outcomes, lang, link="p")),
        paragraph(word("read", lang)),
        paragraph(word("few", lang), "soft"),
        heading(word("all", lang)),
        _listed(heads(axes, lang), listed),
        heading(word("knobs", lang)),
        table([word(name, lang) for name in ("knobs", "unit", "values", "base", "about")], knobs),
    ]
    return page(word("title", lang), body, lang=lang)


def _listed(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> Html:
    """The table, each row with the name that its dot leads to."""
    marked = [(Html(f'<a id="p{cells[0]}">{cells[0]}</a>'), *cells[1:]) for cells in rows]
    return table(names, marked)
