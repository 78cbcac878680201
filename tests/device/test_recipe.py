"""The recipe for a shell device does what it promises, with the real broker and the real intake."""

import asyncio
import json
import os
import shutil
import signal
import sys
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

import curbwatch.database as db
from curbwatch.parts import Servers
from curbwatch.parts.paths import home
from curbwatch.registry import register_vehicle
from ingest.topics import TopicScheme
from tests.curbwatch.stub_intake import stub_intake
from tests.device.conftest import Fragile
from tests.device.test_faults import stored
from tests.fix_service import ROOT, Service, wait_until

pytestmark = pytest.mark.servers

SCRIPT = ROOT / "docs" / "device.sh"
TOOLS = home() / "packages" / "root" / "usr" / "bin"


@pytest.fixture
def tools(servers: Servers) -> str:
    """A PATH with mosquitto_pub and mosquitto_sub."""
    path = f"{os.environ['PATH']}:{TOOLS}"
    if shutil.which("mosquitto_pub", path=path) is None:
        pytest.skip(f"mosquitto_pub is missing: {TOOLS.parents[2]} was fetched before it was needed; remove it")
    return path


def line(number: int) -> bytes:
    return json.dumps({"lon": 104.6 + number / 1000, "lat": 30.1}).encode() + b"\n"


def waiting(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in {".new", ".out"})


@asynccontextmanager
async def running(fragile: Fragile, servers: Servers, site: str, folder: Path, path: str) -> AsyncIterator[Process]:
    """The script in a process group of its own, which a power loss ends."""
    environment = {
        "PATH": path,
        "PORT": str(fragile.port),
        "LOGIN": "devices",
        "PASSWORD_FILE": str(servers.password_files["devices"]),
        "BASE": f"city/v1/{site}",
        "ID": "car-1",
        "DIR": str(folder),
        "RESEND_S": "3",
        "ARRAY": "7",
    }
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", str(SCRIPT), stdin=-1, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_the_shell_device_loses_nothing_through_power_loss_and_a_dead_broker(
    service: Service, fragile: Fragile, servers: Servers, tools: str, tmp_path: Path
) -> None:
    folder = tmp_path / "car"
    service.configure(broker={"url": fragile.url})
    await asyncio.to_thread(service.start)
    with db.connect(service.database_url) as conn:
        register_vehicle(conn, "car-1")
    fragile.kill()
    async with running(fragile, servers, service.site, folder, tools) as process:
        assert process.stdin is not None
        process.stdin.writelines(line(number) for number in range(20))
        await asyncio.to_thread(wait_until, "it to keep them", lambda: folder.exists() and len(waiting(folder)) == 20)
    fragile.start()
    async with running(fragile, servers, service.site, folder, tools) as process:
        assert process.stdin is not None
        process.stdin.writelines([b"noise\n", *(line(number) for number in range(20, 30))])
        await asyncio.to_thread(wait_until, "it to arrive", lambda: len(stored(service, "car-1")) >= 22)
        fragile.kill()
        process.stdin.writelines([line(number) for number in range(30, 40)])
        await asyncio.to_thread(wait_until, "it to keep them", lambda: len(waiting(folder)) >= 10)
        fragile.start()
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    rows = stored(service, "car-1")
    assert len(rows) == 40
    assert sorted(seq for _, seq in rows) == sorted([*range(20), *range(20)])
    assert waiting(folder) == []


async def test_the_example_of_the_page_keeps_what_it_reads_and_the_intake_gets_it(
    servers: Servers, tmp_path: Path
) -> None:
    """The private broker knows no user of the vehicle's name, so that the vehicle has the user's."""
    scheme = TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")
    words = servers.broker_url, scheme.site, "devices", str(tmp_path), str(servers.password_files["devices"])
    async with stub_intake(servers, scheme) as stub:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "docs" / "device_example.py"), *words, stdin=-1, stderr=-1, cwd=ROOT
        )
        _, said = await process.communicate(line(0) + line(1))
    assert (process.returncode, said) == (0, b"")
    assert [item["seq"] for _, items in stub.positions for item in items] == [0, 1]


def test_the_script_is_portable_shell() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert [word for word in ("[[", "local ", "function ", "<<<", "<(", "$'") if word in text] == []
