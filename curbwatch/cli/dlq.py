"""``curbwatch dlq list|show|replay|drop``: what could not be used, and using it after all."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.messages import Lang
from alerts.wire import instant
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped
from curbwatch.cli.table import clock, grouped, many, table
from curbwatch.cli.words import reason_word, unable_word
from curbwatch.letters import Chosen, Letter, drop, listed, reasons, refuse_unknown, shown, since_of, tally
from curbwatch.office import Office, open_office
from curbwatch.replay import Replayed
from curbwatch.spoken import trouble_zh
from schemas.errors import SaidError

dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: look at them, replay them, drop them.")
app.add_typer(dlq_app, name="dlq")

SHOWN_BYTES = 512  # of a payload; --payload writes all of it
LISTED = ("id", "last_at", "times", "reason", "device_id", "size_bytes", "topic", "detail")

Ids = Annotated[list[int] | None, typer.Option("--id", help="This letter; may be given several times.")]
Reason = Annotated[str, typer.Option("--reason", help="Only those with this reason.")]
Device = Annotated[str, typer.Option("--device", help="Only those of this device, as the list shows it.")]
Since = Annotated[
    str, typer.Option("--since", help="Only those that came since: 30m, 2h, 7d, or a time with its zone.")
]
Replayed_ = Annotated[bool, typer.Option("--replayed", help="Those that were replayed, instead of those that wait.")]


@dlq_app.command("list")
def dlq_list(  # noqa: PLR0913  # one argument per option of the command line
    *,
    reason: Reason = "",
    device: Device = "",
    since: Since = "",
    replayed: Replayed_ = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, newest first.")] = 50,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first, and how many there are of each reason."""
    with open_office(config, lang) as office:
        chosen = _chosen(None, reason, device, since, replayed=replayed)
        letters = listed(office.conn, chosen, limit)
        if as_json:
            for letter in letters:
                typer.echo(json.dumps(_told(letter)))
            return
        for line in table(LISTED, [_row(letter, office) for letter in letters], office.lang):
            typer.echo(line)
        found = reasons(office.conn, chosen)
        if found:
            told = ", ".join(f"{escaped(reason_word(name, office.lang))} {grouped(found[name])}" for name in found)
            typer.echo(f"{_letters(sum(found.values()), office.lang)}: {told}")


@dlq_app.command("show")
def dlq_show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="The letter's id.")],
    *,
    payload: Annotated[Path | None, typer.Option("--payload", help="Write the payload to this file.")] = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show everything that is known of one letter. What a terminal would obey is escaped."""
    with open_office(config, lang) as office:
        letter = shown(office.conn, letter_id)
        tongue, zone = office.lang, office.zone
        if payload is not None:
            try:
                payload.write_bytes(letter.payload)
            except (OSError, ValueError) as error:
                raise SaidError(
                    f"--payload {payload}: cannot be written: {error}",
                    f"--payload {payload}:无法写入:{trouble_zh(error)}",
                ) from None
    if as_json:
        text = letter.payload.decode("utf-8", "backslashreplace")
        more = {"properties": letter.properties, "payload_sha256": letter.sha256.hex(), "payload": text}
        typer.echo(json.dumps(_told(letter) | more))
        return
    facts = _told(letter) | {
        "received_at": clock(letter.received_at, zone),
        "last_at": clock(letter.last_at, zone),
        "replayed_at": clock(letter.replayed_at, zone),
        "reason": reason_word(letter.reason, tongue),
        "payload_sha256": letter.sha256.hex(),
    }
    for name, value in facts.items():
        typer.echo(f"{name:15} {'-' if value in {None, ''} else escaped(str(value))}")
    for name, value in letter.properties:
        typer.echo(f"{'property':15} {escaped(f'{name}={value}')}")
    for line in _payload_lines(letter.payload, tongue):
        typer.echo(f"  {line}")


@dlq_app.command("replay")
def dlq_replay(  # noqa: PLR0913  # one argument per option of the command line
    *,
    ids: Ids = None,
    reason: Reason = "",
    device: Device = "",
    since: Since = "",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many, oldest first.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing; say what would happen.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Take letters in again, under the registry and the rules of now; what is refused again stays, with its reason."""
    with open_office(config, lang) as office:
        chosen = _chosen(ids, reason, device, since)
        refuse_unknown(office.conn, chosen.ids)
        say_replayed(office.replay(chosen, limit=limit, dry=dry_run), office.lang, dry=dry_run, as_json=as_json)


@dlq_app.command("drop")
def dlq_drop(  # noqa: PLR0913  # one argument per option of the command line
    *,
    ids: Ids = None,
    reason: Reason = "",
    device: Device = "",
    since: Since = "",
    replayed: Replayed_ = False,
    everything: Annotated[bool, typer.Option("--all", help="All that wait; no other choice is needed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is dropped.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Delete letters for good. Ends with 2, and says how many there are, without --yes."""
    with open_office(config, lang) as office:
        chosen = _chosen(ids, reason, device, since, replayed=replayed)
        refuse_unknown(office.conn, chosen.ids)
        count, size_bytes = tally(office.conn, chosen)
        unsaid = (["--all"] if chosen.everything and not everything else []) + ([] if yes else ["--yes"])
        if count and unsaid:
            what = f"{many(count, 'letter')} ({grouped(size_bytes)} bytes)"
            raise SaidError(
                f"{what} would be deleted for good: say {' and '.join(unsaid)}",
                f"将永久删除死信 {grouped(count)} 封({grouped(size_bytes)} 字节):确认请加 {' 和 '.join(unsaid)}",
            )
        dropped = drop(office.conn, chosen) if count else 0
        said = f"{many(dropped, 'letter')} dropped" if office.lang == "en" else f"已删除死信 {grouped(dropped)} 封"
    typer.echo(json.dumps({"dropped": dropped, "bytes": size_bytes}) if as_json else said)


def say_replayed(counts: Replayed, lang: Lang, *, dry: bool = False, as_json: bool = False) -> None:
    """Say what became of letters."""
    if as_json:
        typer.echo(json.dumps(asdict(counts) | {"dry_run": dry}))
        return
    for line in (_replayed_en if lang == "en" else _replayed_zh)(counts, dry=dry):
        typer.echo(line)


def _replayed_en(counts: Replayed, *, dry: bool) -> Iterator[str]:
    would = "would be " if dry else ""
    yield (
        f"{many(counts.letters, 'letter')}: {counts.replayed} {would}replayed ({many(counts.stored, 'position')}"
        f" {would}stored, {counts.duplicate} known already), {_refused(counts)} refused again, {_unable(counts)} not"
        " replayable"
    )
    if counts.refused_again > _refused(counts):
        items = many(counts.refused_again - _refused(counts), "position")
        yield f"  {items} of replayed letters {would}refused: a letter of its own each"
    for reason, count in sorted(counts.reasons.items()):
        yield f"  refused: {count} {reason}"
    for why, count in sorted(counts.not_replayable.items()):
        yield f"  not replayable: {count}, each {why}"


def _replayed_zh(counts: Replayed, *, dry: bool) -> Iterator[str]:
    would = "试算:" if dry else ""
    yield (
        f"{would}死信 {grouped(counts.letters)} 封:重放 {counts.replayed} 封(存入位置 {grouped(counts.stored)} 条,"
        f"已有 {counts.duplicate} 条),再次拒收 {_refused(counts)} 封,不能重放 {_unable(counts)} 封"
    )
    if counts.refused_again > _refused(counts):
        yield f"  重放的死信中另有 {grouped(counts.refused_again - _refused(counts))} 条位置被拒收,各成一封死信"
    for reason, count in sorted(counts.reasons.items()):
        yield f"  拒收:{count} {reason_word(reason, 'zh')}"
    for why, count in sorted(counts.not_replayable.items()):
        yield f"  不能重放:{count} 封,{unable_word(why, 'zh')}"


def _unable(counts: Replayed) -> int:
    return sum(counts.not_replayable.values())


def _refused(counts: Replayed) -> int:
    return counts.letters - counts.replayed - _unable(counts)


def _letters(count: int, lang: Lang) -> str:
    return many(count, "letter") if lang == "en" else f"死信 {grouped(count)} 封"


def _chosen(ids: list[int] | None, reason: str, device: str, since: str, *, replayed: bool = False) -> Chosen:
    moment = since_of(since, datetime.now(UTC)) if since else None
    return Chosen(tuple(ids or ()), reason, device, moment, replayed)


def _told(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.letter_id,
        "received_at": instant(letter.received_at),
        "last_at": instant(letter.last_at),
        "times": letter.times,
        "reason": letter.reason,
        "detail": letter.detail,
        "device_id": letter.device_id,
        "topic": letter.topic,
        "size_bytes": letter.size_bytes,
        "kept_bytes": letter.kept_bytes,
        "replayed_at": instant(letter.replayed_at),
    }


def _row(letter: Letter, office: Office) -> tuple[object, ...]:
    when = clock(letter.last_at or letter.received_at, office.zone)
    why = reason_word(letter.reason, office.lang)
    size = letter.size_bytes
    return letter.letter_id, when, letter.times, why, letter.device_id or "-", size, letter.topic, letter.detail


def _payload_lines(payload: bytes, lang: Lang) -> list[str]:
    """A payload for a person: text with what is not printable escaped, else hexadecimal; its beginning where long."""
    head = payload[:SHOWN_BYTES]
    try:
        lines = [escaped(line) for line in head.decode("utf-8").split("\n")]
    except UnicodeDecodeError:
        lines = [head[at : at + 32].hex(" ") for at in range(0, len(head), 32)]
    more = len(payload) - SHOWN_BYTES
    if more > 0:
        lines.append(f"… {more} more bytes: --payload FILE" if lang == "en" else f"… 还有 {more} 字节:--payload 文件")
    return lines
