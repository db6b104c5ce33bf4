"""The harness itself: its moments are exact, and a life that nothing disturbs comes to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import tracer
from tests.faults.forked import watched
from tests.faults.points import killed_at_each
from tests.journeys.server import Running

pytestmark = pytest.mark.skipif(tracer.missing() is not None, reason=str(tracer.missing()))


def test_a_start_is_killed_before_the_change_that_was_asked_for(tmp_path: Path) -> None:
    """The first change of a start is that of the lock; the second start makes none twice."""
    Running(tmp_path).create_key()
    log = tmp_path / "log"
    first = watched(tmp_path / "data", log=log, at=1)
    assert first.url is None
    assert first.end() == tracer.Traced(1, "openat lock")
    second = watched(tmp_path / "data", log=log, at=0)
    assert second.url is not None
    assert second.end().killed_before is None


def test_lives_go_on_after_a_kill(tmp_path: Path) -> None:
    """A handful of the moments that `make faults` plays."""
    outcome = killed_at_each(tmp_path, every=150, first=140, seconds=60)
    assert outcome.found == []
    assert outcome.done >= 2
    assert outcome.acknowledged > 0
