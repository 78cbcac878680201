"""What dies between an alert and a crew's screen: every alert is shown all the same, and once."""

import random
import subprocess
import threading
import time

import pytest

from alerts.crash import KILLED
from tests.faults.desk import DeskCase, desk
from tests.faults.screens import again_in
from tests.fix_faults import times

__all__ = ["desk"]

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(900)]

# Where a relay is killed on purpose; between them it is killed at moments that nobody chose.
RELAY_POINTS = (
    "assign_before_commit",
    "assign_after_commit",
    "relay_before_xadd",
    "relay_after_xadd",
    "sent_before_commit",
    "sent_after_commit",
    "epoch_after_commit",
    "epoch_before_flush",
    "epoch_after_flush",
)
SCREEN_POINTS = (
    "take_after_commit",
    "take_before_ack",
    "take_after_ack",
    "take_before_shown",
    "take_after_shown",
    "take_after_draw",
    "take_before_commit",
)
EACH = 10  # alerts a fault


def a_while(least_s: float, most_s: float) -> None:
    threading.Event().wait(random.uniform(least_s, most_s))


def killed(process: "subprocess.Popen[bytes]", *, by_itself: bool) -> float:
    """Wait until a process has died where it was told to, or kill it now; when (monotonic)."""
    if by_itself:
        assert process.wait(60) == KILLED
    process.kill()
    process.wait()
    return time.monotonic()


def test_kill_9_of_the_relay(desk: DeskCase) -> None:
    """At named points in turn, and at moments that nobody chose; each time with alerts on their way."""
    with desk.screens(resend_s=3600.0):
        for number in range(times(50)):
            point = RELAY_POINTS[number // 2 % len(RELAY_POINTS)] if number % 2 else ""
            passage = 1 if point.startswith("epoch") else 1 + number % 3
            if point.startswith("epoch"):
                desk.flush()
            relay = desk.process("relay_process", "relay.log", dies=f"{point}:{passage}" if point else "")
            made = desk.open(EACH)
            while point and relay.poll() is None:
                made += desk.open(1)
                a_while(0.05, 0.1)
            if not point:
                a_while(0.3, 1.0)
            since_s = killed(relay, by_itself=bool(point))
            with desk.relay():
                desk.until_shown(made, since_s)
        desk.holds(given_again=again_in(desk.screen_files))


def test_kill_9_of_a_crews_terminal_between_commit_and_screen(desk: DeskCase) -> None:
    """The terminal keeps the ids it has shown; its next life shows what its last one owned and did not show."""
    names = [f"p-{number}" for number in range(3)]

    def start(name: str, dies: str = "") -> "subprocess.Popen[bytes]":
        return desk.process("screen_process", f"{name}.log", dies=dies, DESK_SCREEN=str(desk.screen_files / name))

    with desk.relay():
        living = {name: start(name) for name in names[1:]}
        for number in range(times(50)):
            name = names[number % len(names)]
            if name in living:
                killed(living.pop(name), by_itself=False)
            dying = start(name, f"{SCREEN_POINTS[number % len(SCREEN_POINTS)]}:{1 + number % 3}")
            made = []
            while dying.poll() is None:
                made += desk.open(EACH)
                a_while(0.05, 0.1)
            since_s = killed(dying, by_itself=True)
            living[name] = start(name)
            desk.until_shown(made, since_s)
        for process in living.values():
            killed(process, by_itself=False)
        desk.holds(given_again=again_in(desk.screen_files))


def test_immediate_stop_of_the_database(desk: DeskCase) -> None:
    with desk.relay(), desk.screens(resend_s=0.5):
        for _ in range(times(50)):
            opening = threading.Thread(target=desk.open, args=(EACH,))
            opening.start()
            a_while(0.0, 0.2)
            desk.house.kill_database()
            a_while(0.0, 0.3)
            desk.house.repair()
            since_s = time.monotonic()
            opening.join()
            desk.until_shown(desk.open(1), since_s)
        desk.holds(given_again=again_in(desk.screen_files))
