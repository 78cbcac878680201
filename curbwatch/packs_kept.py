"""The city packs that were put to use, kept by their digest: what a rule version in the record stands for."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.pack import Pack
from config.pack_read import digest_of
from curbwatch.database import Connection
from schemas.errors import CurbwatchError, SaidError

# Before a `+` is the digest of the files; behind it what the configuration adds, see `config.pack.apply_modes`.
VERSION = re.compile(r"([0-9a-f]{8,64})(\+.*)?")


@dataclass(frozen=True, slots=True)
class KeptPack:
    """A pack that was put to use: its version, when first, and the names of its files in the digest's order."""

    version: str
    first_used: datetime
    names: tuple[str, ...]


def keep_pack(conn: Connection, pack: Pack) -> None:
    """Keep the files of a pack that is put to use, in the caller's transaction; one that is kept already stays.

    A file that two packs share is kept once.
    """
    version = pack.city.version
    if conn.execute("select 1 from city_pack where version = %s", (version,)).fetchone() is not None:
        return
    named = []
    for name, content in pack.files.items():
        digest = hashlib.sha256(content).hexdigest()
        named.append((name, digest))
        conn.execute(
            "insert into pack_file (sha256, content) values (%s, %s) on conflict do nothing", (digest, content)
        )
    conn.execute(
        "insert into city_pack (version, files) values (%s, %s::jsonb) on conflict do nothing",
        (version, json.dumps(named)),
    )


def kept_packs(conn: Connection) -> list[KeptPack]:
    """Every pack that is kept, the one put to use last first; none before the first start."""
    rows = conn.execute("select version, first_used, files from city_pack order by first_used desc, version")
    return [KeptPack(version, at, tuple(name for name, _ in files)) for version, at, files in rows]


def files_of(conn: Connection, asked: str) -> tuple[KeptPack, dict[str, bytes]]:
    """A pack by its version, or the first eight or more digits of it, and the bytes of its files by name.

    What stands behind a `+` in a record's version is passed over. Raises UsageError where none, or more than one, is
    kept, CurbwatchError where its files are not those of its digest.
    """
    match = VERSION.fullmatch(asked)
    if match is None:
        raise SaidError(
            f"{asked!r} is no version of a city pack: 8 to 64 of the digits 0-9 and a-f, as `rule` in the record",
            f"{asked!r} 不是城市包版本号:应为 8 至 64 位 0-9、a-f,即记录中的 rule",
        )
    rows = conn.execute(
        "select version, first_used, files from city_pack where starts_with(version, %s) limit 2", (match[1],)
    ).fetchall()
    if len(rows) != 1:
        found = "several city packs are" if rows else "no city pack is"
        raise SaidError(
            f"{found} kept under {asked}: see `curbwatch pack list`",
            f"{'有多个' if rows else '没有'}版本号为 {asked} 的城市包:请看 `curbwatch pack list`",
        )
    version, first_used, named = rows[0]
    wanted = [digest for _, digest in named]
    known = dict(conn.execute("select sha256, content from pack_file where sha256 = any(%s)", (wanted,)).fetchall())
    files = {name: bytes(known[digest]) for name, digest in named if digest in known}
    # A name that leads elsewhere was never read from a pack's folder.
    if digest_of(files) != version or any(Path(name).name != name for name in files):
        raise CurbwatchError(
            f"city pack {version}: its files in the database are not those of its digest any more",
            f"城市包 {version}:数据库中的文件与其摘要不符,可能被改动",
        )
    return KeptPack(version, first_used, tuple(files)), files
