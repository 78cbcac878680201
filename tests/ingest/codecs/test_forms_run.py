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


@pytest.mark.servers
def test_messages_of_other_forms_end_as_pictures_positions_and_dead_letters(service: Service) -> None:
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
        wait_until("the position", lambda: service.metric("curbwatch_positions_stored_total") == 1)
        wait_until("the dead letter", lambda: service.metric("curbwatch_dead_letters_written_total") == 1)
    assert service.stop() == 0
    with db.connect(service.database_url) as conn:
        letters = conn.execute("select topic, device_id, reason from dead_letter").fetchall()
        rows = conn.execute("select device_id, form, lon, lat, raw_speed, alarms from position").fetchall()
    assert letters == [(f"esp32/{CAMERA}/meta", CAMERA, "incomplete")]
    assert rows == [(TERMINAL, "jt808", 104.6427, 30.1218, 18.5, ["sos"])]
