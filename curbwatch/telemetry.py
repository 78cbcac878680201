"""Counters and logs: the one place that knows Prometheus and structlog."""

import logging
import sys
import threading
from collections.abc import Iterator
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.typing import EventDict

from config.service import LogKnobs

Metric = Counter | Gauge | Histogram
M = TypeVar("M", Counter, Gauge, Histogram)


class Telemetry:
    """A Meter that Prometheus can read and that the demo can ask. Implements ``schemas.meter.Meter``.

    A name belongs to one kind and one set of label names for the life of the process; using it otherwise raises
    ValueError, so that a typing slip fails in the first test and not in a dashboard.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._metrics: dict[str, tuple[tuple[str, ...], Metric]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to counter ``curbwatch_<name>_total``."""
        metric = self._metric(Counter, name, labels)
        (metric.labels(**labels) if labels else metric).inc(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set gauge ``curbwatch_<name>``."""
        metric = self._metric(Gauge, name, labels)
        (metric.labels(**labels) if labels else metric).set(value)

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Record into histogram ``curbwatch_<name>_seconds``."""
        metric = self._metric(Histogram, name, labels)
        (metric.labels(**labels) if labels else metric).observe(seconds)

    def total(self, name: str, /, **labels: str) -> float:
        """Sum of a counter or gauge over all series that carry these labels; 0 where there is none."""
        return sum(value for found, value in self._samples(name) if labels.items() <= found.items())

    def split(self, name: str, label: str, /) -> dict[str, float]:
        """A counter's or gauge's values by one label."""
        parts: dict[str, float] = {}
        for found, value in self._samples(name):
            parts[found.get(label, "")] = parts.get(found.get(label, ""), 0.0) + value
        return parts

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def _metric(self, kind: type[M], name: str, labels: dict[str, str]) -> M:
        names = tuple(sorted(labels))
        known = self._metrics.get(name)
        if known is None:
            with self._lock:
                known = self._metrics.get(name) or (names, _make(kind, name, names, self._registry))
                self._metrics[name] = known
        known_names, metric = known
        if known_names != names or not isinstance(metric, kind):
            raise ValueError(f"metric {name} has labels {known_names}, not {names}, or is not a {kind.__name__}")
        return metric

    def _samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        known = self._metrics.get(name)
        if known is None:
            return
        for family in known[1].collect():
            for sample in family.samples:
                if sample.name in {f"curbwatch_{name}", f"curbwatch_{name}_total"}:
                    yield sample.labels, sample.value


def _make(kind: type[M], name: str, names: tuple[str, ...], registry: CollectorRegistry) -> M:
    full = f"curbwatch_{name}_seconds" if kind is Histogram else f"curbwatch_{name}"
    return kind(full, name.replace("_", " "), names, registry=registry)


def configure_logs(knobs: LogKnobs) -> None:
    """Structured logs on standard error: key=value on a terminal, JSON otherwise."""
    terminal = sys.stderr.isatty() if knobs.form == "auto" else knobs.form == "console"
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _printable,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[knobs.level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _printable(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape what would break a line, turn it round or steer a terminal: some texts come from devices."""
    return {key: _escaped(value) for key, value in event.items()}


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_escaped_sign, value))
    if isinstance(value, list | tuple):
        return [_escaped(part) for part in value]
    if isinstance(value, dict):
        return {_escaped(key): _escaped(part) for key, part in value.items()}
    return value


def _escaped_sign(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode()
