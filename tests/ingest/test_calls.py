"""A call for help is handed on before the position that brought it is acknowledged."""

from dataclasses import replace

import pytest

from ingest.emergencies import calls_in
from ingest.ledger import Ticket
from schemas.alarms import Call
from schemas.errors import SinkError
from schemas.position import PositionRows
from tests.ingest.writer_case import FakeStore, Session, message, writer_of


def rows_of(*alarms: tuple[str, ...], lon: float = 104.6, lat: float = 30.1, behind_ns: int = 5) -> PositionRows:
    rows = PositionRows()
    for number, told in enumerate(alarms):
        rows.device_id.append(f"car-{number}")
        rows.ts_ns.append(1000)
        rows.received_ns.append(1000 + behind_ns)
        rows.lon.append(lon)
        rows.lat.append(lat)
        rows.alarms.append(told)
    return rows


def test_nobody_calls() -> None:
    assert calls_in(PositionRows()) == []
    assert calls_in(rows_of((), ("low_battery", "collision"))) == []


def test_a_call_says_who_when_and_where() -> None:
    rows = rows_of((), ("low_battery", "sos"))
    assert calls_in(rows) == [Call("car-1", 1000, (104.6, 30.1))]
    assert calls_in(rows_of(("sos",), lon=0, lat=0)) == [Call("car-0", 1000, None)]


def test_a_clock_that_is_ahead_calls_no_later_than_it_came() -> None:
    assert calls_in(rows_of(("sos",), behind_ns=-300))[0].at_ns == 700


@pytest.mark.parametrize("failures", [0, 2])
def test_nothing_is_acknowledged_before_the_call_is_taken(failures: int) -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, retry_s=5.0)
    tries: list[list[Call]] = []

    def hear(calls: list[Call]) -> None:
        assert store.seqs, "the position is stored first"
        assert session.finished == []
        tries.append(calls)
        if len(tries) <= failures:
            raise SinkError("away", retryable=True)

    writer._hear = hear  # type: ignore[assignment]
    writer.start(session.outlets())
    sos = message(7).payload[:-1] + b', "alarms": ["sos"]}'
    writer.put(replace(message(7), payload=sos), Ticket(1, 1))
    session.until(lambda: session.finished == [Ticket(1, 1)])
    writer.stop()
    assert len(tries) == failures + 1
    assert {call.vehicle_id for calls in tries for call in calls} == {"car"}
