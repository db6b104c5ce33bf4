"""Run suites of many cases: all of them at their CI size, or one for long.

Status 0: nothing found; 1: something found, or nothing done.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable

from tests.soak.record import Count, commit, store, stored
from tests.soak.registry import SUITES, Suite
from tests.soak.turn import Turn

TOLD = 10
"""How many findings are printed; a broken rule is found by thousands of cases."""


def main() -> int:
    """Run what the command line asks for, and give the status."""
    chosen = _parser().parse_args()
    if chosen.suite:
        return soak(SUITES[chosen.suite], chosen.minutes, chosen.seed, anew=chosen.anew)
    names = [name for name, suite in SUITES.items() if suite.group == chosen.group]
    return each(chosen.only or names, chosen.seed or 1)


def each(names: Iterable[str], seed: int) -> int:
    """Play the first cases of suites, whatever was found in those before."""
    status = 0
    for name in names:
        suite = SUITES[name]
        turn = Turn(suite.name, 0, suite.ci, seed, suite.seconds)
        status |= _played(suite, turn)
    return status


def soak(suite: Suite, minutes: float, seed: int | None, *, anew: bool = False) -> int:
    """Play a suite where its last run stopped, and write down how far it came."""
    count = Count(suite.name) if anew else stored()[suite.name]
    if seed is not None and seed != count.seed and count.done:
        raise SystemExit(f"{suite.name} is under way with the seed {count.seed}; add ANEW=1.")
    turn = Turn(suite.name, count.done, suite.full, seed or count.seed, minutes * 60)
    # The code that runs is what is there now, whatever is committed while it does.
    played = commit()
    status = 0 if turn.over else _played(suite, turn)
    if turn.done:
        count = count.after(turn, played)
        store(count)
    _say(f"{suite.name} in all {count.done} of {suite.full}, {count.found} found")
    return status


def _played(suite: Suite, turn: Turn) -> int:
    begun = time.monotonic()
    suite.play(turn)
    if turn.skipped:
        _say(f"{suite.name} SKIPPED, {turn.last - turn.first} not played: {turn.skipped}")
        return 0
    for line in [*turn.told, *turn.found[:TOLD]]:
        _say(f"   {line}")
    _say(
        f"{suite.name} done {turn.done} of {turn.last - turn.first}, {len(turn.found)} found"
        f" ({suite.what}, {time.monotonic() - begun:.0f} s)"
    )
    return 1 if turn.found or not turn.done else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.main", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(SUITES), help="not all suites")
    parser.add_argument("--group", default="suites", help="all of which (%(default)s)")
    parser.add_argument("--suite", choices=list(SUITES), help="the one to play for long")
    parser.add_argument("--minutes", type=float, default=30, help="for how long (%(default)s)")
    parser.add_argument("--seed", type=int, help="of what is random (the last run's, or 1)")
    parser.add_argument("--anew", action="store_true", help="begin again with the first case")
    return parser


if __name__ == "__main__":
    sys.exit(main())
