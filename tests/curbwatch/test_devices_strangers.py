"""`curbwatch device`: strangers accepted and forgotten, and how each device does, on the real database."""

import json
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import curbwatch.database as db
from config.pack import load_pack
from curbwatch.health_keeper import HealthKeeper
from curbwatch.registry import load_registry, register_camera, register_vehicle, sync_pack
from curbwatch.strangers import Wish, accept
from curbwatch.telemetry import Telemetry
from ingest.health import HealthBook
from ingest.store import IntakeStore
from schemas.device import DeviceRule
from schemas.errors import UsageError
from schemas.place import CameraView
from schemas.position import DeadLetter, PositionRows
from tests.config.small_pack import PackFolder
from tests.fix_service import wait_until
from tests.fix_verbs import Verbs

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("english")]

NOW_NS = time.time_ns() // 1000 * 1000
WEEK_S = 604_800.0
PHONE = "owntracks:jane"


class Registry:
    def __init__(self, *rules: DeviceRule) -> None:
        self.rules = {rule.device_id: rule for rule in rules}

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


class Spine:
    """A book and its keeper; the thread is not started, so that a test says when it writes."""

    def __init__(self, url: str, *rules: DeviceRule) -> None:
        self.telemetry = Telemetry()
        self.url = url
        self.book = HealthBook(Registry(*rules), silence_s=300.0)
        self.keeper = HealthKeeper(url, self.book, self.telemetry, every_s=600.0)
        self.keeper.start()

    def hear(self, *letters: DeadLetter, kind: str = "vehicle") -> None:
        for one in letters:
            self.book.letter(one, "camera" if kind == "camera" else "vehicle")
        with closing(IntakeStore(self.url, payload_bytes=4096)) as store:
            store.write(PositionRows(), letters)


@pytest.fixture
def spine(office_url: str) -> Any:  # noqa: ANN401
    made = Spine(office_url)
    yield made
    made.keeper.stop()


def stranger(device: str, number: int = 0, detail: str = "", topic: str = "") -> DeadLetter:
    topic = topic or f"city/v1/yanjiang/vehicle/{device}/position"
    ts_ms = NOW_NS // 1_000_000 + number
    payload = json.dumps({"ts": ts_ms, "lon": 104.6, "lat": 30.1, "seq": number, "boot": "b"}).encode()
    if detail:
        body = {"_type": "location", "tst": ts_ms // 1000 - number, "lat": 30.1, "lon": 104.6}
        payload = json.dumps(body).encode()
    return DeadLetter(NOW_NS + number * 1000, topic, device, "unknown_device", detail, payload)


def phone(number: int = 0) -> DeadLetter:
    return stranger("jane", number, PHONE, "owntracks/jane/phone")


def known(url: str) -> dict[str, DeviceRule]:
    with db.connect(url) as conn:
        return load_registry(conn).known()


def test_where_nobody_speaks_there_is_nobody_to_list(verbs: Verbs, spine: Spine) -> None:
    spine.keeper.keep()
    for verb in ("list", "strangers", "health"):
        assert verbs.told("device", verb) == []
    assert "no stranger 'x'" in verbs.refused("device", "accept", "x")
    assert "no device and no stranger 'x'" in verbs.refused("device", "forget", "x")
    assert "nothing is known of 'x'" in verbs.refused("device", "health", "x")
    assert [verbs.run("device", verb)[1] for verb in ("list", "strangers", "health")] == ["none\n"] * 3


def test_strangers_are_listed_until_they_are_accepted_or_forgotten(verbs: Verbs, spine: Spine) -> None:
    spine.hear(stranger("a"), stranger("a", 1), stranger("b"))
    spine.hear(stranger("eye", topic="city/v1/yanjiang/camera/eye/frame"), kind="camera")
    spine.keeper.keep()
    spine.hear(stranger("a", 2))
    spine.keeper.keep()
    told = {row["device_id"]: (row["kind"], row["messages"]) for row in verbs.told("device", "strangers")}
    assert told == {"a": ("vehicle", 3), "b": ("vehicle", 1), "eye": ("camera", 1)}
    assert spine.telemetry.total("strangers") == 3
    _, out, _ = verbs.run("device", "accept", "a", "--unit", "yj-enf-1", "--period", "30")
    assert out == "vehicle a accepted\n3 messages were set aside: curbwatch dlq replay --device a\n"
    _, out, _ = verbs.run("device", "forget", "b")
    assert out == "stranger b forgotten\n"
    _, out, _ = verbs.run("device", "accept", "eye", "--cell", "512002001001001")
    assert out == "camera eye accepted\n1 picture was set aside, cut, and cannot be replayed\n"
    assert verbs.told("device", "strangers") == []
    assert known(spine.url) == {
        "a": DeviceRule("a", "vehicle", "wgs84", WEEK_S, 20.0, 30.0),
        "eye": DeviceRule("eye", "camera", "wgs84", WEEK_S),
    }
    assert "is in the registry already" in verbs.refused("device", "accept", "a", "--kind", "vehicle")
    # What was on its way while it was accepted makes it no stranger again.
    spine.book.letter(stranger("a", 3), "vehicle")
    spine.keeper.keep()
    assert verbs.told("device", "strangers") == []


def test_a_device_of_another_form_may_get_another_name(verbs: Verbs, spine: Spine) -> None:
    spine.hear(phone(), phone(1))
    spine.keeper.keep()
    assert "an id has 1 to 64" in verbs.refused("device", "accept", PHONE, "--as", "a/b")
    told = verbs.told("device", "accept", PHONE, "--as", "walker-1", "--replay")
    assert told[0] == {
        "device_id": "walker-1",
        "kind": "vehicle",
        "alias": PHONE,
        "letters": 2,
        "letters_of": "jane",
        "messages": 2,
    }
    assert told[1]["reasons"] == {}
    assert (told[1]["replayed"], told[1]["stored"]) == (2, 2)
    rules = known(spine.url)
    assert rules[PHONE] == rules["walker-1"]
    with db.connect(spine.url) as conn:
        assert conn.execute("select distinct device_id, form from position").fetchall() == [("walker-1", "owntracks")]
    # What was on its way meanwhile makes it no stranger again, whatever else it is called.
    verbs.told("device", "accept", "jt808:0139", "--kind", "vehicle", "--as", "walker-1")
    spine.hear(phone(2), stranger("other"))
    spine.keeper.keep()
    assert [row["device_id"] for row in verbs.told("device", "strangers")] == ["other"]


def test_a_stranger_that_speaks_our_own_form_keeps_the_id_of_its_topic(verbs: Verbs, spine: Spine) -> None:
    spine.hear(stranger("a"))
    spine.keeper.keep()
    assert "its id is that of its topic" in verbs.refused("device", "accept", "a", "--as", "b")
    assert "speaks as a vehicle" in verbs.refused("device", "accept", "a", "--kind", "camera")
    assert "--unit u-9" in verbs.refused("device", "accept", "a", "--unit", "u-9")
    assert "--cell 1" in verbs.refused("device", "accept", "a", "--cell", "1")


def test_two_strangers_of_one_name_are_told_apart_by_their_form(verbs: Verbs, spine: Spine) -> None:
    spine.hear(stranger("jane"), phone())
    spine.keeper.keep()
    said = verbs.refused("device", "accept", "jane")
    assert f"may be any of native:jane, {PHONE}" in said
    verbs.told("device", "accept", "native:jane")
    assert list(known(spine.url)) == ["jane"]


def test_a_device_may_be_accepted_before_it_speaks_and_get_a_second_alias(verbs: Verbs, spine: Spine) -> None:
    verbs.told("device", "accept", "jt808:0139", "--kind", "vehicle", "--as", "muck-7", "--crs", "gcj02")
    spine.hear(phone())
    spine.keeper.keep()
    verbs.told("device", "accept", PHONE, "--as", "muck-7")
    rules = known(spine.url)
    assert rules["jt808:0139"] == rules[PHONE] == DeviceRule("muck-7", "vehicle", "gcj02", WEEK_S, 20.0)
    assert f"{PHONE} is an alias of muck-7 already" in verbs.refused(
        "device", "accept", PHONE, "--kind", "vehicle", "--as", "other"
    )
    assert "muck-7 is a vehicle" in verbs.refused("device", "accept", "jt808:1", "--kind", "camera", "--as", "muck-7")


def test_no_device_is_called_as_a_form_calls_another(verbs: Verbs, spine: Spine) -> None:
    verbs.told("device", "accept", PHONE, "--kind", "vehicle", "--as", "walker")
    there = PHONE.partition(":")[2]
    assert "is device walker already" in verbs.refused("device", "accept", f"native:{there}", "--kind", "vehicle")
    verbs.told("device", "accept", "native:car", "--kind", "vehicle")
    assert "is device car already" in verbs.refused(
        "device", "accept", "jt808:car", "--kind", "vehicle", "--as", "muck-7"
    )
    assert set(known(spine.url)) == {"walker", PHONE, "car"}


def test_two_operators_at_once_cannot_give_one_alias_to_two_devices(office_url: str) -> None:
    said: list[str] = []

    def accept_as(conn: db.Connection, device_id: str) -> None:
        wish = Wish(PHONE, device_id, "vehicle")
        accept(conn, wish, past_limit_s=WEEK_S, forms=["owntracks"], reserved=())

    def second() -> None:
        with pytest.raises(UsageError) as refused, db.session(office_url) as conn:
            accept_as(conn, "b")
        said.append(str(refused.value))

    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    thread = threading.Thread(target=second, daemon=True)
    with db.connect(office_url, autocommit=True) as watch, db.session(office_url) as conn, conn.transaction():
        accept_as(conn, "a")
        thread.start()
        wait_until("the second", lambda: not thread.is_alive() or watch.execute(waiting).fetchone() == (1,))
    thread.join(20)
    assert said == [f"{PHONE} is an alias of a already"]
    assert list(known(office_url)) == ["a", PHONE]


@pytest.mark.parametrize("name", ["doctor", "devices", "intake-positions", "intake-frames", "gateway-traccar"])
def test_no_device_gets_the_name_of_a_user_of_ours_at_the_broker(verbs: Verbs, spine: Spine, name: str) -> None:
    spine.hear(phone())
    spine.keeper.keep()
    assert "users of Curbwatch itself" in verbs.refused("device", "accept", PHONE, "--as", name)
    assert "users of Curbwatch itself" in verbs.refused("device", "accept", name, "--kind", "vehicle")
    assert known(spine.url) == {}


def test_an_alias_of_a_form_that_does_not_exist_is_refused(verbs: Verbs, spine: Spine) -> None:
    for arguments in (("ownracks:bob",), ("ownracks:bob", "--kind", "vehicle", "--as", "walker")):
        said = verbs.refused("device", "accept", *arguments)
        assert "no form 'ownracks' is read here; did you mean 'owntracks'?" in said
    assert known(spine.url) == {}


@pytest.mark.parametrize("verb", ["accept", "forget"])
@pytest.mark.parametrize("form", ["traccar:", ""])
def test_a_stranger_may_be_named_as_the_list_shows_it(verbs: Verbs, spine: Spine, verb: str, form: str) -> None:
    spine.hear(stranger("", 0, "traccar:\x1b[31m沪"), stranger("", 1, "traccar:other"))
    spine.keeper.keep()
    _, out, _ = verbs.run("device", "strangers")
    assert "traccar:\\x1b[31m沪 " in out
    more = ("--as", "truck") if verb == "accept" else ()
    if more:
        said = verbs.refused("device", "accept", form + "\\x1b[31m沪")
        assert "name it, `accept traccar:\\x1b[31m沪 --as NEW_ID`" in said
        assert "`accept FORM:沪B1 --as NEW_ID`" in verbs.refused("device", "accept", "沪B1", "--kind", "vehicle")
    assert verbs.told("device", verb, form + "\\x1b[31m沪", *more)
    assert [row["foreign_id"] for row in verbs.told("device", "strangers")] == ["other"]


def test_it_is_said_when_nothing_was_set_aside_of_a_stranger(verbs: Verbs, spine: Spine) -> None:
    spine.hear(stranger("a"), stranger("a", 1))
    spine.keeper.keep()
    with db.connect(spine.url, autocommit=True) as conn:
        conn.execute("delete from dead_letter")
    _, out, _ = verbs.run("device", "accept", "a", "--replay")
    assert out == "vehicle a accepted\n0 messages are set aside; 2 came\n"


def test_the_pack_keeps_its_devices_and_its_aliases(verbs: Verbs, spine: Spine, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    folder = PackFolder(tmp_path / "pack")
    verbs.told("device", "accept", PHONE, "--kind", "vehicle", "--as", "walker-1")
    verbs.told("device", "accept", "jt808:0139", "--kind", "vehicle", "--as", "walker-1")
    folder.edit(
        "vehicles.csv", "id,kind,unit,crs\ncar-1,enforcement,u-1,gcj02\n", f"id,kind,aliases\ncar-1,muck,{PHONE}\n"
    )
    with db.connect(spine.url, autocommit=True) as conn:
        sync_pack(conn, folder.load(), past_limit_s=WEEK_S)
        register_vehicle(conn, "played")
    rules = known(spine.url)
    assert (rules[PHONE].device_id, rules["jt808:0139"].device_id) == ("car-1", "walker-1")
    assert "give it the alias jt808:1 there" in verbs.refused(
        "device", "accept", "jt808:1", "--kind", "vehicle", "--as", "car-1"
    )
    assert "stands in the city pack" in verbs.refused("device", "forget", "car-1")
    verbs.told("device", "forget", "walker-1")
    verbs.told("device", "forget", "played")
    assert {row["device_id"]: row["source"] for row in verbs.told("device", "list")} == {
        "cam-1": "pack",
        "cam-2": "pack",
        "car-1": "pack",
    }


def test_of_too_many_strangers_only_the_messages_are_counted(
    verbs: Verbs, spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curbwatch.health_keeper.STRANGERS_KEPT", 3)
    spine.hear(*(stranger(f"s{number}", number) for number in range(5)), stranger("s4", 9), stranger("s1", 8))
    spine.keeper.keep()
    assert sorted(row["device_id"] for row in verbs.told("device", "strangers")) == ["s0", "s1", "s2"]
    assert spine.telemetry.total("stranger_messages_uncounted") == 3
    spine.hear(stranger("s0", 10))
    spine.keeper.keep()
    assert {row["device_id"]: row["messages"] for row in verbs.told("device", "strangers")} == {
        "s0": 2,
        "s1": 2,
        "s2": 1,
    }


def rows(*seqs: int, lag_ms: int = 250, boot: str = "b") -> PositionRows:
    made = PositionRows()
    for seq in seqs:
        ts_ns = NOW_NS - (100 - seq) * 1_000_000_000
        for name, value in (("device_id", "car"), ("boot", boot), ("lon", 104.0), ("lat", 30.0)):
            getattr(made, name).append(value)
        made.seq.append(seq)
        made.ts_ns.append(ts_ns)
        made.received_ns.append(ts_ns + lag_ms * 1_000_000)
    return made


CAR = DeviceRule("car", "vehicle")


def test_health_says_what_was_sent_and_goes_on_over_a_restart(verbs: Verbs, office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_vehicle(conn, "car")
        register_camera(conn, CameraView("cam"))
    first = Spine(office_url, CAR)
    first.book.positions(rows(0, 1, 2, 5), (), 4, NOW_NS)
    first.book.positions(rows(1, 2), (), 0, NOW_NS)
    first.book.positions(PositionRows(), [DeadLetter(NOW_NS, "t", "car", "json", "", b"")], 0, NOW_NS)
    first.book.gave_up("car", 2)
    first.keeper.stop()
    second = Spine(office_url, CAR)
    second.book.positions(rows(6, 7), (), 2, NOW_NS)
    second.book.positions(rows(0, boot="c"), (), 1, NOW_NS)
    second.keeper.stop()
    told = verbs.told("device", "health", "car")[0]
    assert {name: told[name] for name in ("kind", "state", "lon", "lat", "lag_ms", "skew_ms")} == {
        "kind": "vehicle",
        "state": "online",
        "lon": 104.0,
        "lat": 30.0,
        "lag_ms": 250.0,
        "skew_ms": -250.0,
    }
    counts = ("messages", "gaps", "duplicates", "shed", "rejected", "given_up", "boots", "rate_per_min")
    assert [told[name] for name in counts] == [10, 2, 2, 0, 1, 2, 2, 3.0]
    assert told["last_captured_at"] is not None
    _, out, _ = verbs.run("device", "health", "--lang", "zh")
    heads, values = out.splitlines()
    assert heads.split()[:6] == ["编号", "最近收到", "状态", "每分钟", "消息数", "延迟毫秒"]
    assert values.split()[0] == "car"
    assert values.split()[2].endswith("+08:00")
    assert values.split()[3:8] == ["online", "在线", "3", "10", "250"]
    _, out, _ = verbs.run("device", "health", "car", "--lang", "zh")
    assert "duplicates        2\n" in out
    assert "state             online 在线\n" in out
    assert verbs.run("device", "health", "cam")[1] == "cam accepted, not heard yet\n"
    assert verbs.told("device", "health", "cam") == []
    verbs.config.write_text(verbs.config.read_text() + '[site]\nlang = "en"\n')
    _, out, _ = verbs.run("device", "list")
    assert out.splitlines()[0].split("  ")[0] == "ID"
    listed = {row["device_id"]: row["state"] for row in verbs.told("device", "list")}
    assert listed == {"car": "online", "cam": None}
    assert second.telemetry.total("devices_online", kind="vehicle") == 1


def test_what_an_absent_database_did_not_take_is_written_when_it_is_back(verbs: Verbs, office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_vehicle(conn, "car")
        spine = Spine(office_url, CAR)
        spine.book.positions(rows(0), [stranger("s")], 1, NOW_NS)
        conn.execute("alter table device_health rename to away")
        spine.keeper.keep()
        conn.execute("alter table away rename to device_health")
    spine.keeper.keep()
    spine.keeper.stop()
    assert [row["messages"] for row in verbs.told("device", "health")] == [1]
    assert [row["messages"] for row in verbs.told("device", "strangers")] == [1]


def test_the_health_of_a_device_that_left_the_registry_is_kept_no_more(verbs: Verbs, office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        register_vehicle(conn, "car")
        spine = Spine(office_url, CAR, DeviceRule("gone", "vehicle"))
        spine.book.positions(rows(0), (), 1, NOW_NS)
        spine.book.heard("vehicle", "gone", NOW_NS)
        spine.keeper.keep()
        assert [row["device_id"] for row in verbs.told("device", "health")] == ["car"]
        sync_pack(conn, load_pack(Path("yanjiang")), past_limit_s=WEEK_S)
        conn.execute("delete from device where device_id = 'car'")
    assert verbs.told("device", "health") == []
    spine.keeper.stop()


def test_marks_of_starts_long_over_are_forgotten_at_the_next_start(office_url: str) -> None:
    with db.connect(office_url, autocommit=True) as conn:
        conn.execute("delete from device_mark")
        conn.execute(
            "insert into device_mark (device_id, boot, mark, updated_at)"
            " values ('car', 'old', 7, now() - interval '91 days'), ('car', 'new', 7, now() - interval '89 days')"
        )
        spine = Spine(office_url)
        spine.keeper.stop()
        assert conn.execute("select boot from device_mark").fetchall() == [("new",)]
