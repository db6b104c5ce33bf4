"""What polls cost: the figures of one run, and the table of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HEAD: Final = (
    "devices",
    "latest releases",
    "polls/s",
    "polls/s per core",
    "p50 ms",
    "p99 ms",
    "CPU ms: servers",
    "CPU ms: PostgreSQL",
    "SQL statements",
    "round trips",
    "WAL bytes",
    "updated in place",
    "with an update",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run. All but the rate and the latencies are of one poll, its report included."""

    devices: int
    name: str
    polls: int
    seconds: float
    p50: float
    p99: float
    server_cpu: float
    database_cpu: float
    statements: float
    trips: float
    wal: float
    in_place: float
    updates: float

    @property
    def rate(self) -> float:
        """Polls a second, on this machine, with the load and all else beside them."""
        return self.polls / self.seconds

    @property
    def per_core(self) -> float:
        """Polls that a second of one core is enough for, whether a server or PostgreSQL has it."""
        return 1_000 / (self.server_cpu + self.database_cpu)

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        return (
            f"{self.devices:,}",
            self.name,
            f"{self.rate:.0f}",
            f"{self.per_core:.0f}",
            f"{self.p50:.1f}",
            f"{self.p99:.1f}",
            f"{self.server_cpu:.2f}",
            f"{self.database_cpu:.2f}",
            f"{self.statements:.1f}",
            f"{self.trips:.1f}",
            f"{self.wal:,.0f}",
            f"{self.in_place:.0%}",
            f"{self.updates:.1%}",
        )


@dataclass(frozen=True, slots=True)
class Size:
    """What a fleet takes on the disk, and how long the worker took for 1 MiB meanwhile."""

    devices: int
    device: float
    key: float
    claim: float
    event: float
    verified: int
    slowest: float

    def __str__(self) -> str:
        return (
            f"{self.devices:,} devices: {self.device:.0f} bytes for a device, {self.key:.0f} for"
            f" its key, {self.claim:.0f} for a claim and {self.event:.0f} for an event, indexes"
            " included. Meanwhile"
            f" {self.verified} uploads of 1 MiB were verified, the slowest in"
            f" {self.slowest:.1f} s."
        )


def table(runs: Iterable[Measured]) -> str:
    """The runs as Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *(run.cells() for run in runs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def growth(runs: Iterable[Measured]) -> list[str]:
    """How much more a poll costs in the largest fleet than in the smallest, line by line."""
    by_name: dict[str, list[Measured]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    lines = []
    for name, some in by_name.items():
        few, many = min(some, key=_size), max(some, key=_size)
        cpu = few.per_core / many.per_core
        lines.append(
            f"From {few.devices:,} to {many.devices:,} devices, {name}: CPU of a poll × {cpu:.2f},"
            f" p50 × {many.p50 / few.p50:.2f}, p99 × {many.p99 / few.p99:.2f},"
            f" SQL statements × {many.statements / few.statements:.2f}."
        )
    return lines


def _size(run: Measured) -> int:
    return run.devices
