"""The page of evaluate says what made it, and below each row the command that tells more of it."""

import re
import shlex
from html import unescape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curbwatch.cli import evaluate, explain
from curbwatch.cli.app import app
from curbwatch.tuning.replay import Alert, Road
from schemas.frame import Frame, FrameBatch
from tests.detectors.street import Street
from tests.tuning.clips import EVENT, THING, recorded
from tests.tuning.test_explain import BOX


def test_the_page_says_what_made_it_and_its_commands_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate.__doc__
    assert explain.__doc__
    clip = recorded(tmp_path / "seq a", Street((THING,)), 45, events=[EVENT, EVENT | {"bbox": [10, 20, 60, 60]}])
    opening_ns = list(clip.frames())[38][0]
    see = Road.see

    def reporting(road: Road, batch: FrameBatch, frame: Frame) -> list[Alert]:
        see(road, batch, frame)
        opens = int(batch.captured_ns[0]) == opening_ns
        return [Alert("waste", BOX, opening_ns, opening_ns - 40 * 10**9, 0.8)] if opens else []

    monkeypatch.setattr(Road, "see", reporting)
    config, page = tmp_path / "site.toml", tmp_path / "page.html"
    config.write_text("[vision]\ndiffers_grey = 19\n")
    words = [str(tmp_path), "--dwell", "40", "--config", str(config), "--lang", "en", "--report", str(page)]
    done = CliRunner().invoke(app, ["evaluate", *words])
    assert done.exit_code == 0, done.exception
    html = unescape(page.read_text(encoding="utf-8"))
    for made in ("dwell 40 s", "as recorded", f"configuration {config}", f"recordings in {tmp_path}", "version "):
        assert made in html
    commands = re.findall("<code>curbwatch (.*?)</code>", html)
    assert len(commands) == 2
    assert any("seq a#0'" in command for command in commands)
    assert any("seq a@32' --box 10,20,60,60" in command for command in commands)
    for command in commands:
        told = CliRunner().invoke(app, [*shlex.split(command), "--lang", "en"])
        assert told.exit_code == 0, told.exception
        assert ("An alert for waste" in told.stdout) == ("#0" in command)


def test_sections_without_a_figure_are_left_out(tmp_path: Path) -> None:
    recorded(tmp_path / "seq-quiet", Street(), 3)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--report", str(page), "--lang", "en"])
    assert done.exit_code == 0
    html = page.read_text(encoding="utf-8")
    assert "By light and weather" in html
    for title in ("By kind", "By width", "What events were taken for", "<h2>Alerts"):
        assert title not in html


def test_the_table_is_in_the_readers_language(tmp_path: Path) -> None:
    recorded(tmp_path / "seq-quiet", Street(), 3)
    said = {lang: CliRunner().invoke(app, ["evaluate", str(tmp_path), *lang]).stdout for lang in ((), ("--lang", "en"))}
    assert "误报" in said[()]
    assert "false" in said["--lang", "en"]
    assert "误报" not in said["--lang", "en"]
