"""An incident of which only the evidence is left: its facts in words, and its two pictures side by side."""

from datetime import UTC, tzinfo

import cv2
import numpy as np
from numpy.typing import NDArray

from alerts.messages import Lang
from curbwatch.tuning.cases_incident import Kept
from curbwatch.tuning.explain_text import moment
from curbwatch.tuning.explain_words import CLASS_WORDS, Pair, word
from curbwatch.tuning.report import cut_out, figure, page, paragraph, picture, row
from curbwatch.tuning.strip import PANEL_PX, Panel, side_by_side
from ingest.decode import decode_full
from schemas.errors import UsageError
from schemas.units import ns_of

WORDS: dict[str, Pair] = {
    "title": ("解释:事件 {0}", "Explained: incident {0}"),
    "head": ("报警:{0},{1},置信度 {2:.2f}。", "An alert for {0} in {1}, confidence {2:.2f}."),
    "stood": (
        "自 {0} 停留,{1} 立案,共 {2} 次看见,最近一次 {3}。",
        "It came at {0}, was opened at {1} and seen {2} times, last at {3}.",
    ),
    "who": ("状态 {0},判定人 {1}。", "State {0}; decided by {1}."),
    "left": (
        "当时没有录像:只能给出证据图片。用 curbwatch record 录像后,可解释每一步。",
        "No frames were recorded around it, so only the evidence can be shown; `curbwatch record` keeps them.",
    ),
    "before": ("出现之前", "before"),
    "opening": ("立案时", "opening"),
    "apart": ("两图之差", "apart"),
}
GAIN = 4  # by which the difference of the pictures is drawn brighter


def kept_lines(kept: Kept, lang: Lang, zone: tzinfo = UTC) -> list[str]:
    """What is stored of an incident, as sentences."""
    found = kept.row
    times = [moment(ns_of(when), zone) for when in (found.appeared_at, found.opened_at, found.last_seen_at)]
    return [
        _say("head", lang, word(CLASS_WORDS, found.family, lang), found.zone, found.confidence),
        _say("stood", lang, times[0], times[1], found.sightings, times[2]),
        _say("who", lang, found.state, found.decided_by or "-"),
        _say("left", lang),
    ]


def kept_panels(kept: Kept) -> list[Panel]:
    """The place in each picture that is left, and, of two, how far they are apart."""
    shown = [decode_full(jpeg) for _, jpeg in kept.pictures]
    names = ["opening"] if len(shown) == 1 else ["before", "opening"]
    found = [Panel(name, cut_out(pixels, kept.row.box_px, PANEL_PX)) for name, pixels in zip(names, shown, strict=True)]
    if len(shown) == 2 and shown[0].shape == shown[1].shape:
        apart = cv2.cvtColor(cv2.absdiff(shown[1], shown[0]), cv2.COLOR_BGR2GRAY)
        drawn = np.asarray(cv2.applyColorMap(cv2.convertScaleAbs(apart, alpha=GAIN), cv2.COLORMAP_INFERNO), np.uint8)
        found.append(Panel("apart", cut_out(drawn, kept.row.box_px, PANEL_PX)))
    return found


def kept_strip(kept: Kept) -> NDArray[np.uint8]:
    """The panels in one picture. Raises UsageError where no picture is left."""
    found = kept_panels(kept)
    if not found:
        raise UsageError(f"incident {kept.row.incident_id}: its pictures are gone")
    return side_by_side(found)


def kept_page(kept: Kept, lang: Lang, zone: tzinfo = UTC) -> str:
    """The same as a page."""
    drawn = [figure(picture(one.pixels, one.key), _say(one.key, lang)) for one in kept_panels(kept)]
    lines = [paragraph(line) for line in kept_lines(kept, lang, zone)]
    return page(_say("title", lang, kept.row.incident_id), [*lines, row(drawn)], lang=lang)


def _say(key: str, lang: Lang, *values: object) -> str:
    return WORDS[key][lang == "en"].format(*values)
