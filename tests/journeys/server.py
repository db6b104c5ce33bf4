"""The server that a journey goes through: one started here, or one that runs already."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.journeys.checks import Failed, equal, true, within

READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is; process id and data directory are known of one started here alone."""

    url: str
    key: str
    pid: int | None = None
    data: Path | None = None


@dataclass
class Running:
    """A `bindery serve` on a fresh data directory in `folder`."""

    folder: Path
    database: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings as environment variables."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> str:
        """All that the server has said."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def create_key(self) -> str:
        """A key of a new organization, as an operator makes it before the first start."""
        command = self._command("key", "create", "--organization", "Journey", "--role", "ADMIN")
        done = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"`bindery key create` failed: {done.stderr.strip()}")
        lines = done.stdout.splitlines()
        equal("The number of lines that `bindery key create` prints", len(lines), 1)
        return lines[0]

    @contextmanager
    def started(self, key: str) -> Iterator[Place]:
        """Serves until the block is left, however that is."""
        port = _free_port()
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                self._command("serve", "--host", _HOST, "--port", str(port)),
                env={**_environment(), **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://{_HOST}:{port}"
            within(READY_SECONDS, "The server's start", lambda: self._ready(url), pause=0.05)
            yield Place(url, key, self.process.pid, self._data)
        finally:
            self._kill()

    def stop(self) -> str:
        """Ends the server as an operator does. Raises Failed unless it goes at once, in peace."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"The server still runs {STOP_SECONDS:.0f} s after SIGTERM.") from None
        # Either is how a program ends that was asked to: uvicorn passes the signal on.
        true(status in (0, -signal.SIGTERM), f"The server ended with status {status}.")
        true("Traceback" not in self.log, "The server's log has a traceback.")
        # Each request is a line of its own, beside what an operator has to read.
        said = [line for line in self.log.splitlines()[1:] if not line.startswith("{")]
        return "; ".join([f"status {status}", *(said or ["nothing in its log"])])

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _command(self, *arguments: str) -> list[str]:
        program = Path(sys.executable).with_name("bindery")
        true(program.exists(), f"{program.name} is not beside this Python: run `make install`.")
        chosen = ["--database", self.database] if self.database else []
        return [str(program), *arguments, "--data", str(self._data), *chosen]

    def _ready(self, url: str) -> bool | None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise Failed(f"The server ended with status {self.process.returncode} at its start.")
        try:
            answer = httpx.get(f"{url}/health/ready", trust_env=False)
        except httpx.TransportError:
            return None
        return True if answer.status_code == 200 else None

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _environment() -> dict[str, str]:
    """This environment without settings of the developer's own server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BINDERY_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port
