"""The benchmark: `python -m bench.main`, or with `--quick` in two minutes on little data.

Prints a table of ratios for each database, and on its last line the targets that were missed;
then its status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import servers
from bench.contest import Contest, Pace
from bench.figures import Q5_OF_Q3, Q6_MS, Figure, Run, compared, figure, ratios, table, verdict
from bench.loading import load, postgres
from bench.questions import QUESTIONS
from bench.rows import Data
from bench.servers import Cores, Served

DATABASES: Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
OTHER_CONNECTIONS: Final = 10
"""What the database needs beyond the pools: those that listen, and those of this process."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is loaded, and how long is asked."""

    data: Data
    pace: Pace


QUICK: Final = Plan(Data(binaries=10_000, devices=10_000), Pace(rounds=3, seconds=0.4))
FULL: Final = Plan(Data(binaries=100_000, devices=100_000), Pace(rounds=5, seconds=1.0))


@contextlib.contextmanager
def database(kind: str, folder: Path, cores: Cores) -> Iterator[tuple[str, int | None, int]]:
    """An empty database: its address, its first process, and how many connections it takes."""
    if kind == "sqlite":
        yield f"sqlite://{folder / 'bindery.db'}", None, sys.maxsize
        return
    with postgres(core=cores.database) as server:
        url = asyncio.run(server.created("bench"))
        yield url, server.pid, asyncio.run(server.max_connections())


@contextlib.contextmanager
def contenders(url: str, folder: Path, cores: Cores, limit: int) -> Iterator[dict[str, Served]]:
    """The servers on one database, by name; ends where it could not serve all of them at once."""
    with contextlib.ExitStack() as stack:
        core = cores.server

        def product(name: str, **settings: str) -> Served:
            entered = servers.product(name, url, folder, core=core, settings=settings)
            return stack.enter_context(entered)

        found = [product("product"), product("twin")]
        found.append(product("reference", BINDERY_PLANNER="false"))
        found.extend(stack.enter_context(servers.raw(url, core=core)))
        needed = servers.POOL * len(found) + OTHER_CONNECTIONS
        if limit < needed:
            raise SystemExit(f"the database takes {limit} connections; it must take {needed}")
        yield {one.name: one for one in found}


def asked(plan: Plan, contest: Contest, served: dict[str, Served]) -> list[Figure]:
    """The figures of every question on one database."""
    begun = time.monotonic()
    figures: list[Figure] = []
    own: dict[str, list[Run]] = {}
    for question in QUESTIONS:
        compete = [served["product"], served["twin"]]
        others = [served["reference"]]
        if question.sql is not None:
            compete, others = [*compete, *others, served["raw"], served["static"]], []
        runs = contest.held(question, compete, plan.pace, checked=others)
        own[question.name] = runs["product"]
        figures += compared(question.name, runs)
        rates = {name: sum(run.rate for run in some) / len(some) for name, some in runs.items()}
        said = [f"{name} {rate:,.0f}/s" for name, rate in rates.items()]
        print(
            f"[{time.monotonic() - begun:5.0f} s] {question.name} {', '.join(said)}",
            file=sys.stderr,
            flush=True,
        )
    share = ratios(own["Q5"], own["Q3"])
    figures.append(figure("Q5", "rate ÷ Q3's", share, target=Q5_OF_Q3))
    median = [run.p50 for run in own["Q6"]]
    figures.append(figure("Q6", "median ms", median, target=Q6_MS, at_most=True))
    return figures


def measured(kind: str, plan: Plan) -> list[Figure]:
    """The figures of one database, from an empty one to the last answer."""
    cores = Cores.chosen()
    with (
        tempfile.TemporaryDirectory(prefix="bindery-bench-", ignore_cleanup_errors=True) as name,
        database(kind, Path(name), cores) as (url, pid, limit),
    ):
        asyncio.run(load(url, plan.data))
        with contenders(url, Path(name), cores, limit) as served:
            return asked(plan, Contest(plan.data, cores, pid), served)


def main() -> int:
    """Runs what is asked for; the exit status."""
    parser = argparse.ArgumentParser(description="Compares Bindery's reads with hand-written SQL.")
    parser.add_argument("--quick", action="store_true", help="little data, two minutes")
    parser.add_argument("--database", choices=DATABASES, help="this one only")
    chosen = parser.parse_args()
    plan = QUICK if chosen.quick else FULL
    found: list[tuple[str, Figure]] = []
    for kind in [chosen.database] if chosen.database else DATABASES:
        figures = measured(kind, plan)
        found += [(DATABASES[kind], one) for one in figures]
        print(
            f"\n{DATABASES[kind]}: {plan.data.binaries:,} binaries and as many releases,"
            f" {plan.data.devices:,} devices\n\n{table(figures)}",
            flush=True,
        )
    said = verdict(found)
    print(f"\n{said}")
    return 1 if said.startswith("missed") else 0


if __name__ == "__main__":
    sys.exit(main())
