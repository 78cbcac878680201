"""A message of each form, from its bytes to the row in the database: place to 1e-9 degrees, speed in m/s."""

import pytest

import curbwatch.database as db
from ingest.store import IntakeStore
from schemas.units import utc
from tests.ingest.codecs.json_case import FORMS, LAT, LON, NOW_NS, RULES, SAMPLES, TS_NS, Sample

QUERY = """
select ts, lon, lat, raw_lon, raw_lat, crs, speed_mps, raw_speed, heading_deg, alt_m, acc_m, sat, ignition, lift, load,
       alarms, flags, form, extra
from position where device_id = %s
"""


@pytest.mark.servers
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.codec)
def test_a_message_becomes_the_row_it_means(sample: Sample, database_url: str) -> None:
    store = IntakeStore(database_url, payload_bytes=4096)
    try:
        found = FORMS.decode([sample.message()], RULES, FORMS.foreign.begin(), NOW_NS)
        assert found.dead_letters == []
        assert store.write(found.rows, ()).inserted == 1
        assert store.write(found.rows, ()).duplicate == 1  # the same again is the same row
    finally:
        store.close()
    with db.connect(database_url) as conn:
        cursor = conn.execute(QUERY, (sample.device_id,))
        row = dict(zip([column.name for column in cursor.description or ()], cursor.fetchone() or (), strict=True))
    assert abs(row["lon"] - LON) < 1e-9
    assert abs(row["lat"] - LAT) < 1e-9
    assert (row["ts"], row["form"], row["flags"]) == (utc(TS_NS), sample.codec, 0)
    for name, value in sample.row.items():
        assert row[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name
