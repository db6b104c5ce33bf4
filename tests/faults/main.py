"""Run a suite of faults against the real server, and print how far it came and what it found."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults import tracer
from tests.faults.kills import killed_at_random
from tests.faults.planted import PLANTED
from tests.faults.points import killed_at_each

PLANTED_SECONDS = 60.0
"""Within which each planted bug must be caught."""


def main() -> int:
    """Run; give 1 when something was found or nothing was done."""
    chosen = _parser().parse_args()
    status = _at_each(chosen)
    with tempfile.TemporaryDirectory(prefix="bindery-faults-") as folder:
        outcome = killed_at_random(
            Path(folder), times=chosen.kills, seconds=chosen.seconds, seed=chosen.seed
        )
    _say(f"R2 done {outcome.done} of {chosen.kills}, {len(outcome.found)} found")
    _say(
        f"   seed {chosen.seed}: {outcome.acknowledged} steps of 8 clients acknowledged,"
        f" ready again after at most {outcome.slowest:.2f} s"
    )
    for finding in outcome.found:
        _say(f"   {finding}")
    missed = _missed(chosen.seed)
    return 1 if outcome.found or not outcome.done or missed else status


def _at_each(chosen: argparse.Namespace) -> int:
    reason = tracer.missing()
    if reason:
        _say(f"R1 SKIPPED, 1 suite not run: {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="bindery-faults-") as folder:
        outcome = killed_at_each(Path(folder), every=chosen.every, seconds=chosen.point_seconds)
    # Only a life that came to its end tells how many moments there are.
    size = outcome.of or "more"
    _say(f"R1 done {outcome.done} of {size}, {len(outcome.found)} found")
    _say(f"   before every {chosen.every}th change of a file; {outcome.acknowledged} steps held")
    for finding in outcome.found:
        _say(f"   {finding}")
    return 1 if outcome.found or not outcome.done else 0


def _missed(seed: int) -> int:
    """Plant each bug, print what caught it, and give how many were not."""
    caught = 0
    for name, plant in PLANTED.items():
        with tempfile.TemporaryDirectory(prefix="bindery-faults-") as folder:
            outcome = killed_at_random(
                Path(folder), times=100, seconds=PLANTED_SECONDS, seed=seed, plant=plant
            )
        caught += bool(outcome.found)
        told = f"by R2 at kill {outcome.done}: {outcome.found[0]}" if outcome.found else "by none"
        _say(f"   planted: {name}: caught {told}")
    _say(f"R4 done {len(PLANTED)} of 12, {len(PLANTED) - caught} not caught")
    return len(PLANTED) - caught


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.main", description=__doc__)
    parser.add_argument("--every", type=int, default=5, help="of R1's moments (%(default)s)")
    parser.add_argument(
        "--point-seconds", type=float, default=180, help="after which R1 stops (%(default)s)"
    )
    parser.add_argument("--kills", type=int, default=200, help="kills at random (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=150, help="after which it stops (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
