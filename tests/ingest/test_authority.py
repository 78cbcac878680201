"""A broker with TLS: its authority may be missing at the start, or for a while later."""

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest.mqtt import MqttSession
from ingest.session_plan import SessionPlan
from schemas.errors import FeedError
from schemas.meter import NullMeter
from tests.certificate import AUTHORITY


def made(ca_file: Path) -> MqttSession:
    """A session with a broker that is not there."""
    plan = SessionPlan("mqtts://127.0.0.1:1", "c", "u", 10, 0, (), reconnect_max_s=0.05, ca_file=str(ca_file))
    return MqttSession(plan, "", NullMeter(), lambda _message, _ticket: None)


def test_a_missing_authority_is_one_clean_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"broker\.ca_file .*none\.pem: cannot be used"):
        made(tmp_path / "none.pem")


def test_an_authority_that_is_being_replaced_does_not_end_the_session(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(AUTHORITY)
    session = made(authority)
    authority.unlink()
    session.start()
    try:
        assert session.alive
        assert not session.refusal
    finally:
        session.stop()


def test_a_broker_whose_certificate_is_not_trusted_is_named_with_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def distrust(*_args: object, **_words: object) -> None:
        raise ssl.SSLCertVerificationError(1, "certificate verify failed")

    authority = tmp_path / "ca.pem"
    authority.write_text(AUTHORITY)
    session = made(authority)
    monkeypatch.setattr("ingest.mqtt._Client.connect", distrust)
    with capture_logs() as said:
        session.start()
        session.stop()
    away = next(entry for entry in said if entry["event"] == "broker_away")
    assert away["broker"] == "mqtts://127.0.0.1:1"
    assert away["error"].endswith("certificate verify failed; check broker.ca_file")
