"""An explanation in sentences: how long it stood, what it is and why, what would come of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo

import numpy as np

from alerts.messages import Lang, duration
from curbwatch.tuning.explain import Explained, Sample
from curbwatch.tuning.explain_events import Fared
from curbwatch.tuning.explain_words import (
    ADOPTION_WORDS,
    CLASS_WORDS,
    DECISION_WORDS,
    EVIDENCE_WORDS,
    FEATURE_WORDS,
    SCENE_WORDS,
    VERDICT_WORDS,
    say,
    word,
)
from curbwatch.tuning.recording import START_NS
from curbwatch.tuning.score import UNSEEN
from detectors.vision.classify import Classifier
from detectors.vision.inspection import feature_groups, group_contributions, standard
from detectors.vision.verify import Verdict
from schemas.detections import CLASSES, Evidence, Phase, SceneState
from schemas.units import utc

REASONS = 3  # named for a class, and at most so many against it
ADOPTIONS = 3  # newest regions named in the text; the page has them all
LEAST = 0.05  # of log probability: a feature that says less is not named
DIFFERS = 0.1  # share of a place: less is noise
AWAY = 0.5  # standard deviations from the mean from which a value is called high or low


@dataclass(frozen=True, slots=True)
class Weighed:
    """One feature, or a layout as a whole, of the newest look.

    Attributes:
        name: as in FEATURE_WORDS.
        value: as measured; None for a layout.
        away: standard deviations from the training mean; None for a layout.
        raises: by how much it raises the log probability of the class asked about.
    """

    name: str
    value: float | None
    away: float | None
    raises: float


def weigh(classifier: Classifier, sample: Sample, class_index: int) -> list[Weighed]:
    """Every feature of the track's newest look, what speaks most for the class first; no look: none."""
    if sample.track is None or sample.track.looks == 0:
        return []
    features = sample.track.features
    groups = feature_groups()
    raised = group_contributions(classifier, features, groups)
    away = standard(classifier, features)
    weighed = []
    for name, rows in groups.items():
        single = len(rows) == 1
        value = float(features[rows[0]]) if single else None
        weighed.append(Weighed(name, value, float(away[rows[0]]) if single else None, float(raised[name][class_index])))
    return sorted(weighed, key=lambda one: -one.raises)


def sentences(told: Explained, classifier: Classifier, lang: Lang, zone: tzinfo = UTC) -> list[str]:
    """What a person wants to know of the moment, most important first; no frame: that nothing is known."""
    sample = told.sample
    if sample is None:
        return [say("nothing", lang)]
    if told.alert is not None:
        head = say("alert", lang, family=word(CLASS_WORDS, told.alert.family, lang))
    else:
        head = say("nothing" if sample.phase is None else "seen", lang)
    lines = [head]
    if sample.scene not in {SceneState.OK, SceneState.WARMING}:
        scene = word(SCENE_WORDS, sample.scene.name, lang)
        return [head, say("scene", lang, what=scene), say("suspended", lang)]
    lines.extend(_of_row(told, sample, classifier, lang, zone) if sample.phase is not None else _of_place(told, lang))
    past = [one for one in told.adoptions if one.captured_ns <= sample.captured_ns]
    for one in past[-ADOPTIONS:]:
        what = word(ADOPTION_WORDS, one.reason, lang)
        lines.append(say("adopted", lang, when=when(told, one.captured_ns, lang, zone), what=what))
    if len(past) > ADOPTIONS:
        lines.append(say("more", lang, count=len(past) - ADOPTIONS))
    return lines


def event_line(fared: Fared, lang: Lang, zone: tzinfo = UTC) -> str:
    """One line on an event of a recording: reported as what, or the first test that it did not pass, and when."""
    told, event = fared.told, fared.event
    kind = word(CLASS_WORDS, event.kind, lang)
    head = say("event", lang, number=fared.number, kind=kind, label=event.label and f" {event.label}")
    if fared.alert is not None:
        name = word(CLASS_WORDS, fared.alert.family, lang)
        return head + say("reported", lang, name=name, when=when(told, fared.alert.opened_ns, lang, zone))
    sample = told.sample
    if sample is None:
        return head + say("nothing", lang)
    head += say("missed", lang) if fared.seen_as else say("too_short", lang, asked=f"{told.config.vision.dwell_s:g}")
    if fared.seen_as not in {"", UNSEEN}:
        head += say("longest", lang, name=word(CLASS_WORDS, fared.seen_as, lang))
    head += say("asked", lang, when=when(told, sample.captured_ns, lang, zone), frame=told.frame)
    if sample.scene not in {SceneState.OK, SceneState.WARMING}:
        return head + say("scene", lang, what=word(SCENE_WORDS, sample.scene.name, lang))
    if sample.phase is None:
        return head + next(_of_place(told, lang), say("nothing", lang))
    best = int(np.argmax(sample.posterior))
    share = say("plain", lang, name=word(CLASS_WORDS, CLASSES[best], lang), share=sample.posterior[best])
    return head + " ".join([share, *_of_decision(told, sample, lang, zone)])


def place_and_time(told: Explained, lang: Lang, zone: tzinfo = UTC) -> str:
    """Which recording, and when the frame that is explained was captured."""
    sample = told.sample
    if sample is None:
        return told.recording.name
    place = say("place", lang, frame=told.frame, when=when(told, sample.captured_ns, lang, zone))
    return f"{told.recording.name}, {place}"


def when(told: Explained, captured_ns: int, lang: Lang, zone: tzinfo = UTC) -> str:
    """A captured time of a recording: by the clock where its frames are stamped, else from its first frame."""
    if told.recording.times_ns:
        return moment(captured_ns, zone)
    return say("after", lang, span=duration((captured_ns - START_NS) / 1e9, lang))


def moment(captured_ns: int, zone: tzinfo = UTC) -> str:
    """A captured time as people read it."""
    return utc(captured_ns).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def because(weighed: list[Weighed], lang: Lang) -> tuple[str, str]:
    """What speaks for and against a class, each as words; empty where nothing does."""
    support = [one for one in weighed if one.raises >= LEAST][:REASONS]
    against = [one for one in reversed(weighed) if one.raises <= -LEAST][:REASONS]
    stop = "、" if lang == "zh" else ", "
    return stop.join(_named(one, lang) for one in support), stop.join(_named(one, lang) for one in against)


def _of_row(told: Explained, sample: Sample, classifier: Classifier, lang: Lang, zone: tzinfo) -> Iterator[str]:
    """Of something that stands, or has just left."""
    since = when(told, sample.captured_ns - round(sample.dwell_s * 1e9), lang, zone)
    asked = f"{told.config.vision.dwell_s:g}"
    yield say("stood", lang, dwell=f"{sample.dwell_s:.0f}", since=since, asked=asked)
    if sample.track is not None and sample.track.seen == "hidden":
        yield say("hidden", lang)
    order = np.argsort(sample.posterior)[::-1]
    best, second = int(order[0]), int(order[1])
    share = sample.posterior[best]
    name = word(CLASS_WORDS, CLASSES[best], lang)
    support, against = because(weigh(classifier, sample, best), lang)
    shape = sample.evidence == Evidence.SHAPE
    yield (
        say("because", lang, name=name, share=share, why=support)
        if support and shape
        else say("plain", lang, name=name, share=share)
    )
    if against and shape:
        yield say("against", lang, why=against)
    if sample.track is not None and sample.track.pieces:
        hand, crop = float(sample.track.shape[best]), float(sample.track.crop[best])
        yield say("opinions", lang, name=name, shape=hand, crop=crop, pieces=sample.track.pieces)
    yield say("next", lang, name=word(CLASS_WORDS, CLASSES[second], lang), share=sample.posterior[second])
    if sample.evidence >= 0:
        yield say("carried", lang, what=EVIDENCE_WORDS[sample.evidence][lang == "en"])
    yield from _of_decision(told, sample, lang, zone)


def _of_decision(told: Explained, sample: Sample, lang: Lang, zone: tzinfo) -> Iterator[str]:
    if sample.phase is Phase.GONE:
        yield say("gone", lang)
        return
    if sample.phase is Phase.MATURING:
        yield say("maturing", lang)
    if sample.decision != "alert":
        yield say("would_not", lang, why=word(DECISION_WORDS, sample.decision, lang))
    elif sample.phase is Phase.MATURING:
        yield say("would", lang)
    elif told.alert is None:
        before = [one for one in told.opened if one.opened_ns < sample.captured_ns]
        if before:
            yield say("was_open", lang, when=when(told, before[-1].opened_ns, lang, zone))
        else:
            yield say("merged", lang)


def _of_place(told: Explained, lang: Lang) -> Iterator[str]:
    """Why there is no row: the first test that the place does not pass."""
    seen, knobs = told.inspection, told.config.vision
    if seen is None:
        return
    if not seen.trained:
        yield say("learning", lang)
        return
    place = seen.place
    if place.zone_share == 0 and seen.zone is not None:
        yield say("outside", lang, share=place.zone_share)
    if place.verdict is not None and place.area_px < knobs.area_min_px:
        yield say("small", lang, area=place.area_px, asked=knobs.area_min_px)
    elif place.verdict is not None and place.verdict is not Verdict.OBJECT:
        yield say("judged", lang, what=word(VERDICT_WORDS, place.verdict.name, lang))
    elif place.verdict is not None:
        yield say("unlooked", lang)
    elif place.frame_share >= DIFFERS > place.differing_share:
        yield say("arriving", lang)
    elif place.standing_share > 0:
        yield say("thin", lang)
    elif place.differing_share >= DIFFERS:
        yield say("young", lang, votes=place.votes_s, asked=knobs.static_s)
    else:
        yield say("same", lang, grey=place.differs_grey, asked=knobs.differs_grey)


def _named(one: Weighed, lang: Lang) -> str:
    name = word(FEATURE_WORDS, one.name, lang)
    level = ""
    if one.away is not None and abs(one.away) >= AWAY:
        level = ("高" if one.away > 0 else "低") if lang == "zh" else ("high " if one.away > 0 else "low ")
    told = f"{name}{level}" if lang == "zh" else f"{level}{name}"
    return f"{told} ({one.raises:+.1f})"
