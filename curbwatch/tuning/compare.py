"""Two configurations over the same recordings: what the second finds, loses and wrongly reports beside the first."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from alerts.incidents.sites import box_overlap
from config.model import Config
from config.pack import apply_modes, load_pack
from curbwatch.detector_choice import make_detector
from curbwatch.tuning.cache import DecodedOnce, Store, judge
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.recording import Event, Recording
from curbwatch.tuning.replay import Alert
from curbwatch.tuning.score import Result, summary
from curbwatch.tuning.verdicts import SAME
from schemas.incident import Box

What = Literal["gained", "lost", "renamed", "false_new", "false_gone"]
WHATS: tuple[What, ...] = ("lost", "false_new", "gained", "false_gone", "renamed")
DEFAULTS = "defaults"  # stands for a file that sets nothing
COUNTED = ("events", "found", "false_alarms", "duplicates", "standing_found")


def refuse_detectors(configs: Iterable[Config]) -> None:
    """Raise ConfigError, before an hour's work, where the detector or the model of a configuration cannot be had."""
    seen = set()
    for config in configs:
        named = config.vision.detector + config.model.model_dump_json()
        if named not in seen:
            seen.add(named)
            make_detector(config, {})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the two configurations do not say alike.

    Attributes:
        what: ``gained``, ``lost`` or ``renamed`` (found by both, as another family) of an event; ``false_new`` or
            ``false_gone`` of a false alarm.
        recording, path: its name and folder.
        event: None for a false alarm.
        before, after: the first configuration's alert and the second's; None where there is none.
        pictures: the last frame from before the thing came, by the recording, else by the alert, and the one that
            opened the alert; a missing one is None.
        frame: number of the opening frame, from 0; -1 where it is not known.
        after_s: captured seconds of the opening frame since the recording's first one.
    """

    what: What
    recording: str
    path: str
    event: Event | None
    before: Alert | None
    after: Alert | None
    pictures: tuple[bytes | None, bytes | None] = (None, None)
    frame: int = -1
    after_s: float = 0.0

    @property
    def alert(self) -> Alert:
        """The alert that shows it: the second configuration's, where it has one."""
        found = self.before if self.after is None else self.after
        if found is None:
            raise ValueError("a difference has at least one alert")
        return found


@dataclass(frozen=True, slots=True)
class Pair:
    """One recording by both configurations."""

    first: Result
    second: Result
    differences: tuple[Difference, ...]


def bench_of(config: Config, time_scale_s: float | None) -> Bench:
    """What a configuration's recordings are judged with, the baseline left out. Raises ConfigError of the pack."""
    city = apply_modes(load_pack(Path(config.site.pack)).city, config.alerts.direct_classes)
    return Bench(config, city, time_scale_s, baseline=False)


def compare(
    recording: Recording, benches: tuple[Bench, Bench], tick: Callable[[int], None] = lambda _looks: None
) -> Pair:
    """Play one recording through both, its pictures decoded once. ``tick(looks)`` is called as by ``judge``.

    Raises UsageError where its media cannot be opened.
    """
    with Store() as store:
        pictures = DecodedOnce(recording, store, benches[0].time_scale_s)
        first, second = judge(pictures, benches, tick)
        found = differences(first, second, reach_s=max(bench.config.vision.dwell_s for bench in benches))
        return Pair(first, second, with_pictures(found, pictures))


def differences(first: Result, second: Result, *, reach_s: float) -> tuple[Difference, ...]:
    """What the second result has and the first has not, and the other way round; equal results give nothing.

    Two false alarms are one and the same where they are of one family, overlap as an alert and an event must, and open
    within ``reach_s`` of each other; each has one partner at most, the nearest in time first. An event that one
    configuration does not count, because it is shorter than its dwell, is no difference.
    """
    here = first.name, first.path
    mine = {found.event: found.alert for found in first.matches}
    found: list[Difference] = []
    for match in second.matches:
        if match.event not in mine:
            continue
        before, after = mine[match.event], match.alert
        if before is None and after is not None:
            found.append(Difference("gained", *here, match.event, None, after))
        elif before is not None and after is None:
            found.append(Difference("lost", *here, match.event, before, None))
        elif before is not None and after is not None and before.family != after.family:
            found.append(Difference("renamed", *here, match.event, before, after))
    gone, new = unpaired(first.false_alarms, second.false_alarms, reach_s=reach_s)
    found += [Difference("false_gone", *here, None, alert, None) for alert in gone]
    found += [Difference("false_new", *here, None, None, alert) for alert in new]
    return tuple(sorted(found, key=lambda one: (WHATS.index(one.what), one.alert.opened_ns)))


def unpaired(first: Sequence[Alert], second: Sequence[Alert], *, reach_s: float) -> tuple[list[Alert], list[Alert]]:
    """Those of each side without a partner on the other."""
    pairs = sorted(
        (abs(a.opened_ns - b.opened_ns), i, j)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if a.family == b.family and box_overlap(a.box_px, b.box_px) >= SAME
    )
    left, right = set(range(len(first))), set(range(len(second)))
    for apart_ns, i, j in pairs:
        if apart_ns <= reach_s * 1e9 and i in left and j in right:
            left.discard(i)
            right.discard(j)
    return [first[i] for i in sorted(left)], [second[j] for j in sorted(right)]


def with_pictures(found: Sequence[Difference], pictures: DecodedOnce) -> tuple[Difference, ...]:
    """The same differences with their pictures; reads the recording once more where there are any."""
    if not found:
        return ()
    shown = list(found)
    first_ns: int | None = None
    for number, (captured_ns, jpeg) in enumerate(pictures.frames()):
        first_ns = captured_ns if first_ns is None else first_ns
        for k, one in enumerate(shown):
            there = captured_ns >= one.alert.appeared_ns if one.event is None else number >= one.event.first_frame
            if not there:
                shown[k] = replace(one, pictures=(jpeg, None))
            elif captured_ns == one.alert.opened_ns:
                after_s = (captured_ns - first_ns) / 1e9
                shown[k] = replace(one, pictures=(one.pictures[0], jpeg), frame=number, after_s=after_s)
    return tuple(shown)


def box_of(one: Difference) -> Box:
    """Where it is: the alert's box, native px."""
    return one.alert.box_px


def knobs_changed(first: Config, second: Config) -> list[tuple[str, Any, Any]]:
    """Every knob that the two do not set alike: its key and both values, in the order of the sections."""
    mine, theirs = first.model_dump(), second.model_dump()
    return [
        (f"{section}.{name}", value, theirs[section][name])
        for section, table in mine.items()
        for name, value in table.items()
        if value != theirs[section][name]
    ]


def to_dict(pairs: Sequence[Pair], configs: tuple[Config, Config], files: tuple[str, str]) -> dict[str, Any]:
    """Everything for programs; deltas are the second configuration's figure less the first's."""
    first, second = summary(pair.first for pair in pairs), summary(pair.second for pair in pairs)
    every = [one for pair in pairs for one in pair.differences]
    return {
        "a": {"file": files[0], "result": first},
        "b": {"file": files[1], "result": second},
        "knobs": [{"key": key, "a": a, "b": b} for key, a, b in knobs_changed(*configs)],
        "delta": {key: second[key] - first[key] for key in COUNTED},
        "differences": {what: [_entry(one) for one in every if one.what == what] for what in WHATS},
        "recordings": [
            {
                "name": mine["name"],
                "path": mine["path"],
                "a": {key: mine[key] for key in COUNTED},
                "b": {key: theirs[key] for key in COUNTED},
                "delta": {key: theirs[key] - mine[key] for key in COUNTED},
            }
            for mine, theirs in zip(first["recordings"], second["recordings"], strict=True)
        ],
    }


def _entry(one: Difference) -> dict[str, Any]:
    event: dict[str, Any] | None = None
    if one.event is not None:
        event = {
            "kind": one.event.kind,
            "label": one.event.label,
            "bbox": list(one.event.box),
            "first_frame": one.event.first_frame,
            "last_frame": one.event.last_frame,
        }
    return {
        "recording": one.recording,
        "frame": one.frame,
        "event": event,
        "a": _alert(one.before),
        "b": _alert(one.after),
    }


def _alert(alert: Alert | None) -> dict[str, Any] | None:
    if alert is None:
        return None
    return {
        "family": alert.family,
        "box_px": [round(side) for side in alert.box_px],
        "opened_ns": alert.opened_ns,
        "appeared_ns": alert.appeared_ns,
        "confidence": round(alert.confidence, 3),
    }
