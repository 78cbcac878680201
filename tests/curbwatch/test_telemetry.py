import json

import pytest
import structlog

from config.service import LogKnobs
from curbwatch.telemetry import Telemetry, configure_logs


def test_nothing_counted_reads_as_zero() -> None:
    telemetry = Telemetry()
    assert telemetry.total("frames_shed") == 0
    assert telemetry.split("frames_shed", "reason") == {}


def test_every_drop_is_counted_by_its_reason() -> None:
    telemetry = Telemetry()
    telemetry.add("frames_shed", 2, reason="newer_frame")
    telemetry.add("frames_shed", reason="decimated")
    assert telemetry.split("frames_shed", "reason") == {"newer_frame": 2, "decimated": 1}
    assert telemetry.total("frames_shed") == 3
    assert telemetry.total("frames_shed", reason="decimated") == 1
    assert b'curbwatch_frames_shed_total{reason="newer_frame"} 2.0' in telemetry.exposition()


def test_gauge_and_duration_appear_in_the_exposition() -> None:
    telemetry = Telemetry()
    telemetry.set("cameras_online", 3)
    telemetry.observe("commit", 0.02)
    text = telemetry.exposition()
    assert b"curbwatch_cameras_online 3.0" in text
    assert b"curbwatch_commit_seconds_count 1.0" in text


def test_one_name_cannot_be_two_metrics() -> None:
    telemetry = Telemetry()
    telemetry.add("frames_shed", reason="newer_frame")
    with pytest.raises(ValueError, match="frames_shed"):
        telemetry.add("frames_shed")
    with pytest.raises(ValueError, match="frames_shed"):
        telemetry.set("frames_shed", 1, reason="newer_frame")


def test_logs_are_json_lines_with_chinese_letters(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogKnobs(form="json"))
    structlog.get_logger().info("opened", place="滨江路")
    structlog.get_logger().debug("hidden")
    line = capsys.readouterr().err
    assert json.loads(line)["place"] == "滨江路"
    assert "滨江路" in line
    structlog.reset_defaults()


def test_logs_for_people_have_no_colours_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogKnobs(form="console"))
    structlog.get_logger().info("opened", place="x")
    assert "\x1b" not in capsys.readouterr().err
    structlog.reset_defaults()
