"""What may pass to the decoder: not what is retained, too large, or more than a device's rate allows. Pure but time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from config.intake import IntakeKnobs
from ingest.devices import KnownDevices
from ingest.forms import PositionForms
from ingest.marks import Covered
from ingest.rates import HeldRates
from schemas.device import DeviceRule
from schemas.position import DeadLetter, RawMessage

ALARMS_PER_S = 1.0  # messages with an alarm that pass beyond a device's rate, sustained


@dataclass(slots=True)
class Admitted:
    """A batch before it is decoded.

    Attributes:
        passed: messages to decode.
        shed: dead letters of what is too large or too much.
        covered: what an acknowledgement covers of those.
        retained: messages that were retained: old ones, which are passed over.
        rates: the devices' rates with this batch; they count once it is stored, because what is not comes again.
    """

    rates: HeldRates
    forms: PositionForms
    passed: list[RawMessage] = field(default_factory=list)
    shed: list[DeadLetter] = field(default_factory=list)
    covered: list[Covered] = field(default_factory=list)
    retained: int = 0
    _judged: dict[tuple[int, str], bool] = field(default_factory=dict)

    def gate(self, message: RawMessage, rule: DeviceRule) -> bool:
        """Whether a device may send this message: judged once, however often the batch is decoded."""
        if rule.rate_per_s is None:
            return True
        key = id(message), rule.device_id
        if key not in self._judged:
            self._judged[key] = self._within_rate(message, rule.device_id, rule.rate_per_s)
        return self._judged[key]

    def _within_rate(self, message: RawMessage, device_id: str, rate_per_s: float) -> bool:
        # By when it came: what waited in the spool did not come all at once.
        # A wall clock that was set back makes it come from the future.
        now_s = time.monotonic() - max(0, time.time_ns() - message.received_ns) / 1e9
        if self.rates.allow(device_id, rate_per_s, now_s, partial(self._sent, message)):
            return True
        return self.forms.urgent(message) and self.rates.ours.allow(f"alarms of {device_id}", ALARMS_PER_S, now_s)

    def _sent(self, message: RawMessage) -> tuple[float, float] | None:
        """The message's own time, and how long before its receipt that was, in s; None without one."""
        ns = self.forms.native.sent_ns(message)
        return None if ns is None else (ns / 1e9, (message.received_ns - ns) / 1e9)


class Admission:
    """Splits batches. Holds the devices' rates."""

    def __init__(self, knobs: IntakeKnobs, forms: PositionForms, devices: KnownDevices) -> None:
        self._max_bytes = knobs.positions_max_bytes
        self._forms = forms
        self._devices = devices
        self._rates = HeldRates()

    def admit(self, batch: Sequence[RawMessage]) -> Admitted:
        """Split into messages to decode and dead letters of what is too large or too much; nothing counts yet."""
        admitted = Admitted(self._rates.trial(), self._forms)
        rules = self._devices.rules
        for message in batch:
            rule = self._forms.device_of(message, rules)
            if message.retain:
                admitted.retained += 1
            elif len(message.payload) > (self._max_bytes if rule is None else rule.bytes_max(self._max_bytes)):
                device_id = rule.device_id if rule is not None else ""
                admitted.shed.append(_letter(message, device_id, "size", f"{len(message.payload)} bytes"))
                if rule is not None:
                    admitted.covered += self._forms.covered_unread(message, rule)
            elif rule is None or admitted.gate(message, rule):
                admitted.passed.append(message)
            else:
                admitted.shed.append(
                    _letter(message, rule.device_id, "rate", f"more than {rule.rate_per_s:g} messages/s")
                )
        return admitted

    def accept(self, admitted: Admitted) -> None:
        """Let the batch count against its devices' rates: it is stored."""
        self._rates.accept(admitted.rates)


def _letter(message: RawMessage, device_id: str, reason: str, detail: str) -> DeadLetter:
    return DeadLetter(
        message.received_ns, message.topic, device_id, reason, detail, message.payload, message.properties
    )
