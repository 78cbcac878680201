"""Looks at the broker as the intake meets it."""

import os

from config.model import Config
from curbwatch.doctor.finding import Finding, fault, ok
from curbwatch.doctor.guest import Address, Guest
from curbwatch.doctor.limits import AREA, judge_dropped, judge_limits, judge_transport, judge_version
from curbwatch.endpoints import Endpoints
from curbwatch.packets import Login
from ingest.mqtt import DROPPED_TOPIC, VERSION_TOPIC
from schemas.errors import FeedError

TOLD_S = 1.0  # brokers that tell their version do so with the answer to the subscription
PASSWORDS_REMEDY = "check broker.*_user and broker.*_password_file"


def look_at_broker(config: Config, endpoints: Endpoints) -> list[Finding]:
    """Log in as the intake does and judge what the broker answers; without a broker: one fault."""
    if not endpoints.broker_url:
        return [fault(AREA, "reachable", "no broker is configured", "set broker.url, or run `curbwatch parts up`")]
    found = [judge_transport(endpoints.broker_url), _anonymous(config, endpoints)]
    for user in (config.broker.frames_user, config.broker.positions_user):
        try:
            with Guest(address(config, endpoints), login(config, endpoints, user)) as guest:
                found.append(ok(AREA, f"user {user}", "logs in"))
                if user == config.broker.positions_user:
                    found += _told(guest, config)
                guest.leave(for_ever=True)
        except FeedError as error:
            there = "broker.url, and that it runs" if config.broker.url else "that it runs: `curbwatch parts up`"
            found.append(fault(AREA, f"user {user}", str(error), f"{PASSWORDS_REMEDY}, and {there}"))
    return found


def address(config: Config, endpoints: Endpoints) -> Address:
    """Where the broker is."""
    return Address(endpoints.broker_url, config.broker.ca_file)


def login(config: Config, endpoints: Endpoints, user: str, suffix: str = "doctor") -> Login:
    """Log in as a user, with the intake's wishes and a client id of our own: the intake's session is left alone."""
    return Login(
        user,
        endpoints.passwords.get(user, ""),
        client_id=f"{config.intake.client_id}-{config.site.site}-{user}-{suffix}-{os.getpid()}",
        expiry_s=config.intake.session_expiry_s,
        keepalive_s=config.broker.keepalive_s,
    )


def _told(guest: Guest, config: Config) -> list[Finding]:
    for topic in (VERSION_TOPIC, DROPPED_TOPIC):
        guest.subscribe(topic)
    said = {
        message.topic: message.payload.decode("ascii", "replace") for message in guest.settle(wanted=2, wait_s=TOLD_S)
    }
    return [
        judge_version(said.get(VERSION_TOPIC)),
        judge_dropped(said.get(DROPPED_TOPIC)),
        *judge_limits(guest.welcome.limits, config),
    ]


def _anonymous(config: Config, endpoints: Endpoints) -> Finding:
    try:
        Guest(address(config, endpoints), Login("", client_id="curbwatch-doctor-nobody")).leave()
    except FeedError:
        return ok(AREA, "anonymous", "nobody gets in without a name")
    remedy = "allow_anonymous false, and a user for each device: curbwatch broker-config"
    return fault(AREA, "anonymous", "anybody gets in without a password", remedy)
