"""The copy of a case for its party, as an officer makes it and as a court checks it, on real servers."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import curbwatch.database as db
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from alerts.record.redaction import Region, pixelated, shown_region
from alerts.record.seals import Sealer
from alerts.store import AlertDatabase
from ingest.decode import decode_full
from tests.alerts.makers import MONDAY_1059, S, frame, sighting
from tests.fix_verbs import Verbs
from tests.ingest.jpegs import located
from tests.ingest.street_jpegs import SIZE, noise

pytestmark = pytest.mark.servers
NOW = datetime(2026, 5, 4, tzinfo=UTC)
WU, LIN, TAO = ("--as", "吴建"), ("--as", "林芳"), ("--as", "黄涛")
BOX = (200.0, 150.0, 120.0, 80.0)
# Nobody's to read but the bureau's: who had a hand in it, who complained, what was written.
PRIVATE = ("林芳", "黄涛", "王阿姨", "13900001111", "12319-778", "楼上邻居")
# What of a copy the full bundle tells also where the case went on.
KNOWN_LATER = frozenset({"state", "class_code", "opened_at", "family", "case_no"}) | {
    *("captured_at", "received_at", "role", "camera_id")
}


@pytest.fixture
def verbs(picture_verbs: Verbs) -> Verbs:
    """Verbs on the desk's database, with nobody's token and a folder of pictures."""
    return picture_verbs


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def opened(incidents: IncidentStore, folder: EvidenceFolder, jpeg: bytes | None = None, **changes: Any) -> str:  # noqa: ANN401
    """A stall before a camera of the pack with its two pictures, in which nothing can be guessed; a person decides."""
    whole: dict[str, Any] = {
        "camera_id": "yj-cam-01",
        "family": "stall",
        "class_code": "09006",
        "direct": False,
        "unit_id": "yj-enf-1",
        "box_px": BOX,
    }
    place = folder.keep(frame(located(noise(1), "SN-4711"), MONDAY_1059 - 120 * S, "yj-cam-01"))
    shot = noise(2) if jpeg is None else jpeg
    thing = folder.keep(frame(located(shot, "SN-4711"), MONDAY_1059, "yj-cam-01"))
    return incidents.open_or_refresh(sighting(**whole | changes), place, thing).incident_id


def read(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as made:
        return {name: made.read(name) for name in made.namelist()}


def copied(verbs: Verbs, incident_id: str, out: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Files of a party's copy, and what it says of its pictures."""
    (told,) = verbs.told("incident", "export", incident_id, "--for", "party", "--out", str(out), *WU)
    files = read(out)
    assert told["manifest_sha256"] == hashlib.sha256(files["manifest.json"]).hexdigest()
    redaction = json.loads(files["redaction.json"])
    assert told["pictures"] == redaction["pictures"]
    return files, redaction["pictures"]


def checked(bundle: Path, *options: str) -> tuple[int, str]:
    """What the bundle's own program says, without the system."""
    program = bundle.with_name("verify.py")
    program.write_bytes(read(bundle)["verify.py"])
    command = [sys.executable, "-I", "-S", str(program), str(bundle), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr


def forged(bundle: Path, name: str, old: bytes, new: bytes, *, listed: bool) -> Path:
    """The bundle with one file changed, the manifest's digest of it made right where ``listed``."""
    files = read(bundle)
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    if listed and name != "manifest.json":
        manifest = json.loads(files["manifest.json"])
        manifest["files"][name] = hashlib.sha256(files[name]).hexdigest()
        files["manifest.json"] = json.dumps(manifest).encode()
    path = bundle.with_name("forged.zip")
    with zipfile.ZipFile(path, "w") as made:
        for one, data in files.items():
            made.writestr(one, data)
    return path


def region(told: dict[str, Any]) -> Region:
    return told["x"], told["y"], told["w"], told["h"]


def reported(verbs: Verbs) -> dict[str, Any]:
    """A neighbour's complaint about the stall, as the clerk enters it."""
    place = ("--camera", "yj-cam-01", "--box", "200,150,120,80", "--at", "2026-05-04T11:00:00+08:00")
    number = ("--kind", "complaint", "--ref", "12319-778", "--class", "09006", "--as", "周敏")
    (report,) = verbs.told("incident", "report", *number, *place, "--text", "王阿姨 13900001111")
    return report


def show_nothing_but_the_thing(files: dict[str, bytes], pictures: list[dict[str, Any]], folder: EvidenceFolder) -> None:
    """The thing as it was, all else blocks; what a person took has no box and is hidden as a whole."""
    assert sorted((one["role"], one["why"].get("code", "")) for one in pictures) == [
        ("after", "no_box"),
        ("before", ""),
        ("opening", ""),
    ]
    for one in pictures:
        was = decode_full(folder.path(one["original_sha256"]).read_bytes())
        now = decode_full(files[one["file"]])
        shown = [] if one["why"] else [shown_region(BOX, *SIZE)]
        assert [region(part) for part in one["shown"]] == shown
        assert "copy" in one["file"]
        assert b"SN-4711" not in files[one["file"]]
        assert np.abs(now.astype(int) - pixelated(was, [part for part in shown if part])).mean() < 3
        assert np.abs(now.astype(int) - was)[:100].mean() > 30
        for x, y, w, h in map(region, one["shown"]):
            assert np.abs(now[y : y + h, x : x + w].astype(int) - was[y : y + h, x : x + w]).mean() < 4


def name_nobody_else(files: dict[str, bytes], whole: list[dict[str, Any]]) -> None:
    """Nobody else's name, number or words, and one hash alone, by which none can be guessed."""
    rows = [json.loads(line) for line in files["record.jsonl"].splitlines()]
    text = b"".join(files.values()).decode("latin-1")
    for word in PRIVATE:
        assert word.encode().decode("latin-1") not in text, word
    assert sum(text.count(row["hash"]) for row in whole) == 1
    assert [row["seq"] for row in rows] == [row["seq"] for row in whole]
    assert [row.get("what", "") for row in rows] == ["opened", "", "confirmed", "", "self_handled"]
    assert rows[1] == {"seq": 2, "left_out": ["step"]}
    assert b"complaint" not in files["record.jsonl"] + files["manifest.json"]
    redaction = json.loads(files["redaction.json"])
    assert redaction["made_by"] == {"name": "吴建", "role": "duty_lead", "proved": False}
    assert redaction["software"].startswith("curbwatch ")
    page = files["read-me.txt"].decode()
    for word in ("案件当事人副本", "自处置结案", "What is left out", redaction["pictures"][0]["file"]):
        assert word in page


def said_otherwise(files: dict[str, bytes]) -> Iterator[tuple[str, bytes, bytes]]:
    """Values of the case and of a picture as they stand in the copy, each with one that is not so."""
    incident = json.loads(files["manifest.json"])["incident"]
    lies = {"state": "gone", "class_code": "09005", "opened_at": "2026-05-04T02:00:00Z", "family": "waste"}
    lies |= {"case_no": "5120022099", "outcome": "corrected", "closed_at": "2026-05-04T09:00:00Z", "zone": "right"}
    for name, lie in lies.items():
        yield "manifest.json", f'"{name}": "{incident[name]}"'.encode(), f'"{name}": "{lie}"'.encode()
    picture = json.loads(files["redaction.json"])["pictures"][0]
    lies = {"captured_at": "2026-05-04T02:00:00Z", "received_at": "2026-05-04T02:00:00Z"}
    for name, lie in (lies | {"role": "standing", "camera_id": "yj-cam-02"}).items():
        yield "redaction.json", f'"{name}": "{picture[name]}"'.encode(), f'"{name}": "{lie}"'.encode()


def can_be_matched(out: Path, full: Path, files: dict[str, bytes], pictures: list[dict[str, Any]]) -> None:
    """By itself, beside the full bundle, and not where somebody changed it."""
    status, text = checked(out)
    assert (status, "as it was made" in text, "cannot prove by itself" in text) == (0, True, True)
    status, text = checked(out, "--with", str(full))
    assert (status, "row by row" in text, "Not compared: read-me.txt" in text) == (0, True, True), text
    manifest, beside, picture = json.loads(files["manifest.json"]), ("--with", str(full)), pictures[0]["file"]
    forgeries: list[tuple[str, bytes, bytes, bool, tuple[str, ...]]] = [
        (picture, files[picture][:4], b"\xff\xd8\xff\xe1", False, ()),
        ("record.jsonl", b'"dispatched"', b'"filed"', True, beside),
        ("record.jsonl", b'"seq": 2', b'"seq": 3', True, beside),
        ("record.jsonl", files["record.jsonl"], files["record.jsonl"] * 2, True, beside),
        ("redaction.json", pictures[0]["original_sha256"].encode(), b"0" * 64, True, beside),
        ("redaction.json", picture.encode(), b"pictures/none.jpg", True, ()),
        ("manifest.json", manifest["sealed"]["head"].encode(), b"0" * 64, True, beside),
        ("manifest.json", manifest["sealed"]["hash"].encode(), b"0" * 64, True, beside),
        ("manifest.json", b'"case": "' + manifest["case"].encode(), b'"case": "5', True, beside),
        ("redaction.json", b'"case": "' + manifest["case"].encode(), b'"case": "5', True, ()),
        *((name, old, new, True, beside) for name, old, new in said_otherwise(files)),
    ]
    for name, old, new, listed, options in forgeries:
        status, text = checked(forged(out, name, old, new, listed=listed), *options)
        assert (status, "WRONG" in text, "NOT AS IT WAS MADE" in text) == (1, True, True), (name, new, text)
    last = files["record.jsonl"].splitlines(keepends=True)[-1]
    status, text = checked(forged(out, "record.jsonl", last, b"", listed=True), *beside)
    assert (status, "row 5: is not in the copy" in text) == (1, True), text
    for bundle, options, word in (
        (full, beside, "--with is for a party's copy"),
        (out, ("--head", "0" * 64), "--head is for the full bundle"),
        (out, ("--with", str(out)), "this is no curbwatch/bundle/1"),
        (out, ("--with", str(forged(full, "record.jsonl", b"dispatched", b"dispatcher", listed=True))), "full bundle"),
    ):
        status, text = checked(bundle, *options)
        assert (status, word in text) == (1, True), text


def test_the_copy_shows_the_thing_and_nobody_else_and_a_court_can_match_it(
    verbs: Verbs, incidents: IncidentStore, folder: EvidenceFolder, database: AlertDatabase, tmp_path: Path
) -> None:
    seen, by_hand = opened(incidents, folder), tmp_path / "after.jpg"
    by_hand.write_bytes(noise(3))
    report = reported(verbs)
    assert (report["event"], report["incident"]["incident_id"]) == ("attached", seen)
    verbs.told("incident", "confirm", seen, *LIN, "--text", "楼上邻居反映")
    verbs.told("incident", "note", seen, *LIN, "--text", "王阿姨再次来电")
    verbs.told("incident", "self-handle", seen, "--after", str(by_hand), *TAO)
    Sealer(database).seal(NOW)
    originals = {path: path.read_bytes() for path in folder.folder.rglob("*.jpg")}
    full, out = tmp_path / "full.zip", tmp_path / "copy.zip"
    verbs.told("incident", "export", seen, "--out", str(full))
    files, pictures = copied(verbs, seen, out)
    show_nothing_but_the_thing(files, pictures, folder)
    assert not any(data in made for data in originals.values() for made in files.values())
    assert {path: path.read_bytes() for path in folder.folder.rglob("*.jpg")} == originals
    name_nobody_else(files, [json.loads(line) for line in read(full)["record.jsonl"].splitlines()])
    can_be_matched(out, full, files, pictures)

    # The case goes on, and the copy still fits; made again it has the very same pictures.
    verbs.told("incident", "reopen", seen, *LIN, "--text", "又来")
    with database.transaction() as conn:  # a picture may play another part later
        conn.execute(
            "insert into incident_evidence select incident_id, evidence_id, 'back', at from incident_evidence"
            " where incident_id = %s and role = 'opening'",
            (seen,),
        )
    verbs.told("incident", "export", seen, "--out", str(full))
    status, text = checked(out, "--with", str(full))
    assert status == 0, text
    for name, old, new in [one for one in said_otherwise(files) if one[1].split(b'"')[1].decode() in KNOWN_LATER]:
        status, text = checked(forged(out, name, old, new, listed=True), "--with", str(full))
        assert (status, old.split(b'"')[1].decode() in text) == (1, True), (name, new, text)
    again, same = copied(verbs, seen, tmp_path / "again.zip")
    assert [again[one["file"]] for one in same] == [files[one["file"]] for one in pictures]


def test_a_picture_that_cannot_be_hidden_for_sure_is_left_out(
    verbs: Verbs, incidents: IncidentStore, folder: EvidenceFolder, tmp_path: Path
) -> None:
    seen, out = opened(incidents, folder, b"\xff\xd8no picture\xff\xd9"), tmp_path / "copy.zip"

    def whys() -> list[tuple[str, str, bool]]:
        """Role, reason and whether there is a file; nothing that is not told lies in the copy."""
        files, pictures = copied(verbs, seen, out)
        assert {one["file"] for one in pictures if one["file"]} == {
            name for name in files if name.startswith("pictures/")
        }
        assert checked(out)[0] == 0
        assert all(one["original_sha256"] for one in pictures)
        return sorted((one["role"], one["why"].get("code", ""), bool(one["file"])) for one in pictures)

    assert whys() == [("before", "", True), ("opening", "unreadable", False)]
    status, text, _ = verbs.run("incident", "export", seen, "--for", "party", "--out", str(out), *WU)
    assert (status, "照片无法解码,未附" in text, "送达回证" in text) == (0, True, True)
    status, text, _ = verbs.run("incident", "export", seen, "--for", "party", "--out", str(out), *WU, "--lang", "en")
    assert (status, "cannot be decoded" in text, "look at every picture" in text) == (0, True, True)
    (before,) = [path for path in folder.folder.rglob("*.jpg") if b"no picture" not in path.read_bytes()]
    (opening,) = [path for path in folder.folder.rglob("*.jpg") if path != before]
    opening.write_bytes(located(noise(2), "other"))  # a picture, but not the one that was kept
    before.unlink()
    assert whys() == [("before", "gone", False), ("opening", "changed", False)]


def test_where_the_thing_is_not_known_nothing_of_the_picture_is_shown(
    verbs: Verbs, incidents: IncidentStore, folder: EvidenceFolder, desk_url: str, tmp_path: Path
) -> None:
    turning = opened(incidents, folder, preset="street")  # before it came the camera may have looked elsewhere
    pictures = {one["role"]: one for one in copied(verbs, turning, tmp_path / "copy.zip")[1]}
    assert json.loads(read(tmp_path / "copy.zip")["manifest.json"])["case"] == turning
    assert (pictures["before"]["shown"], pictures["before"]["why"]["code"]) == ([], "no_box")
    assert len(pictures["opening"]["shown"]) == 1
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute("update sighting set box_px = '{0,0,0,0}'")
    files, told = copied(verbs, turning, tmp_path / "copy.zip")
    for one in told:
        assert (one["shown"], one["shown_share"], one["why"]["code"]) == ([], 0.0, "no_box")
        was = decode_full(folder.path(one["original_sha256"]).read_bytes())
        assert np.abs(decode_full(files[one["file"]]).astype(int) - pixelated(was)).mean() < 1


def test_no_hash_is_told_of_a_record_that_could_be_guessed(
    verbs: Verbs, database: AlertDatabase, tmp_path: Path
) -> None:
    seen = reported(verbs)["incident"]["incident_id"]
    Sealer(database).seal(NOW)
    files, pictures = copied(verbs, seen, tmp_path / "copy.zip")
    manifest = json.loads(files["manifest.json"])
    assert (manifest["sealed"], manifest["case"], pictures) == (None, "", [])
    assert checked(tmp_path / "copy.zip")[0] == 0
    # The incident's id is made of the complaint's number.
    for word in (seen, "周敏", "12319-778", "王阿姨", '"intake"', '"complaint"'):
        assert not any(word.encode() in data for data in files.values()), word


def test_who_may_not_hand_out_a_case_is_told_so(
    verbs: Verbs, incidents: IncidentStore, folder: EvidenceFolder, tmp_path: Path
) -> None:
    seen, out = opened(incidents, folder), tmp_path / "copy.zip"
    party = ("incident", "export", seen, "--for", "party", "--out", str(out))
    for options, chinese, english in (
        ((), "", "who"),
        (("--as", "邓伟"), "协管员", "auxiliary"),
        (("--as", "冯琪"), "审计员", "auditor"),
        (("--as", "周敏"), "受理员", "intake clerk"),
        ((*WU, "--head", "0" * 64), "完整案卷", "--head is for the full bundle"),
    ):
        assert chinese in verbs.refused(*party, *options)
        assert english in verbs.refused(*party, *options, "--lang", "en")
        assert not out.exists()
    nowhere = ("--out", str(tmp_path / "no" / "x.zip"))
    assert "无法写入" in verbs.refused("incident", "export", seen, "--for", "party", *WU, *nowhere)
    verbs.refused("incident", "export", "0" * 32, "--for", "party", *WU, "--out", str(out))
    assert verbs.run("incident", "export", seen, "--for", "everybody", "--out", str(out))[0] == 2
    assert not out.exists()
