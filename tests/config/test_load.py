"""The configuration: one frozen value, or every fault at once."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.load import load_config, read_secret, secret_faults
from config.model import Config
from schemas.errors import ConfigError
from tests.certificate import AUTHORITY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "curbwatch.toml"


def faults_of(file: Path | None, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(file, environment or {})
    return [str(fault) for fault in caught.value.faults]


def test_no_file_and_an_empty_file_are_the_defaults(file: Path) -> None:
    file.write_bytes(b"")
    assert load_config(None, {}) == load_config(file, {}) == Config()


def test_byte_order_mark_tabs_and_windows_line_ends_are_accepted(file: Path) -> None:
    file.write_bytes("\ufeff[vision]\r\n\tdwell_s\t=\t20\t# 秒\r\n".encode())
    assert load_config(file, {}).vision.dwell_s == 20


def test_every_fault_is_reported_at_once_with_file_key_and_value(file: Path) -> None:
    file.write_text('[vison]\na = 1\n[vision]\nmatch_grey = 0\ndwel_s = 3\n[http]\nport = "8460"\n')
    faults = faults_of(file, {"CURBWATCH_HTTP__PORT": "70000", "CURBWATCH_HTTP__PRT": "1"})
    assert sorted(faults) == sorted(
        [
            f"{file}: vison: unknown key; did you mean 'vision'?",
            f"{file}: vision.dwel_s: unknown key; did you mean 'dwell_s'?",
            f"{file}: vision.match_grey = 0: should be greater than or equal to 1",
            f"{file}: http.port = 8460: should be a valid integer",
            "environment: CURBWATCH_HTTP__PORT = 70000: should be less than or equal to 65535",
            "environment: CURBWATCH_HTTP__PRT: unknown variable; did you mean 'CURBWATCH_HTTP__PORT'?",
        ]
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[site\n", ":1: is not TOML: Expected ']'"),
        (b"[vision]\ndwell_s = \n", ":2: is not TOML"),
        (b"[vision]\ndwell_s = 1\ndwell_s = 2\n", ":3: is not TOML: Cannot overwrite a value"),
        (b"[vision]\nx = '\xff'\n", ":2: is not UTF-8"),
        ("[site]\n# 注释\n".encode("gbk"), ":2: is not UTF-8 (it looks like GBK"),
        ("[site]\n".encode("utf-16"), ": is UTF-16"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "is not TOML"),
        (b"[vision]\ndwell_s = nan\n", "vision.dwell_s = nan"),
        (b"[vision]\ndwell_s = 0\n", "vision.dwell_s = 0"),
        (b"[vision]\ndwell_s = true\n", "vision.dwell_s = True"),
        (b"[intake]\nsession_expiry_s = 0\n", "intake.session_expiry_s = 0"),
        (b"[intake]\npast_limit_s = 0\n", "intake.past_limit_s = 0"),
        (b"vision = 3\n", "vision = 3"),
        (b"[[vision]]\n", "vision"),
        (b"[alerts]\ndirect_classes = [9006]\n", "alerts.direct_classes[0] = 9006"),
        (b"&a [*a, *a]\n", ":1: is not TOML"),
        (b"x = !!python/object:os.system\n", ":1: is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(file: Path, content: bytes, expected: str) -> None:
    file.write_bytes(content)
    assert any(expected in fault and str(file) in fault for fault in faults_of(file))


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(tmp_path: Path, file: Path) -> None:
    assert "there is no such file" in faults_of(file)[0]
    assert "is not a file" in faults_of(tmp_path)[0]
    with file.open("wb") as handle:
        handle.truncate(5_000_000)
    assert "is larger than" in faults_of(file)[0]
    assert faults_of(Path("a\0b"))


def test_variables_win_over_the_file_and_others_are_left_alone(file: Path) -> None:
    file.write_text("[vision]\ndwell_s = 30\ngone_s = 5\n")
    environment = {
        "CURBWATCH_VISION__DWELL_S": "20",
        "CURBWATCH_SITE__SITE": "0123",
        "CURBWATCH_LOG__LEVEL": "debug",
        "CURBWATCH_ALERTS__DIRECT_CLASSES": "09006, 06010",
        "CURBWATCH_HOME": "/somewhere",
        "CURBWATCH_DATABASE_URL": "postgresql://x",
        "PATH": "/bin",
    }
    config = load_config(file, environment)
    assert (config.vision.dwell_s, config.vision.gone_s) == (20, 5)
    assert (config.site.site, config.log.level) == ("0123", "debug")
    assert config.alerts.direct_classes == ("09006", "06010")
    listed = {"CURBWATCH_ALERTS__DIRECT_CLASSES": '["09006"]'}
    assert load_config(None, listed).alerts.direct_classes == ("09006",)


def test_relative_paths_count_from_the_file(file: Path) -> None:
    file.write_text('[site]\npack = "./my"\n[database]\nurl_file = "db.url"\n[alerts]\nevidence_dir = "/e"\n')
    config = load_config(file, {})
    assert Path(config.site.pack) == file.parent / "my"
    assert Path(config.database.url_file) == file.parent / "db.url"
    assert config.alerts.evidence_dir == "/e"
    file.write_text('[site]\npack = "yanjiang"\n')
    assert load_config(file, {}).site.pack == "yanjiang"


def test_the_password_of_an_address_is_not_printed(file: Path) -> None:
    file.write_text('[site]\nlang = "mqtt://crew:hunter2@host:1883/x"\n')
    (fault,) = faults_of(file)
    assert "hunter2" not in fault
    assert "mqtt://crew:***@host:1883/x" in fault
    file.write_text('[database]\nurl = "crew:hunter2@host/db"\n')
    (fault,) = faults_of(file)
    assert "database.url = ***@host/db: is not of the form" in fault


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().vision.dwell_s = 3  # type: ignore[misc]


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xef\xbb\xbf pass word\r\n")
    secret.chmod(0o600)
    assert read_secret(secret) == " pass word"


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (b"x", 0o644, "0644: every user can read this secret: chmod 600 it"),
        (b"x", 0o604, "every user can read"),
        (b"", 0o600, "is empty"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "is not UTF-8"),
        (b"x" * 70_000, 0o600, "is too large"),
        (None, 0o600, "there is no such file"),
    ],
)
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: bytes | None, mode: int, expected: str) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
        secret.chmod(mode)
    with pytest.raises(ConfigError, match=expected):
        read_secret(secret)


def test_a_secret_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null"), Path("a\0b"), tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError):
            read_secret(path)


def test_every_secret_file_of_a_configuration_is_looked_at(tmp_path: Path) -> None:
    readable = tmp_path / "open"
    readable.write_text("x")
    readable.chmod(0o644)
    broker = {"positions_password_file": str(readable), "frames_password_file": str(tmp_path / "no"), "url": ""}
    authority = tmp_path / "ca.pem"
    authority.write_text(AUTHORITY)
    data = {"broker": broker | {"ca_file": str(authority)}, "redis": {"url_file": str(tmp_path)}, "log": {"level": "x"}}
    faults = {fault.key: fault.message for fault in secret_faults(data, "c.toml")}
    assert set(faults) == {"broker.positions_password_file", "broker.frames_password_file", "redis.url_file"}
    assert "(mode 0644)" in faults["broker.positions_password_file"]
    both = {"redis": {"url": "redis://x", "url_file": str(tmp_path / "no")}}
    assert secret_faults(both, "c.toml")[0].message == "give url or url_file, not both"
    missing = {"broker": {"ca_file": str(tmp_path / "none.pem")}}
    assert secret_faults(missing, "c.toml")[0].message == "there is no such file"


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no such file"), ("", "no certificate"), ("x", "no certificate")]
)
def test_an_authority_that_tls_cannot_use_is_refused_by_run_and_check(
    file: Path, content: str | None, message: str
) -> None:
    authority = file.parent / "ca.pem"
    if content is not None:
        authority.write_text(content)
    file.write_text('[broker]\nca_file = "ca.pem"\n')
    (fault,) = faults_of(file)
    assert fault.startswith(f"{file}: broker.ca_file = {authority}: ")
    assert message in fault
    (checked,) = secret_faults({"broker": {"ca_file": str(authority)}}, str(file))
    assert str(checked) == fault
    authority.write_text("# Türktrust\n" + AUTHORITY)
    assert load_config(file, {}).broker.ca_file == str(authority)


@pytest.mark.parametrize("url", ["mqtt://h:notaport", "mqtt://h:70000", "mqtt://h:0", "mqtt://:1883", "mqtts://[::1"])
def test_a_broker_whose_address_cannot_be_dialled_is_refused(file: Path, url: str) -> None:
    file.write_text(f'[broker]\nurl = "{url}"\n')
    (fault,) = faults_of(file)
    assert "broker.url" in fault
    assert "should be mqtt://host:port" in fault


def test_a_broker_needs_no_port_and_may_have_any_kind_of_name(file: Path) -> None:
    for url in ("mqtt://h", "mqtts://broker.example:8883", "mqtt://[::1]:1883", "mqtt://u:p%23w@h:1"):
        file.write_text(f'[broker]\nurl = "{url}"\n')
        assert load_config(file, {}).broker.url == url


def test_a_broker_password_that_breaks_the_address_is_not_printed(file: Path) -> None:
    file.write_text('[broker]\nurl = "mqtt://u:my#secret@h:1883"\n')
    (fault,) = faults_of(file)
    assert "mqtt://u:***@h:1883" in fault
    assert "my" not in fault.replace(file.as_posix(), "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(content=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(lambda t: t.encode("utf-8", "replace"))))
def test_any_bytes_load_or_are_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        assert isinstance(load_config(file, {}), Config)
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise


SECTIONS = sorted(Config.model_fields)
KEYS = sorted({key for section in Config() for key in type(section[1]).model_fields} | {"x"})
VALUES = st.sampled_from(
    [
        "1",
        "-1",
        "0.5",
        "nan",
        "inf",
        '""',
        '"a"',
        "true",
        "[]",
        "[[1]]",
        "{}",
        "{a=1}",
        "1979-05-27",
        "07:32:00",
        "9e999",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(tables=st.dictionaries(st.sampled_from(SECTIONS), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)))
def test_any_toml_loads_or_is_refused(file: Path, tables: dict[str, dict[str, str]]) -> None:
    lines = [f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in table.items()) for section, table in tables.items()]
    file.write_text("".join(lines))
    try:
        assert isinstance(load_config(file, {}), Config)
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise


@settings(deadline=None, max_examples=100)
@given(
    name=st.one_of(st.sampled_from(["VISION__DWELL_S", "SITE__SITE", "ALERTS__DIRECT_CLASSES"]), st.text(max_size=20)),
    value=st.text(max_size=30),
)
def test_any_variable_loads_or_is_refused(name: str, value: str) -> None:
    try:
        assert isinstance(load_config(None, {"CURBWATCH_" + name: value}), Config)
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise


def test_a_home_that_does_not_exist_stays_as_written(file: Path) -> None:
    file.write_text('[database]\nurl_file = "~no-such-user/x"\n')
    assert load_config(file, {}).database.url_file.endswith("~no-such-user/x")


def test_buffers_that_do_not_fit_into_the_memory_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[engine]\nmemory_limit_bytes = 750_000_000\n[intake]\nframes_buffer_bytes = 100_000_000\n")
    assert load_config(file, {}).engine.memory_limit_bytes == 750_000_000
    file.write_text("[engine]\nmemory_limit_bytes = 750_000_000\n")
    with pytest.raises(ConfigError, match="raise the limit or lower one of them"):
        load_config(file, {})


def test_a_missing_secret_file_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none: redis\.url_file: there is no such file"):
        read_secret(tmp_path / "none", "redis.url_file")
