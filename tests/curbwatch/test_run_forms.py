"""``curbwatch run`` keeps what devices of other languages send, on the real broker and database."""

import json
import time

import pytest

import curbwatch.database as db
from tests.devices import Devices
from tests.fix_service import Service, wait_until

QUERY = "select device_id, form, lon, lat, speed_mps from position order by device_id"


@pytest.mark.servers
def test_positions_of_other_forms_are_stored_in_si(service: Service) -> None:
    now_s = time.time_ns() // 1_000_000_000
    place, point = {"lat": 30.12, "lon": 104.64}, {"type": "Point", "coordinates": [104.64, 30.12]}
    moved = {"latitude": 30.12, "longitude": 104.64, "speed": 18, "fixTime": now_s * 1000}
    sent = {
        "owntracks/yj-car-01/phone": {"_type": "location", "tst": now_s, "vel": 36, **place},
        "traccar/positions": {"position": moved, "device": {"uniqueId": "yj-car-02"}},
        "v1/devices/yj-car-03/telemetry": {"ts": now_s * 1000, "values": {"speed": 36, **place}},
        "ngsi-ld/all": {"id": "urn:ngsi-ld:Vehicle:yj-car-04", "type": "Vehicle", "location": point, "speed": 36},
        "osmand/nobody": {"location": {"coords": {"latitude": 30.12, "longitude": 104.64}}},
    }
    service.start()
    with Devices(service.servers, service.site) as devices:
        for topic, body in sent.items():
            devices.base, _, leaf = topic.rpartition("/")
            devices.send(leaf, json.dumps(body).encode())
        wait_until("the positions", lambda: service.metric("curbwatch_positions_stored_total") == 4)
    with db.connect(service.database_url) as conn:
        found = conn.execute(QUERY).fetchall()
        letters = conn.execute("select device_id, reason, detail from dead_letter").fetchall()
    assert [(device, form) for device, form, *_ in found] == [
        ("yj-car-01", "owntracks"),
        ("yj-car-02", "traccar"),
        ("yj-car-03", "thingsboard"),
        ("yj-car-04", "ngsi_ld"),
    ]
    assert [row[2:] for row in found] == [
        (104.64, 30.12, pytest.approx(speed, rel=1e-6)) for speed in (10.0, 18 * 1852 / 3600, 10.0, 10.0)
    ]
    assert letters == [("nobody", "unknown_device", "osmand:nobody")]
    assert service.stop() == 0
