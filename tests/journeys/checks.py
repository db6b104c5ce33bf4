"""What a step demands, and how it fails: one sentence that names both values."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_SHOWN: Final = 600
"""Characters of a value that a message shows."""


class Failed(Exception):
    """The server did not do what the journey demands; the message says what it did instead."""


def equal(what: str, found: object, expected: object) -> None:
    """Demand an exact value. Raises Failed."""
    if found != expected:
        raise Failed(f"{what} is {_short(found)}; expected was {_short(expected)}.")


def true(condition: bool, message: str) -> None:
    """Demand a condition. Raises Failed with the message."""
    if not condition:
        raise Failed(message)


def within(seconds: float, what: str, attempt: Callable[[], T | None], *, pause: float) -> T:
    """The first result of `attempt` that is not None. Raises Failed when the time is over."""
    end = time.monotonic() + seconds
    while True:
        found = attempt()
        if found is not None:
            return found
        if time.monotonic() > end:
            raise Failed(f"{what} took more than {seconds:.0f} seconds.")
        time.sleep(pause)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
