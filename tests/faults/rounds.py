"""Rounds of clients at work, a fault at a random moment, one restart, and what must hold then."""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults import checks
from tests.faults.clients import Client, staged
from tests.faults.forked import Forked, Plant, served
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.journeys.server import Running
from tests.soak.turn import Turn

CLIENTS: Final = 8
READY_SECONDS: Final = 2.0
"""Within which a server must take connections again after a fault."""


@dataclass
class Ground:
    """Where a server keeps its data, and what befalls it: here, a kill and nothing else."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.data / "bindery.db"

    def fault(self, server: Forked) -> None:
        """What happens to a server at work; it is gone afterwards."""
        server.kill()

    def start(self, plant: Plant | None = None) -> Forked:
        """A server on this ground, the bug planted in it."""
        log = self.folder / "server.log"
        return served(self.data, database=self.database, log=log, plant=plant)


def play(turn: Turn) -> None:
    """R2: SIGKILL at random moments under eight clients."""
    killed(turn)


def killed(turn: Turn, *, plant: Plant | None = None) -> None:
    """SIGKILL at random moments, on one data directory; a bug may be planted in the server."""
    with tempfile.TemporaryDirectory(prefix="bindery-faults-") as folder:
        on(turn, Ground(Path(folder)), plant=plant)


def on(
    turn: Turn, ground: Ground, *, rounds: int | None = None, plant: Plant | None = None
) -> None:
    """Play rounds of the turn on one ground, and end at the first that finds something."""
    key = Running(ground.folder, database=f"sqlite://{ground.database}").create_key()
    server = ground.start(plant)
    try:
        with connected(server.url) as http:
            stage = staged(Api(http, key))
        clients = [Client(at, stage, seed=turn.seed + turn.next) for at in range(CLIENTS)]
        for number in turn.cases(rounds):
            _work(server, clients, key, ground, wait=turn.random(number).uniform(0.02, 0.6))
            server = ground.start(plant)
            for one in _wrong(server, clients, key, ground):
                turn.find(number, one)
            if turn.found:
                return
        with connected(server.url) as http:
            for client in clients:
                for one in checks.gone(Api(http, key), client.ledger):
                    turn.find(turn.next - 1, one)
    except Failed as failed:
        # Where a server does not even start, the number is that of the fault before.
        turn.find(turn.next, str(failed))
    finally:
        server.kill()


def _work(server: Forked, clients: list[Client], key: str, ground: Ground, *, wait: float) -> None:
    """Let the clients work until the fault, and end with it."""
    over = threading.Event()
    with connected(server.url) as http, ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, Api(http, key), over) for client in clients]
        time.sleep(wait)
        over.set()
        ground.fault(server)
        for one in running:
            one.result()


def _wrong(server: Forked, clients: list[Client], key: str, ground: Ground) -> list[str]:
    found = []
    with connected(server.url) as http:
        api = Api(http, key)
        for client in clients:
            found += checks.acknowledged(api, client.ledger) + client.ledger.refused
    found += checks.consistency(ground.data, ground.database)
    if server.start > READY_SECONDS:
        found.append(f"The server took {server.start:.2f} s to be ready")
    return found
