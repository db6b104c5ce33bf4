"""What a benchmark says: ratios with their spread, the targets, and a table of both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Run:
    """One load: answers a second, latencies in ms, CPU in ms for each answer."""

    rate: float
    p50: float
    p99: float
    server_cpu: float
    database_cpu: float

    @property
    def cpu(self) -> float:
        """CPU of server and database together; only so is it no matter which of them works."""
        return self.server_cpu + self.database_cpu


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value: the median of several, with the lowest and the highest of them.

    `target` is what it has to reach, or with `at_most` what it must not exceed.
    """

    work: str
    what: str
    value: float
    low: float
    high: float
    target: float | None = None
    at_most: bool = False

    @property
    def missed(self) -> bool:
        """Whether there is a target, and the median does not meet it."""
        if self.target is None:
            return False
        return self.value > self.target if self.at_most else self.value < self.target

    @property
    def goal(self) -> str:
        """The target in words; empty where there is none."""
        return "" if self.target is None else f"{'≤' if self.at_most else '≥'} {self.target:g}"

    def __str__(self) -> str:
        value, low, high = map(short, (self.value, self.low, self.high))
        spread = "" if low == high else f" ({low}–{high})"
        goal = f", {self.goal}" if self.goal else ""
        return f"{value}{spread}{goal}{' ✗' if self.missed else ''}"


def figure(
    work: str,
    what: str,
    values: Iterable[float],
    *,
    target: float | None = None,
    at_most: bool = False,
) -> Figure:
    """The figure of several measurements of one thing."""
    found = sorted(values)
    return Figure(work, what, statistics.median(found), found[0], found[-1], target, at_most)


def ratios(
    mine: Sequence[Run], other: Sequence[Run], of: Callable[[Run], float] = lambda run: run.rate
) -> list[float]:
    """One ratio for each round: what was measured one after the other met the same machine."""
    return [of(one) / of(two) for one, two in zip(mine, other, strict=True)]


def short(value: float) -> str:
    """Three digits of a number, or all of those before its point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


REFERENCE: Final = {"Q1": 12.0, "Q2": 25.0, "Q3": 5.0, "Q4": 25.0}
RAW: Final = {"Q1": 1.0, "Q2": 1.0, "Q3": 0.7, "Q4": 1.0}
MERCURIUS: Final = {"Q1": 1.0, "Q2": 1.2, "Q3": 0.6, "Q4": 1.2}
CPU_OF_RAW: Final = 1.3
CPU_OF_MERCURIUS: Final = 1.2
Q5_OF_Q3: Final = 0.3
Q5_STATEMENTS: Final = 5
Q6_OF_LOOP: Final = 20.0
Q6_MS: Final = 300.0
GROWTH: Final = 1.5
START_SECONDS: Final = 2.0

COLUMNS: Final[tuple[str, ...]] = (
    "answers/s",
    "p50 ms",
    "p99 ms",
    "× reference",
    "× raw",
    "× Mercurius",
    "CPU ms",
    "CPU ÷ raw",
    "CPU ÷ Mercurius",
    "× twin",
    "statements",
    "× Q3's rate",
    "× loop",
    "median ms",
    "growth",
    "growth of CPU",
    "s to ready",
)


def compared(work: str, runs: dict[str, list[Run]]) -> list[Figure]:
    """The figures of one question, from the runs of each contender by its name."""
    mine = runs["product"]
    found = [
        figure(work, "answers/s", (run.rate for run in mine)),
        figure(work, "p50 ms", (run.p50 for run in mine)),
        figure(work, "p99 ms", (run.p99 for run in mine)),
        figure(work, "CPU ms", (run.cpu for run in mine)),
    ]
    for name, what, targets in (
        ("reference", "× reference", REFERENCE),
        ("raw", "× raw", RAW),
        ("mercurius", "× Mercurius", MERCURIUS),
        ("twin", "× twin", {}),
    ):
        if name in runs:
            values = ratios(mine, runs[name])
            found.append(figure(work, what, values, target=targets.get(work)))
    for name, what, most in (
        ("raw", "CPU ÷ raw", CPU_OF_RAW),
        ("mercurius", "CPU ÷ Mercurius", CPU_OF_MERCURIUS),
    ):
        if name in runs:
            values = ratios(mine, runs[name], lambda run: run.cpu)
            found.append(figure(work, what, values, target=most, at_most=True))
    return found


def table(figures: Sequence[Figure]) -> str:
    """The figures as a table of Markdown: a row for each work, a column for each thing measured."""
    kinds = {one.what for one in figures}
    columns = [name for name in COLUMNS if name in kinds]
    columns += sorted(kinds - set(columns))
    cells = {(one.work, one.what): str(one) for one in figures}
    works = list(dict.fromkeys(one.work for one in figures))
    rows = [
        ["work", *columns],
        ["---"] * (len(columns) + 1),
        *([work, *(cells.get((work, what), "") for what in columns)] for work in works),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def verdict(figures: Iterable[tuple[str, Figure]]) -> str:
    """The last line: what was missed, by database, or that nothing was."""
    missed = [
        f"{database} {one.work} {one.what} {short(one.value)} ({one.goal})"
        for database, one in figures
        if one.missed
    ]
    return f"missed: {'; '.join(missed)}" if missed else "every target is met"
