"""The recipe for a shell device does what it promises, with the real broker and the real intake."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

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
        noise = b'$GPRMC\n7\n{"lon": 104.6}\n{"lon": 104.6, "lat": 91.0}\n'
        _, said = await process.communicate(line(0) + noise + line(1))
    skipped = said.decode().splitlines()
    assert (process.returncode, len(skipped)) == (0, 4)
    assert skipped[0].startswith("skipped '$GPRMC': ")
    assert all(one.startswith("skipped ") for one in skipped)
    assert [item["seq"] for _, items in stub.positions for item in items] == [0, 1]


def test_the_example_says_how_it_is_called_and_what_it_lacks(tmp_path: Path) -> None:
    example = [sys.executable, str(ROOT / "docs" / "device_example.py")]
    for words, said in (
        ([], "usage: device_example.py URL"),
        (["mqtt://127.0.0.1:1", "s", "car-1", str(tmp_path), str(tmp_path / "none")], "device_example.py: [Errno 2]"),
    ):
        done = subprocess.run([*example, *words], input=b"", capture_output=True, check=False, cwd=ROOT)
        assert done.returncode == 1
        assert done.stderr.decode().startswith(said)
        assert done.stderr.count(b"\n") == 1


def test_the_script_names_a_tool_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "timeout").symlink_to(shutil.which("timeout") or "")
    environment = {"PATH": str(tmp_path), "BASE": "city/v1/s", "ID": "car-1", "DIR": str(tmp_path / "car")}
    done = subprocess.run(["/bin/sh", str(SCRIPT)], input=b"", capture_output=True, check=False, env=environment)
    assert done.returncode == 1
    assert b"device.sh: mosquitto_pub is missing" in done.stderr


async def test_the_script_tells_a_wrong_password_once(servers: Servers, tools: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    environment = {
        "PATH": tools,
        "PORT": str(urlsplit(servers.broker_url).port),
        "LOGIN": "devices",
        "PASSWORD_FILE": str(tmp_path / "password"),
        "BASE": "city/v1/s",
        "ID": "car-1",
        "DIR": str(tmp_path / "car"),
    }
    # Each call of `timeout` is one try.
    (tmp_path / "timeout").write_text(f'#!/bin/sh\necho >>{tmp_path}/tries\nexec {shutil.which("timeout")} "$@"\n')
    (tmp_path / "timeout").chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        str(SCRIPT),
        stdin=-1,
        stderr=-1,
        env=environment | {"PATH": f"{tmp_path}:{tools}"},
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(line(0))
        tries = tmp_path / "tries"
        await asyncio.to_thread(wait_until, "two tries", lambda: tries.exists() and tries.read_text().count("\n") >= 3)
        process.terminate()
        assert process.stderr is not None
        said = await asyncio.wait_for(process.stderr.read(), 20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert said.count(b"device.sh: 127.0.0.1:") == said.count(b"\n")
    assert said.count(b"Not authorized") == 1


def test_the_script_is_portable_shell() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert [word for word in ("[[", "local ", "function ", "<<<", "<(", "$'") if word in text] == []
