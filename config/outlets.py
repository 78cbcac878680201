"""Who else is told of an incident's steps, and how long that is tried."""

from typing import Self

from pydantic import Field, model_validator

from config.base import Knobs
from schemas.record import What

MQTT = "mqtt"  # the outlet that the broker is
FAMILIES = ("stall", "waste", "truck", "sos")


class WebhookKnobs(Knobs):
    """Another system that is told by HTTP: one ``[[outlets.webhooks]]`` each."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    url: str = Field(pattern=r"^https?://[^\s/?#]+(/[^\s#]*)?$", max_length=2000)
    secret_file: str = ""  # key of the signature; empty: not signed
    families: tuple[str, ...] = ()  # empty: all
    steps: tuple[What, ...] = ()  # empty: all
    receipt: bool = False  # an answer without a number of its own does not count

    @model_validator(mode="after")
    def _families_are_there(self) -> Self:
        unknown = sorted(set(self.families) - set(FAMILIES))
        if unknown:
            raise ValueError(f"families: there is no {unknown[0]!r}; there are {', '.join(FAMILIES)}")
        return self


class OutletKnobs(Knobs):
    """From the record to other systems."""

    mqtt: bool = True  # each incident's state, retained, on <topic_prefix>/<site>/incident/<id>
    mqtt_keep_h: float = Field(default=168.0, gt=0, le=8760)  # the broker forgets an ended incident after this
    webhooks: tuple[WebhookKnobs, ...] = Field(default=(), max_length=16)
    allow_http: bool = False
    allow_hosts: tuple[str, ...] = ()  # names, addresses or networks that may be in a private network
    timeout_s: float = Field(default=10.0, gt=0, le=120)  # of one try, from the first packet to the last
    answer_max_bytes: int = Field(default=65_536, ge=1_024, le=10_000_000)
    tries_max: int = Field(default=20, ge=1, le=1000)
    wait_first_s: float = Field(default=5.0, gt=0, le=3600)  # after the first failure; doubles
    wait_max_s: float = Field(default=3600.0, gt=0, le=86_400)

    @model_validator(mode="after")
    def _each_has_its_name_and_may_be_reached(self) -> Self:
        names = [hook.name for hook in self.webhooks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"webhooks: two are called {twice!r}")
        if MQTT in names:
            raise ValueError(f"webhooks: {MQTT!r} is the broker's name; choose another")
        plain = next((hook.name for hook in self.webhooks if hook.url.startswith("http://")), None)
        if plain is not None and not self.allow_http:
            raise ValueError(f"webhooks: {plain!r} is told without encryption; use https, or set allow_http = true")
        if self.wait_max_s < self.wait_first_s:
            raise ValueError("wait_max_s is less than wait_first_s")
        return self
