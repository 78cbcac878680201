"""What is made of what servers say, without a server."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.model import Config
from curbwatch import packets
from curbwatch.database import Edition
from curbwatch.doctor.database import Facts, judge_facts, judge_skew
from curbwatch.doctor.finding import Finding, Level, report
from curbwatch.doctor.here import folders, judge_clock, judge_files, look_at_disk, look_here
from curbwatch.doctor.jobqueue import judge_server
from curbwatch.doctor.limits import judge_dropped, judge_limits, judge_transport, judge_version
from curbwatch.doctor.probe import judge_window
from ingest.publish_packet import MalformedError

GOOD = Facts("17.1", "on", "on", "on", False, True, Edition.APACHE, True, 1_000_000, 0.0)


def levels(findings: list[Finding]) -> dict[str, Level]:
    return {finding.name: finding.level for finding in findings if finding.level is not Level.OK}


def test_nothing_looked_at_is_nothing_wrong() -> None:
    assert report([]) == {"ok": True, "faults": 0, "warnings": 0, "findings": []}


def test_every_bad_finding_says_what_to_do_and_every_good_one_is_short() -> None:
    bad = Facts("17.1", "off", "off", "off", True, False, Edition.NONE, False, 0, 100.0)
    found = judge_facts(GOOD) + judge_facts(bad) + judge_limits({}, Config()) + judge_server({})
    found += judge_limits(
        {"receive_max": 5, "packet_max_bytes": 9, "qos_max": 0, "retain": 0, "wildcards": 0}, Config()
    )
    for finding in found:
        assert bool(finding.remedy) == (finding.level is not Level.OK), finding
        assert finding.seen


def test_a_database_is_judged_setting_by_setting() -> None:
    assert levels(judge_facts(GOOD)) == {}
    bad = Facts("17.1", "off", "off", "off", True, False, Edition.NONE, True, 0, 100.0)
    assert levels(judge_facts(bad)) == {
        "TimescaleDB": Level.WARN,
        "synchronous_commit": Level.FAULT,
        "fsync": Level.FAULT,
        "full_page_writes": Level.FAULT,
        "writable": Level.FAULT,
        "rights": Level.FAULT,
        "clock": Level.FAULT,
    }


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({}, {}),
        ({"redis_version": "7.0.15", "maxmemory": 0, "maxmemory_policy": "allkeys-lru", "aof_enabled": 1}, {}),
        ({"redis_version": "6.0.16"}, {"version": Level.FAULT}),
        ({"redis_version": "7.0", "maxmemory": 9, "maxmemory_policy": "allkeys-lru"}, {"eviction": Level.WARN}),
        ({"aof_enabled": 0}, {"persistence": Level.WARN}),
        ({"role": "slave"}, {"writable": Level.FAULT}),
        ({"aof_last_write_status": "err"}, {"disk": Level.FAULT}),
        ({"rdb_last_bgsave_status": "err"}, {"disk": Level.FAULT}),
    ],
)
def test_a_queue_is_judged_by_what_it_says(told: dict[str, object], wanted: dict[str, Level]) -> None:
    assert levels(judge_server(told)) == wanted


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({}, {}),
        ({"receive_max": 499}, {"receive maximum": Level.WARN}),
        ({"receive_max": 19}, {"receive maximum": Level.FAULT}),
        ({"packet_max_bytes": 2_000_000}, {"packet size": Level.FAULT}),
        ({"packet_max_bytes": 2_000_001}, {}),
        ({"qos_max": 0}, {"QoS": Level.FAULT}),
        ({"qos_max": 1}, {}),
        ({"session_expiry_s": 3600}, {"session expiry": Level.FAULT}),
        ({"session_expiry_s": 86_400}, {}),
        ({"retain": 0}, {"retained messages": Level.WARN}),
        ({"wildcards": 0}, {"wildcards": Level.FAULT}),
        ({"keepalive_s": 120}, {"keep alive": Level.WARN}),
        ({"keepalive_s": 15}, {}),
    ],
)
def test_a_brokers_limits_are_judged_beside_what_the_intake_wants(
    limits: dict[str, int], wanted: dict[str, Level]
) -> None:
    assert levels(judge_limits(limits, Config())) == wanted


@pytest.mark.parametrize(
    ("finding", "level"),
    [
        (judge_version("mosquitto version 2.0.21"), Level.OK),
        (judge_version("mosquitto version 2.0.11"), Level.FAULT),
        (judge_version(None), Level.WARN),
        (judge_dropped("0"), Level.OK),
        (judge_dropped("17"), Level.WARN),
        (judge_dropped(None), Level.WARN),
        (judge_transport("mqtts://broker"), Level.OK),
        (judge_transport("mqtt://127.0.0.1:1883"), Level.OK),
        (judge_transport("mqtt://broker:1883"), Level.WARN),
        (judge_skew("database", -0.2), Level.OK),
        (judge_skew("database", 2.0), Level.WARN),
        (judge_skew("database", -61.0), Level.FAULT),
        (judge_window(10, 1), Level.OK),
        (judge_window(5, 1), Level.OK),
        (judge_window(0, 0), Level.FAULT),
        (judge_window(11, 1), Level.FAULT),
        (judge_window(10, 10), Level.FAULT),  # what Mosquitto 2.0.11 does
        (judge_files(1024), Level.OK),
        (judge_files(-1), Level.OK),
        (judge_files(256), Level.WARN),
        (judge_clock(1.8e9, synchronised=True), Level.OK),
        (judge_clock(1.8e9, synchronised=None), Level.OK),
        (judge_clock(1.8e9, synchronised=False), Level.WARN),
        (judge_clock(0.0, synchronised=True), Level.FAULT),
    ],
)
def test_versions_drops_transport_and_clocks(finding: Finding, level: Level) -> None:
    assert finding.level is level


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look_at_disk("evidence", tmp_path / "not" / "yet").level is not Level.FAULT
    file = tmp_path / "file"
    file.touch()
    assert look_at_disk("evidence", file / "below").level is Level.FAULT
    monkeypatch.setattr("curbwatch.doctor.here.FREE_FAULT_BYTES", 10**18)
    monkeypatch.setattr("curbwatch.doctor.here.FREE_WARN_BYTES", 10**18)
    assert look_at_disk("evidence", tmp_path).level is Level.FAULT


def test_every_folder_that_run_writes_is_looked_at(tmp_path: Path) -> None:
    knobs = {"alerts": {"evidence_dir": str(tmp_path)}, "intake": {"spool_max_bytes": 0}}
    config = Config.model_validate(knobs)
    assert folders(config)["evidence"] == tmp_path
    assert set(folders(config)) == {"evidence", "snapshots"}
    assert set(folders(Config())) == {"evidence", "snapshots", "spool"}
    assert {finding.area for finding in look_here(config)} == {"here"}


@given(st.binary(max_size=60))
def test_no_answer_of_a_broker_raises_anything_else(body: bytes) -> None:
    try:
        told = packets.read_connack(body)
    except MalformedError:
        return
    assert told.code == body[1]


@given(st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.text(max_size=5))
def test_limits_are_read_wherever_they_stand(receive_max: int, expiry_s: int, text: str) -> None:
    told = text.encode()
    pair = b"\x26" + (len(told).to_bytes(2, "big") + told) * 2
    body = pair + b"\x21" + receive_max.to_bytes(2, "big") + pair + b"\x11" + expiry_s.to_bytes(4, "big")
    found = packets.read_connack(b"\x01\x00" + bytes([len(body)]) + body)
    assert found == packets.Connack(0, True, {"receive_max": receive_max, "session_expiry_s": expiry_s})


@given(st.integers(0, 2**28 - 1))
def test_lengths_are_read_as_written(length: int) -> None:
    written = packets.length_of(length)
    assert packets.read_length(written, 0) == (length, len(written))
    with pytest.raises(packets.CutError):
        packets.read_length(written[:-1], 0)
