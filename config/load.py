"""TOML file and environment to one frozen Config; every fault at once, with file, key and value."""

import os
import ssl
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from config.faults import Faults, nearest
from config.model import Config
from config.reading import TOML_MAX_BYTES, parse_toml, read_bytes, to_text
from schemas.errors import ConfigError, Fault

PREFIX = "CURBWATCH_"
SECRET_MAX_BYTES = 65_536
AUTHORITY_MAX_BYTES = 1_048_576  # a system's whole bundle has about 220 000
# Relative values of these keys count from the folder of the file that holds them.
PATH_ENDINGS = ("_file", "_dir")


def load_config(path: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Read ``path`` (None: defaults only), overridden by ``CURBWATCH_<SECTION>__<KEY>`` variables.

    ``environment``: None reads the process's own. An empty file is the default configuration; a byte-order mark
    and tabs are accepted. Relative paths in the file count from its folder, those in variables from the working
    folder. Raises ConfigError with every fault; never anything else.
    """
    data, found = read_config(path, environment)
    faults = Faults()
    faults.extend(found)
    faults.refuse()
    file = str(path or "environment")
    config = faults.validate(Config, data, file) or Config()
    if config.broker.ca_file:
        _check_authority("broker.ca_file", config.broker.ca_file, file, faults)
    faults.refuse()
    return config


def read_config(
    path: Path | None, environment: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, Any]], tuple[Fault, ...]]:
    """Return what file and variables say, by section and key, and every fault in it; what is wrong stays in.

    For those who want to look further in spite of faults, as ``check`` does; others use ``load_config``.
    """
    faults = Faults()
    data: dict[str, Any] = (_read(path, faults) if path is not None else None) or {}
    # Each layer is checked by itself, so that a fault names the file or the variable it comes from.
    if path is not None:
        _anchor(data, path.parent)
        faults.validate(Config, data, str(path))
    overrides = _overrides(os.environ if environment is None else environment, faults)
    for (section, key), (variable, value) in overrides.items():
        layer = Faults()
        layer.validate(Config, {section: {key: value}}, "environment")
        for fault in layer:
            faults.add("environment", variable, fault.value, fault.message)
    return _merged(data, overrides), tuple(faults)


def read_secret(path: Path, key: str = "") -> str:
    """Return the text of a secret file without its line end; ``key`` names it in what is raised.

    Raises ConfigError where the file is missing, not a regular file, readable by every user, empty or too large.
    """
    name = str(path)
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise _refusal(name, key, "", "is not a regular file")
        if state.st_mode & stat.S_IROTH:
            raise _refusal(name, key, f"{state.st_mode & 0o7777:04o}", "every user can read this secret: chmod 600 it")
        if state.st_size > SECRET_MAX_BYTES:
            raise _refusal(name, key, f"{state.st_size} bytes", "is too large for a secret")
        secret = path.read_text(encoding="utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        raise _refusal(name, key, "", "is not UTF-8") from None
    except FileNotFoundError:
        raise _refusal(name, key, "", "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _refusal(name, key, "", f"cannot be read: {reason}") from None
    if not secret.strip():
        raise _refusal(name, key, "", "is empty")
    return secret


def secret_faults(data: Mapping[str, Mapping[str, Any]], file: str) -> tuple[Fault, ...]:
    """Return one fault per ``*_file`` key of ``read_config`` whose file cannot be used: asked before a start.

    The files of ``[model]`` are no secrets: who reads them says what is wrong with them.
    """
    faults = Faults()
    for section, table in data.items():
        if section == "model":
            continue
        if table.get("url") and table.get("url_file"):
            faults.add(file, f"{section}.url_file", table["url_file"], "give url or url_file, not both")
        for place, inner in _tables(section, table):
            for key, value in inner.items():
                if key.endswith("_file") and isinstance(value, str) and value:
                    _check_file(f"{place}.{key}", value, file, faults)
    return tuple(faults)


def _tables(place: str, table: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A section and each table in its lists, as ``[[outlets.webhooks]]``, with the key that leads there."""
    yield place, table if isinstance(table, dict) else dict(table)
    for key, value in table.items():
        if isinstance(value, list | tuple):
            yield from ((f"{place}.{key}.{n}", one) for n, one in enumerate(value) if isinstance(one, dict))


def _check_file(key: str, value: str, file: str, faults: Faults) -> None:
    if key.endswith("ca_file"):
        _check_authority(key, value, file, faults)
        return
    try:
        read_secret(Path(value))
    except ConfigError as error:
        for fault in error.faults:
            shown = f"{fault.message} (mode {fault.value})" if fault.value.startswith("0") else fault.message
            faults.add(file, key, value, shown)


def _check_authority(key: str, value: str, file: str, faults: Faults) -> None:
    """Certificates are public: any mode will do, but TLS must be able to read them."""
    unread = Faults()
    if read_bytes(Path(value), AUTHORITY_MAX_BYTES, unread, value) is None:
        for fault in unread:
            faults.add(file, key, value, fault.message)
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
    except (OSError, ValueError):
        faults.add(file, key, value, "holds no certificate in PEM form")


def _refusal(file: str, key: str, value: str, message: str) -> ConfigError:
    return ConfigError((Fault(file, key, value, message),))


def _read(path: Path, faults: Faults) -> dict[str, Any] | None:
    name = str(path)
    data = read_bytes(path, TOML_MAX_BYTES, faults, name)
    text = None if data is None else to_text(data, faults, name)
    return None if text is None else parse_toml(text, faults, name)


def _anchor(data: dict[str, Any], folder: Path) -> None:
    """Make relative paths absolute, in place: they count from the folder of the configuration."""
    for section, table in data.items():
        if not isinstance(table, dict):
            continue
        for _, inner in _tables(section, table):
            for key, value in inner.items():
                is_path = key.endswith(PATH_ENDINGS) or (section == "site" and key == "pack" and _is_path(value))
                if is_path and isinstance(value, str) and value and "\0" not in value:
                    inner[key] = str(folder.absolute() / _home(Path(value)))


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # "~nobody": no such user; the path is then reported as missing
        return path


def _is_path(value: object) -> bool:
    return isinstance(value, str) and ("/" in value or value.startswith((".", "~")))


def _overrides(environment: Mapping[str, str], faults: Faults) -> dict[tuple[str, str], tuple[str, Any]]:
    """{(section, key): (variable, value)} of every variable with ``__`` in its name after the prefix."""
    found: dict[tuple[str, str], tuple[str, Any]] = {}
    known = {
        f"{PREFIX}{section}__{key}".upper(): (section, key)
        for section, field in Config.model_fields.items()
        for key in _fields(field.annotation)
    }
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or "__" not in variable[len(PREFIX) :]:
            continue
        place = known.get(variable)
        if place is None:
            near = (
                nearest(variable.lower(), [name.lower() for name in known])
                .upper()
                .replace("DID YOU MEAN", "did you mean")
            )
            faults.add("environment", variable, "", "unknown variable" + near)
            continue
        section, key = place
        annotation = _fields(Config.model_fields[section].annotation)[key]
        found[place] = (variable, _value(environment[variable], annotation))
    return found


def _fields(section: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's annotations can be anything
    return {name: field.annotation for name, field in section.model_fields.items()}


def _value(text: str, annotation: Any) -> Any:  # noqa: ANN401 - whatever the knob holds
    """Read a variable's text as the knob's type: text as it stands, else a TOML value, else a comma list."""
    if annotation is str:
        return text
    if get_origin(annotation) is tuple and not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        value = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    if set(value) != {"value"}:
        return text
    return tuple(value["value"]) if isinstance(value["value"], list) else value["value"]


def _merged(data: dict[str, Any], overrides: dict[tuple[str, str], tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    merged = {section: dict(table) for section, table in data.items() if isinstance(table, dict)}
    for (section, key), (_, value) in overrides.items():
        merged.setdefault(section, {})[key] = value
    return merged
