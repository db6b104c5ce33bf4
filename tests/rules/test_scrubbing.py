"""How fast stored content is looked at, and what a look says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.rules.binary import ContentHealth
from app.rules.scrubbing import judge, lease, pause


@pytest.mark.parametrize(
    ("done", "seconds", "waits"), [(0, 0.0, 0.0), (100, 0.0, 10.0), (100, 4.0, 6.0), (100, 11, 0.0)]
)
def test_reading_waits_until_its_bytes_are_due(done: int, seconds: float, waits: float) -> None:
    """At 10 bytes a second; what took longer waits no more."""
    assert pause(done, seconds=seconds, rate=10) == waits


def test_a_look_has_twice_the_time_that_it_takes() -> None:
    assert lease(0, rate=10) == timedelta(minutes=10)
    assert lease(36_000, rate=10) == timedelta(hours=2)


def test_content_is_right_corrupt_or_missing() -> None:
    assert judge(is_right=True, is_there=True) is ContentHealth.OK
    assert judge(is_right=False, is_there=True) is ContentHealth.CORRUPT
    assert judge(is_right=False, is_there=False) is ContentHealth.MISSING
