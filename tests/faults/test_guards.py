"""Guards taken out one at a time: first the harm itself, then, for every guard, the test that misses it."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import curbwatch.pipeline
from config.load import load_config
from curbwatch.build import prepare
from curbwatch.endpoints import resolve
from curbwatch.parts import Servers
from curbwatch.telemetry import Telemetry
from ingest.ledger import Ledger, Ticket
from ingest.positions import PositionWriter
from schemas.position import RawMessage
from tests.devices import Devices
from tests.faults.desk_guards import DESK_GUARDS
from tests.faults.sessions import wipe
from tests.fix_service import Service, wait_until
from tests.ingest.test_mqtt import Inbox, send

ROOT = Path(__file__).parents[2]


@pytest.mark.servers
@pytest.mark.parametrize("guarded", [True, False])
def test_a_late_acknowledgement_after_a_lost_session_deletes_new_messages_only_without_the_generation(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    """Packet ids begin again with a new session (reliability.md, finding 5)."""
    if not guarded:
        finish = Ledger.finish
        monkeypatch.setattr(Ledger, "finish", lambda self, old: finish(self, Ticket(self.generation, old.mid)))
    site = f"g{uuid.uuid4().hex[:8]}"
    inbox = Inbox(servers, site)
    inbox.session.start()
    with Devices(servers, site) as devices:
        send(devices, b"0", b"1", b"2")
        inbox.until(lambda: len(inbox.got) == 3)
        wipe(servers, f"inbox-{site}")
        inbox.until(lambda: inbox.lost == 2)
        send(devices, b"10", b"11", b"12")
        inbox.until(lambda: len(inbox.got) == 6)
        inbox.finish(b"0", b"1", b"2")  # late, for packet ids 1 to 3, which are other messages now
        before = inbox.session.generation
        inbox.session.drop("test")
        wait_until("the next connection", lambda: inbox.session.generation > before and inbox.session.connected)
        send(devices, b"end")
        inbox.until(lambda: b"end" in inbox.bodies()[6:])
    inbox.session.stop()
    assert inbox.bodies()[6:] == ([b"10", b"11", b"12", b"end"] if guarded else [b"end"])


@pytest.mark.servers
@pytest.mark.parametrize("guarded", [True, False])
async def test_a_message_that_is_forgotten_comes_again_only_with_the_watch_over_the_window(
    service: Service, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    """A broker sends again on a new connection only, never by a clock (reliability.md, P15)."""
    monkeypatch.setattr(curbwatch.pipeline, "STUCK_S", 0.5 if guarded else 1e9)
    put = PositionWriter.put
    forgotten: list[RawMessage] = []

    def forgetful(self: PositionWriter, message: RawMessage, ticket: Ticket | None) -> None:
        if forgotten:
            put(self, message, ticket)
        forgotten.append(message)

    monkeypatch.setattr(PositionWriter, "put", forgetful)
    config = load_config(service.config)
    telemetry = Telemetry()
    pipeline = curbwatch.pipeline.Pipeline(prepare(config, resolve(config, service.servers)), telemetry)
    ending = asyncio.Event()
    await pipeline.start()
    watch = asyncio.create_task(pipeline.watch(ending))

    def forget() -> None:
        with Devices(service.servers, service.site) as devices:
            devices.position("yj-car-01", 0, time.time_ns() // 1_000_000)
            assert devices.settled()

    await asyncio.to_thread(forget)
    total = telemetry.total
    if guarded:
        await asyncio.to_thread(wait_until, "the row", lambda: total("positions_stored") == 1)
    else:
        await asyncio.to_thread(wait_until, "it to be old", lambda: total("oldest_unacked_seconds") > 2)
        assert total("positions_stored") == 0
    ending.set()
    await watch
    await pipeline.stop()


@pytest.mark.servers
@pytest.mark.parametrize("guarded", [True, False])
def test_what_was_sent_between_two_lives_is_lost_only_with_a_clean_start(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    """The client's own default wipes the session at every start of a process (reliability.md, finding 3)."""
    if not guarded:
        connect = _client_class().connect

        def clean(self: Any, *where: Any, clean_start: bool, **more: Any) -> Any:  # noqa: ANN401
            return connect(self, *where, clean_start=not clean_start, **more)

        monkeypatch.setattr(_client_class(), "connect", clean)
    site = f"g{uuid.uuid4().hex[:8]}"
    first = Inbox(servers, site)
    first.session.start()
    first.session.stop()
    second = Inbox(servers, site)
    with Devices(servers, site) as devices:
        send(devices, b"0", b"1")
        second.session.start()
        send(devices, b"end")
        second.until(lambda: b"end" in second.bodies())
    second.session.stop()
    assert second.bodies() == ([b"0", b"1", b"end"] if guarded else [b"end"])


def _client_class() -> Any:  # noqa: ANN401  # private on purpose
    return getattr(sys.modules["ingest.mqtt"], "_Client")  # noqa: B009


@dataclass(frozen=True)
class Guard:
    """What is taken out of a copy of the sources, and the name of the test that must fail then."""

    name: str
    file: str
    there: str
    instead: str
    test: str

    def node(self, root: Path) -> str:
        """Where the test stands below ``root``, for pytest."""
        (found,) = [path for path in (root / "tests").rglob("test_*.py") if f"def {self.test}(" in path.read_text()]
        return f"{found.relative_to(root)}::{self.test}"


MQTT, POSITIONS, STORE = "ingest/mqtt.py", "ingest/positions.py", "ingest/store.py"
GUARDS = (
    Guard(
        "manual ack",
        MQTT,
        "                self._on_message(raw, ticket)\n",
        "                self._on_message(raw, ticket)\n                self._done(ticket)\n",
        "test_what_is_not_finished_comes_again_on_the_next_connection",
    ),
    Guard(
        "clean_start=False",
        MQTT,
        "clean_start=False,",
        "clean_start=True,",
        "test_messages_sent_between_two_lives_of_the_process_are_delivered",
    ),
    Guard(
        "session expiry",
        MQTT,
        "properties.SessionExpiryInterval = self._plan.expiry_s",
        "properties.SessionExpiryInterval = 0",
        "test_messages_sent_between_two_lives_of_the_process_are_delivered",
    ),
    Guard(
        "Receive Maximum",
        MQTT,
        "properties.ReceiveMaximum = self._plan.window",
        "properties.ReceiveMaximum = 65_535",
        "test_the_broker_sends_no_more_than_the_window",
    ),
    Guard(
        "generation on tickets",
        "ingest/ledger.py",
        "ticket.generation != self.generation or ",
        "",
        "test_a_late_acknowledgement_after_a_lost_session_deletes_new_messages_only_without_the_generation",
    ),
    Guard(
        "generation before the writer",
        POSITIONS,
        "waiting.ticket.generation == generation]",
        "True]",
        "test_what_came_on_an_older_connection_is_left_to_its_redelivery",
    ),
    Guard(
        "ordered ledger",
        "ingest/ledger.py",
        "            if not finished:\n                break\n",
        "            if not finished:\n                self._open.move_to_end(mid)\n                mid = ticket.mid\n",
        "test_a_later_message_waits_for_the_earlier_one",
    ),
    Guard(
        "ON CONFLICT",
        STORE,
        "on conflict do nothing\n",
        "",
        "test_a_batch_stored_twice_is_stored_once",
    ),
    Guard(
        "marks after commit",
        POSITIONS,
        "        stored = self._store.write(decoded.rows, decoded.dead_letters, planned)\n",
        "        self._tell(planned, outlets)\n"
        "        stored = self._store.write(decoded.rows, decoded.dead_letters, planned)\n",
        "test_a_database_that_stays_away_drops_the_connection_and_acknowledges_nothing",
    ),
    Guard(
        "PUBACK after commit",
        POSITIONS,
        "        stored = self._store.write(decoded.rows, decoded.dead_letters, planned)\n",
        "        on_stored()\n        stored = self._store.write(decoded.rows, decoded.dead_letters, planned)\n",
        "test_a_database_that_stays_away_drops_the_connection_and_acknowledges_nothing",
    ),
    Guard(
        "a mark never goes back",
        STORE,
        "greatest(device_mark.mark, excluded.mark)",
        "excluded.mark",
        "test_a_mark_in_the_database_never_goes_back",
    ),
    Guard(
        "resync after SUBACK",
        MQTT,
        "        self._fresh = not flags.session_present\n",
        "        self._fresh = False\n        if not flags.session_present and self._on_lost is not None:\n"
        "            self._on_lost()\n",
        "test_a_vehicle_is_asked_to_send_again_where_the_broker_has_no_session_of_ours",
    ),
    Guard(
        "watch over the window",
        "curbwatch/pipeline.py",
        'self._position_session.drop("stuck")',
        "pass",
        "test_a_message_that_is_forgotten_comes_again_only_with_the_watch_over_the_window",
    ),
    Guard(
        "retry, then drop",
        POSITIONS,
        "                outlets.drop(reason)\n",
        "                pass\n",
        "test_a_database_that_stays_away_drops_the_connection_and_acknowledges_nothing",
    ),
    Guard(
        "bound of QoS 0",
        "ingest/buffer.py",
        "self._rest.qsize() > 2 * self._window",
        "False",
        "test_unacknowledged_sending_cannot_fill_the_memory",
    ),
    Guard(
        "permits in bytes",
        "ingest/buffer.py",
        "return self.waiting_bytes >= self._max_bytes",
        "return False",
        "test_memory_is_bounded_in_bytes",
    ),
    Guard(
        "spool: fsync",
        "ingest/spool.py",
        "                os.fsync(descriptor)\n",
        "",
        "test_every_append_is_synced_before_it_returns",
    ),
    Guard(
        "spool: on disk before PUBACK",
        POSITIONS,
        "            self._spool.append(delivery.payload)\n",
        "            delivery.settle(Outcome.DONE)\n            self._spool.append(delivery.payload)\n",
        "test_a_full_spool_stops_acknowledging_and_says_so",
    ),
    Guard(
        "rate bucket",
        "ingest/admission.py",
        "        if rule.rate_per_s is None:\n",
        "        if True:\n",
        "test_a_device_above_its_rate_goes_to_the_dead_letters_and_others_pass",
    ),
    Guard(
        "a rate charged once",
        "ingest/admission.py",
        "Admitted(self._rates.trial(), ",
        "Admitted(self._rates, ",
        "test_positions_that_the_broker_sends_again_and_again_are_charged_once",
    ),
    Guard(
        "a session that was taken",
        MQTT,
        "if code.value == TAKEN_OVER",
        "if code.value == 0",
        "test_a_session_that_another_takes_is_named_and_comes_back",
    ),
    *(Guard(*parts) for parts in DESK_GUARDS),
)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_every_guard_is_where_it_is_said_to_be(guard: Guard) -> None:
    text = (ROOT / guard.file).read_text(encoding="utf-8")
    assert guard.there in text, f"{guard.file} has changed: say anew what the guard {guard.name!r} is"
    assert guard.node(ROOT)
    assert f"| {guard.name} | `{guard.test}` |" in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources once more, to be spoiled."""
    folder = tmp_path_factory.mktemp("without") / "copy"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "docs", "build", "dist")
    shutil.copytree(ROOT, folder, ignore=left_out, symlinks=True)
    return folder


@pytest.mark.faults
@pytest.mark.servers
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_that_is_taken_out_is_missed(guard: Guard, copy: Path) -> None:
    path = copy / guard.file
    whole = path.read_text(encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "60", guard.node(copy)]
    quiet = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    try:
        path.write_text(whole.replace(guard.there, guard.instead), encoding="utf-8")
        spoiled = subprocess.run(argv, cwd=copy, env=quiet, capture_output=True, text=True, check=False)
    finally:
        path.write_text(whole, encoding="utf-8")
    assert spoiled.returncode == 1, f"nothing misses the guard {guard.name!r}:\n{spoiled.stdout[-1500:]}"
    assert "FAILED" in spoiled.stdout, spoiled.stdout[-1500:]
    print(f"\nwithout {guard.name}: {guard.test} fails")  # noqa: T201
