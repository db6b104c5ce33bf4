"""R2: SIGKILL at random moments under eight clients, on one data directory."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.faults import checks
from tests.faults.clients import Client, staged
from tests.faults.forked import Forked, served
from tests.faults.outcome import Outcome
from tests.journeys.client import Api, connected
from tests.journeys.server import Running

CLIENTS: Final = 8
READY_SECONDS: Final = 2.0
"""Within which a killed server must take connections again."""


def killed_at_random(
    folder: Path,
    *,
    times: int,
    seconds: float,
    seed: int,
    plant: Callable[[], object] | None = None,
) -> Outcome:
    """Kill and check up to `times`, for at most about `seconds`; end at what is found first."""
    moments = random.Random(seed)
    data, log = folder / "data", folder / "server.log"
    key = Running(folder).create_key()
    outcome = Outcome()
    server = served(data, log=log, plant=plant)
    with connected(server.url) as http:
        stage = staged(Api(http, key))
    clients = [Client(number, stage, seed=seed) for number in range(CLIENTS)]
    end = time.monotonic() + seconds
    try:
        while outcome.done < times and not outcome.found and time.monotonic() < end:
            _work(server, clients, key, wait=moments.uniform(0.02, 0.6))
            server = served(data, log=log, plant=plant)
            outcome.slowest = max(outcome.slowest, server.start)
            _check(outcome, server, clients, key, data)
            outcome.done += 1
        with connected(server.url) as http:
            for client in clients:
                outcome.found += checks.gone(Api(http, key), client.ledger)
    finally:
        server.kill()
    outcome.acknowledged = sum(client.ledger.acknowledged for client in clients)
    return outcome


def _work(server: Forked, clients: list[Client], key: str, *, wait: float) -> None:
    """Let the clients work until the kill, and end with it."""
    with connected(server.url) as http, ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, Api(http, key)) for client in clients]
        time.sleep(wait)
        server.kill()
        for one in running:
            one.result()


def _check(outcome: Outcome, server: Forked, clients: list[Client], key: str, data: Path) -> None:
    with connected(server.url) as http:
        api = Api(http, key)
        for client in clients:
            outcome.found += checks.acknowledged(api, client.ledger) + client.ledger.refused
    outcome.found += checks.consistency(data)
    if server.start > READY_SECONDS:
        outcome.found.append(f"The server took {server.start:.2f} s to be ready")
