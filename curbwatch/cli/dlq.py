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
from curbwatch.letters import Chosen, Letter, drop, listed, shown, since_of, tally
from curbwatch.office import open_office
from curbwatch.replay import Replayed
from schemas.errors import UsageError

dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: look at them, replay them, drop them.")
app.add_typer(dlq_app, name="dlq")

SHOWN_BYTES = 4096  # of a payload; --payload writes all of it

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
    """List dead letters, newest first: id, when last, how often, reason, device, size, topic, detail."""
    chosen = _chosen(None, reason, device, since, replayed=replayed)
    with open_office(config) as office:
        for letter in listed(office.conn, chosen, limit):
            if as_json:
                typer.echo(json.dumps(_told(letter)))
            else:
                typer.echo(_line(letter))


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
    if payload is not None:
        try:
            payload.write_bytes(letter.payload)
        except (OSError, ValueError) as error:
            raise UsageError(f"--payload {payload}: cannot be written: {error}") from None
    facts = _told(letter) | {"properties": letter.properties, "payload_sha256": letter.sha256.hex()}
    if as_json:
        text = letter.payload.decode("utf-8", "backslashreplace")
        typer.echo(json.dumps(facts | {"payload": text}))
        return
    for name, value in facts.items():
        typer.echo(f"{name:15} {escaped(str(value))}")
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
        say_replayed(office.replay(chosen, limit=limit, dry=dry_run), dry=dry_run, as_json=as_json)


@dlq_app.command("drop")
def dlq_drop(  # noqa: PLR0913  # one argument per option of the command line
    *,
    ids: Ids = None,
    reason: Reason = "",
    device: Device = "",
    since: Since = "",
    replayed: Replayed_ = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is dropped.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Delete letters for good. Ends with 2, and says how many there are, without --yes."""
    chosen = _chosen(ids, reason, device, since, replayed=replayed)
    with open_office(config) as office:
        count, size_bytes = tally(office.conn, chosen)
        if count and not yes:
            raise UsageError(f"{count} letters ({size_bytes} bytes) would be deleted for good: say --yes")
        dropped = drop(office.conn, chosen) if yes else 0
    typer.echo(json.dumps({"dropped": dropped, "bytes": size_bytes}) if as_json else f"{dropped} letters dropped")


def say_replayed(counts: Replayed, *, dry: bool = False, as_json: bool = False) -> None:
    """Say what became of letters."""
    if as_json:
        typer.echo(json.dumps(asdict(counts) | {"dry_run": dry}))
        return
    would = "would be " if dry else ""
    typer.echo(
        f"{counts.letters} letters: {counts.replayed} {would}replayed ({counts.stored} positions {would}stored,"
        f" {counts.duplicate} known already), {counts.refused_again} refused again,"
        f" {sum(counts.not_replayable.values())} not replayable"
    )
    for reason, count in sorted(counts.reasons.items()):
        typer.echo(f"  refused again: {count} {reason}")
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


def _line(letter: Letter) -> str:
    when = (letter.last_at or letter.received_at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    what = f"{letter.letter_id:8} {when} {letter.times:4}x {letter.reason:15} {letter.device_id or '-':20}"
    rest = f"{letter.size_bytes:8} B  {letter.topic} {letter.detail}"
    return escaped(f"{what} {rest}").rstrip()


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
