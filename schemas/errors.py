"""The error tree. The spine turns each into one clean line and an exit code.

CurbwatchError                    exit 1
├── ConfigError                   exit 2: every fault of a configuration at once
├── UsageError                    exit 2: a wrong argument or a missing file
│   └── SaidError                 the same in Chinese and English
├── SetupError                    exit 3: a server or package that cannot be had, with the remedy
├── FeedError                     exit 4: the broker refuses or breaks the promise
├── FrameError                    one picture that cannot be used: costs one dead letter
└── SinkError                     database or queue did not take it: retry or not, and when
"""

from dataclasses import dataclass


class CurbwatchError(Exception):
    """Root of everything Curbwatch raises on purpose; ``str`` is the English, ``chinese`` empty where there is none."""

    exit_code = 1

    def __init__(self, english: str = "", chinese: str = "") -> None:
        self.chinese = chinese
        super().__init__(english)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a configuration: where it stands and what is wrong there."""

    file: str
    key: str
    value: str
    message: str

    def __str__(self) -> str:
        """Return ``file: key = value: message``; what is not known is left out."""
        what = " = ".join(part for part in (self.key, self.value) if part)
        return ": ".join(part for part in (self.file, what, self.message) if part)


class ConfigError(CurbwatchError):
    """A configuration or city pack with one or more faults."""

    exit_code = 2

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class UsageError(CurbwatchError):
    """A wrong argument, a missing file, an unknown id."""

    exit_code = 2


class SaidError(UsageError):
    """A wrong argument or act, told to a person in Chinese or English."""

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english, chinese)

    def line(self, lang: str) -> str:
        """What is told in a language: ``zh``, else English."""
        return self.chinese if lang == "zh" else str(self)


class SetupError(CurbwatchError):
    """A server or package cannot be had; the message says what is missing and what to do."""

    exit_code = 3


class FeedError(CurbwatchError):
    """The broker refuses us, or cannot keep the promise."""

    exit_code = 4


class FrameError(CurbwatchError):
    """One picture that cannot be used; ``reason`` is the dead letter's reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class SinkError(CurbwatchError):
    """The database or the queue did not take a write.

    ``retryable`` says whether the same write may succeed later, ``wait_s`` how long to wait before trying.
    """

    def __init__(self, english: str, chinese: str = "", *, retryable: bool, wait_s: float = 0.0) -> None:
        self.retryable = retryable
        self.wait_s = wait_s
        super().__init__(english, chinese)


class NotShownError(UsageError):
    """An order about a view that the camera does not show now: it can be carried out when it does."""
