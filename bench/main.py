"""The benchmark: `python -m bench.main`, or with `--quick` in two minutes on little data.

Prints a table for each database, and on its last line the targets that were missed; then its
status is 1. A full run may be made in pieces (`--database`, `--part`), whose figures are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench import in_process, servers
from bench.contest import Contest, Pace
from bench.figures import (
    Q5_OF_Q3,
    Q5_STATEMENTS,
    Q6_MS,
    Q6_OF_LOOP,
    Figure,
    Run,
    compared,
    figure,
    ratios,
    table,
    verdict,
)
from bench.growth import grown, sizes
from bench.load import ask, request
from bench.loading import Postgres, load, postgres
from bench.questions import Q5, Q6, QUESTIONS
from bench.results import Part, circumstances, keep
from bench.rows import SECRET, Data
from bench.servers import Cores, Served
from bench.start import started

DATABASES: Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
PARTS: Final = ("start", "ratios", "growth")
QUICK_PARTS: Final = ("ratios",)
OTHER_CONNECTIONS: Final = 15
"""What PostgreSQL needs beyond the pools: those that listen, and those of this process."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is loaded, and how long is asked; growth is measured from `small` to `large`."""

    data: Data
    pace: Pace
    small: Data
    large: Data
    growth_pace: Pace
    start: Data

    def with_rounds(self, rounds: int) -> Plan:
        """The same, with another number of rounds."""
        return replace(
            self,
            pace=replace(self.pace, rounds=rounds),
            growth_pace=replace(self.growth_pace, rounds=rounds),
        )

    def sizes(self, part: str) -> str:
        """What is loaded for a part, in words."""
        if part == "growth":
            binaries, devices = f"{self.small.binaries:,} to {self.large.binaries:,}", self.large
        else:
            devices = self.data if part == "ratios" else self.start
            binaries = f"{devices.binaries:,}"
        return f"{binaries} binaries and as many releases, {devices.devices:,} devices"


QUICK: Final = Plan(
    data=Data(binaries=10_000, devices=10_000),
    pace=Pace(rounds=3, seconds=0.3, warm=0.1),
    small=Data(binaries=1_000, devices=10_000),
    large=Data(binaries=10_000, devices=10_000),
    growth_pace=Pace(rounds=3, seconds=0.3, warm=0.1),
    start=Data(binaries=10_000, devices=10_000),
)
FULL: Final = Plan(
    data=Data(binaries=100_000, devices=100_000),
    pace=Pace(rounds=5, seconds=1.0),
    small=Data(binaries=1_000, devices=100_000),
    large=Data(binaries=1_000_000, devices=100_000),
    growth_pace=Pace(rounds=5, seconds=0.7),
    start=Data(binaries=10_000, devices=10_000),
)


@dataclass(frozen=True, slots=True)
class House:
    """Where the databases of one kind are made: in a folder, or in a PostgreSQL."""

    folder: Path
    cores: Cores
    server: Postgres | None

    def loaded(self, name: str, data: Data) -> str:
        """The address of a new database that holds a data set."""
        if self.server is None:
            url = f"sqlite://{self.folder / name}.db"
        else:
            url = asyncio.run(self.server.created(name))
        progress(f"loads {data.binaries:,} binaries")
        asyncio.run(load(url, data))
        return url

    @property
    def contest(self) -> Contest:
        """Where servers on these databases are asked."""
        return Contest(self.cores, self.server.pid if self.server else None)


@contextlib.contextmanager
def house(kind: str) -> Iterator[House]:
    """A place for databases of a kind, for as long as the block lasts."""
    cores = Cores.chosen()
    with contextlib.ExitStack() as stack:
        named = tempfile.TemporaryDirectory(prefix="bindery-bench-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(named))
        server = None
        if kind == "postgresql":
            server = stack.enter_context(postgres(core=cores.database))
        yield House(folder, cores, server)


@contextlib.contextmanager
def contenders(url: str, house: House) -> Iterator[dict[str, Served]]:
    """The servers on one database, by name; ends where it could not serve all of them at once."""
    core = house.cores.server
    with contextlib.ExitStack() as stack:

        def product(name: str, **settings: str) -> Served:
            entered = servers.product(name, url, house.folder, core=core, settings=settings)
            return stack.enter_context(entered)

        found = [product("product"), product("twin")]
        found.append(product("reference", BINDERY_PLANNER="false"))
        found.extend(stack.enter_context(servers.raw(url, core=core)))
        if house.server is not None:
            if servers.has_mercurius() and shutil.which("node"):
                found.append(stack.enter_context(servers.mercurius(url, core=core)))
            needed = servers.POOL * len(found) + OTHER_CONNECTIONS
            limit = asyncio.run(house.server.max_connections())
            if limit < needed:
                raise SystemExit(f"the database takes {limit} connections; it must take {needed}")
        yield {one.name: one for one in found}


def progress(text: str, begun: float = time.monotonic()) -> None:
    """Says to who waits what is done now, and after how many seconds."""
    print(f"[{time.monotonic() - begun:5.0f} s] {text}", file=sys.stderr, flush=True)


def told_ratios(plan: Plan, house: House) -> Iterator[Figure]:
    """The figures of every question beside the other servers."""
    url = house.loaded("ratios", plan.data)
    own: dict[str, list[Run]] = {}
    with contenders(url, house) as served:
        for question in QUESTIONS:
            compete = [served["product"], served["twin"]]
            others = [served["reference"]]
            if question.sql is not None:
                others.extend(served[name] for name in ("raw", "static"))
                others.extend(filter(None, [served.get("mercurius")]))
                compete, others = [*compete, *others], []
            runs = house.contest.held(question, plan.data, compete, plan.pace, checked=others)
            own[question.name] = runs["product"]
            yield from compared(question.name, runs)
            rates = [f"{name} {figure('', '', _rates(some))}" for name, some in runs.items()]
            progress(f"{question.name} {', '.join(rates)} answers a second")
        impact = ask(
            served["product"].port, request("/graphql", Q6.bodies(plan.data)[0], key=SECRET)
        )
    share = ratios(own["Q5"], own["Q3"])
    yield figure("Q5", "× Q3's rate", share, target=Q5_OF_Q3)
    number = asyncio.run(in_process.statements(url, Q5, plan.data))
    yield figure("Q5", "statements", [number], target=Q5_STATEMENTS, at_most=True)
    median = [run.p50 for run in own["Q6"]]
    yield figure("Q6", "median ms", median, target=Q6_MS, at_most=True)
    one_by_one = asyncio.run(in_process.looped(url, plan.data))
    one_by_one.equals(impact)
    yield figure("Q6", "× loop", [one_by_one.ms / one for one in median], target=Q6_OF_LOOP)


def _rates(runs: list[Run]) -> list[float]:
    return [run.rate for run in runs]


def told_growth(plan: Plan, house: House) -> Iterator[Figure]:
    """What each question costs at the large size, as a multiple of the small one."""
    both = {"small": plan.small, "large": plan.large}
    urls = {name: house.loaded(name, data) for name, data in both.items()}
    with sizes(urls, house.folder, core=house.cores.server) as served:
        small, large = ((data, served[name]) for name, data in both.items())
        for one in grown(house.contest, small, large, plan.growth_pace):
            progress(f"{one.work} {one.what} {one}")
            yield one


def told_start(plan: Plan, house: House) -> Iterator[Figure]:
    """How long a start takes."""
    url = house.loaded("start", plan.start)
    for one in started(url, house.folder, house.cores):
        progress(f"{one.work} {one.what} {one}")
        yield one


MEASURES: Final[dict[str, Any]] = {
    "start": told_start,
    "ratios": told_ratios,
    "growth": told_growth,
}


def measured(kind: str, part: str, plan: Plan) -> tuple[Part, bool]:
    """One part on one database, and whether it came to its end; what was measured counts anyway."""
    figures: list[Figure] = []
    ended = False
    with house(kind) as place, contextlib.suppress(KeyboardInterrupt):
        for one in MEASURES[part](plan, place):
            figures.append(one)
        ended = True
    return Part(DATABASES[kind], part, plan.sizes(part), tuple(figures), circumstances()), ended


def main() -> int:
    """Runs what is asked for; the exit status."""
    parser = argparse.ArgumentParser(description="Compares Bindery's reads with hand-written SQL.")
    parser.add_argument(
        "--quick", action="store_true", help="little data, two minutes, ratios alone"
    )
    parser.add_argument("--database", choices=DATABASES, help="this one only")
    parser.add_argument("--part", choices=PARTS, help="this part only")
    parser.add_argument("--rounds", type=int, default=5, help="of each question (%(default)s)")
    chosen = parser.parse_args()
    plan = QUICK if chosen.quick else FULL.with_rounds(chosen.rounds)
    parts: list[Part] = []
    for name in [chosen.part] if chosen.part else QUICK_PARTS if chosen.quick else PARTS:
        for kind in [chosen.database] if chosen.database else DATABASES:
            part, ended = measured(kind, name, plan)
            parts.append(part)
            print(f"\n{part.database}: {part.data}\n\n{table(part.figures)}", flush=True)
            if not chosen.quick:
                keep([part])
            if not ended:
                print("\nstopped before its end")
                return 1
    said = verdict((part.database, one) for part in parts for one in part.figures)
    print(f"\n{said}")
    return 1 if said.startswith("missed") else 0


if __name__ == "__main__":
    sys.exit(main())
