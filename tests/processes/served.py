"""Real server processes, and a client that drives one over HTTP."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from tests.api import Api
from tests.processes.forking import Process, forked

BINDERY = Path(sys.executable).with_name("bindery")
PATIENCE = 60.0
"""Seconds for what takes one or two on an idle machine."""


@dataclass(frozen=True)
class Served:
    """A server that takes connections."""

    process: Process
    url: str
    log: Path

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it as an operator does; gives its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def command(*arguments: str, data: Path, database: str = "") -> list[str]:
    """A command line of `bindery`."""
    chosen = ["--database", database] if database else []
    return [str(BINDERY), *arguments, "--data", str(data), *chosen]


def environment(**settings: object) -> dict[str, str]:
    """This environment, without a developer's settings, and with these: `lease_seconds=2`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BINDERY_")}
    # Nobody reads what the servers print after their first line.
    kept["BINDERY_ACCESS_LOG"] = "false"
    return kept | {f"BINDERY_{name.upper()}": str(value) for name, value in settings.items()}


def said(*arguments: str, data: Path, database: str = "", **settings: object) -> tuple[int, str]:
    """The status of a command that ends by itself, and all that it printed."""
    line = command(*arguments, data=data, database=database)[1:]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = forked(line, env=environment(**settings), stdout=out, stderr=errors)
        try:
            status = process.wait(PATIENCE)
        finally:
            process.kill()
        told = ""
        for file in (out, errors):
            file.seek(0)
            told += file.read()
    return status, told.strip()


def new_key(*, data: Path, database: str = "", **settings: object) -> str:
    """An ADMIN key of an organization, as an operator makes it beside no running server."""
    create = ("key", "create", "--organization", "acme")
    status, key = said(*create, data=data, database=database, **settings)
    assert status == 0, key
    return key


@contextlib.contextmanager
def started(
    command: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    errors: IO[str] | int | None = None,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and the first line that it printed, empty where it ended; killed in the end."""
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
            yield process, process.stdout.readline().strip() if ready else ""
        finally:
            process.kill()


@contextlib.contextmanager
def served(*, data: Path, log: Path, database: str = "", **settings: object) -> Iterator[Served]:
    """A server, killed at the end of the block if it still runs. `log` is not on its disk."""
    line = command("serve", "--port", "0", data=data, database=database)[1:]
    reading, writing = os.pipe()
    with os.fdopen(reading) as told:
        with os.fdopen(writing, "wb") as out, log.open("a") as errors:
            process = forked(line, env=environment(**settings), stdout=out, stderr=errors)
        try:
            ready, _, _ = select.select([told], [], [], PATIENCE)
            news = told.readline().strip() if ready else ""
            assert news.startswith("Bindery serves on "), log.read_text()
            url = news.removeprefix("Bindery serves on ").removesuffix("/graphql")
            yield Served(process, url, log)
        finally:
            process.kill()
            process.wait()


@contextlib.asynccontextmanager
async def client(server: Served, key: str) -> AsyncIterator[Api]:
    """A client of a server."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, trust_env=False) as http:
        yield Api(http, key)
