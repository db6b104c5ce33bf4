"""The servers that are compared: each a process of its own, pinned to one core."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parent / "peers"
START_SECONDS: Final = 60.0
POOL: Final = 10
"""Connections to PostgreSQL of one product server."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves, and which asks; the database has a third where there is one."""

    server: int
    load: int
    database: int

    @classmethod
    def chosen(cls) -> Cores:
        """From those that this process may use; with one alone, all share it."""
        free = sorted(os.sched_getaffinity(0))
        return cls(free[0], free[min(1, len(free) - 1)], free[min(2, len(free) - 1)])


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: what it is called, where it listens, its process.

    A `fixed` one gives its first answer for ever.
    """

    name: str
    port: int
    path: str
    pid: int
    fixed: bool = False

    def path_of(self, question: str) -> str:
        """Where to ask a question."""
        return self.path.format(question=question)


@contextlib.contextmanager
def product(
    name: str, database: str, folder: Path, *, core: int, settings: Mapping[str, str]
) -> Iterator[Served]:
    """`bindery serve` on a database, in a folder of its own."""
    command = bindery("serve", "--port", "0", data=folder / name, database=database)
    environment = {
        "BINDERY_WORKER": "false",
        # The others keep none.
        "BINDERY_ACCESS_LOG": "false",
        "BINDERY_STORAGE_RESERVE": "0",
        "BINDERY_DATABASE_POOL": str(POOL),
        # A load is no abuse; whatever was refused would be counted as a failure.
        "BINDERY_RATE_REQUESTS": str(10**12),
        "BINDERY_RATE_COST": str(10**15),
        **settings,
    }
    with _started(name, command, "/graphql", environment, core=core) as served:
        yield served


def bindery(*arguments: str, data: Path, database: str) -> list[str]:
    """A command line of the product."""
    program = str(Path(sys.executable).with_name("bindery"))
    return [program, *arguments, "--data", str(data), "--database", database]


@contextlib.contextmanager
def raw(database: str, *, core: int) -> Iterator[tuple[Served, Served]]:
    """The server of hand-written statements, and of fixed bytes: one process, two paths."""
    command = [sys.executable, "-m", "bench.raw", database]
    with _started("raw", command, "/raw/{question}", {}, core=core) as served:
        yield served, Served("static", served.port, "/static/{question}", served.pid, fixed=True)


@contextlib.contextmanager
def mercurius(database: str, *, core: int) -> Iterator[Served]:
    """The server in Node, once `make bench-peers` has installed it."""
    command = ["node", str(PEERS / "server.js"), database]
    with _started("mercurius", command, "/graphql", {}, core=core) as served:
        yield served


def has_mercurius() -> bool:
    """Whether it is installed."""
    return (PEERS / "node_modules" / "mercurius").is_dir()


@contextlib.contextmanager
def _started(
    name: str, command: list[str], path: str, settings: Mapping[str, str], *, core: int
) -> Iterator[Served]:
    with running(name, command, settings, cores={core}) as (process, said):
        yield Served(name, _port(name, process, said), path, process.pid)


@contextlib.contextmanager
def running(
    name: str, command: list[str], settings: Mapping[str, str], *, cores: set[int]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process with no settings but these, and the file that takes what it says."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("BINDERY_")}
    # A file takes whatever a server says; a pipe that nobody empties would stop it in the end.
    with tempfile.NamedTemporaryFile(prefix=f"{name}-") as said:
        process = subprocess.Popen(
            command,
            env={**own, **settings},
            stdin=subprocess.DEVNULL,
            stdout=said,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            yield process, Path(said.name)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(name: str, process: subprocess.Popen[bytes], said: Path) -> int:
    """Where a server listens: the first line that it prints has its address."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        line, ended, _ = said.read_text().partition("\n")
        if ended:
            (address,) = (word for word in line.split() if word.startswith("http://"))
            port = urllib.parse.urlsplit(address).port
            assert port is not None
            return port
        time.sleep(0.005)
    raise SystemExit(f"{name} did not start: {said.read_text() or 'it said nothing'}")


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def children(pid: int) -> list[int]:
    """The processes that a process has started itself."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return found


def database_cpu_seconds(pid: int | None) -> float:
    """The CPU time of a PostgreSQL, by its first process; none of its own where it is embedded."""
    if pid is None:
        return 0.0
    return cpu_seconds(pid) + sum(map(cpu_seconds, children(pid)))
