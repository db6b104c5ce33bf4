"""The harness itself: its moments are exact, and a life that nothing disturbs comes to its end."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from tests.faults import points, tracer
from tests.faults.forked import watched
from tests.faults.planted import unlink_first
from tests.journeys.server import Running
from tests.soak.turn import Turn

pytestmark = pytest.mark.skipif(tracer.missing() is not None, reason=str(tracer.missing()))


def test_a_start_is_struck_the_change_that_was_asked_for(tmp_path: Path) -> None:
    """The first change of a start is that of the lock; the second start makes none twice."""
    Running(tmp_path).create_key()
    log = tmp_path / "log"
    first = watched(tmp_path / "data", log=log, fault=tracer.Kill(1))
    assert first.url is None
    assert first.end() == tracer.Traced(1, "openat lock")
    second = watched(tmp_path / "data", log=log, fault=tracer.Kill(0))
    assert second.url is not None
    assert second.end().struck is None


def test_a_thread_that_is_in_no_call_of_the_list_changes_nothing(tmp_path: Path) -> None:
    """So it is with one that was killed since it stopped: the kernel says -1 for its call then."""
    assert tracer.changed(threading.get_native_id(), tmp_path) is None


def test_lives_go_on_after_a_kill() -> None:
    """A few of the moments that `make faults` plays."""
    turn = Turn("R1", 20, 23, seed=1, seconds=60)
    points.play(turn)
    assert turn.found == []
    assert turn.done == 3


def test_a_planted_bug_is_caught_at_the_moment_that_shows_it() -> None:
    """Bytes that go before the commit: without this the test above could pass for any server."""
    turn = Turn("R1", 0, 200, seed=1, seconds=60)
    points.killed(turn, plant=unlink_first)
    (found,) = turn.found[:1]
    # What is erased is overwritten, cut and unlinked; the kill may fall between these.
    assert re.search("BLOB_MISSING|has no file|has other bytes", found)
