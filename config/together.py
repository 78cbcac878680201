"""A model's own rules beside pydantic's, so that one reading finds what breaks either. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails

T = TypeVar("T")


def checked(data: object, handler: Callable[[Any], T], wrong: Iterable[str]) -> T:
    """Return what ``handler`` makes of ``data``, for a wrap validator; ``wrong`` is what our own rules say of ``data``.

    pydantic asks a rule that looks at several values only where each of them is right by itself, so such a rule looks
    at ``data`` as it was written. Raises ValidationError with everything found.
    """
    found = [
        InitErrorDetails(type="value_error", loc=(), input=None, ctx={"error": ValueError(message)})
        for message in wrong
    ]
    try:
        made = handler(data)
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            error.title, [*(_again(detail) for detail in error.errors()), *found]
        ) from None
    if found:
        raise ValidationError.from_exception_data(type(data).__name__, found)
    return made


def _again(detail: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=detail["type"], loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx", {}))
