"""``curbwatch run`` keeps what vehicles send, on the real broker and database."""

import json
import signal
import time
from pathlib import Path

import pytest

import curbwatch.database as db
from config.pack import load_pack
from curbwatch.parts.paths import write_private
from curbwatch.registry import register_vehicle
from tests.devices import Devices
from tests.fix_service import Service, wait_until

CAR = "yj-car-01"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def count(service: Service, query: str) -> int:
    with db.connect(service.database_url) as conn:
        row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def stored(service: Service, devices: str = "%") -> int:
    with db.connect(service.database_url) as conn:
        row = conn.execute("select count(*) from position where device_id like %s", (devices,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def running(lasting_service: Service) -> Service:
    """One that runs, for what nobody has to stop or to configure it; each such test has devices of its own."""
    lasting_service.start()
    return lasting_service


@pytest.mark.servers
def test_a_position_is_stored_and_its_device_is_told(running: Service) -> None:
    service, before = running, running.metric("curbwatch_positions_stored_total")
    with Devices(service.servers, service.site) as devices:
        devices.position(CAR, 0, now_ms(), speed_kmh=36.0)
        wait_until("the acknowledgement", lambda: devices.ack(CAR) == {"boot": "b1", "seq": 0})
    assert count(service, "select count(*) from position where speed_mps = 10 and device_id = 'yj-car-01'") == 1
    wait_until("the counter", lambda: service.metric("curbwatch_positions_stored_total") == before + 1)
    status, body = service.get("/readyz")
    assert (status, json.loads(body)) == (200, dict.fromkeys(("broker", "database", "queue", "parts"), True))
    assert service.get("/healthz")[0] == 200


@pytest.mark.servers
def test_each_bad_message_costs_one_dead_letter_and_the_good_ones_pass(running: Service) -> None:
    service, car, before = running, "yj-car-02", running.metric("curbwatch_positions_received_total")
    with Devices(service.servers, service.site) as devices:
        devices.send(f"vehicle/{car}/position", b"{not json")
        devices.send(f"vehicle/{car}/position", b"")
        devices.send("vehicle/nobody/position", b'{"lon": 1, "lat": 2}')
        devices.send(
            f"vehicle/{car}/position", json.dumps([{"lon": 999, "lat": 0}, {"lon": 104.6, "lat": 30.1}]).encode()
        )
        devices.send(f"vehicle/{car}/position", b"x" * 1_100_000)
        devices.position(car, 0, now_ms())
        wait_until("the good ones", lambda: stored(service, car) == 2)
        wait_until("the counters", lambda: service.metric("curbwatch_positions_received_total") == before + 7)
        wait_until("the letters", lambda: count(service, "select count(*) from dead_letter") == 5)
    with db.connect(service.database_url) as conn:
        reasons = sorted(row[0] for row in conn.execute("select reason from dead_letter"))
    assert reasons == ["empty", "json", "range", "size", "unknown_device"]
    ends = ("stored", "duplicate", "rejected")

    def ended() -> float:
        return sum(service.metric(f"curbwatch_positions_{end}_total") for end in ends)

    wait_until("every one to be counted", lambda: ended() == before + 7)


@pytest.mark.servers
def test_retained_messages_are_no_positions(service: Service) -> None:
    with Devices(service.servers, service.site) as devices:
        body = json.dumps({"ts": now_ms(), "lon": 104.6, "lat": 30.1}).encode()
        devices.send(f"vehicle/{CAR}/position", body, retain=True)
        assert devices.settled()
        service.start()
        devices.position(CAR, 0, now_ms())
        wait_until("the fresh one", lambda: stored(service) == 1)
        devices.send(f"vehicle/{CAR}/position", b"", retain=True)
        assert devices.settled()


@pytest.mark.servers
def test_a_device_registered_while_it_runs_is_known_at_its_first_message(running: Service) -> None:
    service = running
    with Devices(service.servers, service.site) as devices, db.connect(service.database_url) as conn:
        for number in range(5):
            register_vehicle(conn, f"late-{number}")
            conn.commit()
            devices.position(f"late-{number}", 0, now_ms())
        wait_until("all five", lambda: stored(service, "late-%") == 5)
    assert count(service, "select count(*) from dead_letter where device_id like 'late-%'") == 0


@pytest.mark.servers
def test_what_was_sent_while_it_was_away_is_stored_when_it_is_back(service: Service) -> None:
    service.start()
    assert service.stop() == 0
    with Devices(service.servers, service.site) as devices:
        for seq in range(50):
            devices.position(CAR, seq, now_ms())
        assert devices.settled()
        service.start()
        wait_until("the mark", lambda: devices.ack(CAR).get("seq") == 49)
    assert stored(service) == 50


@pytest.mark.servers
@pytest.mark.timeout(180)
def test_three_kills_during_six_thousand_positions_lose_none_and_double_none(service: Service) -> None:
    total, kills = 6_000, 3  # fifty in tests/faults
    service.start()
    with db.connect(service.database_url) as conn:
        for device_id in ("kill-0", "kill-1"):
            register_vehicle(conn, device_id)
    with Devices(service.servers, service.site) as devices:
        start_ms = now_ms() - total
        for seq in range(total):
            devices.position(f"kill-{seq % 2}", seq // 2, start_ms + seq)
            if seq % (total // (kills + 1)) == total // (kills + 1) - 1 and service.starts <= kills:
                before = stored(service)
                wait_until("it to work again", lambda floor=before: stored(service) > floor)  # type: ignore[misc]
                service.kill()
                service.start()
        assert devices.settled()
        assert devices.pubacked == total
        wait_until("everything to be stored", lambda: stored(service) >= total)
        for device_id in ("kill-0", "kill-1"):
            wait_until("its mark", lambda one=device_id: devices.ack(one).get("seq") == total // 2 - 1)  # type: ignore[misc]
    assert service.starts == kills + 1
    assert stored(service) == total
    assert count(service, "select count(distinct (device_id, boot, seq)) from position") == total


@pytest.mark.servers
def test_a_vehicle_is_asked_to_send_again_where_the_broker_has_no_session_of_ours(service: Service) -> None:
    with Devices(service.servers, service.site) as devices:
        service.start()
        asked = {f"{devices.base}/vehicle/{name}/resync" for name in load_pack(Path("yanjiang")).vehicles}
        wait_until("the requests", lambda: {topic for topic, _ in devices.heard} >= asked)
        devices.heard.clear()
        assert service.stop() == 0
        service.start()  # the session is there now
        devices.position(CAR, 0, now_ms())
        wait_until("the acknowledgement", lambda: devices.ack(CAR).get("seq") == 0)
        assert [entry for entry in devices.heard if entry[0].endswith("resync")] == []


@pytest.mark.servers
def test_a_database_that_loses_every_connection_costs_nothing(running: Service) -> None:
    service, before = running, running.metric("curbwatch_positions_rejected_total")
    with Devices(service.servers, service.site) as devices, db.connect(service.database_url, autocommit=True) as conn:
        for seq in range(2):
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'curbwatch%'"
                " and pid <> pg_backend_pid() and datname = current_database()"
            )
            register_vehicle(conn, f"later-{seq}")
            devices.position(f"later-{seq}", 0, now_ms())
            wait_until("it to be stored", lambda many=seq: stored(service, "later-%") == many + 1)  # type: ignore[misc]
        assert service.metric("curbwatch_positions_rejected_total") == before
        wait_until("it to be ready", lambda: service.get("/readyz")[0] == 200)
    assert service.stop() == 0


@pytest.mark.servers
def test_a_second_signal_ends_at_once(service: Service) -> None:
    service.start()
    with db.connect(service.database_url) as conn, Devices(service.servers, service.site) as devices:
        conn.execute("lock table position in access exclusive mode")  # a database that does not answer
        devices.position(CAR, 0, now_ms())
        wait_until("it to wait", lambda: service.metric("curbwatch_oldest_unacked_seconds") > 0)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        wait_until("the drain", lambda: any(event.get("event") == "draining" for event in service.events))
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 128 + signal.SIGTERM
        conn.rollback()
        service.start()  # what was not acknowledged comes again
        wait_until("the acknowledgement", lambda: devices.ack(CAR).get("seq") == 0)


@pytest.mark.servers
def test_a_wrong_password_ends_as_one_clean_line(service: Service, tmp_path: Path) -> None:
    wrong = write_private(tmp_path / "wrong", "wrong\n")
    service.configure(broker={"positions_password_file": str(wrong)})
    with pytest.raises(AssertionError, match="refuses intake-t"):
        service.start()
    assert service.process is not None
    assert service.process.returncode == 4
    text = (service.folder / "run-1.log").read_text()
    assert "Traceback" not in text
