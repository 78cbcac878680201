"""``curbwatch pack show|diff|export|import|list|fetch``: look at city packs, exchange them, bring old ones back."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.messages import Lang
from alerts.wire import instant
from config.pack import Pack
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Language
from curbwatch.cli.output import escaped, write_json
from curbwatch.office import open_office
from curbwatch.pack_diff import Change, changes, said
from curbwatch.pack_exchange import export_pack, import_pack, load_named, write_files
from curbwatch.pack_left import Left, left_by, left_words
from curbwatch.pack_words import TABLES, counted, stated, words
from curbwatch.packs_kept import files_of, kept_packs
from schemas.errors import UsageError

pack_app = typer.Typer(no_args_is_help=True, help="City packs: look at one, compare two, export, import.")
app.add_typer(pack_app, name="pack")


class Crs(StrEnum):
    """Coordinates that an import may be in."""

    WGS84 = "wgs84"
    CGCS2000 = "cgcs2000"
    GCJ02 = "gcj02"
    BD09 = "bd09"


Name = Annotated[str, typer.Argument(metavar="PACK", help="A folder, or the name of a shipped pack.")]
PackLanguage = Annotated[Lang | None, typer.Option("--lang", help="Names and sentences; default: the pack's.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]


@pack_app.command("show")
def pack_show(
    name: Name,
    *,
    table: Annotated[str, typer.Option("--table", help=f"Only this: {', '.join(TABLES)}.")] = "",
    lang: PackLanguage = None,
    json_path: JsonFile = None,
) -> None:
    """Show what a pack says, thing by thing."""
    if table and table not in TABLES:
        raise UsageError(f"--table {table}: one of {', '.join(TABLES)}")
    pack = load_named(name)
    shown = {key: rows for key, rows in said(pack).items() if table in {"", key}}
    write_json(json_path, _shown(pack, shown))
    language = lang or pack.lang
    if not table:
        typer.echo(escaped(f"{pack.city.name}  {pack.city.version}"))
    for key, rows in shown.items():
        for identity, (label, fields) in rows.items():
            typer.echo(escaped(stated(key, identity, label, fields, language)))
    for warning in pack.warnings:
        typer.echo(f"warning: {warning}", err=True)


@pack_app.command("diff")
def pack_diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A folder, or the name of a shipped pack.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The pack that comes after it.")],
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Also name the open cases in this site's database that AFTER leaves."),
    ] = None,
    lang: PackLanguage = None,
    json_path: JsonFile = None,
) -> None:
    """Say in words what changes from one pack to another: permits, limits, cells that change hands, and all else."""
    one, other = load_named(before), load_named(after)
    found = changes(one, other)
    left = _left(config, other, lang)
    write_json(
        json_path,
        {
            "before": one.city.version,
            "after": other.city.version,
            "counts": counted(found),
            "changes": [_change(change) for change in found],
        }
        | ({} if config is None else {"left": [asdict(one) for one in left]}),
    )
    for line in [*words(found, lang or other.lang), *left_words(left, lang or other.lang)]:
        typer.echo(escaped(line))


@pack_app.command("export")
def pack_export(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")],
) -> None:
    """Write places as GeoJSON (RFC 7946, WGS-84) and tables as CSV in which a spreadsheet finds no formula."""
    load_named(name)
    for file in export_pack(name, folder):
        typer.echo(str(folder / file))


@pack_app.command("import")
def pack_import(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Files named as export names them, or a folder of them.")
    ],
    *,
    base: Annotated[str, typer.Option("--base", help="The pack that says all that the files do not.")],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder for the pack that comes of it.")],
    crs: Annotated[Crs, typer.Option("--crs", help="Coordinates that the GeoJSON files are in.")] = Crs.WGS84,
    lang: PackLanguage = None,
    json_path: JsonFile = None,
) -> None:
    """Make a new pack out of exported files, checked as a whole; says what differs from the base."""
    old = load_named(base)
    pack, files = import_pack(_files(sources), base, out, crs=crs.value)
    found = changes(old, pack)
    write_json(
        json_path,
        {"version": pack.city.version, "files": list(files), "changes": [_change(change) for change in found]},
    )
    for line in words(found, lang or pack.lang):
        typer.echo(escaped(line))


@pack_app.command("list")
def pack_list(*, config: ConfigFile = None, lang: Language = None, json_path: JsonFile = None) -> None:
    """List the packs that were put to use here, the newest first, by the version that stands in the record."""
    with open_office(config, lang) as office:
        kept, now = kept_packs(office.conn), office.site.pack.city.version
        zone, english = office.zone, office.lang == "en"
    write_json(
        json_path,
        {
            "packs": [
                {"version": one.version, "first_used": instant(one.first_used), "now": one.version == now}
                for one in kept
            ]
        },
    )
    for one in kept:
        mark = ("  现行", "  now")[english] if one.version == now else ""
        typer.echo(f"{one.version}  {one.first_used.astimezone(zone):%Y-%m-%d %H:%M:%S}{mark}")
    if not kept:
        typer.echo(("无", "none")[english])


@pack_app.command("fetch")
def pack_fetch(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="As `rule` in the record; 8 or more of its digits do.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")],
    *,
    config: ConfigFile = None,
    lang: Language = None,
) -> None:
    """Bring a pack that was in use back as files, checked against its version: to show, to compare, to use again."""
    with open_office(config, lang) as office:
        kept, files = files_of(office.conn, version)
        write_files(files, folder)
    added = version.partition("+")[2]
    typer.echo(kept.version + (f"  + {added}" if added else ""))  # the configuration's part is in no file of the pack
    for name in kept.names:
        typer.echo(str(folder / name))


def _files(sources: list[Path]) -> list[Path]:
    """Files as given, and those of folders. Raises UsageError where there is none."""
    found: list[Path] = []
    for path in sources:
        found += sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    if not found:
        raise UsageError(f"{', '.join(map(str, sources))}: holds no file to import")
    return found


def _left(config: Path | None, pack: Pack, lang: Lang | None) -> list[Left]:
    """Open cases of a site that a pack would leave behind; none where no site was named."""
    if config is None:
        return []
    with open_office(config, lang) as office:
        return left_by(office.conn, pack)


def _change(change: Change) -> dict[str, Any]:
    fields = {key: {"before": before, "after": after} for key, (before, after) in change.fields.items()}
    return {"table": change.table, "id": change.key, "name": change.name, "change": change.change, "fields": fields}


def _shown(pack: Pack, shown: dict[str, dict[str, tuple[str, dict[str, str]]]]) -> dict[str, Any]:
    tables: dict[str, Any] = {
        table: [{"id": key, "name": label, **fields} for key, (label, fields) in rows.items()]
        for table, rows in shown.items()
    }
    return {
        "name": pack.city.name,
        "version": pack.city.version,
        "tables": tables,
        "warnings": [str(warning) for warning in pack.warnings],
    }
