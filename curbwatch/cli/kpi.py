"""``curbwatch kpi``: indicators of a period, reproducible to the byte, and a blind sample of its cases."""

import json
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.kpi.period import Period
from alerts.kpi.report import Group, Line, Report, as_csv, as_json, digest_of, report_of
from alerts.kpi.sample import sample_of
from alerts.kpi.store import Known, KpiStore
from alerts.messages import Lang, class_name, unit_name
from alerts.wire import instant
from config.kpi import load_formulas
from config.load import load_config
from curbwatch.build import make_database
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped
from curbwatch.cli.table import table, width
from curbwatch.office import Office, open_office
from schemas.errors import SaidError
from schemas.kpi import COUNTS, Formula, Formulas

kpi_app = typer.Typer(name="kpi", no_args_is_help=True, help="Indicators of a period, and a blind sample of its cases.")
app.add_typer(kpi_app)

First = Annotated[str, typer.Option("--from", metavar="DATE", help="First local day, YYYY-MM-DD.")]
Last = Annotated[str, typer.Option("--to", metavar="DATE", help="Last local day, included.")]
Own = Annotated[Path | None, typer.Option("--formulas", help="TOML file of indicators; default: the shipped ones.")]
SoFar = Annotated[bool, typer.Option("--so-far", help="Also of a period that is not over; nothing of it is kept.")]

WORDS = {
    "total": ("合计", "all together"),
    "nobody": ("（未定）", "(nobody yet)"),
    "open": ("未结束，数字会变", "not over: figures will change"),
    "closed": ("已封账", "closed"),
    "cases": ("案件", "cases"),
    "packs": ("规则版本", "rule versions"),
    "counting": ("口径", "counting"),
    "besides": ("另计", "counted besides"),
    "score": ("分", "points"),
    "lower": ("越低越好", "lower is better"),
}
SAMPLE = ("no", "incident_id", "class_code", "cell_id", "opened_at", "closed_at")  # columns for a person


@kpi_app.command("list")
def kpi_list(
    *,
    own: Own = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List the indicators: name, version, what over what, and where each is from."""
    tongue = lang or load_config(config).site.lang
    for formula in load_formulas(own).formulas:
        if as_json:
            typer.echo(json.dumps({name: getattr(formula, name) for name in Formula.__slots__}, ensure_ascii=False))
            continue
        top, bottom = (_word_of(COUNTS[name], tongue) for name in (formula.numerator, formula.denominator))
        lower = "" if formula.higher_is_better else f"  ({_word('lower', tongue)})"
        typer.echo(f"{_word_of(formula, tongue)}  {formula.kpi_id} v{formula.version}{lower}")
        typer.echo(f"  {top} / {bottom}  [{formula.unit}]")
        typer.echo(f"  {formula.source}")


@kpi_app.command("report")
def kpi_report(  # noqa: PLR0913  # each is an option of the command line
    *,
    first: First,
    last: Last,
    by: Annotated[Group, typer.Option("--by", help="What the lines are of.")] = "unit",
    so_far: SoFar = False,
    own: Own = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json_: Annotated[bool, typer.Option("--json", help="The canonical form, one line of JSON.")] = False,
    as_csv_: Annotated[bool, typer.Option("--csv", help="One row per line and indicator.")] = False,
) -> None:
    """Report a closed period: the same facts give the same bytes, whose SHA-256 goes to standard error."""
    with open_office(config, lang) as office:
        if as_json_ and as_csv_:
            raise SaidError("--json or --csv, not both", "--json 与 --csv 只能选一个")
        known = _known(office, first, last, so_far=so_far)
        formulas = load_formulas(own, known.counting)
        report = report_of(known.facts, formulas, known.period, by, closed=known.closed, counting=known.counting)
        text = as_json(report)
        if as_json_ or as_csv_:
            typer.echo(text if as_json_ else as_csv(report), nl=False)
        else:
            for line in lines_of(report, office):
                typer.echo(escaped(line))
        typer.echo(f"SHA-256 {digest_of(text)}", err=as_json_ or as_csv_)


@kpi_app.command("sample")
def kpi_sample(
    *,
    first: First,
    last: Last,
    share: Annotated[float, typer.Option("--share", help="Share of the closed cases, more than 0, at most 1.")] = 0.1,
    seed: Annotated[str, typer.Option("--seed", help="Any text; the same one draws the same cases.")],
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Draw closed cases of a closed period for somebody outside to judge: not who decided, and not what."""
    with open_office(config, lang) as office:
        known = _known(office, first, last, so_far=False)
        drawn = sample_of(known.facts.cases, seed, share)
        with closing(make_database(office.site)) as database:
            rows = KpiStore(database, office.site.cities.city).pictures(drawn)
        cases = [{"no": number} | _blind(rows[key]) for number, key in enumerate(drawn, start=1) if key in rows]
        if as_json:
            for case in cases:
                typer.echo(json.dumps(case, ensure_ascii=False))
            return
        for line in table(SAMPLE, [[case[name] or "-" for name in SAMPLE] for case in cases], office.lang):
            typer.echo(line)


def lines_of(report: Report, office: Office) -> list[str]:
    """The report as a person reads it; indicators of which nothing can be said only where they are of all together."""
    lang = office.lang
    state = _word("closed" if report.closed else "open", lang)
    period = report.period
    lines = [f"{period.first} – {period.last} ({period.zone})  {_word('cases', lang)} {report.cases}  {state}"]
    lines[0] += f"  {_word('counting', lang)} {report.counting}"
    lines += [f"{_word('packs', lang)} {pack}" for pack in report.packs]
    lines += ["", _word("total", lang), *_values(report.total, report.formulas, lang, every=True)]
    for line in report.lines:
        lines += ["", _name(line.key, report.by, office), *_values(line, report.formulas, lang, every=False)]
    return lines


def _values(line: Line, formulas: Formulas, lang: Lang, *, every: bool) -> list[str]:
    told = []
    names = [_word_of(formula, lang) for formula in formulas.formulas]
    room = max(map(width, names), default=0)
    for formula, name, value in zip(formulas.formulas, names, line.values, strict=True):
        if value.value is None and not every:
            continue
        hours = formula.unit == "h"
        shown = "-" if value.value is None else f"{value.value:.2f} h" if hours else f"{100 * value.value:.1f} %"
        top = f"{value.numerator / 3600:.1f} h" if formula.numerator.endswith("_s") else str(value.numerator)
        bottom = f"{value.denominator / 3600:.1f} h" if formula.denominator.endswith("_s") else str(value.denominator)
        told.append(f"  {name}{' ' * (room - width(name))}  {shown:>9}  {top} / {bottom}")
    for score in formulas.scores:
        points = line.scores[score.score_id]
        if points is not None:
            told.append(f"  {_word_of(score, lang)}  {points:.1f} {_word('score', lang)}")
    rest = _besides(line, formulas, lang)
    return [*told, f"  {_word('besides', lang)}  {rest}"] if rest else told


def _besides(line: Line, formulas: Formulas, lang: Lang) -> str:
    """What was counted and no indicator tells of; empty: nothing."""
    told = {name for formula in formulas.formulas for name in (formula.numerator, formula.denominator)}
    rest = [(name, number) for name, number in line.counts.items() if number and name not in told]
    return ", ".join(f"{_word_of(COUNTS[name], lang)} {number}" for name, number in rest if not name.endswith("_s"))


def _known(office: Office, first: str, last: str, *, so_far: bool) -> Known:
    period = Period(_day(first, "--from"), _day(last, "--to"), office.zone.key)
    with closing(make_database(office.site)) as database:
        return KpiStore(database, office.rules).known(period, so_far=so_far)


def _blind(row: dict[str, Any]) -> dict[str, Any]:
    """One case without anybody's name, unit, verdict or outcome."""
    return {
        name: instant(value) if isinstance(value, datetime) else str(value) if name == "incident_id" else value
        for name, value in row.items()
    }


def _name(key: str, by: Group, office: Office) -> str:
    """What a group is called by the pack of now, behind its key."""
    lang = office.lang
    if not key:
        return _word("nobody", lang)
    pack = office.site.pack
    cell, camera = pack.city.cells.get(key), pack.cameras.get(key)
    names = {
        "unit": unit_name(pack.city, key, lang),
        "class": class_name(pack.city, key, lang),
        "cell": "" if cell is None else cell.name,
        "camera": "" if camera is None else camera.name,
    }
    name = names.get(by, "")
    return f"{key}  {name}" if name and name != key else key


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SaidError(
            f"{option} {text}: is not a date like 2026-05-01", f"{option} {text}:不是 2026-05-01 这样的日期"
        ) from None


def _word(name: str, lang: Lang) -> str:
    return WORDS[name][lang == "en"]


def _word_of(named: Any, lang: Lang) -> str:  # noqa: ANN401
    return str(named.name_en if lang == "en" else named.name_zh)
