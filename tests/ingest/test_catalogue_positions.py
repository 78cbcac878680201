"""The catalogue of bad positions, G01 to G57: each ends as listed, and the next good one passes."""

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from curbwatch.parts import Servers
from ingest.codecs.rows import SEQ_MAX
from schemas.city import CityBox
from schemas.position import RawMessage
from tests.ingest.native_case import NOW_MS, SCHEME, array, body, item
from tests.ingest.position_road import ROW, SAME, Case, Road, Sent, at, bad, good, road

DAY_MS = 86_400_000
WEEKS_MS = 7 * 1024 * DAY_MS
URUMQI = CityBox(87.3, 43.6, 87.9, 44.0)  # where a longitude can be a latitude
# Way from the coordinates as they came to those stored, to ten metres.
SHIFTED_M = "round((111320 * sqrt(power(lat - raw_lat, 2) + power((lon - raw_lon) * 0.865, 2)))::numeric, -1)"
ZIYANG_LON, ZIYANG_LAT = 104.627, 30.129

CASES = {
    "G01": bad("NaN", item(b"NaN"), reason="json"),
    "G02": bad("Infinity", item(b"Infinity"), item(b"-Infinity"), reason="json"),
    "G03": bad("1e400", item(b"1e400"), reason="type"),
    "G04": bad("5 000 digits", item(b"1" * 5000), item(rest=b'"seq":' + b"1" * 5000), reason="type"),
    "G05": Case(
        "4 000 digits",
        [
            Sent(item(b"1" * 4000), ["DLQ:type"]),
            Sent(item(rest=b'"seq":' + b"1" * 4000), ["DLQ:range"]),
            Sent(item(rest=b'"ts":' + b"1" * 4000), ["DLQ:ts"]),
            Sent(item(rest=b'"x":' + b"1" * 5000), ["flag:no_time"]),  # nobody reads it
        ],
    ),
    "G06": Case(
        "-0.0 becomes 0.0",
        [
            Sent(item(b"-0.0", b"30.1"), ["flag:no_time,outside"], stored={"lon::text": "0", "raw_lon::text": "-0"}),
        ],
    ),
    "G07": bad("true as lat", body(lat=True), reason="type"),
    "G08": bad("text as lat", body(lat="31.2"), reason="type"),
    "G09": bad("null lat", body(lat=None), reason="type"),
    "G10": bad("no lat", body(lat=...), reason="type"),
    "G11": Case(
        "an array is positions",
        [
            Sent(array(at(0), at(1)), [ROW, ROW]),
            Sent(array(at(2), at(3, lat="x"), at(4)), [ROW, ROW, "DLQ:type"]),
            Sent(b"[]", ["DLQ:empty"]),
        ],
    ),
    "G12": bad("null, a number, a text", b"null", b"3", b'"x"', reason="type"),
    "G13": bad(
        "a key twice",
        item(rest=b'"lat":30.2'),
        item(rest=b'"seq":1,"seq":2'),
        item(rest=b'"boot":"a","boot":"a"'),
        item(rest=b'"l\\u0061t":30.2'),
        reason="dup_key",
    ),
    "G14": bad("byte-order mark", b"\xef\xbb\xbf" + body(), reason="json"),
    "G15": bad("UTF-16", body().decode().encode("utf-16"), body().decode().encode("utf-16-le"), reason="json"),
    "G16": bad("bytes that are no UTF-8", item(rest=b'"boot":"\xff"'), reason="json"),
    "G17": bad("half a surrogate pair", item(rest=b'"boot":"\\ud800"'), item(rest=b'"boot":"\\ud800x"'), reason="json"),
    "G18": bad("NUL", item(rest=b'"boot":"\\u0000"'), item(rest=b'"alarms":["a\\u0000b"]'), reason="text"),
    "G19": bad("1 000 levels", item(rest=b'"x":' + b"[" * 1000 + b"]" * 1000), reason="json"),
    "G20": bad(
        "100 000 levels",
        item(rest=b'"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 100_000,
        reason="json",
    ),
    "G21": bad("10 MB", item(rest=b'"x":"' + b"x" * 10_000_000 + b'"'), reason="size"),
    "G22": good("70 000 keys", item(rest=b'"ts":%d,' % NOW_MS + b",".join(b'"k%d":1' % n for n in range(70_000)))),
    "G23": good("a long key", item(rest=b'"ts":%d,' % NOW_MS + b'"' + b"k" * 990_000 + b'":1')),
    "G24": bad("bytes behind the end", body() + b"x", body() + b"\0", reason="json"),
    "G25": bad("two documents", body() + body(), body() + b"\n" + body(), reason="json"),
    "G26": bad("cut off", body()[:-5], b"[" + body(), reason="json"),
    "G27": bad("empty object", b"{}", reason="type"),
    "G28": bad("lat above 90", body(lat=90.0001), reason="range"),
    "G29": bad("lon below -180", body(lon=-180.5), reason="range"),
    "G30": Case(
        "lon and lat exchanged",
        [
            Sent(at(0, lon=43.8, lat=87.6), ["flag:swapped"], stored={"lon": 43.8, "lat": 87.6}),
            Sent(at(1, lon=87.6, lat=43.8)),
            Sent(at(2, lon=30.1218, lat=104.6427), ["DLQ:range"]),  # east of 90 degrees it leaves the globe
        ],
        box=URUMQI,
    ),
    "G31": Case(
        "0 degrees 0 degrees",
        [
            Sent(at(0, lon=0, lat=0), ["flag:null_island"]),
            Sent(at(1, lon=-0.0, lat=0.0), ["flag:null_island"]),
            Sent(at(2, lon=0), ["flag:outside"]),
        ],
    ),
    "G32": Case(
        "the same place for a day",
        [
            Sent(at(hours * 3600), ["flag:frozen"] if hours >= 24 else [ROW], after_s=3600 * hours)
            for hours in (0, 12, 24, 30)
        ],
    ),
    "G33": Case(
        "faster than 200 km/h",
        [Sent(at(0)), Sent(at(10, lat=30.1318), ["flag:jump"]), Sent(at(20, lat=30.1222)), Sent(at(30, lat=30.1262))],
    ),
    "G34": Case(
        "GCJ-02 by the registry",
        [
            Sent(
                at(0, lon=ZIYANG_LON, lat=ZIYANG_LAT, crs="wgs84"),
                stored={
                    "crs": "gcj02",
                    "raw_lon": ZIYANG_LON,
                    SHIFTED_M: 390,
                },
            )
        ],
        rule={"crs": "gcj02"},
    ),
    "G35": Case(
        "BD-09 by the message, where the registry lets it say",
        [
            Sent(at(0, crs="bd09"), stored={"crs": "bd09", "abs(lon - raw_lon) > 0.005": True}),
            Sent(at(1, crs="epsg:4326"), ["DLQ:crs"]),
        ],
        rule={"crs": "from_message"},
    ),
    "G36": Case(
        "outside the city",
        [Sent(at(0, lon=116.4, lat=39.9), ["flag:outside"]), Sent(at(1, lon=-70, lat=-33), ["flag:outside,jump"])],
    ),
    "G37": Case(
        "a speed below nothing, and a fast one",
        [
            Sent(at(0, speed_kmh=-1), ["DLQ:range"]),
            Sent(at(1, speed_kmh=1001), ["DLQ:range"]),
            Sent(at(2, speed_kmh=500), stored={"round(speed_mps::numeric * 3.6)": 500, "raw_speed": 500.0}),
        ],
    ),
    "G38": Case(
        "headings beside the circle",
        [
            Sent(at(0, heading_deg=360), stored={"heading_deg": 0.0}),
            Sent(at(1, heading_deg=720), stored={"heading_deg": 0.0}),
            Sent(at(2, heading_deg=-90), stored={"heading_deg": 270.0}),
            Sent(at(3, heading_deg=3601), ["DLQ:range"]),
        ],
    ),
    "G39": Case("altitudes", [Sent(at(0, alt_m=1e6), stored={"alt_m": 1e6}), Sent(at(1, alt_m=1e10), ["DLQ:range"])]),
    "G40": Case("no satellite", [Sent(at(0, sat=0), ["flag:no_fix"]), Sent(at(1, sat=-1), ["DLQ:range"])]),
    "G41": Case(
        "milliseconds read as seconds",
        [
            Sent(body(ts=NOW_MS * 1000), ["DLQ:ts"]),
            Sent(body(ts=57_000 * 365 * DAY_MS), ["DLQ:ts"]),
            Sent(body(ts="4321-01-01T00:00:00Z"), ["DLQ:ts_future"]),
        ],
    ),
    "G42": bad("seconds as milliseconds", body(ts=NOW_MS // 1000), reason="ts"),
    "G43": bad("micro- and nanoseconds", body(ts=NOW_MS * 1000 + 1), body(ts=NOW_MS * 10**6), reason="ts"),
    "G44": Case(
        "a clock ahead",
        [
            Sent(body(ts=NOW_MS + DAY_MS), ["DLQ:ts_future"]),
            Sent(body(ts=NOW_MS + 300_001), ["DLQ:ts_future"]),
            Sent(body(ts=NOW_MS + 299_000), ["flag:ahead"]),
        ],
    ),
    "G45": Case(
        "thirty days old",
        [
            Sent(body(ts=NOW_MS - 30 * DAY_MS), ["DLQ:ts_too_old"]),
            Sent(body(ts=NOW_MS - 6 * DAY_MS)),
            Sent(body(ts=NOW_MS - 30 * DAY_MS, seq=8, alarms=["sos"]), ["flag:no_time,late"]),  # no alarm is refused
        ],
    ),
    "G46": bad("0 and below", body(ts=0), body(ts=-NOW_MS), reason="ts"),
    "G47": bad("no zone", body(ts="2026-05-04T07:30:00"), reason="tz"),
    "G48": bad("no such second", body(ts="2026-05-03T24:00:01Z"), body(ts="2026-05-03T23:29:60Z"), reason="ts"),
    "G49": Case(
        "the second after 32 bits",
        [
            Sent(
                body(ts=2_147_483_648_000),
                stored={"extract(epoch from ts)::bigint": 2**31},
                after_s=2**31 - NOW_MS / 1000,
            )
        ],
    ),
    "G50": Case(
        "1 024 weeks behind",
        [
            Sent(
                body(ts=NOW_MS - WEEKS_MS),
                ["flag:rollover"],
                stored={"(extract(epoch from ts) * 1000)::bigint": NOW_MS},
            ),
            Sent(body(ts=NOW_MS - WEEKS_MS - 30 * DAY_MS), ["DLQ:ts_too_old"]),
        ],
    ),
    "G51": Case(
        "out of order",
        [Sent(at(20)), Sent(at(10), ["flag:out_of_order"]), Sent(at(30))],
    ),
    "G52": Case(
        "one time, two places",
        [
            Sent(at(5, seq=1)),
            Sent(at(5, seq=2, lat=30.1222), ["flag:conflict"]),
            Sent(at(5, seq=1, lat=30.1222), [SAME]),
        ],
    ),
    "G53": Case(
        "seq begins again after a start",
        [Sent(at(0, seq=0)), Sent(at(10, seq=0, boot="c"), ["flag:new_boot"]), Sent(at(10, seq=0, boot="c"), [SAME])],
    ),
    "G54": Case("seq beyond 32 bits", [Sent(at(0, seq=2**32 - 1)), Sent(at(1, seq=2**32)), Sent(at(2, seq=SEQ_MAX))]),
    "G55": Case(
        "unknown keys are kept out",
        [
            Sent(at(0, vendor={"firmware": 3}, model="x"), stored={"extra": None}),
            Sent(at(1, seq=SEQ_MAX + 1), ["DLQ:range"]),
        ],
    ),
    "G56": Case(
        "an id in the body is an unknown key, whatever its type; a boot is a text",
        [
            Sent(at(0, device_id=7), stored={"device_id <> '7'": True}),
            Sent(at(1, device_id="v-1"), stored={"device_id <> 'v-1'": True}),
            Sent(at(2, boot=7), ["DLQ:type"]),
        ],
    ),
}


@pytest.fixture(scope="module")
def way(servers: Servers) -> Iterator[Road]:
    with road(servers.database_url, f"test_positions_{os.getpid()}") as made:
        yield made


@pytest.mark.servers
@pytest.mark.parametrize("name", CASES)
def test_each_bad_position_ends_as_listed_and_the_next_good_one_passes(way: Road, name: str) -> None:
    way.play(name, CASES[name])


@pytest.mark.servers
@pytest.mark.parametrize("name", ["G57"])
def test_a_sender_of_a_thousand_a_second_costs_itself_and_nobody_else(way: Road, name: str) -> None:
    way.enter(name, Case("1 kHz", [], rule={"rate_per_s": 1.0}))
    now_ns = time.time_ns()
    flood = [
        RawMessage(SCHEME.of("vehicle", name, "position"), body(ts=now_ns // 10**6 + n, seq=n), now_ns + n * 10**6)
        for n in range(1000)
    ]
    ends = Counter(way.take(flood))
    assert ends == {ROW: 30, "DLQ:rate": 970}, "half a minute's worth"
    assert way.count("dead_letter where reason = 'rate' and length(payload) = size_bytes") == 970, "all replayable"
    sos = body(ts=now_ns // 10**6, seq=1001, alarms=["sos"])
    urgent = RawMessage(SCHEME.of("vehicle", name, "position"), sos, now_ns)
    assert way.take([urgent]) == ["flag:out_of_order"], "no rate keeps an alarm out"
