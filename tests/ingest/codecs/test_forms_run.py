"""``curbwatch run`` takes pictures and positions in other devices' languages, on the real broker and database."""

import json
import time

import pytest

import curbwatch.database as db
from curbwatch.registry import register_vehicle
from tests.devices import Devices
from tests.fix_service import Service, wait_until
from tests.ingest.codecs.jt808_case import TERMINAL, framed, place
from tests.ingest.codecs.picture_case import PICTURE
from tests.ingest.codecs.test_pictures import LINES, URI

CAMERA = "yj-cam-01"
POSITIONS = "select device_id, form, lon, lat, speed_mps, raw_speed, alarms from position order by device_id"
LETTERS = "select topic, device_id, reason, detail from dead_letter order by topic"


def objects() -> dict[str, object]:
    """By topic: a position in each form that is JSON, and one of a device that nobody knows."""
    now_s = time.time_ns() // 1_000_000_000
    where, point = {"lat": 30.12, "lon": 104.64}, {"type": "Point", "coordinates": [104.64, 30.12]}
    moved = {"latitude": 30.12, "longitude": 104.64, "speed": 18, "fixTime": now_s * 1000}
    return {
        "owntracks/yj-car-01/phone": {"_type": "location", "tst": now_s, "vel": 36, **where},
        "traccar/positions": {"position": moved, "device": {"uniqueId": "yj-car-02"}},
        "v1/devices/yj-car-03/telemetry": {"ts": now_s * 1000, "values": {"speed": 36, **where}},
        "ngsi-ld/all": {"id": "urn:ngsi-ld:Vehicle:yj-car-04", "type": "Vehicle", "location": point, "speed": 36},
        "osmand/nobody": {"location": {"coords": {"latitude": 30.12, "longitude": 104.64}}},
    }


@pytest.mark.servers
def test_messages_of_other_forms_end_as_pictures_positions_in_si_and_dead_letters(service: Service) -> None:
    service.configure(codecs={"chunk_wait_s": 0.5}, vision={"analyse_period_s": 0.0})
    service.start()
    with db.connect(service.database_url) as conn:
        register_vehicle(conn, TERMINAL)
    with Devices(service.servers, service.site) as devices:

        def send(topic: str, payload: bytes) -> None:
            devices._client.publish(topic, payload, qos=1)

        def pictures(count: int) -> None:
            name = "curbwatch_frames_received_total"
            wait_until(f"{count} pictures", lambda: service.metric(name) == count)

        for topic, body in objects().items():
            send(topic, json.dumps(body).encode())
        send(f"homeassistant/camera/{CAMERA}/image", LINES)
        pictures(1)
        send(f"esp32/{CAMERA}/image", URI)
        pictures(2)
        send(f"esp32/{CAMERA}/meta", json.dumps({"size": len(PICTURE), "seq": 7, "boot": "k"}).encode())
        for number, at in enumerate(range(0, len(PICTURE), 200)):
            send(f"esp32/{CAMERA}/chunk/{number}", PICTURE[at : at + 200])
        send(f"esp32/{CAMERA}/done", b"")
        wait_until("the answer to the picture in pieces", lambda: devices.ack(CAMERA, "camera").get("seq") == 7)
        send(f"esp32/{CAMERA}/meta", b'{"size": 900}')  # of which nothing more comes
        clock = time.strftime("%y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600))
        send("jt808", framed(0x0200, place(clock=clock, alarm=1)).hex(" ").encode())
        pictures(4)
        wait_until("the positions", lambda: service.metric("curbwatch_positions_stored_total") == 5)
        wait_until("the dead letter", lambda: service.metric("curbwatch_dead_letters_written_total") == 1)
    assert service.stop() == 0
    with db.connect(service.database_url) as conn:
        letters = conn.execute(LETTERS).fetchall()
        rows = {device: row for device, *row in conn.execute(POSITIONS)}
    assert [row[:3] for row in letters] == [
        (f"esp32/{CAMERA}/meta", CAMERA, "incomplete"),
        ("osmand/nobody", "nobody", "unknown_device"),
    ]
    assert letters[1][3] == "osmand:nobody"
    form, lon, lat, _, raw_speed, alarms = rows.pop(TERMINAL)
    assert (form, lon, lat, raw_speed, alarms) == ("jt808", 104.6427, 30.1218, 18.5, ["sos"])
    assert {device: row[:4] for device, row in rows.items()} == {
        "yj-car-01": ["owntracks", 104.64, 30.12, pytest.approx(10.0, rel=1e-6)],
        "yj-car-02": ["traccar", 104.64, 30.12, pytest.approx(18 * 1852 / 3600, rel=1e-6)],
        "yj-car-03": ["thingsboard", 104.64, 30.12, pytest.approx(10.0, rel=1e-6)],
        "yj-car-04": ["ngsi_ld", 104.64, 30.12, pytest.approx(10.0, rel=1e-6)],
    }
