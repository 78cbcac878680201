"""``curbwatch record`` against a real broker, beside one who holds the intake's place."""

import asyncio
import json
import re
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import pytest
from typer.testing import CliRunner

import curbwatch.database as db
from config.load import load_config
from curbwatch.cli.app import app
from curbwatch.cli.record import record
from curbwatch.device import Client
from curbwatch.devices import LiveRegistry
from curbwatch.endpoints import standing
from curbwatch.parts import Servers
from curbwatch.registry import register_accepted, register_camera
from curbwatch.tuning.record_feed import Everything, FrameFeed, Tally, _plan
from curbwatch.tuning.recording import find_recordings
from ingest.topics import TopicScheme
from schemas.errors import CurbwatchError, FeedError, SinkError, UsageError
from schemas.place import CameraView
from schemas.position import RawMessage
from tests.curbwatch.stub_intake import broker_of, stub_intake
from tests.detectors.street import Street
from tests.fix_service import wait_until
from tests.tuning.clips import jpeg
from tests.tuning.test_record import ZONES, frame

ROOT = Path(__file__).parents[2]
CAMERAS = ("cam-a", "cam-b", "cam-c")


def test_in_a_feed_every_wanted_picture_waits_in_order_and_no_other() -> None:
    slots = Everything(("cam-1",))
    assert slots.draw(0.0) is None
    sent = [frame(at_s) for at_s in (0, 0.1, 0.05, 0.05)]
    assert [slots.put(one) for one in (*sent, frame(1, camera_id="cam-2"))] == [[]] * 5
    assert [slots.draw(0.0) for _ in range(5)] == [*sent, None]


def test_a_slow_disk_costs_pictures_which_are_counted() -> None:
    slots = Everything(("cam-1",), max_bytes=250)
    assert [len(slots.put(frame(k))) for k in range(4)] == [0, 0, 1, 1]
    assert slots.draw(0.0) is not None
    assert slots.put(frame(9)) == []


def test_a_tally_counts_by_reason_what_is_missing() -> None:
    tally = Tally()
    tally.add("frames_received")
    tally.add("frames_rejected", reason="ts")
    tally.add("frames_shed", 2, reason="memory")
    tally.set("x", 1)
    tally.observe("x", 1)
    assert tally.counts == {"ts": 1, "memory": 2}


@dataclass(frozen=True)
class Site:
    """A site of a test's own: three cameras in the registry, a configuration file, a folder for the ring."""

    servers: Servers
    scheme: TopicScheme
    config: Path
    out: Path

    @asynccontextmanager
    async def recording(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """``curbwatch record`` as a process; killed at the end where it still runs."""
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "curbwatch",
                "record",
                "--config",
                str(self.config),
                "--out",
                str(self.out),
                *words,
            ),
            stdout=-1,
            stderr=-1,
            cwd=ROOT,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def frames(self) -> list[Path]:
        return sorted(self.out.glob("*/*/frames/*.jpg"))

    async def until_heard(self, client: Client, process: asyncio.subprocess.Process, count: int = 1) -> None:
        """Send pictures of cam-a, unlike each other, until ``count`` of them are on the disk."""
        for seq in range(400):
            await send(client, "cam-a", seq)
            await asyncio.sleep(0.05)
            if len(self.frames) >= count:
                return
            assert process.returncode is None, (await process.communicate())[1].decode()
        pytest.fail("nothing is recorded")


@pytest.fixture
def site(servers: Servers, database_url: str, tmp_path: Path) -> Site:
    scheme = TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")
    config = tmp_path / "curbwatch.toml"
    config.write_text(f"""
[site]
site = "{scheme.site}"
[broker]
url = "{servers.broker_url}"
frames_password_file = "{servers.password_files["intake-frames"]}"
[database]
url = "{database_url}"
""")
    with db.connect(database_url, autocommit=True) as conn:
        for camera_id in CAMERAS:
            register_camera(conn, CameraView(camera_id, ZONES if camera_id == "cam-a" else ()))
    return Site(servers, scheme, config, tmp_path / "ring")


async def send(client: Client, camera_id: str, seq: int) -> tuple[int, bytes]:
    captured_ns = time.time_ns() // 1000 * 1000
    picture = jpeg(Street(), seq)
    await client.frame(camera_id, picture, ts_ns=captured_ns, boot="b1", seq=seq)
    await client.flush()
    return captured_ns, picture


@asynccontextmanager
async def cameras(site: Site) -> AsyncIterator[Client]:
    async with Client(broker_of(site.servers), site.scheme, [("camera", camera_id) for camera_id in CAMERAS]) as client:
        yield client


@pytest.mark.servers
async def test_the_chosen_cameras_are_kept_byte_for_byte_and_the_intake_hears_the_same(site: Site) -> None:
    parts = urlsplit(site.servers.broker_url)
    devices = broker_of(site.servers)
    async with (
        stub_intake(site.servers, site.scheme, lambda _device_id, _seq: None) as intake,
        cameras(site) as client,
        aiomqtt.Client(
            parts.hostname or "", parts.port or 0, username=devices.user, password=devices.password
        ) as answered,
        site.recording("cam-a", "cam-b", "--json", str(site.out.parent / "out.json")) as process,
    ):
        await answered.subscribe(site.scheme.wildcard("camera", "ack"))
        await site.until_heard(client, process)
        sent = [await send(client, "cam-a", 1000 + k) for k in range(3)]
        await client.frame("cam-a", b"no picture", ts_ns=time.time_ns(), boot="b1", seq=2000)
        await send(client, "cam-c", 0)
        (captured_b,) = [await send(client, "cam-b", 0)]
        await intake.until(lambda: intake.frames[-1][0] == "cam-b")
        await asyncio.to_thread(
            wait_until, "the picture of cam-b", lambda: any("cam-b" in path.parts for path in site.frames)
        )
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        with pytest.raises(TimeoutError):  # nobody answered the cameras: that is the intake's to do
            async with asyncio.timeout(0.2):
                await anext(aiter(answered.messages))
    assert process.returncode == 0, err.decode()
    told = {recording.folder.parent.name: recording for recording in find_recordings(site.out)}
    assert sorted(told) == ["cam-a", "cam-b"]
    assert list(told["cam-a"].frames())[-3:] == sent
    assert list(told["cam-b"].frames()) == [captured_b]
    assert told["cam-a"].zones == ZONES
    summary = json.loads((site.out.parent / "out.json").read_text())
    assert summary["frames"]["cam-b"] == 1
    assert summary["refused"] == {"format": 1}
    assert "of 2 cameras" in out.decode()
    assert "left out: 1 format" in err.decode()
    heard = [payload for device_id, payload, _ in intake.frames if device_id == "cam-a"]
    assert {picture for _, picture in sent} <= set(heard)


@pytest.mark.servers
async def test_a_killed_recorder_leaves_a_readable_recording_and_no_session(site: Site) -> None:
    async with cameras(site) as client, site.recording("--all") as process:
        await site.until_heard(client, process, 3)
        process.kill()
        await process.wait()
    (recording,) = find_recordings(site.out)
    files = {path.read_bytes() for path in site.frames}
    played = list(recording.frames())
    assert 1 <= len(played) <= len(files)
    assert {picture for _, picture in played} <= files


@pytest.mark.servers
def test_two_recorders_never_take_each_others_session_or_the_intakes(site: Site) -> None:
    config = load_config(site.config)
    plans = [_plan(config, standing(config), ("t",), ()) for _ in range(2)]
    own = f"{config.intake.client_id}-{config.site.site}-frames"
    assert len({plan.client_id + plan.secret for plan in plans} | {own}) == 3
    assert [(plan.expiry_s, plan.topics) for plan in plans] == [(0, (("t", False),))] * 2


@pytest.mark.servers
def test_a_camera_of_a_foreign_form_is_heard_on_its_own_topics(site: Site, database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        register_accepted(conn, {"device_id": "cam-f", "kind": "camera", "aliases": ["frigate:garden"]})
    config = load_config(site.config)
    registry = LiveRegistry(database_url)
    registry.start()
    try:
        native, foreign = (FrameFeed(config, standing(config), registry, (name,)) for name in ("cam-a", "cam-f"))
        assert [topic for topic, _ in native._session._plan.topics] == [site.scheme.of("camera", "cam-a", "frame")]
        topics = [topic for topic, _ in foreign._session._plan.topics]
        assert topics[0] == site.scheme.of("camera", "cam-f", "frame")
        assert {"frigate/+/+/snapshot"} <= set(topics)
        picture = jpeg(Street(), 0)
        foreign._intake.put(RawMessage("frigate/garden/person/snapshot", picture, 1_700_000_000_000_000_000), None)
        drawn = foreign.draw(0, 0.0)
        assert drawn is not None
        assert (drawn.camera_id, drawn.jpeg, drawn.stamped) == ("cam-f", picture, False)
    finally:
        registry.stop()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name cameras, or give --all"),
        (("cam-a", "--all"), "give cameras or --all, not both"),
        (("cam-z",), "cam-z: not in the registry, which has the cameras cam-a, cam-b, cam-c: see"),
        (("cam-a", "--minutes", "0.01"), "nothing was recorded"),
    ],
)
def test_what_cannot_be_recorded_is_one_clean_line(site: Site, words: tuple[str, ...], said: str) -> None:
    assert record.__doc__
    done = CliRunner().invoke(app, ["record", *words, "--config", str(site.config), "--out", str(site.out)])
    assert isinstance(done.exception, UsageError | CurbwatchError)
    assert said in str(done.exception)


@pytest.mark.servers
@pytest.mark.parametrize("minutes", [(), ("--minutes", "1")])
def test_a_broker_that_is_down_is_named_at_once(site: Site, minutes: tuple[str, ...]) -> None:
    port = 1  # nothing listens there
    site.config.write_text(site.config.read_text().replace(site.servers.broker_url, f"mqtt://127.0.0.1:{port}"))
    words = ["record", "cam-a", "--config", str(site.config), "--out", str(site.out), *minutes]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, FeedError)
    said = f"broker mqtt://127.0.0.1:{port}: connection refused; check broker.url, or `curbwatch parts up`"
    assert str(done.exception) == said


@pytest.mark.servers
def test_a_database_without_tables_says_what_makes_them(site: Site, empty_database_url: str) -> None:
    text = site.config.read_text()
    site.config.write_text(re.sub(r'url = "postgres[^"]*"', f'url = "{empty_database_url}"', text))
    done = CliRunner().invoke(app, ["record", "cam-a", "--config", str(site.config), "--out", str(site.out)])
    assert isinstance(done.exception, SinkError)
    assert "start `curbwatch run` once" in str(done.exception)
