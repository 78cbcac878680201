"""`curbwatch check`: every fault at once, exit status 2; never a traceback."""

import json
import sys
from pathlib import Path

import pytest

import curbwatch.cli.check  # noqa: F401 - registers the verb
from curbwatch.__main__ import main
from tests.config.small_pack import PackFolder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["curbwatch", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_the_defaults_are_right(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check") == 0
    counts = "8 classes, 4 units, 24 cells, 3 permits, 8 cameras, 11 zones, 12 vehicles"
    assert capsys.readouterr().out.strip() == f"OK: site yanjiang, city pack 资阳市雁江区（示例）: {counts}"


def test_faults_of_file_secret_variable_and_pack_are_told_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "pack").mkdir()
    folder = PackFolder(tmp_path / "pack")
    folder.edit("units.csv", "u-2,", "u 2,")
    config = tmp_path / "c.toml"
    config.write_text(
        '[site]\npack = "./pack"\nlang = "fr"\n[alerts]\ndirect_classes = ["1"]\n[redis]\nurl_file = "none"\n'
    )
    monkeypatch.setenv("CURBWATCH_HTTP__PORT", "x")
    report = tmp_path / "report.json"
    assert run(monkeypatch, "check", "--config", str(config), "--json", str(report)) == 2
    printed = capsys.readouterr().err
    for part in (
        f"{config}: site.lang = fr",
        "environment: CURBWATCH_HTTP__PORT = x",
        f"{config}: redis.url_file",
        f"{tmp_path}/pack/units.csv:3: unit_id = u 2",
        "curbwatch check: 5 faults",
    ):
        assert part in printed
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["ok"] is False
    assert {"file": "environment", "key": "CURBWATCH_HTTP__PORT"}.items() <= written["faults"][1].items()


def test_an_unknown_direct_class_is_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[alerts]\ndirect_classes = ["09007"]\n')
    assert run(monkeypatch, "check", "--config", str(config)) == 2
    assert f"{config}: alerts.direct_classes = 09007: is not a class" in capsys.readouterr().err
    config.write_text("[alerts]\ndirect_classes = 9007\n")
    assert run(monkeypatch, "check", "--config", str(config)) == 2


def test_warnings_do_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = PackFolder(tmp_path)
    folder.edit("classes.csv", "mode,handle_h", "mode,handle_h,legacy_2013")
    folder.edit("classes.csv", "verify_first,2", "verify_first,2,01-10")
    folder.edit("classes.csv", "waste,,4", "waste,,4,01-10")
    assert folder.load().warnings
    monkeypatch.setenv("CURBWATCH_SITE__PACK", str(tmp_path))
    report = tmp_path / "report.json"
    assert run(monkeypatch, "check", "--json", str(report)) == 0
    printed = capsys.readouterr().err
    assert "legacy_2013 = 01-10: means 09006 too" in printed
    assert f"{tmp_path.name}/classes.csv: handle_h: counts working hours, and the calendar has none" in printed
    assert json.loads(report.read_text(encoding="utf-8"))["counts"]["cameras"] == 2


def test_too_little_memory_for_the_pictures_from_before_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[alerts]\nbefore_ring_bytes = 2_400_000\n")
    assert run(monkeypatch, "check", "--config", str(config)) == 0
    assert capsys.readouterr().err == ""
    config.write_text("[alerts]\nbefore_ring_bytes = 2_399_999\n")
    report = tmp_path / "report.json"
    assert run(monkeypatch, "check", "--config", str(config), "--json", str(report)) == 0
    told = "alerts.before_ring_bytes = 2399999: holds two pictures of 7 cameras, the pack has 8"
    assert f"warning: {config}: {told}" in capsys.readouterr().err
    assert told in json.loads(report.read_text(encoding="utf-8"))["warnings"][0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "/nowhere/c.toml"],
        ["--config", "/"],
        ["--config", ""],
        ["--config"],
        ["--bogus"],
        ["surplus"],
        ["--json", "/nowhere/r.json"],
    ],
)
def test_wrong_usage_is_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(monkeypatch, "check", *arguments) == 2
    said = capsys.readouterr().err
    assert said
    assert "Traceback" not in said


def test_a_codec_that_does_not_exist_is_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[codecs]\nenabled = ["tracar"]\n')
    assert run(monkeypatch, "check", "--config", str(config)) == 2
    assert f"{config}: codecs.enabled = tracar: there is no such codec" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        '[intake]\nspool_dir = "/proc/spool"\n[alerts]\nevidence_dir = "c.toml/x"\n[engine]\nsnapshot_dir = "a/b"\n'
    )
    assert run(monkeypatch, "check", "--config", str(config)) == 2
    printed = capsys.readouterr().err
    assert f"{config}: intake.spool_dir = /proc/spool: /proc cannot be written" in printed
    assert f"{config}: alerts.evidence_dir = {config}/x: {config} cannot be written: Not a directory" in printed
    assert "2 faults" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]
