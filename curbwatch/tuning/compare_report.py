"""A comparison as a page and as tables in the terminal."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from shlex import quote
from typing import Any

from alerts.messages import Lang, duration
from curbwatch.tuning.compare import DEFAULTS, WHATS, Difference, Pair, What, box_of
from curbwatch.tuning.replay import Alert
from curbwatch.tuning.report import Html, figure, heading, page, paragraph, row, span, table, thumbnail
from curbwatch.tuning.score import KINDS
from curbwatch.tuning.sweep import shown

LABEL_MAX = 40  # characters of an event's name
PICTURES_MAX = 60  # differences of one kind with pictures: a page of thousands opens nowhere
WORDS = {
    "title": ("两种配置的比较", "Two configurations compared"),
    "first": ("甲", "A"),
    "second": ("乙", "B"),
    "change": ("变化", "change"),
    "same": ("两种配置的判断完全一致。", "Both configurations say the same of these recordings."),
    "knobs": ("不同的参数", "Knobs that differ"),
    "knob": ("参数", "knob"),
    "no_knobs": ("两个文件的参数相同。", "Both files set the same values."),
    "figures": ("结果", "Figures"),
    "recordings": ("各段录像", "By recording"),
    "recording": ("录像", "recording"),
    "hours": ("小时", "hours"),
    "events": ("事件", "events"),
    "found": ("发现", "found"),
    "recall_95": ("95 % 区间", "95 % interval"),
    "false_alarms": ("误报", "false alarms"),
    "unwanted_per_hour": ("每小时误报", "false per hour"),
    "duplicates": ("重复", "doubled"),
    "standing_found": ("原有物体", "standing"),
    "late": ("延迟中位 s", "late, median s"),
    "right_class": ("类别正确", "right class"),
    "before": ("之前", "before"),
    "opening": ("立案画面", "opening"),
    "lost": ("漏掉的事件", "Events lost"),
    "gained": ("新发现的事件", "Events gained"),
    "renamed": ("类别改变的事件", "Events named otherwise"),
    "false_new": ("新增误报", "New false alarms"),
    "false_gone": ("消失的误报", "False alarms gone"),
    "stall": ("摊点", "stall"),
    "waste": ("垃圾", "waste"),
    "moment": ("第 {frame} 帧,开始后{after}", "frame {frame}, {after} after the first"),
    "more": ("另有 {} 项无图,见 --json。", "{} more without pictures: see --json."),
    "as_other": ("(其中 {} 个类别不符)", " ({} as another class)"),
    "as": (",当作{}", ", as {}"),
    "moved": ("变动最大者在前,无变化者从略。", "Those that changed most first; unchanged ones are left out."),
}
GOOD: frozenset[What] = frozenset({"gained", "false_gone"})
NEUTRAL: frozenset[What] = frozenset({"renamed"})
COLUMNS = ("events", "found", "false_alarms", "duplicates", "standing_found")
BETTER = {"found": 1, "false_alarms": -1, "duplicates": -1}  # which way is good; other counts are neither


def document(found: dict[str, Any], pairs: Sequence[Pair], lang: Lang, options: str = "") -> str:
    """The page: knobs, figures, each difference with the picture before and the opening one, recordings.

    ``found`` as ``compare.to_dict`` gives it; ``options`` of the command line belong to the replay, as ``--dwell 20``.
    """
    files = (found["a"]["file"], found["b"]["file"])
    names = [f"{word(side, lang)} {file}" for side, file in zip(("first", "second"), files, strict=True)]
    every = [one for pair in pairs for one in pair.differences]
    body: list[object] = [
        paragraph(f"{names[0]} → {names[1]}", "soft"),
        headline(found, lang),
        heading(word("knobs", lang)),
        _knobs(found, lang),
        heading(word("figures", lang)),
        table(["", *(word(side, lang) for side in ("first", "second", "change"))], figures(found, lang, markup=True)),
    ]
    for what in WHATS:
        body += _section([one for one in every if one.what == what], lang, (*files, options))
    body += [heading(word("recordings", lang)), paragraph(word("moved", lang), "soft")]
    body.append(
        table([word("recording", lang), *(word(key, lang) for key in COLUMNS)], by_recording(found, markup=True))
    )
    return page(word("title", lang), body, lang=lang)


def headline(found: dict[str, Any], lang: Lang) -> Html:
    """One line: what is gained and lost."""
    said = [
        span(text, "" if what in NEUTRAL else "good" if what in GOOD else "bad") for what, text in _changes(found, lang)
    ]
    return paragraph(Html(" · ".join(said))) if said else paragraph(word("same", lang))


def plain_headline(found: dict[str, Any], lang: Lang) -> str:
    """The same without markup."""
    return " · ".join(text for _, text in _changes(found, lang)) or word("same", lang)


def figures(found: dict[str, Any], lang: Lang, *, markup: bool = False) -> list[tuple[object, ...]]:
    """Rows of both results beside one another and what changed."""
    first, second = found["a"]["result"], found["b"]["result"]
    rows: list[tuple[object, ...]] = [
        _counts(word(key, lang), first[key], second[key], BETTER.get(key, 0), markup=markup) for key in COLUMNS
    ]
    rows.append((word("recall_95", lang), _reach(first["recall_95"]), _reach(second["recall_95"]), None))
    rows.append((word("unwanted_per_hour", lang), first["unwanted_per_hour"], second["unwanted_per_hour"], None))
    rows.append((word("late", lang), first["delay_s"]["median"], second["delay_s"]["median"], None))
    for kind in KINDS:
        name = f"{word(kind, lang)}: {word('right_class', lang)}"
        mine, theirs = first["by_kind"][kind]["right_class"], second["by_kind"][kind]["right_class"]
        rows.append(_counts(name, mine, theirs, 1, markup=markup))
    rows.append((word("hours", lang), first["hours"], second["hours"], None))
    return rows


def by_recording(found: dict[str, Any], *, markup: bool = False) -> list[tuple[object, ...]]:
    """A row for each recording of which something changed, the most changed first: ``a → b`` where they differ."""
    rows = [one for one in found["recordings"] if any(one["delta"].values())]
    rows.sort(key=lambda one: (-sum(map(abs, one["delta"].values())), one["name"]))
    return [
        (one["name"], *(_arrow(one["a"][key], one["b"][key], BETTER.get(key, 0), markup=markup) for key in COLUMNS))
        for one in rows
    ]


def word(name: str, lang: Lang) -> str:
    """A word of the page."""
    return WORDS[name][lang == "en"]


def _changes(found: dict[str, Any], lang: Lang) -> list[tuple[What, str]]:
    said: list[tuple[What, str]] = []
    for what in WHATS:
        entries = found["differences"][what]
        others = sum(_another(one["event"], one["b"] or one["a"]) for one in entries) if what in GOOD else 0
        if entries:
            more = word("as_other", lang).format(others) if others else ""
            said.append((what, f"{word(what, lang)}: {len(entries)}{more}"))
    return said


def _another(event: dict[str, Any] | None, alert: dict[str, Any]) -> bool:
    """Whether an event was found, but taken for the other kind."""
    return event is not None and event["kind"] in KINDS and alert["family"] != event["kind"]


def _knobs(found: dict[str, Any], lang: Lang) -> Html:
    rows = [(one["key"], shown(one["a"]), shown(one["b"])) for one in found["knobs"]]
    if not rows:
        return paragraph(word("no_knobs", lang))
    return table([word(name, lang) for name in ("knob", "first", "second")], rows)


def _section(own: Sequence[Difference], lang: Lang, called: tuple[str, str, str]) -> Iterator[object]:
    """Every difference of one kind; ``called``: both files, and the options of the replay."""
    if not own:
        return
    yield heading(f"{word(own[0].what, lang)} ({len(own)})")
    for one in own[:PICTURES_MAX]:
        yield _shown(one, lang, _command(one, *called))
    if len(own) > PICTURES_MAX:
        yield paragraph(word("more", lang).format(len(own) - PICTURES_MAX), "soft")


def _shown(one: Difference, lang: Lang, command: str) -> Html:
    pictures = [
        figure(thumbnail(jpeg, box_of(one), alt=f"{one.recording} {word(name, lang)}"), word(name, lang))
        for jpeg, name in zip(one.pictures, ("before", "opening"), strict=True)
    ]
    moment = word("moment", lang).format(frame=one.frame, after=duration(one.after_s, lang))
    said = [paragraph(one.recording, "mark"), paragraph(moment, "soft")]
    if one.event is not None:
        event = one.event
        x, y, w, h = event.box
        span_ = f"{event.first_frame}–{event.last_frame} · {x},{y} {w}x{h} px"
        said.append(paragraph(f"{_kind(event.kind, lang)} {event.label[:LABEL_MAX]} · {span_}"))
    for side, alert in (("first", one.before), ("second", one.after)):
        said.append(paragraph(Html(f"{word(side, lang)}: {escape(_alert(alert, lang))}{_as_other(one, alert, lang)}")))
    if Path(one.path).is_dir():  # composites are gone by now
        said.append(Html(f"<p><code>{escape(command)}</code></p>"))
    return row([*pictures, Html(f'<div style="flex:1 1 16rem">{"".join(said)}</div>')])


def _as_other(one: Difference, alert: Alert | None, lang: Lang) -> Html:
    """A mark on an alert that found its event as the other kind; nothing on any other."""
    if alert is None or one.event is None or one.event.kind not in KINDS or alert.family == one.event.kind:
        return Html("")
    return span(word("as", lang).format(_kind(alert.family, lang)), "warn")


def _command(one: Difference, first: str, second: str, options: str) -> str:
    """What tells more of it: the alert's own configuration, explained at its place and moment."""
    file = second if one.after is not None else first
    words = [f"{one.path}@{one.frame}", "--box", ",".join(str(round(side)) for side in one.alert.box_px)]
    words += [] if file == DEFAULTS else ["--config", file]
    return " ".join(["curbwatch explain", *map(quote, words), options]).rstrip()


def _alert(alert: Alert | None, lang: Lang) -> str:
    if alert is None:
        return "–"
    return f"{_kind(alert.family, lang)} {alert.confidence:.2f}"


def _kind(kind: str, lang: Lang) -> str:
    return word(kind, lang) if kind in KINDS else kind


def _counts(name: str, first: int, second: int, good: int, *, markup: bool) -> tuple[object, ...]:
    change = f"{second - first:+d}" if second != first else "0"
    return name, first, second, _coloured(change, (second - first) * good) if markup else change


def _arrow(first: int, second: int, good: int, *, markup: bool) -> object:
    if first == second:
        return str(first)
    text = f"{first} → {second}"
    return _coloured(text, (second - first) * good) if markup else text


def _coloured(text: str, good: int) -> object:
    return span(text, "good" if good > 0 else "bad") if good else text


def _reach(interval: Sequence[float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}"
