"""fsck beside a busy server: whatever is under way, nothing of it is taken for damage."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter

from app.reads.fsck import inspect
from app.server import Server
from tests.api import BINARY, Api

CLIENTS = 6
SECONDS = float(os.environ.get("BINDERY_BUSY_SECONDS", "3"))


async def test_nothing_under_way_is_taken_for_damage(server: Server, api: Api) -> None:
    """Clients upload, hash, sign, reset, delete and destroy while one look follows the other."""
    version = await api.version()
    await api.key_id()
    ended = time.monotonic() + SECONDS
    done: Counter[str] = Counter()

    async def client(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < ended:
            done[await _life(api, version, f"arm-client-{number}", chance)] += 1

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    looks = 0
    while not all(one.done() for one in clients):
        found = await inspect(server.store, deep=looks % 2 == 0, alone=False)
        assert found == [], (looks, done)
        looks += 1
    await asyncio.gather(*clients)
    assert looks >= 3
    assert len(done) >= 3, done


async def _life(api: Api, version: str, target: str, chance: random.Random) -> str:
    """One life of a binary, to an end of chance; gives how it ended."""
    content = chance.randbytes(chance.choice((1, 3000, 300_000)))
    end = chance.choice(("deleteBinary", "resetBinary", "updateBinary", "destroyBinary"))
    state = "SIGNED" if end == "destroyBinary" else chance.choice(("HASHABLE", "SIGNABLE"))
    if end == "updateBinary":
        state = "UPLOADABLE"
    binary = await api.reach(state, version, content, target)
    more = {"size": 1} if end == "updateBinary" else {}
    if end != "deleteBinary":
        await api.do(end, BINARY, binaryId=binary, **more)
    if end != "destroyBinary":
        # A target is free again for the next life of this client.
        await api.do("deleteBinary", "deletedBinaryId", binaryId=binary)
    return end
