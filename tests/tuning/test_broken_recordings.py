"""What is wrong with a recording is named with its key and its entry, and never passes for a result."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curbwatch.cli import compare, evaluate, sweep
from curbwatch.cli.app import app
from curbwatch.cli.output import refuse_unwritable
from curbwatch.tuning.recording import read_recording
from schemas.errors import CurbwatchError, UsageError
from tests.detectors.street import Street
from tests.tuning.clips import EVENT, described, recorded

assert compare.__doc__ and evaluate.__doc__ and sweep.__doc__  # noqa: PT018  # they register their verbs
VERBS = [["evaluate"], ["compare", "defaults", "defaults"], ["sweep", "--set", "vision.dwell_s=20"]]


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"frame_size": "big"}, r'frame_size must be \[width, height\] in px, as \[1280, 720\], not "big"'),
        ({"frame_size": [640]}, "frame_size must be"),
        ({"frame_size": [640, True]}, "frame_size must be"),
        (
            {"events": [EVENT, {"kind": "waste", "last_frame": 3, "bbox": [1, 2, 3, 4]}]},
            r"events\[1\]\.appear_frame is",
        ),
        ({"events": [EVENT | {"bbox": [1, 2]}]}, r"events\[0\]: not enough values"),
        ({"zones": [{"name": "kerb"}]}, r"zones\[0\]\.polygon is missing"),
        ({"standing_objects": [{}]}, r"standing_objects\[0\]\.bbox is missing"),
    ],
)
def test_a_broken_key_is_named_with_its_entry(tmp_path: Path, facts: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        described(tmp_path, "frames/*.jpg", **facts)


@pytest.mark.parametrize("verb", VERBS)
def test_one_broken_recording_alone_is_told_like_several(tmp_path: Path, verb: list[str]) -> None:
    (tmp_path / "recording.json").write_text("{")
    out = tmp_path / "out.json"
    done = CliRunner().invoke(app, [*verb, str(tmp_path), "--json", str(out)])
    assert isinstance(done.exception, CurbwatchError)
    assert done.exception.exit_code == 1
    assert str(done.exception) == "no recording could be evaluated: 1 fault"
    (fault,) = json.loads(out.read_text())["faults"]
    assert "cannot be read" in fault["error"]
    assert fault["error"] in done.stderr.replace("\n", "")


def test_a_recording_without_a_usable_picture_is_a_fault(tmp_path: Path) -> None:
    recorded(tmp_path / "seq-none", Street(), 0)
    dead = recorded(tmp_path / "seq-dead", Street(), 3)
    for file in (dead.folder / "frames").iterdir():
        file.write_bytes(b"")
    recorded(tmp_path / "seq-good", Street(), 3)
    out = tmp_path / "out.json"
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--no-baseline", "--json", str(out)])
    assert isinstance(done.exception, CurbwatchError)
    assert done.exception.exit_code == 1
    found = json.loads(out.read_text())
    said = {Path(fault["path"]).name: fault["error"].rpartition(": ")[2] for fault in found["faults"]}
    assert said == {"seq-dead": "none of its 3 pictures can be used", "seq-none": "has no frames"}
    assert [row["undecodable"] for row in found["recordings"]] == [3, 0, 0]


def test_stamps_that_run_backwards_are_told_in_one_line(tmp_path: Path) -> None:
    stamps = [f"2026-05-01T08:00:{second:02d}Z" for second in (0, 8, 4, 12, 2)]
    recorded(tmp_path / "seq-late", Street(), 5, stamps=stamps)
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--no-baseline"])
    assert done.exit_code == 0
    assert done.stderr.count("run backwards") == 1
    assert "of 2 frames run backwards, the first at frame 2" in done.stderr
    assert read_recording(tmp_path / "seq-late").backwards() == [2, 4]


@pytest.mark.parametrize("flag", ["--json", "--report"])
@pytest.mark.parametrize("verb", VERBS[:2])
def test_a_file_that_cannot_be_written_is_refused_before_the_replay(
    tmp_path: Path, verb: list[str], flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curbwatch.cli.evaluate.read_recording", lambda _: pytest.fail("read before it was tried"))
    recorded(tmp_path / "seq-a", Street(), 1)
    done = CliRunner().invoke(app, [*verb, str(tmp_path), flag, str(tmp_path / "no" / "out")])
    assert isinstance(done.exception, UsageError)
    assert f"{flag} {tmp_path / 'no' / 'out'}: cannot be written" in str(done.exception)


def test_trying_a_file_leaves_it_as_it_was(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("{}")
    refuse_unwritable(json=old, report=tmp_path / "new.html", strip=None)
    assert (old.read_text(), list(tmp_path.iterdir())) == ("{}", [old])
