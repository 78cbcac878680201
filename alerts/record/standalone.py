"""Checks the bundle of one incident without the system it came from: Python 3.11 or later, and nothing else.

An exported bundle carries this behind ``canonical.py`` as its ``verify.py``:
``python3 verify.py BUNDLE.zip [--head HASH]``; a party's copy: ``python3 verify.py COPY.zip [--with BUNDLE.zip]``.
"""

import argparse
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from alerts.record.canonical import ZERO, canonical, entries_hash, link, parsed, row_value, seal_value

BUNDLE, COPY = "curbwatch/bundle/1", "curbwatch/party-copy/1"
RECORD, SEALS, MANIFEST, REDACTION = "record.jsonl", "seals.jsonl", "manifest.json", "redaction.json"
UNLISTED = {MANIFEST, "verify.py"}
# Of an incident's state: what nothing changes, what a look at its thing changes without a step, which step names its
# class. All else changes with a step.
FIXED = ("family", "opened_at")
LOOKED = frozenset({"last_seen_at", "confidence", "lon", "lat"})
OF_CLASS = {"opened": "class", "reclassed": "to"}

COMPARED = (
    "what the copy shows was compared with it: row by row, the case's state, and each picture's time, camera, role and",
    "original (by its sha256). Not compared: read-me.txt, who made the copy and when, how a picture was hidden, where",
    "and when the thing was seen last; and where the full bundle has later rows, what these may have changed.",
    "Whether a picture's shown part is the original's is for an eye to see",
    "已逐步与完整案卷比对,并核对案件状态及每张照片的时间、摄像头、用途和原件(SHA-256)。",
    "未比对:read-me.txt、副本制作人和时间、打码方式、最后看到的时间和位置;完整案卷如有后续步骤,其可能改变的内容也未比对。",
    "照片所显示的部分是否与原件相同,须由人查看",
)


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


def check_copy(bundle: zipfile.ZipFile, full: zipfile.ZipFile | None = None) -> tuple[list[str], list[str]]:
    """What is wrong with a party's copy, by itself and beside the full bundle, and what else there is to say."""
    data = bundle.read(MANIFEST)
    manifest = json.loads(data)
    if manifest.get("format") != COPY:
        return [f"this is no {COPY}"], []
    wrong = [*_files(bundle, manifest)]
    if wrong:
        return wrong, []
    rows = [parsed(line) for line in bundle.read(RECORD).decode().splitlines()]
    told = json.loads(bundle.read(REDACTION))
    made = {one["file"] for one in told["pictures"] if one["file"]}
    names = {name for name in manifest["files"] if name.startswith("pictures/")}
    wrong += [f"{name}: redaction.json does not tell of it" for name in sorted(names - made)]
    wrong += [f"{name}: is not there" for name in sorted(made - names)]
    if told["case"] != manifest["case"]:
        wrong.append("redaction.json: is of another case")
    less = sum(1 for row in rows if row["left_out"])
    notes = [
        f"party's copy of case {manifest['case'] or '(without a number)'}: {len(rows)} rows, {len(made)} pictures",
        f"made by {told['made_by']['name']} at {told['made_at']}",
        f"sha256 of its manifest.json: {hashlib.sha256(data).hexdigest()}",
        f"{less} rows are shown in part or by their number; the pictures show nothing but the thing",
    ]
    if full is None:
        notes.append("the copy is whole. It cannot prove by itself that record and pictures are the originals:")
        notes.append("without what is left out no hash can be worked out again. --with FULL.zip compares the two")
        notes.append("副本完整。仅凭副本不能证明记录和照片就是原件:请用 --with 完整案卷.zip 比对")
        return wrong, notes
    faults, said = check(full)
    wrong += [f"full bundle: {fault}" for fault in faults]
    if not faults:
        wrong += _differs(manifest, rows, told, full)
        notes += [f"full bundle: {note}" for note in said]
        notes += COMPARED
    return wrong, notes


def _differs(
    manifest: dict[str, Any], rows: list[dict[str, Any]], told: dict[str, Any], full: zipfile.ZipFile
) -> Iterator[str]:
    """What the copy says otherwise than the full bundle, which is as it was written; the full one may know more."""
    whole = json.loads(full.read(MANIFEST))
    if manifest["case"] not in {"", whole["incident_id"], whole["incident"]["case_no"]}:
        yield f"the full bundle is of incident {whole['incident_id']}, case {whole['incident']['case_no'] or '-'}"
        return
    record = [parsed(line) for line in full.read(RECORD).decode().splitlines()]
    seals = [json.loads(line) for line in full.read(SEALS).decode().splitlines()]
    yield from _other_rows(rows, record)
    yield from _other_state(manifest["incident"], whole["incident"], record[: len(rows)], newer=len(record) > len(rows))
    if manifest["sealed"] is not None:
        yield from _other_seal(manifest["sealed"], rows, record, seals)
    yield from _other_pictures(told["pictures"], whole["pictures"])


def _other_rows(rows: list[dict[str, Any]], record: list[dict[str, Any]]) -> Iterator[str]:
    if len(record) < len(rows):
        yield f"the full bundle has {len(record)} rows, the copy {len(rows)}"
    for row, other in zip(rows, record, strict=False):
        shown = {name: value for name, value in row.items() if name not in {"detail", "left_out"}}
        detail = row.get("detail", {})
        for part, of in ((shown, other), (detail, other["detail"])):
            for name, value in part.items():
                if name not in of or canonical(value) != canonical(of[name]):
                    yield f"row {other['seq']}: its {name} is another one in the full bundle"


def _other_state(
    shown: dict[str, Any], of: dict[str, Any], record: list[dict[str, Any]], *, newer: bool
) -> Iterator[str]:
    """What the copy says otherwise of the incident: ``record`` holds the rows that there were when it was made.

    Those rows tell state and class as of then; of the rest, what a step changes can only be compared where the full
    bundle has no later one (``newer``).
    """
    then = {name: of[name] for name in FIXED} if newer else {name: of[name] for name in of if name not in LOOKED}
    if shown["case_no"]:
        then["case_no"] = of["case_no"]  # once given it stays
    if record and record[-1]["hash"]:
        then["state"] = record[-1]["state"]
    named = [row["detail"].get(OF_CLASS[row["what"]]) for row in record if row["what"] in OF_CLASS]
    if named and named[-1]:
        then["class_code"] = named[-1]
    for name, value in shown.items():
        if name not in of or (name in then and canonical(value) != canonical(then[name])):
            yield f"incident: its {name} is another one in the full bundle"


def _other_seal(
    sealed: dict[str, Any], rows: list[dict[str, Any]], record: list[dict[str, Any]], seals: list[dict[str, Any]]
) -> Iterator[str]:
    if not rows or rows[-1]["seq"] < sealed["seq"]:
        yield f"row {sealed['seq']}: is not in the copy, though seal {sealed['seal_id']} held it when the copy was made"
    if (sealed["seq"], sealed["head"]) not in {(int(row["seq"]), row["hash"]) for row in record}:
        yield f"row {sealed['seq']}: is not the one that seal {sealed['seal_id']} held when the copy was made"
    if any(seal["seal_id"] == sealed["seal_id"] and seal["hash"] != sealed["hash"] for seal in seals):
        yield f"seal {sealed['seal_id']}: is another one than when the copy was made"


def _other_pictures(told: list[dict[str, Any]], pictures: list[dict[str, Any]]) -> Iterator[str]:
    originals = {picture["evidence_id"]: picture for picture in pictures}
    for picture in told:
        original = originals.get(picture["evidence_id"])
        if original is None or picture["original_sha256"] != original["sha256"]:
            yield f"picture {picture['evidence_id']}: the full bundle has another original"
            continue
        same = {
            "camera_id": picture["camera_id"] == original["camera_id"],
            "role": picture["role"] in original["roles"],  # another may have come to it since
        } | {
            moment: datetime.fromisoformat(picture[moment]) == datetime.fromisoformat(original[moment])
            for moment in ("captured_at", "received_at")
        }
        for name in (name for name, is_same in same.items() if not is_same):
            yield f"picture {picture['evidence_id']}: its {name} is another one in the full bundle"


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


def _checked(bundle: zipfile.ZipFile, head: str, full: str) -> tuple[list[str], list[str], str]:
    """Check a bundle by what it is, the full one or a party's copy; last, what was done to it: written, or made."""
    if json.loads(bundle.read(MANIFEST)).get("format") != COPY:
        found = (["--with is for a party's copy, and this is none"], list[str]()) if full else check(bundle, head)
        return *found, "written"
    if head:
        return ["--head is for the full bundle: a party's copy holds no seals"], [], "made"
    if not full:
        return *check_copy(bundle), "made"
    with zipfile.ZipFile(full) as other:
        return *check_copy(bundle, other), "made"


def main() -> int:
    """Check the bundle that is named; 0 where all is as it was written, else 1."""
    reader = argparse.ArgumentParser(description="Check the bundle of one incident.")
    reader.add_argument("bundle")
    reader.add_argument("--head", default="", help="hash of a seal that was kept elsewhere")
    reader.add_argument("--with", dest="full", default="", help="the full bundle, to compare a party's copy with")
    asked = reader.parse_args()
    try:
        with zipfile.ZipFile(asked.bundle) as bundle:
            wrong, notes, done = _checked(bundle, "".join(asked.head.split()).lower(), asked.full)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, zipfile.BadZipFile) as error:
        wrong, notes, done = [f"cannot be read: {error!r}"], [], "written"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has no Chinese still gets its answer
    for line in wrong:
        sys.stdout.write(f"WRONG  {line}\n")
    for line in notes:
        sys.stdout.write(f"       {line}\n")
    chinese = {"written": "写入", "made": "制作"}[done]
    verdict = (
        f"NOT AS IT WAS {done.upper()} (与{chinese}时不一致)" if wrong else f"as it was {done} (与{chinese}时一致)"
    )
    sys.stdout.write(verdict + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
