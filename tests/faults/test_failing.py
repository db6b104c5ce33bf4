"""The harness itself: a call that is to fail fails, and a bug that hides it is found."""

from __future__ import annotations

import pytest

from tests.faults import failing, tracer
from tests.faults.life import STEPS
from tests.faults.planted import fsync_retried
from tests.soak.turn import Turn

pytestmark = pytest.mark.skipif(tracer.cannot_fail() is not None, reason=str(tracer.cannot_fail()))


def test_one_fsync_fails_and_the_life_goes_on() -> None:
    turn = Turn("R5", 0, 1, seed=2, seconds=60)
    failing.failed(turn, only=failing.FSYNC_ONCE, until=len(STEPS))
    assert turn.found == []
    assert turn.told == ["1 of these faults struck"]


def test_a_retried_fsync_is_found() -> None:
    turn = Turn("R5", 0, 100, seed=1, seconds=90)
    failing.failed(turn, plant=fsync_retried, only=failing.FSYNC_ONCE, until=6)
    assert "a part names that blob all the same" in turn.found[0]
