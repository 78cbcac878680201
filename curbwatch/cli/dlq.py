"""``curbwatch dlq list|show|replay|drop``: what could not be used, and using it after all."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.wire import instant
from curbwatch.cli.app import app
from curbwatch.cli.dispatch import ConfigFile
from curbwatch.cli.output import escaped
from curbwatch.cli.table import clock, grouped, many, table
from curbwatch.cli.words import reason_word
from curbwatch.letters import Chosen, Letter, drop, listed, reasons, refuse_unknown, shown, since_of, tally
from curbwatch.office import Office, open_office
from curbwatch.replay import Replayed
from schemas.errors import UsageError

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
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object a line.")]


@dlq_app.command("list")
def dlq_list(
    *,
    reason: Reason = "",
    device: Device = "",
    since: Since = "",
    replayed: Replayed_ = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, newest first.")] = 50,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first, and how many there are of each reason."""
    chosen = _chosen(None, reason, device, since, replayed=replayed)
    with open_office(config) as office:
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
            typer.echo(f"{many(sum(found.values()), 'letter')}: {told}")


@dlq_app.command("show")
def dlq_show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="The letter's id.")],
    *,
    payload: Annotated[Path | None, typer.Option("--payload", help="Write the payload to this file.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show everything that is known of one letter. What a terminal would obey is escaped."""
    with open_office(config) as office:
        letter = shown(office.conn, letter_id)
        lang, zone = office.lang, office.zone
    if payload is not None:
        try:
            payload.write_bytes(letter.payload)
        except (OSError, ValueError) as error:
            raise UsageError(f"--payload {payload}: cannot be written: {error}") from None
    if as_json:
        text = letter.payload.decode("utf-8", "backslashreplace")
        more = {"properties": letter.properties, "payload_sha256": letter.sha256.hex(), "payload": text}
        typer.echo(json.dumps(_told(letter) | more))
        return
    facts = _told(letter) | {
        "received_at": clock(letter.received_at, zone),
        "last_at": clock(letter.last_at, zone),
        "replayed_at": clock(letter.replayed_at, zone),
        "reason": reason_word(letter.reason, lang),
        "payload_sha256": letter.sha256.hex(),
    }
    for name, value in facts.items():
        typer.echo(f"{name:15} {'-' if value in {None, ''} else escaped(str(value))}")
    for name, value in letter.properties:
        typer.echo(f"{'property':15} {escaped(f'{name}={value}')}")
    for line in _payload_lines(letter.payload):
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
    as_json: Json = False,
) -> None:
    """Take letters in again, under the registry and the rules of now; what is refused again stays, with its reason."""
    chosen = _chosen(ids, reason, device, since)
    with open_office(config) as office:
        refuse_unknown(office.conn, chosen.ids)
        say_replayed(office.replay(chosen, limit=limit, dry=dry_run), dry=dry_run, as_json=as_json)


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
    as_json: Json = False,
) -> None:
    """Delete letters for good. Ends with 2, and says how many there are, without --yes."""
    chosen = _chosen(ids, reason, device, since, replayed=replayed)
    with open_office(config) as office:
        refuse_unknown(office.conn, chosen.ids)
        count, size_bytes = tally(office.conn, chosen)
        unsaid = " and ".join((["--all"] if chosen.everything and not everything else []) + ([] if yes else ["--yes"]))
        if count and unsaid:
            what = f"{many(count, 'letter')} ({grouped(size_bytes)} bytes)"
            raise UsageError(f"{what} would be deleted for good: say {unsaid}")
        dropped = drop(office.conn, chosen) if count else 0
    typer.echo(
        json.dumps({"dropped": dropped, "bytes": size_bytes}) if as_json else f"{many(dropped, 'letter')} dropped"
    )


def say_replayed(counts: Replayed, *, dry: bool = False, as_json: bool = False) -> None:
    """Say what became of letters."""
    if as_json:
        typer.echo(json.dumps(asdict(counts) | {"dry_run": dry}))
        return
    would = "would be " if dry else ""
    unable = sum(counts.not_replayable.values())
    refused = counts.letters - counts.replayed - unable
    typer.echo(
        f"{many(counts.letters, 'letter')}: {counts.replayed} {would}replayed ({many(counts.stored, 'position')}"
        f" {would}stored, {counts.duplicate} known already), {refused} refused again, {unable} not replayable"
    )
    if counts.refused_again > refused:
        items = many(counts.refused_again - refused, "position")
        typer.echo(f"  {items} of replayed letters {would}refused: a letter of its own each")
    for reason, count in sorted(counts.reasons.items()):
        typer.echo(f"  refused: {count} {reason}")
    for why, count in sorted(counts.not_replayable.items()):
        typer.echo(f"  not replayable: {count}, each {why}")


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


def _payload_lines(payload: bytes) -> list[str]:
    """A payload for a person: text with what is not printable escaped, else hexadecimal; its beginning where long."""
    head = payload[:SHOWN_BYTES]
    try:
        lines = [escaped(line) for line in head.decode("utf-8").split("\n")]
    except UnicodeDecodeError:
        lines = [head[at : at + 32].hex(" ") for at in range(0, len(head), 32)]
    return (
        lines if len(payload) <= SHOWN_BYTES else [*lines, f"… {len(payload) - SHOWN_BYTES} more bytes: --payload FILE"]
    )
