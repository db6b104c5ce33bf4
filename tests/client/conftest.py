"""A real server for the commands that talk to one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import cli
from tests.journeys.server import Place, Running

Json = dict[str, Any]


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """A server of this session, on SQLite, with an ADMIN key."""
    with tempfile.TemporaryDirectory(prefix="bindery-client-") as folder:
        running = Running(Path(folder), fork=True)
        with running.started(running.create_key()) as found:
            yield found


@pytest.fixture(autouse=True)
def environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINDERY_URL", place.url)
    monkeypatch.setenv("BINDERY_KEY", place.key)


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.out)
        return found


Bindery = Callable[..., Ran]


@pytest.fixture
def bindery(capsys: pytest.CaptureFixture[str]) -> Bindery:
    """Runs a command in this process."""

    def run(*arguments: object) -> Ran:
        status = cli.main([str(one) for one in arguments])
        told = capsys.readouterr()
        return Ran(status, told.out, told.err)

    return run


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key, as openssl makes it."""
    path = tmp_path_factory.mktemp("keys") / "release.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)],
        check=True,
        capture_output=True,
    )
    return path


def command(*arguments: object) -> list[str]:
    """A command as a process."""
    return [str(Path(sys.executable).with_name("bindery")), *map(str, arguments)]
