"""A process that sends webhooks is killed between attempts, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.api import Api
from tests.processes.served import PATIENCE, client, command, environment, new_key, served, started
from tests.receiver import (
    LOOPBACK,
    OF_PRODUCTS,
    Message,
    Receiver,
    changes,
    hooked,
    receiving,
    status,
    verify,
)

SETTINGS: dict[str, Any] = {
    "lease_seconds": 1,
    "webhook_seconds": 1,
    "webhook_retry_seconds": 0.05,
    "webhook_allowed_networks": LOOPBACK,
}
CHANGES = 6


@contextlib.contextmanager
def working(data: Path, database: str) -> Iterator[subprocess.Popen[str]]:
    """A worker beside the servers of a PostgreSQL."""
    work = command("worker", data=data, database=database)
    with started(work, env=environment(**SETTINGS)) as (process, line):
        assert line
        yield process


async def changed(api: Api, receiver: Receiver) -> dict[str, list[str]]:
    """Changes of two products, once the first attempts were made; the events of each."""
    events = await changes(api, products=2, each=CHANGES)
    await some(receiver, 3)
    return events


async def some(receiver: Receiver, count: int) -> None:
    """Waits for so many requests."""
    async with asyncio.timeout(PATIENCE):
        while len(receiver.came) < count:  # noqa: ASYNC110 - another process's.
            await asyncio.sleep(0.02)


async def all_of(receiver: Receiver, events: dict[str, list[str]], secret: str) -> None:
    """Waits until each event was taken, in the order of its subject; all of it was signed."""
    async with asyncio.timeout(PATIENCE):
        while receiver.subjects() != events:  # noqa: ASYNC110 - another process's.
            await asyncio.sleep(0.05)
    for message in receiver.came:
        assert verify(secret, message.headers, message.body) == message.id


def failing(message: Message) -> bytes | None:
    """Every other one hangs, so that the kill finds something on its way."""
    return None if sum(message.id.encode()) % 2 else status(503)


async def test_a_killed_worker_leaves_all_to_the_next(database_url: str, tmp_path: Path) -> None:
    postgres = database_url if database_url.startswith("postgres") else ""
    data, log = tmp_path / "data", tmp_path / "log"
    key = new_key(data=data, database=postgres)
    server = {"data": data, "log": log, "database": postgres, **SETTINGS}
    async with receiving(failing) as receiver:
        if postgres:
            with served(**server, worker=False) as one:
                async with client(one, key) as api:
                    hook = await hooked(api, receiver, eventKinds=OF_PRODUCTS)
                    with working(data, postgres) as worker:
                        events = await changed(api, receiver)
                        worker.kill()
                        worker.wait()
                    receiver.answer = lambda _: status(200)
                    with working(data, postgres):
                        await all_of(receiver, events, hook["secret"])
            return
        with served(**server) as one:
            async with client(one, key) as api:
                hook = await hooked(api, receiver, eventKinds=OF_PRODUCTS)
                events = await changed(api, receiver)
                one.kill()
        receiver.answer = lambda _: status(200)
        with served(**server):
            await all_of(receiver, events, hook["secret"])
