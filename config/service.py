"""Knobs of the process itself: site, database, queue, HTTP, logs."""

from typing import Literal

from pydantic import Field

from config.base import Knobs


class SiteKnobs(Knobs):
    """Whose streets these are."""

    site: str = Field(default="yanjiang", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    topic_prefix: str = Field(default="city/v1", pattern=r"^[A-Za-z0-9_/-]{1,64}$")
    pack: str = "yanjiang"  # a folder, or the name of a pack shipped in config/packs
    lang: Literal["zh", "en"] = "zh"


class DatabaseKnobs(Knobs):
    """Empty: the private server of ``curbwatch parts``. ``url_file`` keeps the password out of the config."""

    url: str = Field(default="", pattern=r"^(postgres(ql)?://.+)?$")
    url_file: str = ""


class RedisKnobs(Knobs):
    """Empty: the private server of ``curbwatch parts``."""

    url: str = Field(default="", pattern=r"^((rediss?|unix)://.+)?$")
    url_file: str = ""


class HttpKnobs(Knobs):
    """Health and metrics; loopback unless the operator says otherwise. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = Field(default=8460, ge=0, le=65535)


class LogKnobs(Knobs):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    form: Literal["auto", "json", "console"] = "auto"
