"""The road of a position from bytes to the database, with the outcome in the words of the catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import curbwatch.database as db
from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from config.quality import QualityKnobs
from ingest.admission import Admission
from ingest.forms import Forms, PositionForms
from ingest.quality import Quality
from ingest.store import IntakeStore
from schemas import flags as f
from schemas.city import CityBox
from schemas.device import DeviceRule
from schemas.position import RawMessage
from tests.ingest.native_case import GOOD, NOW_MS, NOW_NS, SCHEME, WEEK_S, body

ROW, SAME, RETAINED = "row", "same row", "ignore"
YANJIANG = CityBox(104.0, 29.5, 105.3, 30.7)
NEIGHBOUR = "neighbour"


@dataclass(frozen=True)
class Sent:
    """One message and what becomes of it: ``row``, ``flag:x``, ``DLQ:x``, ``same row`` or ``ignore`` for each item.

    ``topic`` "": the case's own device. ``stored``: columns of the newest row of the device.
    """

    payload: bytes
    ends: Sequence[str] = (ROW,)
    topic: str = ""
    qos: int = 1
    retain: bool = False
    after_s: float = 0.0
    properties: tuple[tuple[str, str], ...] = ()
    stored: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One entry of the catalogue: what it is, and messages sent one after the other by a device of its own."""

    what: str
    sent: Sequence[Sent]
    rule: Mapping[str, Any] = field(default_factory=dict)
    box: CityBox = YANJIANG


def bad(what: str, *payloads: bytes, reason: str) -> Case:
    """Every payload is one dead letter of this reason."""
    return Case(what, [Sent(payload, (f"DLQ:{reason}",)) for payload in payloads])


def good(what: str, *payloads: bytes, **stored: object) -> Case:
    """Every payload is one row."""
    return Case(what, [Sent(payload, stored=stored) for payload in payloads])


def at(s: float = 0.0, **change: object) -> bytes:
    """A good position ``s`` seconds after the others; its ``seq`` says so."""
    return body(**({"ts": NOW_MS + round(s * 1000), "seq": round(s)} | change))


@dataclass
class Rules:
    """What the intake knows of devices."""

    rules: dict[str, DeviceRule]

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


class Road:
    """Admission, forms, quality and the real store."""

    def __init__(self, url: str, store: IntakeStore) -> None:
        self._url = url
        self._store = store
        self.devices = Rules({NEIGHBOUR: DeviceRule(NEIGHBOUR, "vehicle")})
        self._forms = PositionForms(SCHEME, 300.0, Forms(CodecKnobs(), "vehicle"))
        self._states: Mapping[str, Any] = self._forms.foreign.begin()
        knobs = IntakeKnobs()
        self._admission = Admission(knobs, self._forms, self.devices)
        self.quality = Quality(QualityKnobs(), YANJIANG)
        self._beside = 0

    def enter(self, name: str, case: Case) -> None:
        """Register the case's own device; what was stored is taken out."""
        self.devices.rules[name] = DeviceRule(name, "vehicle", **({"max_age_s": WEEK_S} | dict(case.rule)))
        self.quality = Quality(QualityKnobs(), case.box)
        with db.connect(self._url, autocommit=True) as conn:
            conn.execute("delete from position")
            conn.execute("delete from dead_letter")

    def play(self, name: str, case: Case) -> None:
        """Send a case; each message ends as it says, and the good one of another device behind it is stored."""
        self.enter(name, case)
        rows, letters = 0, 0
        for sent in case.sent:
            topic = sent.topic or SCHEME.of("vehicle", name, "position")
            received_ns = NOW_NS + round(sent.after_s * 1e9)
            message = RawMessage(topic, sent.payload, received_ns, sent.properties, sent.qos, sent.retain)
            ends = self.take([message])
            assert ends == list(sent.ends), (case.what, sent.payload[:80])
            rows += sum(end == ROW or end.startswith("flag:") for end in ends)
            letters += sum(end.startswith("DLQ:") for end in ends)
            for column, value in sent.stored.items():
                assert self.column(name, column) == value, column
        assert self.count("position where device_id <> 'neighbour'") == rows
        assert self.count("dead_letter") <= letters, "the same letter again is one letter"
        assert bool(letters) == bool(self.count("dead_letter"))
        assert self.count("position where device_id = 'neighbour'") == len(case.sent)

    def take(self, messages: list[RawMessage]) -> list[str]:
        """Store a batch with a good message of a neighbour behind it; what became of the others."""
        self._beside += 1
        beside = body(seq=self._beside, ts=NOW_MS + self._beside)
        last = RawMessage(SCHEME.of("vehicle", NEIGHBOUR, "position"), beside, NOW_NS)
        admitted = self._admission.admit([*messages, last])
        rules = self.devices.rules
        decoded = self._forms.decode(admitted.passed, rules, self._states, NOW_NS, admitted.gate)
        letters = [*decoded.dead_letters, *admitted.shed]
        judged = self.quality.judge(decoded.rows)
        stored = self._store.write(decoded.rows, letters)
        self.quality.accept(judged)
        self._admission.accept(admitted)
        self._states = decoded.states
        assert stored.refused == stored.letters_capped == stored.letters_refused == 0
        assert decoded.rows.device_id[-1] == NEIGHBOUR, "the next good message passes"
        words = [_words(flags) for flags in decoded.rows.flags[:-1]]
        if stored.duplicate:
            assert stored.duplicate == len(words)
            words = [SAME] * stored.duplicate
        return words + [f"DLQ:{letter.reason}" for letter in letters] + [RETAINED] * admitted.retained

    def count(self, where: str) -> int:
        return int(self._one(f"select count(*) from {where}"))  # noqa: S608  # a constant

    def column(self, device_id: str, column: str) -> Any:  # noqa: ANN401
        """One column of the newest row of a device."""
        found = f"select {column} from position where device_id = '{device_id}' order by ts desc limit 1"  # noqa: S608
        return self._one(found)

    def _one(self, query: str) -> Any:  # noqa: ANN401
        with db.connect(self._url) as conn:
            row = conn.execute(query).fetchone()
        assert row is not None, query
        return row[0]


def _words(flags: int) -> str:
    return "flag:" + ",".join(name for bit, name in f.NAMES.items() if flags & bit) if flags else ROW


@contextmanager
def road(servers_url: str, name: str) -> Iterator[Road]:
    """A road to a database of its own."""
    url = db.fresh_database(servers_url, name)
    try:
        db.migrate(url)
        with closing(IntakeStore(url, payload_bytes=4096)) as store:
            yield Road(url, store)
    finally:
        with db.connect(servers_url, autocommit=True) as conn:
            db.drop_database(conn, name)


def place(lon: float, lat: float) -> dict[str, float]:
    return dict(GOOD) | {"lon": lon, "lat": lat}
