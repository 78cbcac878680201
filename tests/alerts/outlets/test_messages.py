"""From the record to other systems: every step told, in order, again until it is taken. On real servers."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import jsonschema
import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.outlets.sender import MqttOutlet, Patience, Sender, WebhookOutlet
from alerts.outlets.store import OutletStore, Wants
from alerts.outlets.webhook import Reach
from alerts.store import AlertDatabase
from curbwatch.telemetry import Telemetry
from schemas.errors import UsageError
from tests.alerts.makers import departure, picture, sighting
from tests.alerts.outlets.hook_server import OK, Hook, serving

pytestmark = pytest.mark.servers

REACH = Reach(20.0, 1024, allow_hosts=("127.0.0.1",), allow_http=True)
HOTLINE = Wants("hotline")
PATIENCE = Patience(tries_max=3, first_s=1.0, max_s=60.0)


@pytest.fixture
def store(database: AlertDatabase, conn: db.Connection) -> OutletStore:
    conn.execute("delete from outlet")
    found = OutletStore(database)
    found.enter(["hotline"])
    return found


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving(Hook()) as served:
        yield served


def sender(
    store: OutletStore,
    hook: Hook,
    meter: Telemetry | None = None,
    *,
    receipt: bool = False,
    clock: Callable[[], float] = lambda: 0.0,
) -> Sender:
    outlet = WebhookOutlet(HOTLINE, hook.url, REACH, secret=b"key", receipt=receipt)
    return Sender(outlet, store, [HOTLINE], PATIENCE, meter or Telemetry(), chance=lambda: 1.0, monotonic_s=clock)


def hurry(conn: db.Connection) -> None:
    """Let every wait be over."""
    conn.execute("update outlet_message set next_try = now()")


def opened(incidents: IncidentStore, track_id: int = 1) -> str:
    box = (track_id * 100.0, 0.0, 50.0, 50.0)
    return incidents.open_or_refresh(sighting(track_id=track_id, box_px=box), None, picture()).incident_id


def told(hook: Hook) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in hook.came]


def test_nothing_to_tell(store: OutletStore, hook: Hook) -> None:
    assert store.project([HOTLINE]) == 0
    assert sender(store, hook).once() == 0
    assert store.listed() == []
    assert store.counts("hotline") == {"waiting": 0, "dead": 0}


def test_every_step_is_told_in_order_with_the_state_after_it(
    store: OutletStore, hook: Hook, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    job = jobs.of_incident(incident_id)
    assert job is not None
    jobs.take(job.job_id, "李雷")
    jobs.done(job.job_id, "李雷", "secret note")
    telling = sender(store, hook)
    while telling.once():
        pass
    events = told(hook)
    steps = [(event["event"], event["state"]) for event in events]
    assert steps[:2] == [("opened", "dispatched"), ("taken", "handling")]
    assert steps[-1] == ("done", "done")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    schema = json.loads((resources.files("schemas.wire") / "incident.v1.json").read_text("utf-8"))
    for event in events:
        jsonschema.validate(event["incident"], schema)
    said = b"".join(body for _, body in hook.came).decode()
    assert "李雷" not in said
    assert "secret" not in said
    assert {one.state for one in store.listed()} == {"sent"}
    assert store.project([HOTLINE]) == 0


def test_a_step_that_commits_late_is_told_after_those_that_came_before_it(
    store: OutletStore, incidents: IncidentStore, conn: db.Connection, desk_url: str
) -> None:
    late, early = opened(incidents, 1), opened(incidents, 2)
    store.project([HOTLINE])
    with db.connect(desk_url) as slow:
        slow.execute("select 1 from incident where incident_id = %s for no key update", (late,))
        slow.execute("update incident set chain_seq = chain_seq + 1 where incident_id = %s", (late,))
        slow.execute(
            "insert into incident_event (incident_id, seq, actor, what, state, prev_hash, hash)"
            " values (%s, 2, 'x', 'noted', 'dispatched', %s, %s)",
            (late, bytes(32), bytes(32)),
        )
        incidents.depart(departure(track_id=2))
        assert store.project([HOTLINE]) == 2, "the other incident's step, while this one is not committed"
        slow.commit()
    assert store.project([HOTLINE]) == 1
    assert {(one.incident_id, one.seq) for one in store.listed()} == {(late, 1), (late, 2)} | {
        (early, seq) for seq in (1, 2, 3)
    }


def test_an_outlet_is_told_only_of_what_it_wants(store: OutletStore, incidents: IncidentStore) -> None:
    opened(incidents)
    incidents.depart(departure(track_id=1))
    wanted = [Wants("a", steps=("gone",)), Wants("b", families=("stall",)), Wants("c", families=("waste",))]
    assert store.project(wanted) == 4
    assert sorted((one.outlet, one.what) for one in store.listed()) == [
        ("a", "gone"),
        ("c", "gone"),
        ("c", "left"),
        ("c", "opened"),
    ]


def test_a_failure_is_tried_again_later_and_the_next_step_waits_for_its_turn(
    store: OutletStore, hook: Hook, incidents: IncidentStore, conn: db.Connection
) -> None:
    incident_id = opened(incidents)
    incidents.depart(departure(track_id=1))
    hook.replies = [(503, {}, b""), OK]
    meter = Telemetry()
    telling = sender(store, hook, meter)
    assert [telling.once() for _ in range(2)] == [0, 0]
    assert len(hook.came) == 1
    (failed,) = [one for one in store.listed() if one.error]
    assert (failed.seq, failed.state, failed.tries, failed.status) == (1, "waiting", 1, 503)
    assert failed.next_try > datetime.now(UTC) - timedelta(seconds=30)
    assert meter.total("outlet_failures", outlet="hotline") == 1
    other = opened(incidents, 2)
    assert telling.once() == 1, "another incident waits for nobody"
    assert told(hook)[-1]["incident"]["incident_id"] == other
    hurry(conn)
    while telling.once():
        pass
    seqs = [event["seq"] for event in told(hook) if event["incident"]["incident_id"] == incident_id]
    assert seqs == [1, 1, 2, 3]
    assert {one.state for one in store.listed()} == {"sent"}
    assert meter.total("outlet_messages", state="waiting") == 0


def test_what_is_given_up_holds_up_nothing_and_is_tried_again_when_somebody_says_so(
    store: OutletStore, hook: Hook, incidents: IncidentStore, conn: db.Connection
) -> None:
    incident_id = opened(incidents)
    incidents.depart(departure(track_id=1))
    hook.replies = [(400, {}, b"")] * 3 + [OK]
    telling = sender(store, hook)
    for _ in range(6):
        telling.once()
        hurry(conn)
    found = [(one.seq, one.state, one.tries) for one in store.listed()]
    assert found == [(3, "sent", 1), (2, "sent", 1), (1, "dead", 3)]
    assert store.counts("hotline") == {"waiting": 0, "dead": 1}
    assert store.retry(incident_id=incident_id) == 1
    assert telling.once() == 1
    assert store.counts("hotline") == {"waiting": 0, "dead": 0}
    assert store.retry(outlet="hotline") == 0
    with pytest.raises(UsageError, match="there are: hotline"):
        store.retry(outlet="police")


def test_a_hand_over_is_retried_until_it_is_receipted_and_the_receipt_is_kept(
    store: OutletStore, hook: Hook, incidents: IncidentStore, conn: db.Connection
) -> None:
    opened(incidents)
    hook.replies = [OK, (200, {}, b'{"receipt": "110-2026-7"}')]
    telling = sender(store, hook, receipt=True)
    assert telling.once() == 0
    hurry(conn)
    assert telling.once() == 1
    (one,) = store.listed()
    assert (one.state, one.receipt, one.status, one.error) == ("sent", "110-2026-7", 200, "")
    assert hook.came[0][0]["Curbwatch-Delivery"] == hook.came[1][0]["Curbwatch-Delivery"]


def test_a_system_that_is_away_is_left_alone_for_a_while_and_longer_each_time(
    store: OutletStore, hook: Hook, incidents: IncidentStore
) -> None:
    for track_id in range(5):
        opened(incidents, track_id)
    hook.cut = True
    now_s = [100.0]
    telling = sender(store, hook, clock=lambda: now_s[0])
    for later_s, tries in ((0.0, 1), (0.9, 1), (0.2, 2), (1.5, 2), (0.6, 3)):
        now_s[0] += later_s
        telling.once()
        assert len(hook.came) == tries
    hook.cut = False
    now_s[0] += 4.0
    assert telling.once() > 0
    hook.replies = [(503, {}, b"")]
    assert telling.once() == 0, "an answer, and be it a refusal, is no silence"


def test_a_crash_after_the_answer_tells_it_again_under_the_same_name(
    store: OutletStore, hook: Hook, incidents: IncidentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(incidents)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OutletStore, "sent", die)
        with pytest.raises(KeyboardInterrupt):
            sender(store, hook).once()
    assert sender(store, hook).once() == 1
    assert hook.came[0][0]["Curbwatch-Delivery"] == hook.came[1][0]["Curbwatch-Delivery"]


def test_the_first_outlets_are_told_of_what_comes_and_those_that_go_are_forgotten(
    database: AlertDatabase, incidents: IncidentStore, conn: db.Connection
) -> None:
    conn.execute("delete from outlet")
    store = OutletStore(database)
    opened(incidents)
    store.enter(["a"])
    assert store.project([Wants("a")]) == 0
    opened(incidents, 2)
    store.enter(["a", "b"])
    assert store.project([Wants("a"), Wants("b")]) == 2
    store.enter(["b"])
    assert [one.outlet for one in store.listed()] == ["b"]
    store.enter([])
    assert store.listed() == []


def test_the_broker_is_told_the_state_and_forgets_what_has_ended(store: OutletStore, incidents: IncidentStore) -> None:
    published: list[tuple[str, dict[str, Any], int]] = []
    answers = [False, True, True]

    def publish(topic: str, payload: bytes, expiry_s: int) -> bool:
        published.append((topic, json.loads(payload), expiry_s))
        return answers.pop(0)

    wants = Wants("hotline")
    outlet = MqttOutlet(wants, lambda incident_id: f"c/incident/{incident_id}", publish, 3600)
    telling = Sender(outlet, store, [wants], Patience(9, 0.0, 0.0), Telemetry())
    incident_id = opened(incidents)
    assert telling.once() == 0
    assert telling.once() == 1
    incidents.depart(departure(track_id=1))
    assert telling.once() == 1
    states = [(topic, body["state"], body["version"], expiry_s) for topic, body, expiry_s in published]
    topic = f"c/incident/{incident_id}"
    assert states[1] == (topic, "dispatched", 1, 0)
    assert (states[-1][1], states[-1][3]) == ("gone", 3600)
    assert states[-1][2] > 1
