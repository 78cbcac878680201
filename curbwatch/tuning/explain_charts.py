"""An explanation over time: how long it stood, what it was taken for, how much moved around it. Pure."""

import numpy as np
from numpy.typing import NDArray

from alerts.messages import Lang
from curbwatch.tuning.charts import Chart, Line
from curbwatch.tuning.explain import Explained
from curbwatch.tuning.explain_words import CLASS_WORDS, Pair, word
from schemas.detections import CLASSES

Values = NDArray[np.float64]

QUIET = 0.2  # share of movement below which the axis ends there
CLASS_COLOURS = ("#d1495b", "#2e86ab", "#e09f3e", "#4f9d69", "#8d6cab", "#8a8f98")
SEEN_COLOURS = {"present": "#4f9d69", "hidden": "#e09f3e", "absent": "#d1495b"}
WORDS: dict[str, Pair] = {
    "stood": ("停留(秒);下方色带:绿 可见,黄 被遮,红 不在", "seconds; band: green seen, yellow hidden, red absent"),
    "dwell": ("停留", "dwell"),
    "votes": ("票数", "votes"),
    "asked": ("报警 {0:g}", "alert {0:g}"),
    "static": ("提议 {0:g}", "proposal {0:g}"),
    "class": ("类别概率", "probability of each class"),
    "threshold": ("{0} 报警 {1:g}", "{0} alert {1:g}"),
    "activity": ("四周人流(时间占比)", "movement, share of recent time"),
    "ring": ("四周", "around it"),
    "row": ("同高处", "at this distance"),
    "differs": ("与背景相差(级)", "levels apart from the background"),
    "grey": ("亮度", "brightness"),
    "colour": ("颜色", "colour"),
    "levels": ("要求 {0:g}", "asked {0:g}"),
}


def charts(told: Explained, lang: Lang) -> list[Chart]:
    """Return four charts over the analysed frames; no frames give none."""
    if not told.samples:
        return []
    moment_ns = told.samples[told.at].captured_ns
    minutes = np.asarray([(one.captured_ns - moment_ns) / 60e9 for one in told.samples], np.float64)
    return [
        _standing(told, minutes, lang),
        _classes(told, minutes, lang),
        _activity(told, minutes, lang),
        _difference(told, minutes, lang),
    ]


def _standing(told: Explained, minutes: Values, lang: Lang) -> Chart:
    vision = told.config.vision
    dwell = np.asarray([np.nan if one.phase is None else one.dwell_s for one in told.samples], np.float64)
    votes = _of_place(told, "votes_s")
    top = float(np.nanmax(np.concatenate([dwell, votes, [vision.dwell_s * 1.3]])))
    levels = (
        (vision.dwell_s, _say("asked", lang, vision.dwell_s)),
        (vision.static_s, _say("static", lang, vision.static_s)),
    )
    lines = (Line(_say("votes", lang), CLASS_COLOURS[1], votes), Line(_say("dwell", lang), CLASS_COLOURS[0], dwell))
    band = tuple(SEEN_COLOURS.get(one.track.seen, "") if one.track else "" for one in told.samples)
    return Chart(_say("stood", lang), minutes, lines, round(top), levels, band)


def _classes(told: Explained, minutes: Values, lang: Lang) -> Chart:
    shares = np.full((len(told.samples), len(CLASSES)), np.nan)
    for index, one in enumerate(told.samples):
        if one.posterior:
            shares[index] = one.posterior
    lines = tuple(Line(word(CLASS_WORDS, name, lang), CLASS_COLOURS[k], shares[:, k]) for k, name in enumerate(CLASSES))
    knobs = told.config.alerts
    least = {knobs.stall_confidence: "stall", knobs.waste_confidence: "waste"}
    if len(least) == 1:
        levels = tuple((value, _say("asked", lang, value)) for value in least)
    else:
        levels = tuple(
            (value, _say("threshold", lang, word(CLASS_WORDS, name, lang), value)) for value, name in least.items()
        )
    return Chart(_say("class", lang), minutes, lines, 1.0, levels)


def _activity(told: Explained, minutes: Values, lang: Lang) -> Chart:
    ring, row = _of_place(told, "activity"), _of_place(told, "row_activity")
    lines = (Line(_say("ring", lang), CLASS_COLOURS[4], ring), Line(_say("row", lang), CLASS_COLOURS[5], row))
    most = float(np.nanmax(np.append([ring, row], QUIET)))
    return Chart(_say("activity", lang), minutes, lines, 1.0 if most > QUIET else QUIET)


def _difference(told: Explained, minutes: Values, lang: Lang) -> Chart:
    asked = told.config.vision.differs_grey
    grey, colour = _of_place(told, "differs_grey"), _of_place(told, "differs_colour")
    top = round(float(np.nanmax(np.append(grey, 3.0 * asked))))
    lines = (Line(_say("grey", lang), CLASS_COLOURS[1], grey), Line(_say("colour", lang), CLASS_COLOURS[2], colour))
    return Chart(_say("differs", lang), minutes, lines, top, ((float(asked), _say("levels", lang, asked)),))


def _of_place(told: Explained, name: str) -> Values:
    """One measure of the place per sample, NaN before the camera is known."""
    return np.asarray([np.nan if one.place is None else getattr(one.place, name) for one in told.samples], np.float64)


def _say(key: str, lang: Lang, *values: object) -> str:
    return WORDS[key][lang == "en"].format(*values)
