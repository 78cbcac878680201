"""``curbwatch publish`` against a real broker and a stand-in for the intake that acknowledges as it does."""

import asyncio
import hashlib
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from config.pack import load_pack
from curbwatch.__main__ import main
from curbwatch.cli.publish import enter
from curbwatch.database import connect
from curbwatch.device import Client
from curbwatch.parts import Servers
from curbwatch.registry import load_registry
from curbwatch.tuning.publish import AHEAD, ARRAY, Pace, Summary, publish
from curbwatch.tuning.publish_plan import make_plan
from ingest.topics import TopicScheme
from schemas.units import ns_of
from tests.curbwatch.stub_intake import StubIntake, broker_of, stub_intake
from tests.curbwatch.test_publish_plan import GPX, clip

pytestmark = pytest.mark.servers
NOW_S = 60.0


@pytest.fixture
def scheme() -> TopicScheme:
    return TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")


def gpx(count: int, step_s: float = 1.0) -> str:
    start = datetime(2015, 1, 1, tzinfo=UTC)
    points = "".join(
        f'<trkpt lat="30.1" lon="{104 + k / 1000}"><time>{(start + timedelta(seconds=k * step_s)).isoformat()}</time>'
        "</trkpt>"
        for k in range(count)
    )
    return f'<gpx version="1.1" creator="t"><trk><trkseg>{points}</trkseg></trk></gpx>'


async def play(
    servers: Servers,
    scheme: TopicScheme,
    paths: list[Path],
    pace: Pace,
    outcome: Callable[[str, int], str | None] = lambda _device_id, _seq: "processed",
    *,
    marks: bool = True,
) -> tuple[StubIntake, Summary]:
    plan = make_plan(paths, time_scale_s=pace.time_scale_s)
    async with (
        stub_intake(servers, scheme, outcome, marks=marks) as stub,
        Client(broker_of(servers), scheme, plan.devices) as client,
    ):
        summary = await publish(plan, client, pace, Summary("b1", cameras=len(plan.cameras), vehicles=len(plan.tracks)))
        await stub.until(lambda: len(stub.frames) == summary.frames["published"])
        await stub.until(lambda: len(stub.positions) == summary.positions["messages"])
    return stub, summary


def age_s(stamp: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()


async def test_a_recording_arrives_byte_for_byte_shifted_to_now(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    folder = clip(tmp_path / "seq-a", 4)
    stub, summary = await play(servers, scheme, [folder], Pace(time_scale_s=2.0))
    assert [device_id for device_id, _, _ in stub.frames] == ["seq-a"] * 4
    assert [payload for _, payload, _ in stub.frames] == [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    sent = [properties for _, _, properties in stub.frames]
    assert [properties["seq"] for properties in sent] == ["0", "1", "2", "3"]
    assert {properties["boot"] for properties in sent} == {"b1"}
    assert all(properties["sha256"] == hashlib.sha256(payload).hexdigest() for _, payload, properties in stub.frames)
    times = [ns_of(datetime.fromisoformat(properties["ts"])) for properties in sent]
    assert [later - times[0] for later in times] == [0, 2_000_000_000, 4_000_000_000, 6_000_000_000]
    assert 0 <= age_s(sent[-1]["ts"]) < NOW_S
    assert summary.to_dict()["frames"] == {"published": 4, "processed": 4, "timed_out": 0}


async def test_each_frame_waits_for_the_outcome_of_the_one_before(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    outcomes = ["processed", "shed:decimated", None, "rejected:jpeg", "processed"]
    folder = clip(tmp_path / "seq-a", 5)
    _, summary = await play(servers, scheme, [folder], Pace(ack_timeout_s=0.3), lambda _device_id, seq: outcomes[seq])
    assert summary.to_dict()["frames"] == {
        "published": 5,
        "processed": 2,
        "rejected:jpeg": 1,
        "shed:decimated": 1,
        "timed_out": 1,
    }


async def test_a_camera_does_not_send_before_it_was_answered(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    plan = make_plan([clip(tmp_path / "seq-a", 3)])
    async with (
        stub_intake(servers, scheme, lambda _device_id, _seq: None) as stub,
        Client(broker_of(servers), scheme, plan.devices) as client,
    ):
        playing = asyncio.create_task(publish(plan, client, Pace(), Summary("b1")))
        for seq in range(3):
            await stub.until(lambda seq=seq: len(stub.frames) == seq + 1)  # type: ignore[misc]
            await client.flush()
            assert [key[2] for key in client._asked] == [seq]
            client._asked["seq-a", "b1", seq].set_result("processed")
        assert (await playing).frames["processed"] == 3


async def test_nobody_there_is_said_once(servers: Servers, scheme: TopicScheme, tmp_path: Path) -> None:
    plan = make_plan([clip(tmp_path / "seq-a", 4)])
    notes: list[str] = []
    async with Client(broker_of(servers), scheme, plan.devices) as client:
        summary = await publish(plan, client, Pace(ack_timeout_s=0.02), Summary("b1"), notes.append)
    assert summary.frames["timed_out"] == 4
    assert [note[:25] for note in notes] == ["no answer from the intake"]


async def test_a_picture_that_is_too_large_is_counted_and_costs_its_neighbours_nothing(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    folder = clip(tmp_path / "seq-a", 3)
    (folder / "001.jpg").write_bytes(bytes(2_000_001))
    stub, summary = await play(servers, scheme, [folder], Pace())
    assert [properties["seq"] for _, _, properties in stub.frames] == ["0", "2"]
    assert summary.to_dict()["frames"] == {"published": 2, "processed": 2, "timed_out": 0, "too_large": 1}


async def test_a_track_travels_in_arrays_and_its_mark_comes_back(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    (tmp_path / "tour.gpx").write_text(gpx(2 * ARRAY + 50, 0.5))
    stub, summary = await play(servers, scheme, [tmp_path], Pace())
    assert [len(items) for _, items in stub.positions] == [ARRAY, ARRAY, 50]
    items = [item for _, batch in stub.positions for item in batch]
    assert [item["seq"] for item in items] == list(range(2 * ARRAY + 50))
    assert {(item["crs"], item["boot"], item["lat"]) for item in items} == {("wgs84", "b1", 30.1)}
    assert set(items[0]) == {"ts", "lon", "lat", "crs", "seq", "boot"}
    times = [ns_of(datetime.fromisoformat(item["ts"])) for item in items]
    assert {later - earlier for earlier, later in pairwise(times)} == {500_000_000}
    assert 0 <= age_s(items[-1]["ts"]) < NOW_S
    assert summary.to_dict()["positions"] == {"published": 250, "messages": 3, "acknowledged": 250}
    assert summary.short == {}


async def test_positions_nobody_stored_are_reported_by_vehicle(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    (tmp_path / "tour.gpx").write_text(gpx(30 * ARRAY))
    _, summary = await play(servers, scheme, [tmp_path], Pace(ack_timeout_s=0.2), marks=False)
    assert summary.positions["acknowledged"] == 0
    assert summary.short == {f"{tmp_path.name}-tour": 30 * ARRAY}


async def test_a_vehicle_is_at_most_two_thousand_positions_ahead_of_what_is_stored(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    (tmp_path / "tour.gpx").write_text(gpx(30 * ARRAY))
    plan = make_plan([tmp_path])
    async with (
        stub_intake(servers, scheme, marks=False) as stub,
        Client(broker_of(servers), scheme, plan.devices) as client,
    ):
        playing = asyncio.create_task(publish(plan, client, Pace(), Summary("b1")))
        await stub.until(lambda: len(stub.positions) == AHEAD // ARRAY)
        await client.flush()
        done, _ = await asyncio.wait({playing}, timeout=0.1)
        assert (done, len(stub.positions)) == (set(), AHEAD // ARRAY)
        stub.marks = True  # the intake is back: it says what it stored with the next message
        client.marks[plan.tracks[0].device_id, "b1"] = 0
        await client.link.tell()
        assert (await playing).positions["acknowledged"] == 30 * ARRAY


async def test_at_a_speed_each_position_and_frame_goes_alone_and_at_its_time(
    servers: Servers, scheme: TopicScheme, tmp_path: Path
) -> None:
    (tmp_path / "tour.gpx").write_text(gpx(5, 1.0))
    clip(tmp_path / "seq-a", 5, period_s=1)
    stub, summary = await play(servers, scheme, [tmp_path], Pace(speed=20.0))
    assert [len(items) for _, items in stub.positions] == [1] * 5
    assert summary.to_dict()["frames"] == {"published": 5, "processed": 5, "timed_out": 0}
    assert summary.positions["acknowledged"] == 5
    assert summary.took_s >= 4 / 20
    assert age_s(stub.frames[-1][2]["ts"]) < NOW_S
    assert all(age_s(items[0]["ts"]) >= 0 for _, items in stub.positions)


@pytest.mark.parametrize(("unit", "cell_id"), [("", "512002001001001"), ("yj-san-2", "512002002001001")])
def test_register_enters_devices_of_any_age_and_rate(
    database_url: str, tmp_path: Path, unit: str, cell_id: str
) -> None:
    zones = [{"name": "left", "polygon": [[0, 0], [9, 0], [9, 9]]}]
    clip(tmp_path / "seq-a", 1, zones=zones)
    clip(tmp_path / "seq-b", 1)
    (tmp_path / "tour.gpx").write_text(GPX)
    plan = make_plan([tmp_path])
    for _ in range(2):
        enter(plan, database_url, load_pack(Path("yanjiang")), unit)
    with connect(database_url) as conn:
        registry = load_registry(conn)
    assert set(registry.rules) == {"seq-a", "seq-b", f"{tmp_path.name}-tour"}
    assert {(rule.max_age_s, rule.rate_per_s) for rule in registry.rules.values()} == {(None, None)}
    view = registry.views["seq-a"]
    assert (view.calibration, view.cell_id, view.unit_id) == (None, cell_id, unit)
    assert [zone.name for zone in view.zones] == ["left"]
    assert registry.views["seq-b"].zones == ()


async def run(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "curbwatch", "publish", *words, stdout=-1, stderr=-1, cwd=Path(__file__).parents[2]
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def config_for(servers: Servers, scheme: TopicScheme, folder: Path, database_url: str) -> str:
    file = folder / "curbwatch.toml"
    file.write_text(f"""
[site]
site = "{scheme.site}"
[broker]
url = "{servers.broker_url}"
devices_password_file = "{servers.password_files["devices"]}"
[database]
url = "{database_url}"
[redis]
url = "{servers.redis_url}"
""")
    return str(file)


async def test_the_command_registers_plays_and_counts(
    servers: Servers, scheme: TopicScheme, database_url: str, tmp_path: Path
) -> None:
    config = config_for(servers, scheme, tmp_path, database_url)
    played = tmp_path / "played"
    clip(played / "seq-a", 2)
    (played / "tour.gpx").write_text(gpx(3))
    (played / "route.geojson").write_text("{}")
    report = tmp_path / "out.json"
    async with stub_intake(servers, scheme):
        words = str(played), "--config", config, "--register", "--unit", "yj-enf-2", "--json", str(report)
        code, out, err = await run(*words)
    assert (code, "left out" in err) == (0, True), err
    assert out.splitlines() == [
        "frames    of 1 devices: 2 published, 2 processed, 0 timed out",
        "positions of 1 devices: 3 published, 1 messages, 3 acknowledged",
    ]
    counts = json.loads(report.read_text())
    assert counts["frames"] == {"published": 2, "processed": 2, "timed_out": 0}
    assert counts["positions"] == {"published": 3, "messages": 1, "acknowledged": 3}
    assert counts["not_acknowledged"] == {}
    assert [Path(item["path"]).name for item in counts["skipped"]] == ["route.geojson"]
    with connect(database_url) as conn:
        assert set(load_registry(conn).rules) == {"seq-a", "played-tour"}


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (2, "none: there is no such", ("none",)),
        (2, "nothing to play", ("secret",)),
        (2, "--unit nobody: the city pack has yj-enf-1", ("tour.gpx", "--register", "--unit", "nobody")),
        (2, "--unit goes with --register", ("tour.gpx", "--unit", "yj-enf-1")),
        (2, "--speed 0: must be more than 0", ("tour.gpx", "--speed", "0")),
        (2, "--time-scale -1: must be more than 0", ("tour.gpx", "--time-scale", "-1")),
        (2, "--ack-timeout nan: must be more than 0", ("tour.gpx", "--ack-timeout", "nan")),
        (4, "refuses user devices", ("tour.gpx",)),
    ],
)
def test_errors_are_one_clean_line(
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    said: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tour.gpx").write_text(gpx(1))
    Path("secret").write_text("wrong")
    Path("secret").chmod(0o600)
    broker = f'[broker]\nurl = "{servers.broker_url}"\ndevices_password_file = "secret"\n'
    Path("curbwatch.toml").write_text(broker + '[database]\nurl = "postgres://x"\n[redis]\nurl = "redis://x"\n')
    monkeypatch.setattr(sys, "argv", ["curbwatch", "publish", *words, "--config", "curbwatch.toml"])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (code, "")
    assert said in shown.err
    assert shown.err.startswith("curbwatch: ")
