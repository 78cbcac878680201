"""The benchmarks' own tools: packets, counters, verdicts."""

import json
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbwatch.bench.load import Link, publish_all, read_packets
from curbwatch.bench.pace import Beat, Child, Load
from curbwatch.bench.rig import read_metrics, unbalanced
from curbwatch.bench.soak import Sample, growth_of_descriptors, percentiles, result, slope_per_h
from curbwatch.packets import publish, user_properties
from curbwatch.parts import Servers
from ingest.publish_packet import read_publish
from schemas.errors import FeedError
from tests.devices import Devices

LAST = Beat(3600, 100, 100, 20, 20, [], 0, 100, 0, last=True)
COUNTS: dict[str, float] = {
    "positions_received": 100,
    "positions_stored": 100,
    "frames_received": 20,
    "frames_processed": 18,
    "frames_shed": 2,
}


def samples_of(rss_bytes: list[float], lags_ms: list[float], every_s: float = 60.0) -> list[Sample]:
    return [Sample(every_s * k, round(rss), 20, lags_ms, 0.1, 0.1) for k, rss in enumerate(rss_bytes)]


def test_no_bytes_hold_no_packet() -> None:
    assert read_packets(b"") == ([], b"")
    assert user_properties([]) == b""


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 1500))
def test_packets_come_whole_wherever_the_stream_is_cut(payloads: list[bytes], cut: int) -> None:
    stream = b"".join(publish("a/b", payload, 7, properties=user_properties([("seq", "1")])) for payload in payloads)
    first, rest = read_packets(stream[:cut])
    second, left = read_packets(rest + stream[cut:])
    assert left == b""
    found = [read_publish(kind, body) for kind, body in first + second]
    assert [one.payload for one in found] == payloads
    assert all((one.topic, one.mid, one.properties) == ("a/b", 7, (("seq", "1"),)) for one in found)


def test_nothing_measured_is_zero_and_no_slope() -> None:
    assert percentiles([]) == (0.0, 0.0)
    assert slope_per_h([]) is None
    assert growth_of_descriptors([]) == 0
    assert read_metrics("") == {}
    assert unbalanced({}) == []


def test_counters_are_summed_over_their_labels() -> None:
    text = (
        '# HELP x\ncurbwatch_frames_shed_total{reason="a"} 2.0\ncurbwatch_frames_shed_total{reason="b"} 3.0\n'
        "curbwatch_frames_waiting 1.0\npython_info 1.0"
    )
    assert read_metrics(text) == {"frames_shed": 5.0, "frames_waiting": 1.0}


def test_a_slope_is_that_of_the_time_after_the_first_ten_minutes() -> None:
    grows_at_first = [200e6 + min(k, 10) * 20e6 + k * 1e6 / 60 for k in range(61)]
    assert slope_per_h(samples_of(grows_at_first, [])) == pytest.approx(1e6)
    assert slope_per_h(samples_of(grows_at_first[:20], [])) is None


def test_a_run_within_its_limits_misses_nothing() -> None:
    found = result(samples_of([300e6] * 61, [40.0, 60.0]), LAST, COUNTS, 0)
    assert found["misses"] == []
    assert found["rss_mb"]["slope_per_h"] == pytest.approx(0, abs=0.01)
    json.dumps(found)


@pytest.mark.parametrize(
    ("rss_bytes", "lags_ms", "counts", "code", "said"),
    [
        ([601e6] * 61, [1.0], COUNTS, 0, "memory reached 601 MB"),
        ([300e6 + k * 3e6 / 60 for k in range(61)], [1.0], COUNTS, 0, "memory grew by 3.0 MB an hour"),
        ([300e6] * 61, [1.0] * 95 + [1500.0] * 5, COUNTS, 0, "the commit lag's 99th percentile was 1500 ms"),
        ([300e6] * 61, [1.0], COUNTS | {"frames_shed": 1}, 0, "frames: received 20, ended 19"),
        ([300e6] * 61, [1.0], COUNTS | {"positions_stored": 99, "positions_received": 99}, 0, "stored and sent"),
        ([300e6] * 61, [1.0], COUNTS, 1, "exit code 1"),
    ],
)
def test_each_limit_is_looked_at(
    rss_bytes: list[float], lags_ms: list[float], counts: dict[str, float], code: int, said: str
) -> None:
    (miss,) = result(samples_of(rss_bytes, lags_ms), LAST, counts, code)["misses"]
    assert said in miss


def test_descriptors_that_grow_are_a_miss() -> None:
    samples = [Sample(60.0 * k, 1, 20 + k // 10, [1.0], 0, 0) for k in range(61)]
    assert any("descriptors" in miss for miss in result(samples, LAST, COUNTS, 0)["misses"])


@pytest.mark.servers
def test_the_paced_city_sends_what_it_says_and_hears_what_is_kept(servers: Servers) -> None:
    site = f"p{uuid.uuid4().hex[:8]}"
    password = servers.password_files["devices"].read_text().strip()
    intake = servers.password_files["intake-positions"].read_text().strip()
    base = f"city/v1/{site}"
    listener = Link(servers.broker_url, "intake-positions", intake, (f"{base}/vehicle/+/position",))
    load = Load(servers.broker_url, "devices", password, base, ("a", "b"), 100.0, 1.0, arrays=("c",))
    child = Child(load)
    marks: dict[str, int] = {}
    sent = 0
    deadline_s = time.monotonic() + 30
    with Devices(servers, site, user="intake-positions") as answers:
        while child.alive and time.monotonic() < deadline_s:
            for topic, payload in listener.pump(0.05):
                items = json.loads(payload) if payload[:1] == b"[" else [json.loads(payload)]
                name = topic.split("/")[-2]
                sent += len(items)
                assert items[0]["seq"] == marks.get(name, -1) + 1
                marks[name] = items[-1]["seq"]
                told = json.dumps({"boot": items[-1]["boot"], "seq": marks[name]}).encode()
                answers.send(f"vehicle/{name}/ack", told, qos=0)
    last, lags_ms = child.last(5)
    child.end()
    listener.close()
    assert (last.positions, last.kept, len(lags_ms)) == (sent, sent, sent)
    assert sent >= 90
    assert last.frames == 0


@pytest.mark.servers
def test_a_backlog_is_published_whole(servers: Servers) -> None:
    password = servers.password_files["devices"].read_text().strip()
    topic = f"city/v1/q{uuid.uuid4().hex[:8]}/vehicle/x/position"
    assert publish_all(servers.broker_url, "devices", password, ((topic, b"x") for _ in range(1200))) == 1200
    with pytest.raises(FeedError, match="refuses user devices"):
        publish_all(servers.broker_url, "devices", "wrong", [])
