"""A server in a child of this process: importing it is most of its start, and is done once."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NoReturn

from app import cli
from app.actions import presence
from app.rules.ids import new_id
from tests.faults import tracer
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.journeys.server import Running

Plant = Callable[[], object]
"""What plants a bug into a server, before it starts."""

_NEWS: Final = b"Bindery serves on "
_WORKS: Final = b"Bindery works for "
_PARENT_DEATH_SIGNAL: Final = 1


@dataclass(frozen=True, slots=True)
class Forked:
    """A `bindery serve` that takes connections; `start` is how many seconds that took."""

    pid: int
    url: str
    start: float

    def ended(self) -> bool:
        """Whether it is gone, without having been killed here."""
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def kill(self) -> None:
        """End it as a crash does, and wait until it is gone; that may be done twice."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def served(
    data: Path, *, log: Path, database: Path | str | None = None, plant: Plant | None = None
) -> Forked:
    """Start a server on `data`; `plant` runs in it first. Raises Failed when it ends at once.

    No thread may run here meanwhile: a child has only the one that forked it.
    """
    return _started(_serve(data, database), _NEWS, log=log, plant=plant)


@contextmanager
def asked(
    folder: Path, *, database: str | None = None, plant: Plant | None = None
) -> Iterator[tuple[Forked, Api]]:
    """A server on a new data directory in `folder`, and a client of it; killed in the end."""
    key = Running(folder, database=database).create_key()
    server = served(folder / "data", log=folder / "log", database=database, plant=plant)
    try:
        with connected(server.url) as http:
            yield server, Api(http, key)
    finally:
        server.kill()


def worker(data: Path, *, log: Path, database: str, plant: Plant | None = None) -> Forked:
    """Start a worker beside servers on PostgreSQL. Raises Failed when it ends at once."""
    command = ["worker", "--data", str(data), "--database", database]
    return _started(command, _WORKS, log=log, plant=plant)


def _started(command: list[str], news: bytes, *, log: Path, plant: Plant | None) -> Forked:
    begun = time.perf_counter()
    known = _size(log)
    pid = os.fork()
    if not pid:
        _be(command, log=log, plant=plant)
    told = _told(log, known, pid, news)
    if told is not None:
        return Forked(pid, told.removesuffix("/graphql"), time.perf_counter() - begun)
    raise Failed(f"`bindery {command[0]}` ended at its start: {log.read_text()[-600:]}")


@dataclass(frozen=True, slots=True)
class Watched:
    """A `bindery serve` that is killed before one of its changes; `url`: None, it was at once."""

    pid: int
    follower: int
    url: str | None
    report: IO[str]

    def end(self) -> tracer.Traced:
        """Kill it if it still runs, and tell what it did."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with self.report:
            report = self.report.read()
        with suppress(ChildProcessError):
            os.waitpid(self.follower, 0)
        if not report:
            raise Failed("the tracer ended without its report")
        return tracer.read_report(report)


def watched(data: Path, *, log: Path, fault: tracer.Fault, plant: Plant | None = None) -> Watched:
    """Start a server on `data` that a fault befalls as it changes files there."""
    known = _size(log)
    report, told = os.pipe()
    pid = os.fork()
    if not pid:
        _trace(data, log=log, fault=fault, plant=plant, told=told)
    os.close(told)
    reports = os.fdopen(report)
    server, address = int(reports.readline()), _told(log, known, pid, _NEWS)
    return Watched(server, pid, address and address.removesuffix("/graphql"), reports)


def _trace(data: Path, *, log: Path, fault: tracer.Fault, plant: Plant | None, told: int) -> None:
    """Be the server's tracer."""

    def program() -> NoReturn:
        os.close(told)
        _be(_serve(data, None), log=log, plant=plant)

    try:
        _end_with_parent()
        tracer.run(program, folder=data, fault=fault, report=told)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)


def _say_plainly() -> None:
    """Have Python print to the descriptors; a test runner may have put its own in between."""
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)


def _end_with_parent() -> None:
    """Have the kernel kill this process when the harness goes, however that ends."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _since(log: Path, known: int) -> bytes:
    """What was added to the log since it had this size."""
    if not log.exists():
        return b""
    with log.open("rb") as file:
        file.seek(known)
        return file.read()


def _told(log: Path, known: int, pid: int, news: bytes) -> str | None:
    """What follows the news, as soon as they are in the log; None when the process has ended.

    What it says goes to a file: a pipe that nobody reads any more would stop it some day.
    """
    while True:
        ended, _ = os.waitpid(pid, os.WNOHANG)
        for line in _since(log, known).splitlines(keepends=True):
            if line.startswith(news) and line.endswith(b"\n"):
                return line.removeprefix(news).strip().decode()
        if ended:
            return None
        time.sleep(0.003)


def command(*arguments: str) -> tuple[int, str]:
    """The status of a `bindery` command, and all that it says."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            _say_plainly()
            status = cli.main(arguments)
            sys.stdout.flush()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), text


def _serve(data: Path, database: Path | str | None) -> list[str]:
    url = f"sqlite://{database}" if isinstance(database, Path) else database
    return ["serve", "--port", "0", "--data", str(data), *(["--database", url] if url else [])]


def _be(command: list[str], *, log: Path, plant: Plant | None) -> NoReturn:
    """Be that command. The harness's own code must not go on here, whatever happens."""
    status = 1
    try:
        _end_with_parent()
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        _say_plainly()
        # A boot is named when the code is imported, and that is shared here.
        presence.BOOT = new_id()
        if plant is not None:
            plant()
        status = cli.main(command)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)
