"""The server that a journey goes through: one started here, or one that runs already."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from tests.journeys.checks import Failed, equal, true, within
from tests.journeys.observed import Bucket
from tests.processes.forking import Process, forked

READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0

HOST: Final = "127.0.0.1"

Started = subprocess.Popen[bytes] | Process


def undisturbed(_step: Callable[..., object], _journey: Any) -> AbstractContextManager[object]:
    """What befalls the servers in a step where nothing does."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is; process id and data directory are known of one started here alone."""

    url: str
    key: str
    pid: int | None = None
    data: Path | None = None
    bucket: Bucket | None = None
    """Where content is kept, if that is no directory."""
    transport: httpx.BaseTransport | None = None
    """How requests get there, where that is several servers."""
    during: Callable[[Callable[..., object], Any], AbstractContextManager[object]] = undisturbed
    """What befalls the servers in a step, of its function and the journey."""


class House(Protocol):
    """What a journey is played in."""

    folder: Path

    @property
    def log(self) -> str:
        """All that its processes have said."""

    def create_key(self) -> str:
        """A key of a new organization."""

    def started(self, key: str) -> AbstractContextManager[Place]:
        """Serves until the block is left."""

    def stop(self) -> str:
        """Ends in peace, and tells how."""


@dataclass
class Running:
    """A `bindery serve` on a fresh data directory in `folder`."""

    folder: Path
    database: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings as environment variables."""
    program: Sequence[str] = ()
    """What serves in place of `bindery`, with the same arguments."""
    fork: bool = False
    """Whether a process is forked that has imported `bindery` already, where the start is not
    what is looked at."""
    process: Started | None = field(default=None, init=False)

    @property
    def log(self) -> str:
        """All that the server has said."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def create_key(self) -> str:
        """A key of a new organization, as an operator makes it before the first start."""
        return new_key(self._data, self.database)

    @contextmanager
    def started(self, key: str) -> Iterator[Place]:
        """Serves until the block is left, however that is."""
        port = free_port()
        serve = ("serve", "--host", HOST, "--port", str(port))
        self.process = spawned(
            command(*serve, data=self._data, on=self.database, program=self.program),
            log=self.folder / "server.log",
            settings=self.settings,
            fork=self.fork,
        )
        try:
            url = f"http://{HOST}:{port}"
            wait_until_ready(self.process, url)
            yield Place(url, key, self.process.pid, self._data)
        finally:
            kill(self.process)

    def stop(self) -> str:
        """Ends the server as an operator does. Raises Failed unless it goes at once, in peace."""
        assert self.process is not None
        return stopped(self.process, "The server", self.log)

    @property
    def _data(self) -> Path:
        return self.folder / "data"


def command(*arguments: str, data: Path, on: str | None, program: Sequence[str] = ()) -> list[str]:
    """A command line of `bindery`, or of `program`, `on` a database of this URL or on SQLite."""
    bindery = Path(sys.executable).with_name("bindery")
    true(bindery.exists(), f"{bindery.name} is not beside this Python: run `make install`.")
    chosen = ["--database", on] if on else []
    return [*(program or [str(bindery)]), *arguments, "--data", str(data), *chosen]


def new_key(data: Path, database: str | None) -> str:
    """An ADMIN key, made before a server runs. Raises Failed."""
    create = ("key", "create", "--organization", "Journey", "--role", "ADMIN")
    line = command(*create, data=data, on=database)[1:]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        status = forked(line, env=_environment(), stdout=out, stderr=errors).wait()
        out.seek(0)
        errors.seek(0)
        if status:
            raise Failed(f"`bindery key create` failed: {errors.read().strip()}")
        lines = out.read().splitlines()
    equal("The number of lines that `bindery key create` prints", len(lines), 1)
    return lines[0]


def spawned(
    line: list[str], *, log: Path, settings: Mapping[str, str], fork: bool = False
) -> Started:
    """A command that runs beside this one, with settings as environment variables."""
    environment = {**_environment(), **settings}
    with log.open("wb") as said:
        if fork:
            return forked(line[1:], env=environment, stdout=said, stderr=said)
        return subprocess.Popen(
            line,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def wait_until_ready(process: Started, url: str) -> None:
    """Returns when the server at `url` is ready. Raises Failed when it ends, or takes too long."""

    def ready() -> bool | None:
        if process.poll() is not None:
            raise Failed(f"The server ended with status {process.returncode} at its start.")
        try:
            answer = httpx.get(f"{url}/health/ready", trust_env=False)
        except httpx.TransportError:
            return None
        return True if answer.status_code == 200 else None

    within(READY_SECONDS, "The server's start", ready, pause=0.05)


def stopped(process: Started, name: str, log: str) -> str:
    """Ends a process as an operator does. Raises Failed unless it goes at once, in peace."""
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"{name} still runs {STOP_SECONDS:.0f} s after SIGTERM.") from None
    # Either is how a program ends that was asked to: uvicorn passes the signal on.
    true(status in (0, -signal.SIGTERM), f"{name} ended with status {status}.")
    true("Traceback" not in log, f"The log of {name} has a traceback.")
    # Each request is a line of its own, beside what an operator has to read.
    said = [line for line in log.splitlines()[1:] if not line.startswith("{")]
    return "; ".join([f"status {status}", *(said or ["nothing in its log"])])


def kill(process: Started) -> None:
    """Ends a process as a crash does, if it still runs."""
    if process.poll() is None:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """This environment without settings of the developer's own server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BINDERY_")}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
