"""The report of an evaluation as one page: figures beside the baseline, and every alert with its pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from shlex import quote
from typing import Any

from alerts.messages import Lang
from curbwatch.tuning.recording import Recording
from curbwatch.tuning.report import Html, bar, foldout, heading, page, paragraph, span, table, thumbnail
from curbwatch.tuning.score import Result
from curbwatch.tuning.verdicts import floats
from schemas.incident import Box

ROWS_MAX = 500  # alerts and missed events with pictures: a page of some 6 MB
ORDER = ("false", "missed", "duplicate", "standing", "short", "found")
PARTS = (
    ("by_kind", "by_kind", "kind"),
    ("by_condition", "by_condition", "condition"),
    ("by_width_px", "by_width", "width"),
)
TONES = {"found": "good", "false": "bad", "missed": "bad", "duplicate": "mark", "standing": "mark", "short": "soft"}
WORDS: dict[str, tuple[str, str]] = {
    "title": ("检测评测", "Evaluation of detectors"),
    "watcher": ("检测器", "watcher"),
    "recording": ("录像", "recording"),
    "hours": ("小时", "hours"),
    "events": ("事件", "events"),
    "found": ("命中", "found"),
    "recall": ("召回率(95 %)", "recall (95 %)"),
    "false_alarms": ("误报", "false"),
    "per_hour": ("每小时误报", "false per hour"),
    "duplicates": ("重复", "doubled"),
    "right_class": ("类别正确", "right class"),
    "late": ("超出停留时间(秒)中位数", "late, median s"),
    "p90": ("九成以内(秒)", "p90 s"),
    "kind": ("类别", "kind"),
    "condition": ("光照与天气", "condition"),
    "width": ("网格宽度(像素)", "width on the grid, px"),
    "by_kind": ("按类别", "By kind"),
    "by_condition": ("按光照与天气", "By light and weather"),
    "by_width": ("按目标宽度", "By width"),
    "taken_for": ("事件被当作什么", "What events were taken for"),
    "alerts": ("告警", "Alerts"),
    "recordings": ("录像", "Recordings"),
    "before": ("之前", "before"),
    "opening": ("告警时", "when it was opened"),
    "verdict": ("结论", "verdict"),
    "what": ("说明", "what"),
    "standing_found": ("原有物", "standing"),
    "on_distractors": ("干扰物", "on distractors"),
    "health": ("画面异常", "frame health"),
    "closing": ("物去后关闭", "closed after leaving"),
    "missed": ("漏检", "missed"),
    "false": ("误报", "false"),
    "duplicate": ("重复", "doubled"),
    "standing": ("原有物", "standing"),
    "short": ("不足停留时间", "short"),
    "stall": ("占道摊点", "stall"),
    "waste": ("暴露垃圾", "waste"),
    "vehicle": ("车辆", "vehicle"),
    "bike": ("两轮车", "bike"),
    "crowd": ("人群", "crowd"),
    "other": ("其他", "other"),
    "unseen": ("未见", "unseen"),
    "any": ("不分类", "any"),
    "classes": ("持续物体", "what stood there"),
    "day": ("白天", "day"),
    "busy": ("行人多", "busy pavement"),
    "drift": ("光线缓变", "slow drift of light"),
    "shadow": ("移动阴影", "creeping shadow"),
    "clouds": ("多云", "clouds"),
    "exposure": ("曝光跳变", "exposure jumps"),
    "dull": ("阴天", "dull"),
    "night": ("夜间", "night"),
    "infrared": ("红外夜视", "infra-red night"),
    "rain": ("雨", "rain"),
    "snow": ("雪", "snow"),
    "fog": ("雾", "fog"),
    "shake": ("镜头抖动", "shaking camera"),
    "slow": ("每 10 秒一帧", "10 s frames"),
    "recorded": ("实录", "recorded"),
    "frame": ("帧", "frame"),
    "left_out": ("另有 {} 项未列出,见 --json", "{} more are left out; --json lists them"),
    "faults": ("无法评测", "Could not be evaluated"),
    "dwell": ("停留时间", "dwell"),
    "time_scale": ("无时间录像的帧距", "frames of clips without a time apart"),
    "as_recorded": ("如录像", "as recorded"),
    "configuration": ("配置", "configuration"),
    "defaults": ("默认", "defaults"),
    "paths": ("录像位置", "recordings in"),
    "date": ("日期", "made"),
    "version": ("版本", "version"),
    "unusable": ("无法使用", "unusable"),
    "unjudged": ("(仅列出,不评判)", " (listed, not judged)"),
    "interval": ("95 %", "95 %"),
    "per_h": ("每小时", "per h"),
    "late_s": ("延迟", "late"),
    "p90_s": ("p90", "p90"),
    "of_kind": (
        "{kind}:{events} 件命中 {found},类别正确 {right_class}",
        "{kind}: {found} of {events} found, {right_class} as such",
    ),
    "late_is": ("停留时间 {:g} 秒;延迟为超出停留时间的秒数", "dwell {:g} s; late = seconds beyond the dwell"),
    "closed": ("物去后关闭:{ended} 件中 {closed} 件", "closed after their thing left: {closed} of {ended}"),
    "half": (",半数在 {:.0f} 秒内", ", half of them within {:.0f} s"),
    "read": (
        "迟到为告警时刻减去停留时间;宽度按检测网格计;区间为 95 % Wilson 区间。",
        "Late: seconds beyond the dwell. Widths count on the detector's grid. Intervals are Wilson's, 95 %.",
    ),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One row of the list of alerts: an alert, or an event that was missed, with the place before and then.

    ``path`` and ``asked``: its recording's folder, and what ``explain`` is to be asked of it.
    """

    recording: str
    verdict: str
    before: Html
    then: Html
    words: tuple[str, ...]
    path: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What made a page: the options of the replay as they were given, for the next command, and rows of words."""

    options: str
    rows: tuple[tuple[str, str], ...]


def shots(recording: Recording, result: Result) -> list[Shot]:
    """A row for each alert and each missed event of one recording; its files must still be there."""
    rows: list[tuple[str, Box, int, int, tuple[str, ...], str]] = []
    for one in result.alerts:
        named = "" if one.event is None else f"{result.events[one.event].kind}: {result.events[one.event].label}"
        sure = f"{one.alert.family or 'any'} {one.alert.confidence:.2f}"
        words = (sure, named or one.distractor, f"{max(0, one.appeared_frame)} – {one.frame}")
        rows.append((one.verdict, one.alert.box_px, one.appeared_frame - 1, one.frame, words, f"#{one.number}"))
    for found in result.matches:
        if found.alert is None:
            event = found.event
            last = min(event.last_frame, result.played.frames - 1)
            words = (found.seen_as, f"{event.kind}: {event.label}", f"{event.first_frame} – {last}")
            then = (event.first_frame + last) // 2
            asked = f"@{then} --box {','.join(map(str, event.box))}"
            rows.append(("missed", floats(event.box), event.first_frame - 1, then, words, asked))
    wanted = {frame for _, _, before, then, _, _ in rows for frame in (max(0, before), then)}
    pictures = recording.picked(wanted) if wanted else {}
    return [
        Shot(
            recording.name,
            verdict,
            thumbnail(pictures.get(max(0, before)), box),
            thumbnail(pictures.get(then), box),
            words,
            str(recording.folder),
            asked,
        )
        for verdict, box, before, then, words, asked in rows
    ]


def evaluation_page(found: Mapping[str, Any], rows: Sequence[Shot], lang: Lang, made: Made) -> str:
    """The page of a result of ``evaluate`` (design 12) with its alerts, and what made it."""
    said = " · ".join(f"{word(key, lang)} {value}" for key, value in made.rows)
    body: list[object] = [paragraph(said, "soft"), paragraph(word("read", lang), "soft"), _watchers(found, lang)]
    if found.get("faults"):
        body.append(heading(word("faults", lang)))
        body += [paragraph(f"{fault['path']}: {fault['error']}", "bad") for fault in found["faults"]]
    for key, title, head in PARTS:
        if any(row["events"] or row.get("hours") for row in found[key].values()):
            body += [heading(word(title, lang)), _split(found[key], head, lang)]
    if any(row for part in found["confusion"].values() for row in part.values()):
        body += [heading(word("taken_for", lang)), _confusion(found["confusion"], lang)]
    body += [heading(word("recordings", lang)), _recordings(found["recordings"], lang)]
    if rows:
        body += [heading(word("alerts", lang)), *_alerts(rows, lang, made.options)]
    return page(word("title", lang), body, lang=lang)


def word(key: str, lang: Lang) -> str:
    """A word of this page; unknown ones as they are."""
    return WORDS.get(key, (key, key))[lang == "en"]


def _watchers(found: Mapping[str, Any], lang: Lang) -> Html:
    named = {"curbwatch": found, **found["baseline"]}
    heads = ("watcher", "hours", "events", "found", "recall", "false_alarms", "per_hour", "duplicates", "late", "p90")
    cells = [
        (
            name,
            *_counts(row),
            row["false_alarms"],
            _short(row["unwanted_per_hour"]),
            row["duplicates"],
            row["delay_s"]["median"],
            row["delay_s"]["p90"],
            _closed(row["close_s"]),
        )
        for name, row in named.items()
    ]
    return table([word(head, lang) for head in (*heads, "closing")], cells)


def _counts(row: Mapping[str, Any]) -> tuple[object, ...]:
    return _short(row["hours"]), row["events"], row["found"], _recall(row)


def _short(number: float | None) -> str | None:
    return None if number is None else f"{number:.2f}"


def _recall(row: Mapping[str, Any]) -> Html | None:
    """A bar of the share that was found, with its interval."""
    if not row["events"]:
        return None
    share, (low, high) = row["found"] / row["events"], row["recall_95"]
    return bar(share, f"{share:.0%} ({low:.0%}–{high:.0%})", width_px=70)


def _closed(row: Mapping[str, Any]) -> str | None:
    if not row["ended"]:
        return None
    half = "" if row["median"] is None else f", {row['median']:.0f} s"
    return f"{row['closed']}/{row['ended']}{half}"


def _split(rows: Mapping[str, Any], head: str, lang: Lang) -> Html:
    """Figures by kind, by condition or by width."""
    timed = head == "condition"
    heads = [head, *(("hours",) if timed else ()), "events", "found", "recall", "right_class", "duplicates"]
    heads += ["late", "p90", *(("false_alarms", "per_hour") if timed else ())]
    cells = []
    for name, row in rows.items():
        if not row["events"] and not timed:
            continue
        cell = [
            word(name, lang),
            *((_short(row["hours"]),) if timed else ()),
            row["events"],
            row["found"],
            _recall(row),
        ]
        cell += [row["right_class"], row["duplicates"], row["delay_s"]["median"], row["delay_s"]["p90"]]
        cells.append([*cell, *((row["false_alarms"], _short(row["unwanted_per_hour"])) if timed else ())])
    return table([word(name, lang) for name in heads], cells)


def _confusion(found: Mapping[str, Any], lang: Lang) -> Html:
    columns = sorted({name for part in found.values() for row in part.values() for name in row})
    cells = [
        (f"{word(kind, lang)} ({word(part, lang)})", *(row.get(name, 0) or "" for name in columns))
        for part, rows in found.items()
        for kind, row in rows.items()
    ]
    return table([word("kind", lang), *(word(name, lang) for name in columns)], cells)


def _recordings(rows: Sequence[Mapping[str, Any]], lang: Lang) -> Html:
    heads = ("recording", "condition", "hours", "events", "found", "false_alarms", "on_distractors", "duplicates")
    cells = [
        (
            row["name"],
            row["condition"],
            _short(row["hours"]),
            *(row[key] for key in heads[3:]),
            row["standing_found"],
            ", ".join(f"{name} {count}" for name, count in row["health_events"].items()) or None,
        )
        for row in rows
    ]
    return foldout(f"{len(rows)}", [table([word(head, lang) for head in (*heads, "standing_found", "health")], cells)])


def _alerts(rows: Sequence[Shot], lang: Lang, options: str) -> list[object]:
    ordered = sorted(rows, key=lambda shot: ORDER.index(shot.verdict))
    heads = [word(head, lang) for head in ("verdict", "before", "opening", "what", "recording")]
    cells = [
        (
            span(word(shot.verdict, lang), TONES[shot.verdict]),
            shot.before,
            shot.then,
            _lines(
                _named(shot.words[0], lang),
                shot.words[1],
                f"{word('frame', lang)} {shot.words[2]}",
                Html(f"<code>{escape(_command(shot, options))}</code>") if Path(shot.path).is_dir() else "",
            ),
            shot.recording,
        )
        for shot in ordered[:ROWS_MAX]
    ]
    more = len(ordered) - len(cells)
    note = [paragraph(word("left_out", lang).format(more), "soft")] if more > 0 else []
    return [*note, table(heads, cells)]


def _named(text: str, lang: Lang) -> str:
    family, _, sure = text.partition(" ")
    return f"{word(family, lang)} {sure}".rstrip()


def _command(shot: Shot, options: str) -> str:
    """What tells more of one row."""
    what, _, box = shot.asked.partition(" ")
    return " ".join(part for part in ("curbwatch explain", quote(f"{shot.path}{what}"), box, options) if part)


def _lines(*texts: str) -> Html:
    return Html("".join(paragraph(text) for text in texts if text))
