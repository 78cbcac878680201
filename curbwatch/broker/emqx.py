"""EMQX's files: a piece of configuration, acl.conf, the users to import. Pure.

Written from EMQX's manual (version 5.8) and source, and not run here: docs/broker.md says so.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from curbwatch.broker.plan import NAME, QUEUE_MESSAGES, BrokerPlan, Right

CONFIG, ACCESS, PASSWORDS = "curbwatch.conf", "acl.conf", "users.json"
ACTIONS = {"read": ("allow", "subscribe"), "write": ("allow", "publish"), "deny": ("deny", "all")}

LIMITS = """\
mqtt {{
  max_packet_size = {packet_max}
  # The default of 1000 drops the newest without a word.
  max_mqueue_len = {queue_messages}
  mqueue_store_qos0 = false
  max_inflight = 65535
  session_expiry_interval = 24h
  retain_available = true
  wildcard_subscription = true
  exclusive_subscription = false{mutual}
}}

# On disk: without this a session, and what is queued for it, is lost with its node.
durable_sessions.enable = true

# bootstrap_file is read at a start only; later users.json is imported over the dashboard or its HTTP interface.
authentication = [
  {{
    mechanism = password_based
    backend = built_in_database
    user_id_type = username
    password_hash_algorithm {{ name = sha256, salt_position = suffix }}
    bootstrap_file = {users}
    bootstrap_type = hash
  }}
]

authorization {{
  # What no rule names is refused.
  no_match = deny
  deny_action = ignore
  cache.enable = true
  sources = [
    {{ type = file, enable = true, path = {access} }}
  ]
}}

# ThingsBoard's devices all say "me"; who that is, the broker knows. Rights are asked before, by the name "me".
rewrite = [
  {{
    action = publish
    source_topic = "v1/devices/me/+"
    re = "^v1/devices/me/(.+)$"
    dest_topic = "v1/devices/${{username}}/$1"
  }}
]
"""

LISTENER = """\
listeners.ssl.{name} {{
  bind = {bind}
  ssl_options {{
    cacertfile = {authority}
    certfile = {certificate}
    keyfile = {key}
    versions = ["tlsv1.3", "tlsv1.2"]
    verify = {verify}
    fail_if_no_peer_cert = {needs}
  }}
  enable_authn = {authn}
}}
"""

# EMQX opens these by itself; without TLS nobody gets in.
CLOSED = """\
listeners.tcp.default.enable = false
listeners.ws.default.enable = false
listeners.wss.default.enable = false
"""

# A device is whom its certificate names: common name = device id.
MUTUAL = "\n  peer_cert_as_username = cn"


def settings(plan: BrokerPlan) -> str:
    """Text to be included from emqx.conf. Raises ValueError without TLS: this configuration is for networks."""
    if plan.tls is None:
        raise ValueError("EMQX is configured with TLS only")
    mutual = plan.tls.mutual
    listeners = [_listener(plan, "default", plan.port, mutual=mutual)]
    if mutual:
        listeners.append(_listener(plan, "intake", plan.port + 1, mutual=False))
    limits = LIMITS.format(
        packet_max=plan.packet_max_bytes,
        queue_messages=QUEUE_MESSAGES,
        mutual=MUTUAL if mutual else "",
        users=_quoted(f"{plan.folder}/{PASSWORDS}"),
        access=_quoted(f"{plan.folder}/{ACCESS}"),
    )
    return "\n".join((*listeners, CLOSED, limits))


def access(rights: Iterable[Right], devices: Iterable[str]) -> str:
    """Text of acl.conf, whose last rule denies. Devices are those that may also speak as ThingsBoard's do.

    EMQX takes the first rule that fits, so our own users come before the rules for everybody.
    """
    listed = sorted(rights, key=lambda right: (not right.user, right.act != "deny"))
    rules = [_rule(right) for right in listed]
    rules += [
        f'{{allow, {{user, {_quoted(name)}}}, publish, ["v1/devices/me/telemetry"]}}.' for name in sorted(set(devices))
    ]
    return "\n".join((*rules, "{deny, all}.")) + "\n"


def passwords(secret: Mapping[str, str], before: str = "") -> str:
    """Text of the users to import, as JSON; an entry of the one before stays where it still fits."""
    known = {entry["user_id"]: entry for entry in _read(before)}
    entries = [
        known[user] if user in known and fits(password, known[user]) else hashed(user, password)
        for user, password in secret.items()
    ]
    return json.dumps(entries, indent=1) + "\n"


def hashed(user: str, password: str) -> dict[str, Any]:
    """One user: SHA-256 over the password and its salt, EMQX's default; made passwords need no slower one."""
    salt = secrets.token_hex(16)
    return {"user_id": user, "password_hash": _digest(password, salt), "salt": salt, "is_superuser": False}


def fits(password: str, entry: Mapping[str, Any]) -> bool:
    """Whether an entry is this password's."""
    made = _digest(password, str(entry["salt"]))
    return hmac.compare_digest(made.encode(), str(entry["password_hash"]).encode()) and entry["is_superuser"] is False


class _Entry(msgspec.Struct):
    user_id: str
    password_hash: str
    salt: str
    is_superuser: bool


def _read(text: str) -> list[dict[str, Any]]:
    try:
        return [msgspec.structs.asdict(entry) for entry in msgspec.json.decode(text, type=list[_Entry])]
    except (msgspec.MsgspecError, RecursionError):
        return []


def _digest(password: str, salt: str) -> str:
    return hashlib.sha256((password + salt).encode()).hexdigest()


def _rule(right: Right) -> str:
    effect, action = ACTIONS[right.act]
    who = f"{{user, {_quoted(right.user)}}}" if right.user else "all"
    return f"{{{effect}, {who}, {action}, [{_quoted(right.topic.replace(NAME, '${username}'))}]}}."


def _listener(plan: BrokerPlan, name: str, port: int, *, mutual: bool) -> str:
    if plan.tls is None:
        raise ValueError("a listener without TLS")
    return LISTENER.format(
        name=name,
        bind=_quoted(f"{plan.host or '0.0.0.0'}:{port}"),  # noqa: S104  # a city's devices come from outside
        authority=_quoted(plan.tls.authority),
        certificate=_quoted(plan.tls.certificate),
        key=_quoted(plan.tls.key),
        verify="verify_peer" if mutual else "verify_none",
        needs="true" if mutual else "false",
        authn="false" if mutual else "true",
    )


def _quoted(text: str) -> str:
    """Return a string of HOCON and of Erlang terms: both read JSON's escapes of quotes and backslashes."""
    return json.dumps(text, ensure_ascii=False)
