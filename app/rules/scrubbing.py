"""How stored content is looked at again: what is due, how fast it is read, what is found."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from app.rules.binary import ContentHealth

AGAIN_IF_DAMAGED: Final = timedelta(hours=1)
"""After that long a damaged content is looked at again: it may have been restored."""

_LEAST_LEASE: Final = timedelta(minutes=10)


def pause(done: int, *, seconds: float, rate: int) -> float:
    """Seconds to wait after `done` bytes that took `seconds`, for a `rate` of bytes a second."""
    return max(0.0, done / rate - seconds)


def lease(size: int, *, rate: int) -> timedelta:
    """How long a content may take whoever looks at it, before another process takes it over."""
    return max(_LEAST_LEASE, timedelta(seconds=2 * size / rate))


def judge(*, is_right: bool, is_there: bool) -> ContentHealth:
    """What a look at all bytes of a content found: they are right, or all there, or not."""
    if is_right:
        return ContentHealth.OK
    return ContentHealth.CORRUPT if is_there else ContentHealth.MISSING
