"""The written folder: who gets a password, what stays, what a stranger reads, what cannot stand in it."""

import json
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.codecs import CodecKnobs
from config.model import Config
from curbwatch.broker import emqx, mosquitto
from curbwatch.broker.foreign import foreign_forms
from curbwatch.broker.kit import Make, Written, write_kit
from curbwatch.broker.plan import Foreign, Gateway, Tls, make_plan, rights
from curbwatch.parts.paths import write_private
from schemas.errors import ConfigError, UsageError

TLS = Tls("/tls/ca.pem", "/tls/broker.pem", "/tls/broker.key")
MUTUAL = Tls(TLS.authority, TLS.certificate, TLS.key, mutual=True)
GATEWAYS = {"gateway-frigate", "gateway-jt808", "gateway-ngsi_ld", "gateway-thingsboard_gateway", "gateway-traccar"}
OWN = {"intake-positions", "intake-frames", "doctor"} | GATEWAYS
MAKES: tuple[Make, ...] = ("mosquitto", "emqx")


def write(folder: Path, *devices: str, make: Make = "mosquitto", revoke: bool = True, tls: Tls = TLS) -> Written:
    return write_kit(make, Config(), devices, folder, tls=tls, revoke=revoke)


def secrets_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "credentials").iterdir()}


@pytest.mark.parametrize("make", MAKES)
def test_without_a_device_only_our_own_users_can_log_in(tmp_path: Path, make: Make) -> None:
    written = write(tmp_path, make=make)
    assert set(written.users) == set(written.added) == set(secrets_of(tmp_path)) == OWN
    assert written.removed == ()


@pytest.mark.parametrize("make", MAKES)
def test_a_second_time_changes_nothing(tmp_path: Path, make: Make) -> None:
    first = write(tmp_path, "car-1", "cam-1", make=make)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = write(tmp_path, "cam-1", "car-1", make=make)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (set(first.added), again.added, again.removed) == (OWN | {"car-1", "cam-1"}, (), ())


@pytest.mark.parametrize("make", MAKES)
def test_a_new_device_gets_a_password_and_one_that_left_loses_it(tmp_path: Path, make: Make) -> None:
    write(tmp_path, "stays", "leaves", make=make)
    before = secrets_of(tmp_path)
    written = write(tmp_path, "stays", "comes", make=make)
    after = secrets_of(tmp_path)
    assert (written.added, written.removed) == (("comes",), ("leaves",))
    assert after["stays"] == before["stays"]
    assert set(after) == OWN | {"stays", "comes"}
    hashes = (tmp_path / (emqx if make == "emqx" else mosquitto).PASSWORDS).read_text()
    assert "comes" in hashes
    assert "leaves" not in hashes


def test_nobody_is_removed_where_not_every_device_is_known(tmp_path: Path) -> None:
    write(tmp_path, "played")
    written = write(tmp_path, "car-1", revoke=False)
    assert written.removed == ()
    assert "played" in secrets_of(tmp_path)


def test_files_that_are_no_credentials_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "credentials" / "READ ME.txt").write_text("mine")
    (tmp_path / "credentials" / "folder").mkdir()
    (tmp_path / "credentials" / "link").symlink_to(tmp_path / "access")
    assert write(tmp_path).removed == ()
    assert (tmp_path / "access").is_file()


@pytest.mark.parametrize("make", MAKES)
def test_passwords_are_different_long_and_for_their_owner_only(tmp_path: Path, make: Make) -> None:
    write(tmp_path, *(f"car-{number}" for number in range(20)), make=make)
    secrets = secrets_of(tmp_path)
    assert len(set(secrets.values())) == len(secrets)
    assert min(len(secret.strip()) for secret in secrets.values()) >= 32
    for path in (tmp_path / "credentials").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "credentials").stat().st_mode) == 0o700
    told = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert not [secret for secret in secrets.values() if secret.strip() in told]


def test_a_credential_that_others_could_read_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "car-1")
    (tmp_path / "credentials" / "car-1").chmod(0o644)
    with pytest.raises(ConfigError, match=r"car-1.*chmod 600"):
        write(tmp_path, "car-1")


def test_the_intake_keeps_the_password_its_configuration_names(tmp_path: Path) -> None:
    named = write_private(tmp_path / "mine", "known\n")
    config = Config.model_validate({"broker": {"positions_password_file": str(named)}})
    write_kit("mosquitto", config, (), tmp_path / "kit", tls=TLS)
    lines = dict(line.split(":", 1) for line in (tmp_path / "kit" / "passwords").read_text().splitlines())
    assert mosquitto.fits("known", lines["intake-positions"])
    assert "intake-positions" not in secrets_of(tmp_path / "kit")


@pytest.mark.parametrize(
    "name", ["a+b", "#", "a/b", "", "a" * 65, "ä", "a:b", "a\nb", "../x", "intake-frames", "doctor", "gateway-traccar"]
)
def test_an_id_that_would_open_others_topics_or_be_one_of_us_is_refused(tmp_path: Path, name: str) -> None:  # T32
    with pytest.raises(UsageError, match="device ids"):
        write(tmp_path / "kit", name)
    assert not (tmp_path / "kit").exists()


@pytest.mark.parametrize("topic", ["owntracks/+/+", "owntracks/x%u/a", "#", ""])
def test_a_foreign_topic_without_the_devices_name_is_refused(topic: str) -> None:
    with pytest.raises(UsageError, match="own name"):
        make_plan(Config(), (), tls=TLS, folder="/etc/x", data="/var/x", foreign=(Foreign("vehicle", topic),))


@pytest.mark.parametrize("topic", ["a/%u/b\npattern write #", "a/%u/ ", "%c/%u"])
def test_a_foreign_topic_that_would_be_a_rule_of_its_own_is_refused(topic: str) -> None:
    for forms, gateways in (
        ((Foreign("vehicle", topic),), ()),
        ((), (Gateway("gateway-x", "vehicle", (topic.replace("%u", "%x"),)),)),
    ):
        with pytest.raises(UsageError, match="access list"):
            make_plan(Config(), (), tls=TLS, folder="/k", data="/d", foreign=forms, gateways=gateways)


@pytest.mark.parametrize(
    "topic", ["#", "+/#", "city/v1/#", "city/v1/yanjiang/#", "city/v1/+/vehicle/+/ack", "+/+/+/vehicle/x/position"]
)
def test_a_foreign_topic_that_could_be_one_of_ours_is_refused(topic: str) -> None:
    own = (Foreign("vehicle", topic.replace("+", "%u", 1)),) if "+" in topic else ()
    for forms, gateways in ((own, ()), ((), (Gateway("gateway-x", "vehicle", (topic,)),))):
        if forms or gateways:
            with pytest.raises(UsageError, match="would open"):
                make_plan(Config(), (), tls=TLS, folder="/k", data="/d", foreign=forms, gateways=gateways)


@pytest.mark.parametrize("topic", ["city/v2/#", "+/gps", "+/v1", "city/v1/yanjiang", "+/+/chengdu/#"])
def test_a_foreign_topic_beside_ours_is_written(topic: str) -> None:
    gateways = (Gateway("gateway-x", "vehicle", (topic,)),)
    assert make_plan(Config(), (), tls=TLS, folder="/k", data="/d", gateways=gateways).gateways == gateways


@pytest.mark.parametrize("user", ["a b", "+", "#", "", "x\ntopic write #"])
def test_a_user_of_the_intake_that_would_be_a_rule_of_its_own_is_refused(tmp_path: Path, user: str) -> None:
    config = Config.model_validate({"broker": {"positions_user": user}})
    with pytest.raises(UsageError, match="broker users"):
        write_kit("mosquitto", config, (), tmp_path / "kit", tls=TLS)


@pytest.mark.parametrize("path", ["relative", "/a\nlistener 1", "/a ", "/\x00"])
def test_a_path_that_would_be_a_setting_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match="path"):
        write(tmp_path, tls=Tls(path, TLS.certificate, TLS.key))


def test_mosquitto_is_told_tls_limits_and_no_keep_alive() -> None:
    plan = make_plan(Config(), ("car-1",), tls=TLS, folder="/etc/kit", data="/var/lib/mosquitto")
    lines = mosquitto.settings(plan).splitlines()
    for wanted in (
        "listener 8883",
        "tls_version tlsv1.2",
        "cafile /tls/ca.pem",
        "allow_anonymous false",
        "password_file /etc/kit/passwords",
        "acl_file /etc/kit/access",
        "persistence_location /var/lib/mosquitto/",
        "max_queued_messages 200000",
        "max_inflight_messages 0",
        "max_packet_size 2200000",
        "message_size_limit 2100000",
    ):
        assert wanted in lines
    assert not [line for line in lines if line.startswith("max_keepalive")]
    assert not [line for line in lines if "require_certificate" in line]


def test_with_certificates_devices_and_intake_have_a_door_each() -> None:
    plan = make_plan(Config(), ("car-1",), tls=MUTUAL, folder="/etc/kit", data="/var/x", port=9000)
    devices, intake = mosquitto.settings(plan).split("listener 9001")
    assert "use_identity_as_username true" in devices
    assert "require_certificate true" in devices
    assert "require_certificate" not in intake
    assert "certfile" in intake


def test_an_empty_access_list_would_allow_everything_and_is_never_written() -> None:
    assert mosquitto.access(()) == "topic deny #\n"
    assert emqx.access((), ()) == "{deny, all}.\n"


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_hash_is_of_its_own_password_only(password: str, other: str) -> None:
    form = mosquitto.hashed(password)
    entry = emqx.hashed("car-1", password)
    assert mosquitto.fits(password, form)
    assert emqx.fits(password, entry)
    if other != password:
        assert not mosquitto.fits(other, form)
        assert not emqx.fits(other, entry)


@given(st.text(max_size=200))
def test_a_spoiled_password_file_is_made_anew(text: str) -> None:
    assert mosquitto.fits("x", text) is False
    made = mosquitto.passwords({"car-1": "secret"}, text)
    assert mosquitto.fits("secret", made.rstrip("\n").partition(":")[2])
    (entry,) = json.loads(emqx.passwords({"car-1": "secret"}, text))
    assert emqx.fits("secret", entry)


def test_a_level_of_the_topic_is_the_devices_where_the_form_says_so() -> None:
    fields = {"lon": {"path": "x"}, "lat": {"path": "y"}}
    mapping = (
        {"name": "fleet", "topics": ("fleet/+/gps/#",), "device": "topic:1", "fields": fields},
        {"name": "bus", "topics": ("bus/+",), "device": "path:id", "fields": fields},
    )
    knobs = CodecKnobs.model_validate(
        {"enabled": ("fleet", "bus", "osmand", "frigate"), "topics": {"osmand": ("all", "a/+/b")}, "mapping": mapping}
    )
    forms, gateways = foreign_forms(knobs)
    assert {form.topic for form in forms} == {"fleet/%u/gps/#", "a/%u/b"}
    assert {(gateway.user, gateway.topics) for gateway in gateways} == {
        ("gateway-bus", ("bus/+",)),
        ("gateway-osmand", ("all",)),
        ("gateway-frigate", ("frigate/+/+/snapshot", "frigate/+/status/detect")),
    }


def test_a_device_may_write_where_a_form_knows_it_by_another_id() -> None:
    forms, _ = foreign_forms(CodecKnobs())
    aliases = {"jt808:002002604323": "truck", "owntracks:jane": "truck", "traccar:1": "truck", "jt808:1+": "truck"}
    plan = make_plan(Config(), ("truck",), tls=TLS, folder="", data="", foreign=forms, aliases=aliases)
    own = {right.topic for right in rights(plan) if right.user == "truck"}
    assert own == {"jt808/002002604323", "owntracks/jane/+", "owntracks/jane/+/event"}
    for access in (mosquitto.access(rights(plan)), emqx.access(rights(plan), plan.devices)):
        assert "jt808/002002604323" in access
    gone = make_plan(Config(), ("van",), tls=TLS, folder="", data="", foreign=forms, aliases=aliases)
    assert gone.aliased == ()


def test_an_alias_that_is_another_devices_id_is_refused() -> None:
    forms, _ = foreign_forms(CodecKnobs())
    with pytest.raises(UsageError, match=r"truck: its alias owntracks:jane"):
        make_plan(
            Config(), ("truck", "jane"), tls=TLS, folder="", data="", foreign=forms, aliases={"owntracks:jane": "truck"}
        )


def test_without_foreign_forms_there_is_no_foreign_topic() -> None:
    assert foreign_forms(CodecKnobs(enabled=())) == ((), ())


def emqx_plan(*devices: str, tls: Tls = TLS) -> tuple[str, list[str]]:
    plan = make_plan(
        Config(), devices, tls=tls, folder="/etc/kit", data="", foreign=(Foreign("vehicle", "owntracks/%u/+"),)
    )
    return emqx.settings(plan), emqx.access(rights(plan), plan.devices).splitlines()


def braces_fit(text: str) -> bool:
    """Whether brackets close in the order in which they open, outside strings and comments."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', re.sub(r"(?m)^\s*[#%].*$", "", text))
    pairs, open_ = {"}": "{", "]": "["}, []
    for mark in bare:
        if mark in "{[":
            open_.append(mark)
        elif mark in pairs and (not open_ or open_.pop() != pairs[mark]):
            return False
    return not open_


def test_brackets_that_do_not_fit_are_noticed() -> None:
    assert braces_fit('a { b = ["}"] }')
    assert not braces_fit("a { b = [} ]")
    assert not braces_fit("a {")


@pytest.mark.parametrize("tls", [TLS, MUTUAL], ids=["password", "certificate"])
def test_emqx_is_told_what_mosquitto_is_told(tls: Tls) -> None:
    text, _ = emqx_plan("car-1", tls=tls)
    assert braces_fit(text)
    for wanted in (
        "max_packet_size = 2200000",
        "durable_sessions.enable = true",
        "no_match = deny",
        'versions = ["tlsv1.3", "tlsv1.2"]',
        "listeners.tcp.default.enable = false",
        "listeners.ws.default.enable = false",
        'dest_topic = "v1/devices/${username}/$1"',
        "bootstrap_type = hash",
    ):
        assert wanted in text
    assert ("peer_cert_as_username = cn" in text) == tls.mutual
    assert text.count("verify = verify_peer") == int(tls.mutual)
    assert text.count("enable_authn = false") == int(tls.mutual)


def test_emqx_denies_what_it_does_not_name_and_knows_every_device() -> None:
    _, rules = emqx_plan("car-1", "cam-1")
    assert all(rule.startswith(("{allow, ", "{deny, ")) and rule.endswith("}.") and braces_fit(rule) for rule in rules)
    assert rules[-1] == "{deny, all}."
    assert rules.count("{deny, all}.") == 1
    assert '{allow, all, publish, ["city/v1/yanjiang/vehicle/${username}/position"]}.' in rules
    assert '{allow, all, publish, ["owntracks/${username}/+"]}.' in rules
    for device in ("car-1", "cam-1"):
        assert f'{{allow, {{user, "{device}"}}, publish, ["v1/devices/me/telemetry"]}}.' in rules
    # The first rule that fits wins: the intake may not speak as a device of its own name.
    own = [index for index, rule in enumerate(rules) if rule.startswith('{deny, {user, "intake-')]
    assert own
    assert max(own) < min(index for index, rule in enumerate(rules) if rule.startswith("{allow, "))


def test_emqx_can_import_every_user(tmp_path: Path) -> None:
    write(tmp_path, "car-1", make="emqx")
    entries = json.loads((tmp_path / "users.json").read_text())
    assert {entry["user_id"] for entry in entries} == OWN | {"car-1"}
    for entry in entries:
        assert set(entry) == {"user_id", "password_hash", "salt", "is_superuser"}
        assert re.fullmatch(r"[0-9a-f]{64}", entry["password_hash"])
        assert entry["is_superuser"] is False
        assert emqx.fits((tmp_path / "credentials" / entry["user_id"]).read_text().strip(), entry)
