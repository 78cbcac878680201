"""However a demo ends, its servers end with it, and servers that were there before stay."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from curbwatch.build import Site
from curbwatch.demo import hold, setting
from curbwatch.demo.hold import held
from curbwatch.parts import paths
from curbwatch.service import serve
from curbwatch.telemetry import Telemetry
from schemas.errors import SetupError, UsageError


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the servers, of which none ran before."""
    done: list[str] = []
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hold, "status", lambda: {"postgres": False})
    monkeypatch.setattr(hold, "down", lambda: done.append("down"))
    return done


def test_servers_are_stopped_at_the_end_and_after_an_error(stopped: list[str]) -> None:
    with held():
        assert stopped == []
    assert stopped == ["down"]
    with pytest.raises(UsageError, match="no"), held():
        raise UsageError("no")
    assert stopped == ["down", "down"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_signals_do_not_disturb_the_stopping(
    stopped: list[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.signal(number, signal.default_int_handler)

    def down() -> None:
        os.kill(os.getpid(), number)
        stopped.append("down")

    monkeypatch.setattr(hold, "down", down)
    try:
        with pytest.raises(SystemExit) as caught, held():
            os.kill(os.getpid(), number)
        assert caught.value.code == 128 + number
        assert stopped == ["down"]
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_servers_that_ran_before_stay(stopped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "status", lambda: {"postgres": True, "valkey": False})
    with pytest.raises(SystemExit), held():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped == []


def test_a_second_one_stops_nothing(stopped: list[str]) -> None:
    with held():
        with pytest.raises(SetupError, match="another demo is running"), held():
            pytest.fail("two at once")
        assert stopped == []


def test_leaving_at_once_stops_the_servers_first(stopped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda code: stopped.append(f"exit {code}"))
    with held() as leave:
        leave(130)
        assert stopped == ["down", "exit 130"]


class Endless:
    """A pipeline that runs until it is to end."""

    def __init__(self, *_parts: object) -> None:
        pass

    async def start(self) -> None:
        pass

    async def watch(self, ending: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await ending.wait()

    async def stop(self) -> None:
        pass


def test_signals_do_again_what_they_did_before_the_pipeline_ran(
    stopped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curbwatch.service.Pipeline", Endless)

    def run() -> None:
        asyncio.run(serve(cast("Site", None), Telemetry()))
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit), held():
        run()
    assert stopped == ["down"]


def test_only_folders_of_earlier_runs_are_removed(stopped: list[str]) -> None:
    for name in ("thesis", "20260501", "photos"):
        (paths.home() / "demo" / name).mkdir(parents=True)
    made = [setting._folder(datetime(2026, 5, 1, 12, minute, tzinfo=UTC)) for minute in range(8)]
    left = {path.name for path in (paths.home() / "demo").iterdir()}
    assert left == {"thesis", "20260501", "photos", *(path.name for path in made[-setting.RUNS_KEPT :])}
