"""What `doctor` says of good and of bad servers."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import curbwatch.doctor.guest as guest_module
from alerts.dispatch import JobQueue
from config.model import Config
from curbwatch.cli.app import app
from curbwatch.doctor.broker import look_at_broker
from curbwatch.doctor.database import look_at_database
from curbwatch.doctor.finding import Finding, Level
from curbwatch.doctor.jobqueue import look_at_queue
from curbwatch.doctor.probe import probe
from curbwatch.endpoints import Endpoints
from curbwatch.parts import Servers, process
from curbwatch.parts.paths import home, identity, make_folder
from tests.broker.city import City, mosquitto

pytestmark = pytest.mark.servers
OPEN = "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stdout\n"


SMALL: dict[str, dict[str, object]] = {"intake": {"positions_window": 500}}  # the queue is tried with twice the window


def config_of(**broker: object) -> Config:
    return Config.model_validate(SMALL | {"broker": broker})


def bad(findings: list[Finding], level: Level = Level.FAULT) -> set[str]:
    return {finding.name for finding in findings if finding.level is level}


def of_city(city: City, *users: str) -> Endpoints:
    return Endpoints("", "", city.address().url, {user: city.password(user) for user in users})


def trusting(city: City) -> Config:
    return config_of(ca_file=str(city.signer.certificate))


@contextmanager
def broker(name: str, *lines: str) -> Iterator[Endpoints]:
    """A Mosquitto that lets everybody in, with more lines of configuration."""
    folder = home() / f"test-{os.getpid()}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder, 0o755)
    port = process.free_port(0)
    config = folder / "mosquitto.conf"
    config.write_text(OPEN.format(port=port) + "".join(f"{line}\n" for line in lines))
    identity().own(folder)
    with mosquitto(config, port):
        yield Endpoints("", "", f"mqtt://127.0.0.1:{port}", {})
    shutil.rmtree(folder)


def test_of_a_broker_as_written_nothing_bad_is_said(yanjiang: City) -> None:
    endpoints = of_city(yanjiang, "intake-positions", "intake-frames", "doctor")
    config = trusting(yanjiang)
    findings = look_at_broker(config, endpoints) + probe(config, endpoints)
    assert bad(findings) == set()
    assert bad(findings, Level.WARN) <= {"dropped"}  # other tests of this broker may have filled a queue
    assert {"version", "hears others", "queue", "window", "message size"} <= {finding.name for finding in findings}


def test_a_small_queue_a_small_window_and_small_messages_are_named() -> None:
    with broker("small", "max_queued_messages 100", "max_inflight_messages 5", "message_size_limit 1000") as endpoints:
        findings = look_at_broker(config_of(), endpoints) + probe(config_of(), endpoints)
    assert {"receive maximum", "queue", "message size"} <= bad(findings)
    queue = next(finding for finding in findings if finding.name == "queue")
    assert queue.seen.startswith("10")
    assert "of 2000 messages" in queue.seen


def test_an_open_broker_is_named_for_each_thing_it_lets_happen() -> None:
    with broker("open", "max_queued_messages 10000") as endpoints:
        findings = look_at_broker(config_of(), endpoints) + probe(config_of(), endpoints)
    assert bad(findings) == {"anonymous", "hears others", "speaks as others", "forged answers"}
    assert "intake's rights" in bad(findings, Level.WARN)


def test_what_a_broker_limits_in_its_answer_is_named() -> None:
    lines = ("max_packet_size 50000", "max_keepalive 10", "max_qos 0", "retain_available false")
    with broker("limits", *lines) as endpoints:
        findings = look_at_broker(Config(), endpoints)
    assert {"packet size", "QoS"} <= bad(findings)
    assert {"retained messages", "keep alive"} <= bad(findings, Level.WARN)


def test_a_broker_that_is_away_and_one_that_is_not_named_are_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_module, "WAIT_S", 1.0)
    away = Endpoints("", "", f"mqtt://127.0.0.1:{process.free_port(0)}", {})
    assert bad(look_at_broker(Config(), away)) == {"user intake-positions", "user intake-frames"}
    named = look_at_broker(Config.model_validate({"broker": {"url": away.broker_url}}), away)
    assert not [finding for finding in named if "parts up" in finding.remedy]
    assert [finding.level for finding in probe(Config(), away)] == [Level.WARN]
    nowhere = Endpoints("", "", "", {})
    assert [finding.remedy for finding in look_at_broker(Config(), nowhere)] == [
        "set broker.url, or run `curbwatch parts up`"
    ]
    assert probe(Config(), nowhere) == []


def test_a_wrong_password_is_a_fault_and_not_shown(yanjiang: City) -> None:
    endpoints = Endpoints("", "", yanjiang.address().url, {"intake-positions": "not-this-one"})
    findings = look_at_broker(trusting(yanjiang), endpoints)
    assert {"user intake-positions", "user intake-frames"} == bad(findings)
    assert "not-this-one" not in repr(findings)


def test_a_certificate_of_a_stranger_is_named(yanjiang: City) -> None:
    findings = look_at_broker(Config(), of_city(yanjiang, "intake-positions"))
    seen = next(finding.seen for finding in findings if finding.name == "user intake-positions")
    assert "certificate verify failed" in seen


def test_of_the_private_database_and_queue_nothing_bad_is_said(database_url: str, redis_url: str) -> None:
    findings = look_at_database(database_url) + look_at_queue(redis_url)
    assert len(findings) > 10
    assert [finding for finding in findings if finding.level is not Level.OK] == []


def test_a_database_that_does_not_wait_for_its_disk_is_named(database_url: str) -> None:
    findings = look_at_database(
        database_url + "?options=-csynchronous_commit%3Doff%20-cdefault_transaction_read_only%3Don"
    )
    assert bad(findings) == {"synchronous_commit", "writable"}


def test_a_queue_of_another_database_is_named(database_url: str, redis_url: str) -> None:
    queue = JobQueue(redis_url)
    seen = []
    for owner in ("", "0/1"):
        queue.begin_epoch(f"{owner} e" if owner else "e")
        queue.hold(owner, 60.0)
        (finding,) = (one for one in look_at_queue(redis_url, database_url) if one.name == "owner")
        seen.append((finding.level, finding.seen.partition(",")[0]))
    queue.close()
    assert seen == [(Level.OK, "nobody's"), (Level.FAULT, "another database's (0/1")]


def test_a_database_or_queue_that_is_away_is_one_fault_without_its_password() -> None:
    port = process.free_port(0)
    findings = look_at_database(f"postgresql://me:secret@127.0.0.1:{port}/x")
    findings += look_at_queue(f"redis://:secret@127.0.0.1:{port}/0")
    findings += look_at_database("") + look_at_queue("")
    assert [finding.name for finding in findings] == ["reachable"] * 4
    assert "secret" not in repr(findings)


def told(*words: str) -> tuple[int, str]:
    import_module("curbwatch.cli.doctor")
    done = CliRunner().invoke(app, ["doctor", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def test_of_the_private_servers_the_command_finds_no_fault_and_ends_with_2_where_one_is_away(
    servers: Servers, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "curbwatch.toml"
    words = servers.password_files
    text = (
        f'[broker]\nurl = "{servers.broker_url}"\npositions_password_file = "{words["intake-positions"]}"\n'
        f'frames_password_file = "{words["intake-frames"]}"\ndoctor_password_file = "{words["doctor"]}"\n'
        f'[database]\nurl = "{database_url}"\n[redis]\nurl = "{redis_url}"\n[intake]\npositions_window = 500\n'
        f'spool_dir = "off"\n[alerts]\nevidence_dir = "evidence"\n[engine]\nsnapshot_dir = "snapshots"\n'
    )
    config.write_text(text)
    json_file = tmp_path / "told.json"
    code, output = told("--config", str(config), "--json", str(json_file), "--probe")
    found = json.loads(json_file.read_text())
    assert (code, found["ok"], found["faults"]) == (0, True, 0), output
    assert "window" in {finding["name"] for finding in found["findings"]}
    assert {finding["area"] for finding in found["findings"]} == {"broker", "database", "queue", "here"}
    assert output.count("\n") >= len(found["findings"])
    config.write_text(text.replace(redis_url, f"redis://127.0.0.1:{process.free_port(0)}/0"))
    code, output = told("--config", str(config))
    assert code == 2
    assert "fault queue     reachable" in output
    assert "1 fault, " in output
