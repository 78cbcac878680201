"""`curbwatch codec`: which forms are read, and what becomes of a sample, without any server."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import curbwatch.cli.codec  # noqa: F401 - registers the verbs
from curbwatch.__main__ import main
from ingest.crs import to_wgs84
from tests.ingest.codecs.json_case import LAT, LON, OWNTRACKS, SAMPLES, Sample
from tests.ingest.jpegs import jpeg


class Run:
    """Runs one verb and keeps what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.monkeypatch, self.capsys, self.folder = monkeypatch, capsys, folder
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self.monkeypatch.setattr(sys, "argv", ["curbwatch", "codec", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        self.out, self.err = self.capsys.readouterr()
        return int(caught.value.code or 0)

    def sample(self, payload: bytes) -> str:
        path = self.folder / "sample"
        path.write_bytes(payload)
        return str(path)

    def tried(self, topic: str, payload: bytes, *more: str) -> dict[str, Any]:
        self("try", "--topic", topic, "--file", self.sample(payload), "--json", *more)
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return Run(monkeypatch, capsys, tmp_path)


def test_every_form_is_listed_with_its_topics(run: Run) -> None:
    assert run("list", "--json") == 0
    listed = {form["name"]: form["topics"] for form in json.loads(run.out)}
    assert {sample.codec for sample in SAMPLES} - listed.keys() == {"acme"}
    assert listed["owntracks"] == ["owntracks/+/+", "owntracks/+/+/event"]
    assert run("list") == 0
    assert "traccar" in run.out


def test_only_forms_that_are_enabled_are_listed(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[codecs]\nenabled = ["traccar"]\ntopics = {traccar = ["gps/#"]}\n')
    assert run("list", "--json", "--config", str(config)) == 0
    assert [(form["name"], form["topics"][0]) for form in json.loads(run.out)][2:] == [("traccar", "gps/#")]
    config.write_text('[codecs]\nenabled = ["tracar"]\n')
    assert run("list", "--config", str(config)) == 2
    assert "codecs.enabled = tracar: there is no such codec" in run.err


def test_nothing_is_nothing_usable(run: Run) -> None:
    assert run("try", "--topic", OWNTRACKS.topic, "--file", run.sample(b"")) == 2
    assert "0 of 1 usable" in run.out
    assert "refused, jane: empty" in run.out


@pytest.mark.parametrize("sample", SAMPLES[:-1], ids=lambda sample: sample.codec)
def test_a_sample_is_shown_as_it_would_be_stored(run: Run, sample: Sample) -> None:
    found = run.tried(sample.topic, sample.payload)
    assert (found["codec"], found["usable"]) == (sample.codec, 1)
    (item,) = found["items"]
    assert (item["item"], item["device_id"], item["ts"]) == (
        "position",
        sample.device_id,
        "2026-05-03T23:30:00+00:00",
    )
    assert {name: item[name] for name in sample.row} == sample.row | {"speed_mps": pytest.approx(15.0)}
    assert item["alias"].startswith(f"{sample.codec}:")
    assert run("try", "--topic", sample.topic, "--file", run.sample(sample.payload)) == 0
    assert "speed 15.000 m/s" in run.out


def test_a_device_of_another_coordinate_system_is_shown_in_both(run: Run) -> None:
    (item,) = run.tried(OWNTRACKS.topic, OWNTRACKS.payload, "--crs", "gcj02")["items"]
    lon, lat = to_wgs84(np.array([LON]), np.array([LAT]), "gcj02")
    assert (item["lon"], item["lat"]) == (lon[0], lat[0])
    assert (item["raw_lon"], item["raw_lat"], item["crs"]) == (LON, LAT, "gcj02")


def test_a_mapping_is_proved_with_its_configuration(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        '[[codecs.mapping]]\nname = "acme"\ntopics = ["acme/+"]\ndevice = "topic:1"\n[codecs.mapping.fields]\n'
        'lon = {path = "x"}\nlat = {path = "y"}\n'
    )
    body = json.dumps([{"x": LON, "y": str(LAT)}, {"x": LON}]).encode()
    found = run.tried("acme/t-1", body, "--config", str(config))
    assert [(item["item"], item["device_id"]) for item in found["items"]] == [("position", "t-1"), ("refused", "t-1")]
    assert found["items"][0]["flags"] == ["no_time"]


def test_what_a_message_says_beside_positions_is_shown(run: Run) -> None:
    assert run("try", "--topic", "owntracks/a/b", "--file", run.sample(b'{"_type":"lwt"}')) == 0
    assert "status of a: offline" in run.out
    assert run("try", "--topic", "owntracks/a/b", "--file", run.sample(b'{"_type":"waypoint"}')) == 2
    assert "ignored: waypoint" in run.out


def test_our_own_form_and_pictures_are_tried_too(run: Run) -> None:
    own = json.dumps({"lon": LON, "lat": LAT, "speed_kmh": 54}).encode()
    assert run.tried("city/v1/yanjiang/vehicle/v-1/position", own)["codec"] == "native"
    found = run.tried("city/v1/yanjiang/camera/c-1/frame", jpeg(64, 48))
    assert [(item["width_px"], item["height_px"]) for item in found["items"]] == [(64, 48)]
    assert run.tried("city/v1/yanjiang/camera/c-1/frame", b"x")["items"][0]["reason"] == "format"


@pytest.mark.parametrize("topic", ["nobody/reads/this", "owntracks/+/x", "owntracks/#", ""])
def test_a_topic_that_no_form_reads_ends_as_one_line(run: Run, topic: str) -> None:
    assert run("try", "--topic", topic, "--file", run.sample(b"{}")) == 2
    assert run.err.startswith("curbwatch: --topic")
    assert run.err.count("\n") == 1


def test_a_sample_that_is_not_there_or_too_large_is_told(run: Run) -> None:
    assert run("try", "--topic", OWNTRACKS.topic, "--file", "/nowhere/x") == 2
    assert "cannot be read" in run.err
    assert run.tried(OWNTRACKS.topic, b"[" * 1_000_001)["items"][0]["reason"] == "size"


def test_what_is_too_old_by_now_is_shown_and_said(run: Run) -> None:
    topic, late = "city/v1/yanjiang/vehicle/v-1/position", "would be refused now as ts_too_old"
    old, new = ({"lon": LON, "lat": LAT, "ts": ts} for ts in ("2020-01-01T00:00:00Z", datetime.now(tz=UTC).isoformat()))
    sos = old | {"alarms": ["sos"]}
    items = run.tried(topic, json.dumps([old, new, sos]).encode())["items"]
    assert [item["refused_now"] for item in items] == ["ts_too_old", None, None]
    assert run("try", "--topic", topic, "--file", run.sample(json.dumps(old).encode())) == 0
    assert f"{late}: older than intake.past_limit_s" in run.out
    assert run("try", "--topic", topic, "--file", run.sample(json.dumps(new).encode())) == 0
    assert late not in run.out
