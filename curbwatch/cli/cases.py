"""``curbwatch cases label|list|show|run|drop``: what people judged, kept so that no later version loses it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from alerts.messages import Lang
from alerts.wire import instant
from curbwatch.cli.app import app
from curbwatch.cli.dispatch import Person
from curbwatch.cli.explain import BoxText, Dwell, EventText, Recordings, TimeScale, progress, setting
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped
from curbwatch.cli.table import table
from curbwatch.desk import open_desk
from curbwatch.people import person_of
from curbwatch.tuning import cases_run
from curbwatch.tuning.cases import (
    Case,
    Judgement,
    Verdict,
    case_id_of,
    cases_dir,
    check,
    drop_case,
    find_case,
    folder_of,
    judge,
    list_cases,
    read_case,
)
from curbwatch.tuning.cases_incident import case_of, incident, recordings_dir
from curbwatch.tuning.cases_keep import Source, keep, of_recording
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.explain import (
    GIVE_BOX,
    Asked,
    alerts_of,
    moment_of,
    numbered,
    one_recording,
    parse,
    parse_box,
    refuse_outside,
)
from curbwatch.tuning.explain_words import CLASS_WORDS, word
from ingest.decode import one_thread
from schemas.errors import UsageError
from schemas.units import utc

cases_app = typer.Typer(no_args_is_help=True, help="Labelled cases: label an alert, and run them all each night.")
app.add_typer(cases_app, name="cases")

Folder = Annotated[Path | None, typer.Option("--dir", help="Folder of the cases; default: cases/ in the private one.")]
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="As `cases list` names it.")]
HEADS: dict[str, tuple[str, str]] = {
    "case": ("案例", "CASE"),
    "verdict": ("判定", "VERDICT"),
    "by": ("判定人", "BY"),
    "at": ("时间", "JUDGED"),
    "frames": ("可回放", "PLAYS"),
    "result": ("结果", "RESULT"),
    "got": ("此处报警", "REPORTED THERE"),
}
WORDS: dict[str, tuple[str, str]] = {
    "passed": ("通过", "passed"),
    "failed": ("未通过", "failed"),
    "lost": ("丢失", "LOST"),
    "gained": ("新通过", "gained"),
    "kept": ("已保存", "kept"),
    "judged": ("已有此案例,判定已记入", "kept before, judged anew"),
    "unchanged": ("已有此案例和判定", "kept and judged so before"),
    "pictures": ("仅有图片", "pictures only"),
    "trial": ("试跑:结果未记入;--keep 记入", "a trial: the ledger stays as it was; --keep writes into it"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "real": ("属实", "real"),
    "false": ("误报", "false"),
}


@cases_app.command("label")
def cases_label(  # noqa: PLR0913  # one argument per option of the command line
    event: EventText,
    verdict: Annotated[Literal["real", "false"], typer.Argument(help="What a person says of it.")],
    *,
    person: Person,
    what: Annotated[str, typer.Option("--class", help="What it is: stall, waste, vehicle, bike, crowd, other.")] = "",
    note: Annotated[str, typer.Option(help="A few words for those who read it later.")] = "",
    box: BoxText = None,
    time_scale: TimeScale = None,
    dwell: Dwell = None,
    recordings: Recordings = None,
    folder: Folder = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Judge an alert, an incident or a missed thing: the frames around it are kept as a case."""
    one_thread()
    said_now = Judgement(datetime.now(UTC), person_of(person), verdict, what, note.strip()[:500])
    bench, _, tongue = setting(config, dwell, time_scale, lang)
    asked = parse(event)
    place = None if box is None else parse_box(box)
    if asked is None:
        case, source = _of_incident(event, config, recordings, bench.config.vision.dwell_s)
    else:
        case, source = _of_recording(asked, bench, place)
    check(verdict, what, case.family)
    where = cases_dir(folder)
    known = find_case(where, case.source, case.camera_id, case.box_px, case.opened_ns)
    if known is not None:
        case = judge(where, known, said_now)
        said = "unchanged" if case == known else "judged"
    else:
        with progress(case.case_id, len(source.times_ns)) as tick:
            case, said = keep(where, case, source, bench, said_now, tick), "kept"
    if as_json:
        typer.echo(json.dumps({"event": said} | _stated(case, where), ensure_ascii=False))
        return
    for line in _label_lines(case, where, said, tongue):
        typer.echo(escaped(line))


@cases_app.command("list")
def cases_list(
    *, folder: Folder = None, config: ConfigFile = None, lang: Language = None, as_json: Json = False
) -> None:
    """List the cases: verdict, who judged it, whether it can be played, and what its newest run said."""
    where = cases_dir(folder)
    ledger = cases_run.read_ledger(where)
    found = list_cases(where)
    if as_json:
        for case in found:
            typer.echo(json.dumps(_stated(case, where), ensure_ascii=False))
        return
    _, zone, tongue = setting(config, None, None, lang)
    rows = [
        (
            case.case_id,
            _verdict(case, tongue),
            case.judgements[-1].person if case.judgements else "-",
            _clock(case.judgements[-1].at, zone) if case.judgements else "-",
            _say("no" if case.pictures_only else "yes", tongue),
            _result(ledger.cases.get(case.case_id), tongue),
        )
        for case in found
    ]
    for line in _table(("case", "verdict", "by", "at", "frames", "result"), rows, tongue):
        typer.echo(line)


@cases_app.command("show")
def cases_show(
    case_id: CaseId, *, folder: Folder = None, config: ConfigFile = None, lang: Language = None, as_json: Json = False
) -> None:
    """Show one case: what it is, where its frames are, every word said of it, its newest result."""
    where = cases_dir(folder)
    case = read_case(folder_of(where, case_id))
    known = cases_run.read_ledger(where).cases.get(case.case_id)
    if as_json:
        typer.echo(json.dumps(_stated(case, where) | {"newest": known}, ensure_ascii=False))
        return
    _, zone, tongue = setting(config, None, None, lang)
    for key, value in _stated(case, where).items():
        if key != "judgements":
            typer.echo(escaped(f"{key:14} {'-' if value in {None, ''} else value}"))
    for one in case.judgements:
        note = f"  {one.note}" if one.note else ""
        typer.echo(escaped(f"{_clock(one.at, zone)}  {one.person}  {_key(f'{one.verdict} {one.what}', tongue)}{note}"))
    typer.echo(f"{'result':14} {_result(known, tongue)}")


@cases_app.command("run")
def cases_do(
    chosen: Annotated[list[str] | None, typer.Argument(metavar="[CASE]…", help="Only these; default: all.")] = None,
    *,
    base: Annotated[
        Path | None, typer.Option("--base", help="TOML file of the configuration to run them with.")
    ] = None,
    keep_it: Annotated[
        bool, typer.Option("--keep", help="With --base: note the results, as runs without it always do.")
    ] = False,
    folder: Folder = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Play the cases; ends with 1 where one that passed before is lost. Each runs with the dwell it was judged with.

    A trial with --base is held against the ledger and leaves it as it is.
    """
    one_thread()
    where = cases_dir(folder)
    bench, _, tongue = setting(base, None, None, lang)
    named = [folder_of(where, name).name for name in chosen or ()] or cases_run.due(where)
    kept = base is None or keep_it
    with progress("cases", len(named)) as tick:
        outcomes = cases_run.run_cases(where, named, bench, datetime.now(UTC), tick, write=kept)
    lost = [one for one in outcomes if one.change == "lost"]
    if as_json:
        for one in outcomes:
            typer.echo(json.dumps(asdict(one), ensure_ascii=False))
    else:
        rows = [
            (one.case_id, _key(one.key, tongue), _outcome(one, tongue), one.fault or ", ".join(one.got) or "-")
            for one in outcomes
        ]
        for line in _table(("case", "verdict", "result", "got"), rows, tongue):
            typer.echo(line)
        passed = sum(one.passed is True for one in outcomes)
        gained = sum(one.change == "gained" for one in outcomes)
        played = sum(one.passed is not None for one in outcomes)
        typer.echo(
            f"{passed}/{played} 通过,新通过 {gained},丢失 {len(lost)}"
            if tongue == "zh"
            else f"{passed} of {played} passed; {gained} gained, {len(lost)} lost"
        )
        if not kept:
            typer.echo(_say("trial", tongue))
    if lost:
        raise typer.Exit(1)


@cases_app.command("drop")
def cases_drop(case_id: CaseId, *, folder: Folder = None) -> None:
    """Delete a case with its pictures and its results."""
    where = cases_dir(folder)
    drop_case(where, case_id)
    cases_run.forget(where, case_id)
    typer.echo(f"{case_id} dropped")


def _of_recording(asked: Asked, bench: Bench, box: tuple[float, float, float, float] | None) -> tuple[Case, Source]:
    recording = one_recording(asked.recording)
    source = of_recording(recording, bench.time_scale_s)
    dwell_s = bench.config.vision.dwell_s
    if asked.number >= 0:
        with progress(recording.name, recording.count()) as tick:
            alert = numbered(alerts_of(recording, bench, tick), asked.number, str(asked.recording))
        place, opened_ns, appeared_ns, family = alert.box_px, alert.opened_ns, alert.appeared_ns, alert.family
    elif box is None or asked == Asked(asked.recording):
        raise UsageError(f"{asked.recording}: name an alert (#N) or a frame (@FRAME); {GIVE_BOX}")
    else:
        refuse_outside(box, recording.size)
        place, family = box, ""
        opened_ns = appeared_ns = moment_of(asked, recording, bench.time_scale_s)
    case_id = case_id_of(recording.name, opened_ns, place)
    return Case(case_id, recording.name, family, place, opened_ns, appeared_ns, dwell_s, source.origin), source


def _of_incident(incident_id: str, config: Path | None, recordings: Path | None, dwell_s: float) -> tuple[Case, Source]:
    with open_desk(config) as desk:
        kept = incident(desk, incident_id, recordings_dir(recordings))
    return case_of(kept, dwell_s), kept.source


def _stated(case: Case, folder: Path) -> dict[str, Any]:
    """A case as plain JSON."""
    told = asdict(case) | {
        "verdict": case.verdict,
        "class": case.what,
        "opened_at": instant(utc(case.opened_ns)),
        "appeared_at": instant(utc(case.appeared_ns)),
        "path": str(folder / case.case_id),
    }
    told["judgements"] = [asdict(one) | {"at": instant(one.at)} for one in case.judgements]
    return told


def _label_lines(case: Case, folder: Path, said: str, lang: Lang) -> list[str]:
    path = folder / case.case_id
    lines = [f"{case.case_id} {_verdict(case, lang)}: {_say(said, lang)}, {path}"]
    if case.pictures_only:
        lines.append(
            "没有录像,只保存了证据图片,无法回放;用 curbwatch record 录像后可回放"
            if lang == "zh"
            else "no frames were recorded there: only the evidence pictures are kept, and cannot be played"
        )
    elif case.shows is False:
        lines.append(
            "保存的画面没有再次报警:此案例暂时不说明什么"
            if lang == "zh"
            else "the frames kept do not raise it again, so the case proves little: its cause lies further back"
        )
    return lines


def _verdict(case: Case, lang: Lang) -> str:
    verdict: Verdict = case.verdict
    what = case.judgements[-1].what if case.judgements and verdict == "false" else case.what
    return _key(f"{verdict} {what}", lang)


def _key(key: str, lang: Lang) -> str:
    """A verdict with its class, as Case.key has them."""
    verdict, _, what = key.partition(" ")
    return " ".join(part for part in (_say(verdict, lang) if verdict else "", word(CLASS_WORDS, what, lang)) if part)


def _outcome(outcome: cases_run.Outcome, lang: Lang) -> str:
    if outcome.passed is None:
        return _say("pictures", lang)
    return _say(outcome.change or ("passed" if outcome.passed else "failed"), lang)


def _result(known: dict[str, Any] | None, lang: Lang) -> str:
    if known is None:
        return "-"
    last = known["last"]
    return _outcome(cases_run.Outcome(last["case_id"], last["key"], last["passed"], change=last["change"]), lang)


def _table(names: tuple[str, ...], rows: Sequence[Sequence[object]], lang: Lang) -> list[str]:
    return table([HEADS[name][lang == "en"] for name in names], rows, lang)


def _say(key: str, lang: Lang) -> str:
    return WORDS[key][lang == "en"]


def _clock(when: datetime, zone: ZoneInfo) -> str:
    return when.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
