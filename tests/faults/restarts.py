"""R11: PostgreSQL is restarted, away for a while, or loses back ends, under clients at work.

No process of Bindery is restarted: two servers and a worker have to find the database again by
themselves, and what was acknowledged has to hold.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.faults import checks
from tests.faults.clients import Client, staged
from tests.faults.cluster import FAST, IMMEDIATE, Cluster, clustered
from tests.faults.followed import Followed
from tests.faults.forked import Forked, Plant, served, worker
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.journeys.server import Running
from tests.processes.served import said
from tests.soak.turn import Turn

CLIENTS: Final = 6
RECONNECT_SECONDS: Final = 5.0
"""Within which each server must read and write once PostgreSQL takes connections."""
LEASE_SECONDS: Final = 2
KILLS: Final = 5
"""How often a round of killed back ends kills some."""
_EXPLAINED: Final = "DATABASE_UNAVAILABLE"
_SETTINGS: Final = {
    "BINDERY_LEASE_SECONDS": str(LEASE_SECONDS),
    "BINDERY_RATE_REQUESTS": str(10**9),
    "BINDERY_RATE_COST": str(10**12),
    "BINDERY_ACCESS_LOG": "false",
}


@dataclass
class House:
    """Two servers and a worker on one PostgreSQL and one disk, with an open client of each."""

    cluster: Cluster
    data: Path
    log: Path
    processes: list[Forked]
    apis: list[Api]
    clients: list[Client]
    followed: Followed
    slowest: float = 0.0
    """The seconds after which a server was there again, at worst."""
    struck: dict[str, int] = field(default_factory=dict)
    """How often what happened."""


def play(turn: Turn) -> None:
    """A fault of the database in each case."""
    restarted(turn)


def restarted(turn: Turn, *, plant: Plant | None = None) -> None:
    """What `play` does, with a bug planted in each process."""
    with _house(turn, plant) as house:
        try:
            for number in turn.cases():
                for one in _round(house, turn.random(number)):
                    turn.find(number, one)
                if turn.found:
                    return
            for one in _left(house):
                turn.find(turn.next - 1, one)
        except Failed as failed:
            turn.find(turn.next, str(failed))
        struck = ", ".join(f"{number} {what}" for what, number in sorted(house.struck.items()))
        turn.tell(f"{struck}; back within {house.slowest:.2f} s at worst")


def _round(house: House, chance: random.Random) -> list[str]:
    """Clients at work, a fault, and what must hold then."""
    fault, ended = threading.Event(), threading.Event()
    found: list[str] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [
            pool.submit(_work, client, house.apis[at % len(house.apis)], fault, ended)
            for at, client in enumerate(house.clients)
        ]
        try:
            time.sleep(chance.uniform(0.1, 0.5))
            fault.set()
            found += _strike(house, chance)
            found += _back(house)
            # What goes on as if nothing had been has to be right as well.
            time.sleep(0.1)
        finally:
            ended.set()
        for one in running:
            one.result()
    for client in house.clients:
        found += checks.acknowledged(house.apis[0], client.ledger)
        found += client.ledger.refused
    return found + house.followed.lost(house.apis[-1])


def _work(client: Client, api: Api, fault: threading.Event, ended: threading.Event) -> None:
    """Works until the round ends, or a request is refused; a refusal that names the database is
    explained by the fault, and by nothing else."""
    try:
        while not ended.is_set():
            client.step(api)
            client.ledger.acknowledged += 1
    except (Failed, httpx.TransportError) as failure:
        if not fault.is_set() or _EXPLAINED not in str(failure):
            client.ledger.refused.append(f"a client is told: {failure!r}")


def _strike(house: House, chance: random.Random) -> list[str]:
    """One fault; returns when PostgreSQL takes connections again, with what was wrong meanwhile."""
    kind = chance.choice(("restart", "restart at once", "away", "back ends", "back ends", "crash"))
    house.struck[kind] = house.struck.get(kind, 0) + 1
    cluster = house.cluster
    found: list[str] = []
    if kind == "restart":
        cluster.restart(FAST)
    elif kind == "restart at once":
        cluster.restart(IMMEDIATE)
    elif kind == "away":
        cluster.stop(chance.choice((FAST, IMMEDIATE)))
        try:
            for api in house.apis:
                found += _while_away(api)
            # Now and then for longer than a subscription goes without a look at its key.
            time.sleep(chance.choice((0, 0, 1, 1, 1, 6)) * chance.uniform(0.5, 1))
        finally:
            cluster.start()
    elif kind == "crash":
        cluster.crash(chance)
    else:
        for _ in range(KILLS):
            cluster.terminate(chance)
            time.sleep(chance.uniform(0, 0.05))
    return found


def _while_away(api: Api) -> list[str]:
    """What a server answers while it has no database: it lives, is not ready, and says so."""
    found = []
    asked = api.http.post(
        "/graphql",
        json={"query": "{ viewer { id } }"},
        headers={"Authorization": f"Bearer {api.key}"},
    )
    code = asked.json()["errors"][0]["extensions"]["code"]
    if (asked.status_code, code) != (503, _EXPLAINED) or "Retry-After" not in asked.headers:
        found.append(f"without a database a query is answered {asked.status_code} {code}")
    ready = api.http.get("/health/ready")
    if (ready.status_code, ready.json()["database"]) != (503, "failed"):
        found.append(f"without a database the server says of itself {ready.text}")
    if api.http.get("/health/live").status_code != 200:
        found.append("without a database the server counts as dead")
    return found


def _back(house: House) -> list[str]:
    """Waits until each server reads, writes and is ready again; too long is a finding."""
    begun = time.monotonic()
    for api in house.apis:
        while True:
            missing = _lacking(api)
            taken = time.monotonic() - begun
            if missing is None:
                break
            if taken > RECONNECT_SECONDS:
                return [f"{taken:.1f} s after PostgreSQL was back: {missing}"]
            time.sleep(0.02)
    house.slowest = max(house.slowest, taken)
    return []


def _lacking(api: Api) -> str | None:
    """What a server can't do yet."""
    try:
        api.ask("{ viewer { id } }")
        api.do("createArtifact", "artifact { id }", name=f"a{time.monotonic_ns()}")
    except Failed as failed:
        return str(failed)
    ready = api.http.get("/health/ready")
    return None if ready.status_code == 200 else ready.text


def _left(house: House) -> list[str]:
    """What is wrong in the end: destroyed things that are back, and damage that fsck finds."""
    found: list[str] = []
    for client in house.clients:
        found += checks.gone(house.apis[0], client.ledger)

    def look() -> tuple[str, bool]:
        _, told = said("fsck", "--deep", data=house.data, database=house.cluster.url)
        return told, not told

    told = checks.within(look)
    found += [f"fsck: {told[:2000]}"] if told else []
    for process in house.processes:
        if process.ended():
            found.append("a process of Bindery ended by itself")
    return found + _failures(house.log)


def _failures(log: Path) -> list[str]:
    """What the processes logged as failed. That the database is missing is no failure of theirs."""
    records = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [
        f"a process logs: {one['message']} {one.get('exception', '')}"[:2000]
        for one in records
        if one["level"] == "ERROR"
    ]


@contextmanager
def _house(turn: Turn, plant: Plant | None) -> Iterator[House]:
    before = {name: os.environ.get(name) for name in _SETTINGS}
    with (
        tempfile.TemporaryDirectory(prefix="bindery-") as name,
        clustered() as cluster,
        ExitStack() as ends,
    ):
        os.environ.update(_SETTINGS)
        ends.callback(_restore, before)
        folder = Path(name)
        data, log = folder / "data", folder / "log"
        key = Running(folder, database=cluster.url).create_key()
        processes: list[Forked] = []
        for start in (served, served, worker):
            processes.append(start(data, log=log, database=cluster.url, plant=plant))
            ends.callback(processes[-1].kill)
        https = [ends.enter_context(connected(one.url)) for one in processes[:2]]
        apis = [Api(http, key) for http in https]
        stage = staged(apis[0])
        clients = [Client(at, stage, seed=turn.seed + turn.next) for at in range(CLIENTS)]
        followed = ends.enter_context(Followed(apis[0], stage).opened())
        yield House(cluster, data, log, processes, apis, clients, followed)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
