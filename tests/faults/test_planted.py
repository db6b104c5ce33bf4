"""The cheaper hunts for planted bugs: the bug is found, and without it nothing is."""

from __future__ import annotations

import pytest

from tests.faults import flips, racing
from tests.faults.planted import BUGS, Bug
from tests.soak.registry import SUITES
from tests.soak.turn import Turn

CHEAP = [bug for bug in BUGS if bug.suite in ("R7", "R10")]


def test_the_twelve_are_planted() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) == SUITES["R4"].full == 12


@pytest.mark.parametrize("bug", CHEAP, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    turn = Turn(bug.suite, 0, 4, seed=1, seconds=60)
    bug.hunt(turn, bug.plant)
    assert len(turn.found) == 1


def test_without_one_nothing_is_found() -> None:
    for hunt, name in ((flips.flipped, "R10"), (racing.raced, "R7")):
        turn = Turn(name, 0, 2, seed=1, seconds=60)
        hunt(turn)
        assert (turn.found, turn.done) == ([], 2)
