"""The suites that are made of many cases: one line for each.

A suite is a module with `play(turn: Turn) -> None`, which plays the cases that the turn gives and
notes what it finds. `full` is the size that quality asks for, `ci` what `make suites` plays, and
`seconds` the time after which it stops there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.soak.turn import Turn


@dataclass(frozen=True, slots=True)
class Suite:
    """What a suite is, and how large."""

    name: str
    what: str
    module: str
    full: int
    ci: int
    seconds: float
    group: str = "suites"
    """The target of the Makefile that plays it."""

    @property
    def play(self) -> Callable[[Turn], None]:
        """The suite's own code, imported when it is first needed."""
        found: Callable[[Turn], None] = importlib.import_module(self.module).play
        return found


_FIXTURES: Final = Path(__file__).parents[2] / "fixtures"


def _lines(table: str) -> int:
    """How many lines a table has below its head."""
    return len((_FIXTURES / table).read_text(encoding="utf-8").splitlines()) - 1


# Every line of the table on either database.
_PERMISSIONS: Final = 2 * _lines("permissions.csv")


def _faults(name: str, what: str, module: str, full: int, ci: int, seconds: float) -> Suite:
    """A suite of the room for faults, which `make faults` plays."""
    return Suite(name, what, f"tests.faults.{module}", full, ci, seconds, "faults")


_FAULTS: Final = (
    _faults("R1", "kills before each change of a file", "points", 650, 130, 130),
    _faults("R2", "kills at random", "rounds", 2_000, 200, 110),
    _faults("R3", "power cuts", "power", 2_000, 200, 130),
    _faults("R5", "failing calls of the system", "failing", 400, 40, 100),
    _faults("E1", "content destroyed, read and in the dark", "erased", 250, 25, 60),
    _faults("D1", "clients that vanish", "vanishing", 10_000, 500, 40),
    _faults("R8", "random lives beside a model", "machine", 200_000, 1_000, 20),
    _faults("R9", "killed and late workers", "workers", 500, 20, 70),
    _faults("R11", "a database that goes and comes", "restarts", 200, 10, 60),
    _faults("R10", "flipped bits of content", "flips", 1_000, 50, 40),
    _faults("R4", "planted bugs, of which none escapes", "planted", 12, 12, 180),
)

SUITES: Final = {
    suite.name: suite
    for suite in (
        *_FAULTS,
        Suite("P1", "operations by both executors", "tests.suites.executors", 50_000, 2_000, 100),
        Suite("S2", "permissions", "tests.suites.matrix", _PERMISSIONS, _PERMISSIONS, 120),
        Suite("S3", "swaps between organizations", "tests.suites.swaps", 50_000, 2_000, 90),
        Suite("S4", "generated operations", "tests.suites.generated", 20_000, 2_000, 150),
        Suite("S5", "requests with changed bytes", "tests.wire.mutated", 50_000, 2_000, 60),
        Suite("S6", "hostile requests", "tests.suites.hostiles", 97, 97, 30),
        Suite("S7", "lives that leave no secret", "tests.suites.leaks", 10, 2, 50),
        Suite("B2", "backups of a server at work", "tests.suites.backups", 40, 4, 90),
        Suite("B1", "faults between server and bucket", "tests.suites.bucket", 5_000, 500, 120),
    )
}
