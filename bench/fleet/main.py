"""Measures a fleet of 10,000 devices and one of 1,000,000: `python -m bench.fleet.main`.

For each, PostgreSQL is loaded anew, and two servers and a worker are started on it. The devices
poll twice for a while: first while a phase limits the latest releases, so that the numbers of
devices and of claims matter, then when an operator has opened them to all. Meanwhile the operator
uploads binaries, which the worker verifies. With `--write`, the figures are put into
`docs/scale.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from bench import servers
from bench.fleet import page, polling
from bench.fleet.database import Statements, Written, bytes_of_row
from bench.fleet.measured import Measured, Size
from bench.fleet.operator import Operator
from bench.fleet.polling import Devices
from bench.fleet.world import Fleet
from bench.load import ask
from bench.loading import Postgres, load, postgres
from bench.servers import Served, cpu_seconds, database_cpu_seconds

SIZES: Final = (10_000, 1_000_000)
SECONDS: Final = 25.0
WARM: Final = 200
"""Polls before those that are measured: the servers read their graphs and compile their plans."""
COUNTED: Final = 40
"""Polls whose statements are counted."""
SHARED: Final = {"BINDERY_SECRET": "5e" * 32, "BINDERY_SCRUB_BYTES_PER_SECOND": "0"}
"""Servers and worker sign alike. The records' content is not there, so none is read again."""
LIMITED: Final = "limited by a phase"
OPEN: Final = "open to all"
TOLD_SECONDS: Final = 1.5
"""Within which the sessions of PostgreSQL tell what they did."""


@dataclass(frozen=True)
class House:
    """A fleet on a database, and the processes that serve it."""

    fleet: Fleet
    devices: Devices
    served: Sequence[Served]
    database: Postgres
    runner: asyncio.Runner
    connection: asyncpg.Connection[Any]

    def measured(self, name: str, *, seconds: float) -> Measured:
        """What polls cost, for so long at the most, and for at most half of the fleet."""
        polling.run(self.served, self.devices, seconds=seconds, most=WARM)
        statements, trips = self.runner.run(self._statements())
        before = self.runner.run(Written.read(self.connection))
        begun = self._cpu()
        most = self.fleet.devices // 2 - WARM - COUNTED
        polls = polling.run(self.served, self.devices, seconds=seconds, most=most)
        server, database = (now - then for now, then in zip(self._cpu(), begun, strict=True))
        time.sleep(TOLD_SECONDS)
        written = self.runner.run(Written.read(self.connection)).since(before)
        return Measured(
            devices=self.fleet.devices,
            name=name,
            polls=polls.count,
            seconds=polls.seconds,
            p50=polls.percentile(0.5),
            p99=polls.percentile(0.99),
            server_cpu=server * 1_000 / polls.count,
            database_cpu=database * 1_000 / polls.count,
            statements=statements,
            trips=trips,
            wal=written.wal / polls.count,
            in_place=written.in_place / max(1, written.changed),
            updates=polls.updates / polls.count,
        )

    def _cpu(self) -> tuple[float, float]:
        """The CPU time of the servers so far, and of PostgreSQL."""
        own = sum(cpu_seconds(one.pid) for one in self.served)
        return own, database_cpu_seconds(self.database.pid)

    async def _statements(self) -> tuple[float, float]:
        """How many statements a poll takes that finds nothing new, and how many round trips."""
        log = await Statements.of(self.connection)
        begun = await log.begin()
        count = 0
        while count < COUNTED and (place := self.devices.next()) is not None:
            if not self.fleet.is_behind(place):
                ask(self.served[0].port, polling.poll(self.fleet, place))
                count += 1
        seen = await log.end(begun)
        return seen.statements / count, seen.all / count

    async def size(self, operator: Operator) -> Size:
        """What the fleet takes on the disk."""
        device, key, claim, event = [
            await bytes_of_row(self.connection, table)
            for table in ("device", "api_key", "release_claim", "event")
        ]
        return Size(
            devices=self.fleet.devices,
            device=device,
            key=key,
            claim=claim,
            event=event,
            verified=len(operator.seconds),
            slowest=max(operator.seconds, default=0.0),
        )


@contextlib.contextmanager
def house(fleet: Fleet) -> Iterator[House]:
    """A database with this fleet, and two servers and a worker on it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bindery-")))
        place = stack.enter_context(postgres())
        runner = stack.enter_context(asyncio.Runner())
        url = runner.run(place.created("fleet"))
        begun = time.monotonic()
        runner.run(load(url, fleet))
        progress(f"{fleet.devices:,} devices loaded in {time.monotonic() - begun:.0f} s")
        served = stack.enter_context(processes(url, folder))
        connection = runner.run(_connected(url))
        stack.callback(lambda: runner.run(connection.close()))
        yield House(fleet, Devices(fleet, seed=1), served, place, runner, connection)


async def _connected(url: str) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(url)


@contextlib.contextmanager
def processes(database: str, folder: Path) -> Iterator[list[Served]]:
    """Two servers, each on a core of its own where there are two, and a worker on any."""
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        served = [
            stack.enter_context(
                servers.product("fleet", database, folder, core=core, settings=SHARED)
            )
            for core in (cores[0], cores[-1])
        ]
        worker = servers.bindery("worker", data=folder / "fleet", database=database)
        stack.enter_context(servers.running("worker", worker, SHARED, cores=set(cores)))
        yield served


def measure(fleet: Fleet, *, seconds: float) -> tuple[list[Measured], Size]:
    """All that is measured of one fleet."""
    runs = []
    with house(fleet) as place, Operator.of(place.served[0], fleet) as operator:
        for name in (LIMITED, OPEN):
            if name == OPEN:
                operator.open_to_all()
            with operator.at_work():
                runs.append(place.measured(name, seconds=seconds))
            progress(f"{fleet.devices:,} devices, {name}: {runs[-1].rate:.0f} polls/s")
        return runs, place.runner.run(place.size(operator))


def progress(text: str, begun: float = time.monotonic()) -> None:
    """Says to who waits what is done now, and after how many seconds."""
    print(f"[{time.monotonic() - begun:5.0f} s] {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures each size; the exit status."""
    parser = argparse.ArgumentParser(description="Measures a fleet that polls.")
    parser.add_argument("--devices", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each run")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/scale.md")
    chosen = parser.parse_args(arguments)
    found = [measure(Fleet.of(devices), seconds=chosen.seconds) for devices in chosen.devices]
    told = page.told([run for runs, _ in found for run in runs], [size for _, size in found])
    print(told)
    if chosen.write:
        page.PAGE.write_text(page.renewed(page.PAGE.read_text(), told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
