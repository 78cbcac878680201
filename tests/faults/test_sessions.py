"""The intake's session at the broker: lost, taken by another, and many strangers at the door."""

import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.conftest import Case
from tests.faults.sessions import wipe
from tests.fix_faults import times
from tests.fix_service import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(600)]


def test_session_lost_while_away(case: Case) -> None:
    """What the broker had acknowledged is gone with the session; vehicles are asked, and send it again."""
    recovery_s, gone = [], 0
    case.service.start()
    with case.fleet(patience_s=3600.0) as fleet:  # sends again when asked, and never by itself
        for _ in range(times(5)):
            fleet.until_acked_anew()
            assert case.service.stop() == 0
            threading.Event().wait(1.0)
            wipe(case.house.servers, case.client_id)
            gone += fleet.sent - fleet.acked
            asked = fleet.resyncs
            started_s = time.monotonic()
            case.service.start()
            fleet.until("the requests", lambda before=asked: fleet.resyncs > before)  # type: ignore[misc]
            fleet.until_acked_anew()
            recovery_s.append(time.monotonic() - started_s)
        fleet.rest()
        fleet.until_all_acked()
        assert fleet.resyncs >= times(5)
        case.holds(fleet, recovery_s, wiped_from_the_broker=gone, resyncs=fleet.resyncs)


def test_duplicate_client_id(case: Case, tmp_path: Path) -> None:
    """A second ``run`` of the same site: both say so, neither storms, nothing is lost or doubled."""
    together_s = float(10 + times(20))
    case.configure(broker={"reconnect_max_s": 5.0})
    folder = tmp_path / "second"
    folder.mkdir()
    second = replace(case.service, folder=folder)
    second.configure(broker={"reconnect_max_s": 5.0}, intake=case.intake_knobs(folder))
    case.service.start()
    with case.fleet() as fleet:
        fleet.until_acked_anew()
        second.start()
        threading.Event().wait(together_s)
        taken = [sum(event.get("event") == "session_taken" for event in run.events) for run in (case.service, second)]
        second.stop()
        recovery_s = [fleet.until_acked_anew()]
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s, together_s=together_s, taken=str(taken))
    assert min(taken) >= 1
    assert sum(taken) / together_s < 2


def test_connect_flood(case: Case) -> None:
    """1 000 strangers a second at the broker's door, with a wrong password."""
    seconds = max(2, times(10))
    case.service.start()
    parts = urlsplit(case.house.servers.broker_url)
    name = b"devices"
    body = b"\x00\x04MQTT\x05\xc2\x00\x00\x00\x00\x00" + b"\x00\x07" + name + b"\x00\x05wrong"
    hello = b"\x10" + bytes([len(body)]) + body
    made = 0
    with case.fleet() as fleet:
        fleet.until_acked_anew()
        wires: list[socket.socket] = []
        started_s = time.monotonic()
        while (elapsed_s := time.monotonic() - started_s) < seconds:
            while made < elapsed_s * 1000:
                wire = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5)
                wire.sendall(hello)
                wires.append(wire)
                made += 1
                if len(wires) > 200:
                    wires.pop(0).close()
            threading.Event().wait(0.005)
        for wire in wires:
            wire.close()
        recovery_s = [fleet.until_acked_anew()]
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s, strangers=made, per_s=round(made / seconds))


def test_a_stale_acknowledgement_after_a_lost_session(case: Case) -> None:
    """The database hangs while messages are open; the session is lost; the late acknowledgements delete nothing."""
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for _ in range(times(5)):
            fleet.until_acked_anew()
            with case.hanging():
                wait_until("messages to be open", lambda: case.metrics().get("oldest_unacked_seconds", 0) > 0.5)
                wipe(case.house.servers, case.client_id)
                wait_until("the new session", lambda: case.service.get("/readyz")[0] == 200)
            recovery_s.append(fleet.until_acked_anew())
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s, stale=int(case.metrics().get("messages_stale", 0)))
