"""An explanation as one self-contained page: sentences, pictures, charts, classes, features, adopted regions."""

from datetime import UTC, tzinfo

from alerts.messages import Lang
from curbwatch.tuning.charts import chart_svg
from curbwatch.tuning.explain import Explained, Sample
from curbwatch.tuning.explain_charts import charts
from curbwatch.tuning.explain_text import moment, place_and_time, sentences, weigh, when
from curbwatch.tuning.explain_words import ADOPTION_WORDS, CLASS_WORDS, FEATURE_WORDS, Pair, word
from curbwatch.tuning.recording import START_NS
from curbwatch.tuning.report import Html, bar, figure, foldout, heading, page, paragraph, picture, row, table
from curbwatch.tuning.strip import panels
from detectors.vision.classify import Classifier
from detectors.vision.verify import Look
from schemas.detections import CLASSES

BAR_AT = 2.0  # of log probability that fills a feature's bar
PANEL_WORDS: dict[str, Pair] = {
    "whole": ("整幅画面", "the frame"),
    "frame": ("此刻", "the place at the moment"),
    "before": ("出现之前", "the last picture before it came"),
    "background": ("背景 B", "background B"),
    "candidate": ("候选 C", "candidate C: what stands"),
    "votes": ("票数 V(秒)", "votes V, seconds"),
    "differs": ("|C−B|", "|C−B|"),
    "standing": ("停留且不同", "stood long enough and differs"),
    "verified": ("核验", "verified as"),
    "zone": ("监看区域", "zones"),
}
VERDICT_SHORT: dict[str, Pair] = {
    "object": ("物体", "an object"),
    "light": ("光线", "light"),
    "shade": ("阴影", "shade"),
    "ghost": ("空位", "a hole that something left"),
}
WORDS: dict[str, Pair] = {
    "title": ("解释:{0}", "Explained: {0}"),
    "pictures": ("画面", "Pictures"),
    "time": ("随时间", "Over time"),
    "classes": ("类别", "Classes"),
    "class": ("类别", "class"),
    "share": ("概率", "probability"),
    "by_shape": ("形状与颜色特征", "by shape and colour"),
    "by_pieces": ("原图小图", "by pieces of the original"),
    "features": ("最近一次观察的特征", "Features of the newest look"),
    "features_note": (
        "每一行:把这一项换成训练平均值后,{0} 的对数概率下降多少。",
        "Each row: how much the log probability of {0} falls when this alone is put to its training mean.",
    ),
    "feature": ("特征", "feature"),
    "value": ("数值", "value"),
    "away": ("偏离(标准差)", "from the mean, sd"),
    "raises": ("作用", "raises"),
    "verification": ("核验的测量", "Measures of the verification"),
    "measure": ("测量", "measure"),
    "adopted": ("此处并入背景的区域", "Regions here that became background"),
    "when": ("时间", "when"),
    "reason": ("原因", "reason"),
    "box": ("外框 x, y, w, h", "box x, y, w, h"),
    "looks": ("每帧记录", "Every analysed frame"),
    "decision": ("判定", "decision"),
    "dwell": ("停留 s", "dwell s"),
}


def explained_page(told: Explained, classifier: Classifier, lang: Lang, zone: tzinfo = UTC) -> str:
    """Return the whole page."""
    sample = told.sample
    where = place_and_time(told, lang, zone)
    body: list[object] = [paragraph(line) for line in sentences(told, classifier, lang, zone)]
    drawn = panels(told)
    if drawn:
        body += [heading(_say("pictures", lang)), row(_figure(one.key, one.note, one.pixels, lang) for one in drawn)]
    if told.samples:
        body += [heading(_say("time", lang)), row(chart_svg(chart) for chart in charts(told, lang))]
    if sample is not None and sample.posterior:
        body += _classes(sample, lang)
        body += _features(sample, classifier, lang)
    if told.inspection is not None and told.inspection.place.look is not None:
        body.append(foldout(_say("verification", lang), [_look(told.inspection.place.look, lang)]))
    adopted = [
        (when(told, one.captured_ns, lang, zone), word(ADOPTION_WORDS, one.reason, lang), _sides(one.box_px))
        for one in told.adoptions
    ]
    heads = [_say(key, lang) for key in ("when", "reason", "box")]
    if adopted:
        body += [heading(_say("adopted", lang)), table(heads, adopted)]
    body.append(foldout(_say("looks", lang), [_frames(told, lang, zone)]))
    return page(_say("title", lang, where), body, lang=lang)


def _figure(key: str, note: str, pixels: object, lang: Lang) -> Html:
    caption = f"{word(PANEL_WORDS, key, lang)} {word(VERDICT_SHORT, note, lang)}".strip()
    return figure(picture(pixels, caption), caption)  # type: ignore[arg-type]


def _classes(sample: Sample, lang: Lang) -> list[object]:
    order = sorted(range(len(CLASSES)), key=lambda k: -sample.posterior[k])
    track = sample.track
    pieces = track is not None and track.pieces > 0
    rows = [
        (
            word(CLASS_WORDS, CLASSES[k], lang),
            bar(sample.posterior[k], f"{sample.posterior[k]:.3f}"),
            None if track is None else f"{track.shape[k]:.3f}",
            f"{track.crop[k]:.3f}" if track is not None and pieces else None,
        )
        for k in order
    ]
    heads = [_say(key, lang) for key in ("class", "share", "by_shape", "by_pieces")]
    return [heading(_say("classes", lang)), table(heads, rows)]


def _features(sample: Sample, classifier: Classifier, lang: Lang) -> list[object]:
    best = max(range(len(CLASSES)), key=lambda k: sample.posterior[k])
    weighed = weigh(classifier, sample, best)
    if not weighed:
        return []
    rows = [
        (
            word(FEATURE_WORDS, one.name, lang),
            None if one.value is None else f"{one.value:.3f}",
            None if one.away is None else f"{one.away:+.1f}",
            bar(abs(one.raises) / BAR_AT, f"{one.raises:+.2f}"),
        )
        for one in weighed
    ]
    heads = [_say(key, lang) for key in ("feature", "value", "away", "raises")]
    note = _say("features_note", lang, word(CLASS_WORDS, CLASSES[best], lang))
    return [heading(_say("features", lang)), paragraph(note, "soft"), table(heads, rows)]


def _look(look: Look, lang: Lang) -> Html:
    names = (*Look.__slots__, "ghost")
    rows = [(name, f"{getattr(look, name):.3f}") for name in names]
    return table([_say("measure", lang), _say("value", lang)], rows)


def _frames(told: Explained, lang: Lang, zone: tzinfo) -> Html:
    rows = [
        (
            _precise(told, one.captured_ns, zone),
            one.scene.name.lower(),
            f"{one.dwell_s:.0f}" if one.phase is not None else None,
            None if one.place is None else f"{one.place.votes_s:.0f}",
            *(f"{share:.2f}" for share in (one.posterior or ())),
            *((None,) * (0 if one.posterior else len(CLASSES))),
            one.decision if one.phase is not None else None,
        )
        for one in told.samples
    ]
    names = [word(CLASS_WORDS, name, lang) for name in CLASSES]
    return table([_say("when", lang), "", _say("dwell", lang), "V s", *names, _say("decision", lang)], rows)


def _precise(told: Explained, captured_ns: int, zone: tzinfo) -> str:
    """A frame's time to the second: by the clock where frames are stamped, else from the first one."""
    if told.recording.times_ns:
        return moment(captured_ns, zone)
    return f"+{(captured_ns - START_NS) / 1e9:.0f} s"


def _sides(box: tuple[float, float, float, float]) -> str:
    return ", ".join(f"{side:.0f}" for side in box)


def _say(key: str, lang: Lang, *values: object) -> str:
    return WORDS[key][lang == "en"].format(*values)
