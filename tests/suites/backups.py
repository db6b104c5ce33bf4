"""B2: backups of a server at work, each restored, looked at, and asked what it knows.

A case is a data directory of its own, on SQLite and PostgreSQL in turn. Clients upload, hash, sign,
reset and destroy while the backup is made. In the restored copy fsck reads all content and must
find nothing; no binary may be further back than it was known to be before the backup began; and
each must be in a state that it had, by the events of the server that went on.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.backup.place import Place, new_database
from tests.databases import embedded
from tests.faults.clients import Client, staged
from tests.journeys.checks import Failed
from tests.journeys.client import Api, Json, connected
from tests.soak.turn import Turn

CLIENTS: Final = 6
_FACTS: Final = "state revision bytesUploaded"
_EVENTS: Final = """query($id: ID!, $after: String) { binary(id: $id) {
    events(first: 100, after: $after) { nodes { after } pageInfo { hasNextPage endCursor } }
} }"""


def play(turn: Turn) -> None:
    """Plays cases, on the one database and on the other in turn."""
    with embedded() as postgres:
        for number in turn.cases():
            server = postgres if number % 2 else None
            wait = turn.random(number).uniform(0.5, 3.0)
            with tempfile.TemporaryDirectory(prefix="bindery-backup-") as folder:
                try:
                    for one in _case(Path(folder), server, number, wait):
                        turn.find(number, one)
                except (Failed, AssertionError) as failed:
                    turn.find(number, str(failed))


def _case(folder: Path, server: str | None, number: int, wait: float) -> list[str]:
    place, empty = (_place(folder / name, server) for name in ("data", "restored"))
    key, backup = place.key(), folder / "backup"
    with place.served() as running, connected(running.url) as http:
        api = Api(http, key)
        stage = staged(api)
        clients = [Client(at, stage, seed=number) for at in range(CLIENTS)]
        before = _backed_up(place, backup, api, clients, wait)
        moves = {id: dict(_moves(api, id)) for id in before}
    for arguments in (("restore", str(backup), "--deep"), ("fsck", "--deep")):
        status, text = empty.said(*arguments)
        # What restore prints at its end is no finding.
        if status or (arguments[0] == "fsck" and text):
            return [f"{arguments[0]}: {text}"]
    found = [one for client in clients for one in client.ledger.refused]
    with empty.served() as running, connected(running.url) as http:
        api = Api(http, key)
        for id, facts in before.items():
            found += _compared(id, facts, api.binary(id, _FACTS), moves[id])
    return found


def _place(data: Path, server: str | None) -> Place:
    return Place(data, asyncio.run(new_database(server)) if server else "")


def _backed_up(
    place: Place, backup: Path, api: Api, clients: list[Client], wait: float
) -> dict[str, Json]:
    """Makes a backup while clients work; gives what was known of binaries before it began."""
    over = threading.Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, api, over, to_the_end=False) for client in clients]
        try:
            time.sleep(wait)
            ids = [entry.id for client in clients for entry in list(client.ledger.live)]
            before = {id: api.binary(id, _FACTS) for id in ids}
            status, text = place.said("backup", str(backup))
            if status:
                raise Failed(f"backup: {text}")
        finally:
            over.set()
            for one in running:
                one.result()
    return before


def _moves(api: Api, id: str) -> Iterator[tuple[int, str]]:
    """The state that a binary had at each revision."""
    after: str | None = None
    while True:
        found = api.ask(_EVENTS, id=id, after=after)["binary"]["events"]
        for node in found["nodes"]:
            if "state" in node["after"]:
                # Of a new one it is not told: it is 1.
                yield int(node["after"].get("revision", 1)), node["after"]["state"]
        if not found["pageInfo"]["hasNextPage"]:
            return
        after = found["pageInfo"]["endCursor"]


def _compared(id: str, before: Json, after: Json, moves: dict[int, str]) -> list[str]:
    """What of a binary can't be so, in a copy that was made after it was seen as it was before."""
    found = []
    revision, state = int(after["revision"]), after["state"]
    if revision < int(before["revision"]):
        found.append(f"{id} was {before}, and is {after}: it went back")
    if revision == int(before["revision"]) and int(after["bytesUploaded"]) < int(
        before["bytesUploaded"]
    ):
        found.append(f"{id} was {before}, and is {after}: it lost bytes")
    # What was in hashing goes on by itself where it was restored.
    if state != moves.get(revision) and moves.get(revision - 1) != "HASHING":
        found.append(f"{id} is {after}, and was never so: {moves}")
    return found
