"""The catalogue of bad topics and messages, T01 to T36: each ends as listed, and the next good one passes.

What needs a broker is in ``test_catalogue_broker``, and what a broker has to forbid in ``tests/broker``.
"""

import os
from collections.abc import Iterator

import pytest
import structlog

from config.service import LogKnobs
from curbwatch.parts import Servers
from curbwatch.telemetry import configure_logs
from ingest.jpeg import inspect
from schemas.errors import FrameError
from tests.ingest.jpegs import jpeg
from tests.ingest.native_case import SCHEME, body
from tests.ingest.position_road import RETAINED, ROW, SAME, Case, Road, Sent, at, bad, road

BASE = "city/v1/yanjiang/vehicle"


def nobodys(what: str, *topics: str) -> Case:
    """Every topic is one dead letter."""
    return Case(what, [Sent(body(), ["DLQ:topic"], topic=topic) for topic in topics])


CASES = {
    "T01": nobodys("no device", f"{BASE}/position", f"{BASE}/v-1", "position"),
    "T02": nobodys("a level more", f"{BASE}/v-1/position/x"),
    "T03": nobodys("an empty level", f"{BASE}//position", "city/v1//yanjiang/vehicle/v-1/position"),
    "T04": nobodys("a leading /", f"/{BASE}/v-1/position"),
    "T05": nobodys("65 535 bytes", f"{BASE}/{'v' * (65_535 - len(BASE) - 10)}/position"),
    "T06": nobodys("../", f"{BASE}/../position", f"{BASE}/../../etc/position"),
    "T07": nobodys("%2e%2e", f"{BASE}/%2e%2e/position"),
    "T08": nobodys("SQL", f"{BASE}/v'; drop table position;--/position"),
    "T09": nobodys("a script", f"{BASE}/<script>/position"),
    "T10": nobodys("line breaks", f"{BASE}/v\r\nfake: line/position", f"{BASE}/v-1\n/position"),
    "T11": nobodys("text that turns round, or is not seen", f"{BASE}/v\u202e1/position", f"{BASE}/v\u200b1/position"),
    "T12": nobodys("composed and decomposed", f"{BASE}/\u00e9/position", f"{BASE}/e\u0301/position"),
    "T13": Case(
        "nobody knows it", [Sent(body(), ["DLQ:unknown_device"], topic=SCHEME.of("vehicle", "nobody", "position"))]
    ),
    "T14": Case(
        "the body names another device: the broker proved whose topic it is, and nothing else is believed",
        [Sent(at(0, device="v-1", device_id="v-1", id="v-1"), stored={"device_id <> 'v-1'": True})],
    ),
    "T18": Case("retained", [Sent(body(), [RETAINED], retain=True)]),
    "T19": Case("retained and empty", [Sent(b"", [RETAINED], retain=True)]),
    "T20": bad("empty", b"", b" ", reason="empty"),
    "T22": Case("the same packet again", [Sent(at(0)), Sent(at(0), [SAME])]),
    "T23": Case("the same bytes in another packet", [Sent(at(0, seq=...)), Sent(at(0, seq=...), [SAME], after_s=60)]),
    "T24": Case("QoS 0", [Sent(at(0), ["flag:qos0"], qos=0)]),
    "T35": Case(
        "1 000 user properties",
        [
            Sent(at(0), [ROW], properties=tuple((f"k{n}", "v" * 100) for n in range(1000))),
            Sent(at(1, boot=...), ["flag:new_boot"], properties=(("boot", "m"),) * 1000, stored={"boot": "m"}),
        ],
    ),
    "T36": bad("a picture where positions are expected", jpeg(), reason="json"),
}


@pytest.fixture(scope="module")
def way(servers: Servers) -> Iterator[Road]:
    with road(servers.database_url, f"test_topics_{os.getpid()}") as made:
        yield made


@pytest.mark.servers
@pytest.mark.parametrize("name", CASES)
def test_each_bad_message_ends_as_listed_and_the_next_good_one_passes(way: Road, name: str) -> None:
    way.play(name, CASES[name])
    assert way.count("dead_letter where length(topic) > 400 or length(detail) > 400") == 0, "cut"


def test_a_position_where_pictures_are_expected_is_no_picture() -> None:
    with pytest.raises(FrameError) as caught:
        inspect(body(), max_bytes=10**6, max_pixels=10**6)
    assert caught.value.reason == "format"


@pytest.fixture
def _logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs")
@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("text", ["v\r\nfake: line", "v\n2026-05-04 [error] fake", "v\x1b[2Jgone", "v\u202egnp.exe"])
def test_what_a_device_says_makes_no_second_line_in_the_log(
    capsys: pytest.CaptureFixture[str], form: str, text: str
) -> None:
    configure_logs(LogKnobs.model_validate({"form": form}))
    structlog.get_logger().warning("said", topic=f"{BASE}/{text}/position", alarms=(text,))
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert not set("\r\u202e") & set(written)
    assert "\x1b[2J" not in written
