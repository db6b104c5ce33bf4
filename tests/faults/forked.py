"""A server in a child of this process: importing it is most of its start, and is done once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app import cli
from app.actions import content, part
from app.rules.ids import new_id
from tests.journeys.checks import Failed

_NEWS: Final = "Bindery serves on "


@dataclass(frozen=True, slots=True)
class Forked:
    """A `bindery serve` that takes connections; `start` is how many seconds that took."""

    pid: int
    url: str
    start: float

    def kill(self) -> None:
        """End it as a crash does, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def served(data: Path, *, log: Path, plant: Callable[[], object] | None = None) -> Forked:
    """Start a server on `data`; `plant` runs in it first. Raises Failed when it ends at once.

    No thread may run here meanwhile: a child has only the one that forked it.
    """
    begun = time.perf_counter()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        _serve(data, log=log, plant=plant, writing=writing)
    os.close(writing)
    with os.fdopen(reading) as said:
        for line in said:
            if line.startswith(_NEWS):
                url = line.removeprefix(_NEWS).strip().removesuffix("/graphql")
                return Forked(pid, url, time.perf_counter() - begun)
    _, status = os.waitpid(pid, 0)
    raise Failed(f"The server ended with status {status} at its start: {log.read_text()[-600:]}")


def _serve(data: Path, *, log: Path, plant: Callable[[], object] | None, writing: int) -> None:
    """Be the server. The harness's own code must not go on here, whatever happens."""
    status = 1
    try:
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(writing, 1)
        os.dup2(errors, 2)
        # A boot is named when the code is imported, and that is shared here.
        part.BOOT = content.BOOT = new_id()  # type: ignore[attr-defined]
        if plant is not None:
            plant()
        status = cli.main(["serve", "--port", "0", "--data", str(data)])
    finally:
        os._exit(status)
