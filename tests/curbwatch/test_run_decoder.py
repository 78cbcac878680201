"""``curbwatch run`` and the processes that decode for it: killed, frozen, and gone when it is gone."""

import os
import signal
from pathlib import Path

import pytest

from tests.devices import Devices
from tests.fix_service import Service, wait_until
from tests.ingest.jpegs import jpeg

pytestmark = pytest.mark.servers

SHARDS = 2
PROCESSED, REJECTED = "curbwatch_frames_processed_total", "curbwatch_frames_rejected_total"


def decoders(service: Service) -> list[int]:
    """The running children of the service that decode."""
    assert service.process is not None
    task = Path(f"/proc/{service.process.pid}/task")
    children = {int(pid) for one in task.iterdir() for pid in (one / "children").read_text().split()}
    return sorted(pid for pid in children if alive(pid))


def alive(pid: int) -> bool:
    try:
        return b"ingest.decode_child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def processed(service: Service, devices: Devices, seq: int, *cameras: str) -> None:
    """Send each camera's picture until it is processed: a sound one never costs more than another try."""
    before = service.metric(PROCESSED)
    for camera in cameras:
        devices.send(f"camera/{camera}/frame", jpeg(1280, 720), seq=str(seq), boot=str(seq))
    wait_until("the pictures to be processed", lambda: service.metric(PROCESSED) >= before + len(cameras))


def test_a_run_outlives_its_decoders_and_leaves_none_behind(service: Service) -> None:
    service.configure(intake={"client_id": f"intake-{service.site}", "decode_limit_s": 0.5})
    service.start()
    cameras = tuple(f"yj-cam-{number:02d}" for number in range(1, 9))
    with Devices(service.servers, service.site) as devices:
        first = decoders(service)
        assert len(first) == SHARDS
        processed(service, devices, 0, *cameras)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        wait_until("the killed ones to be gone", lambda: not any(map(alive, first)))
        processed(service, devices, 1, *cameras)
        second = decoders(service)
        assert len(second) == SHARDS
        assert not set(first) & set(second)
        for pid in second:  # frozen before they see a picture: it is nobody's fault, and nobody's dead letter
            os.kill(pid, signal.SIGSTOP)
        processed(service, devices, 2, *cameras)
    assert service.metric(REJECTED) == 0
    assert service.metric("curbwatch_decoder_restarts_total") == 2 * SHARDS
    last = decoders(service)
    assert service.stop() == 0
    assert not any(map(alive, last))


def test_a_killed_run_leaves_no_decoder_behind(service: Service) -> None:
    service.start()
    left = decoders(service)
    assert len(left) == SHARDS
    service.kill()
    wait_until("its decoders to end", lambda: not any(map(alive, left)), 10.0)
