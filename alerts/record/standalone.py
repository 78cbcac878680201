"""Checks the bundle of one incident without the system it came from: Python 3.11 or later, and nothing else.

An exported bundle carries this behind ``canonical.py`` as its ``verify.py``:
``python3 verify.py BUNDLE.zip [--head HASH]``.
"""

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

from alerts.record.canonical import ZERO, entries_hash, link, parsed, row_value, seal_value

BUNDLE = "curbwatch/bundle/1"
RECORD, SEALS, MANIFEST = "record.jsonl", "seals.jsonl", "manifest.json"
UNLISTED = {MANIFEST, "verify.py"}


def check(bundle: zipfile.ZipFile, head: str = "") -> tuple[list[str], list[str]]:
    """What is wrong with a bundle, and what else there is to say."""
    manifest = json.loads(bundle.read(MANIFEST))
    if manifest.get("format") != BUNDLE:
        return [f"this is no {BUNDLE}"], []
    wrong = [*_files(bundle, manifest)]
    if wrong:
        return wrong, []
    rows = [parsed(line) for line in bundle.read(RECORD).decode().splitlines()]
    seals = [json.loads(line) for line in bundle.read(SEALS).decode().splitlines()]
    incident_id = str(manifest["incident_id"])
    wrong += [*_chain(rows, incident_id), *_pictures(manifest, rows)]
    sealed, said = _seals(seals, rows, incident_id, head)
    pictures = manifest["pictures"]
    gone = sum(1 for picture in pictures if not picture["file"])
    notes = [f"incident {incident_id}: {len(rows)} rows, {len(pictures)} pictures, {len(seals)} seals", *said]
    if gone:
        notes.append(f"{gone} pictures are not there any more; the record names their digests under a salt")
    return wrong + sealed, notes


def _files(bundle: zipfile.ZipFile, manifest: dict[str, Any]) -> Iterator[str]:
    listed = manifest["files"]
    names = [name for name in bundle.namelist() if name not in UNLISTED]
    for name in sorted(set(names) | set(listed)):
        if name not in listed:
            yield f"{name}: is not listed"
        elif names.count(name) != 1:
            yield f"{name}: is there {names.count(name)} times"
        elif hashlib.sha256(bundle.read(name)).hexdigest() != listed[name]:
            yield f"{name}: was changed"


def _chain(rows: list[dict[str, Any]], incident_id: str) -> Iterator[str]:
    before, number = ZERO, 0
    for row in rows:
        if not row["hash"] and before == ZERO:
            number = int(row["seq"])
            continue  # from before the chain
        number += 1
        if row["seq"] != number:
            yield f"row {row['seq']}: row {number} was to come"
        if row["incident_id"] != incident_id:
            yield f"row {row['seq']}: is of incident {row['incident_id']}"
        if bytes.fromhex(row["prev_hash"]) != before:
            yield f"row {row['seq']}: does not follow the row before it"
        if link(bytes.fromhex(row["prev_hash"]), row_value(row)).hex() != row["hash"]:
            yield f"row {row['seq']} ({row['what']} by {row['actor']}): is not what was written"
        before, number = bytes.fromhex(row["hash"]), int(row["seq"])


def _pictures(manifest: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    told = {
        (int(row["detail"][key]), row["detail"][digest])
        for row in rows
        for key, digest in (("evidence", "digest"), ("before", "before_digest"), ("after", "after_digest"))
        if row["detail"].get(key) is not None and digest in row["detail"]
    }
    for picture in manifest["pictures"]:
        if not picture["file"]:
            continue
        if manifest["files"].get(picture["file"]) != picture["sha256"]:
            yield f"{picture['file']}: its bytes are not those of {picture['sha256']}"
        salted = hashlib.sha256(bytes.fromhex(picture["salt"]) + bytes.fromhex(picture["sha256"])).hexdigest()
        named = [digest for evidence_id, digest in told if evidence_id == picture["evidence_id"]]
        if named and salted not in named:
            yield f"{picture['file']}: is not the picture that the record names"


def _seals(
    seals: list[dict[str, Any]], rows: list[dict[str, Any]], incident_id: str, head: str
) -> tuple[list[str], list[str]]:
    """What is wrong with the seals, and what they prove."""
    if not seals:
        return (["no seal holds it yet, and so not this head"] if head else []), ["no seal holds it yet"]
    wrong = []
    entries = [(str(one[0]), int(one[1]), bytes.fromhex(one[2])) for one in seals[0]["entries"]]
    held = next(((seq, digest) for name, seq, digest in entries if name == incident_id), None)
    if held is None or seals[0]["entries_hash"] != entries_hash(entries).hex():
        wrong.append(f"seal {seals[0]['seal_id']}: does not hold this incident")
    elif not any(row["seq"] == held[0] and row["hash"] == held[1].hex() for row in rows):
        wrong.append(f"row {held[0]}: is not the one that seal {seals[0]['seal_id']} holds")
    before = seals[0]["prev_hash"]
    for seal in seals:
        value = seal_value(int(seal["seal_id"]), int(seal["at_us"]), bytes.fromhex(seal["entries_hash"]))
        if seal["prev_hash"] != before or link(bytes.fromhex(before), value).hex() != seal["hash"]:
            wrong.append(f"seal {seal['seal_id']}: was changed, or does not follow the one before it")
        before = seal["hash"]
    if head and head not in {seal["hash"] for seal in seals}:
        wrong.append(f"no seal in this bundle has the hash {head}")
    later = 0 if held is None else sum(1 for row in rows if int(row["seq"]) > held[0])
    said = [f"seal {seals[0]['seal_id']} holds it; seal {seals[-1]['seal_id']} is {before}"]
    if later:
        said.append(f"{later} rows are not sealed yet")
    if not head:
        said.append("compare that hash with the one that was kept elsewhere: --head HASH does")
    return wrong, said


def main() -> int:
    """Check the bundle that is named; 0 where all is as it was written, else 1."""
    reader = argparse.ArgumentParser(description="Check the bundle of one incident.")
    reader.add_argument("bundle")
    reader.add_argument("--head", default="", help="hash of a seal that was kept elsewhere")
    asked = reader.parse_args()
    try:
        with zipfile.ZipFile(asked.bundle) as bundle:
            wrong, notes = check(bundle, "".join(asked.head.split()).lower())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, zipfile.BadZipFile) as error:
        wrong, notes = [f"cannot be read: {error!r}"], []
    for line in wrong:
        sys.stdout.write(f"WRONG  {line}\n")
    for line in notes:
        sys.stdout.write(f"       {line}\n")
    sys.stdout.write("NOT AS IT WAS WRITTEN\n" if wrong else "as it was written\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
