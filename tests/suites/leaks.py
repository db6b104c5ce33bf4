"""S7: after a whole life on a real server that logs all that it can, no secret is anywhere.

Not in the database's files or rows, not in the log, not in the text of an error. A case is one
life; even ones are on SQLite, odd ones on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from tests.databases import embedded
from tests.journeys.server import Place, Running
from tests.soak.turn import Turn
from tests.suites.harvest import Harvest
from tests.suites.life import Life
from tests.suites.loud import METRICS_TOKEN
from tests.suites.stage import DATABASES

_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def play(turn: Turn) -> None:
    """Lives, and looks for secrets afterwards."""
    for number in turn.cases():
        for finding in asyncio.run(lived(DATABASES[number % len(DATABASES)])):
            turn.find(number, finding)


LOUD: Final = (sys.executable, "-m", "tests.suites.loud")
"""A server that logs everything."""


@dataclass
class Traces:
    """All that a server leaves behind, by where it is."""

    folders: list[Path]
    rows: bytes = b""

    def each(self) -> Iterator[tuple[str, bytes]]:
        """What is in each file but that of the signing secret, and in the rows."""
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name != "secret.key":
                    yield str(path.relative_to(folder)), path.read_bytes()
        yield "rows", self.rows


async def lived(kind: str) -> list[str]:
    """What is found after one life on a database of this kind."""
    with tempfile.TemporaryDirectory(prefix="bindery-suite-") as name:
        folder = Path(name)
        if kind == "sqlite":
            return await _lived(kind, folder, None, [folder])
        with embedded() as server:
            url, cluster = await _created(server)
            return await _lived(kind, folder, url, [folder, cluster])


async def _created(server: str) -> tuple[str, Path]:
    """The address of a new database, and where PostgreSQL keeps all of its files."""
    name = f"suite_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    cluster = Path(await connection.fetchval("SHOW data_directory"))
    await connection.close()
    return urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl(), cluster


async def _lived(kind: str, folder: Path, url: str | None, folders: list[Path]) -> list[str]:
    running, harvest = Running(folder, url, program=LOUD), Harvest()
    key = running.create_key()
    harvest.look(200, key)
    with running.started(key) as place:
        await Life(place.url, key, harvest).live()
        found = await _found(kind, place, harvest, Traces(folders, await _rows(url)))
        running.stop()
    log = running.log
    if "DEBUG" not in log:
        found.append(f"{kind}: the log is not at its lowest level")
    return found + [f"{kind}: log: {what}" for what in _in(log.encode(), _all(place, harvest))]


async def _rows(url: str | None) -> bytes:
    """Every row as text, since PostgreSQL compresses long values; and all of it written to disk."""
    if url is None:
        return b""
    connection = await asyncpg.connect(url)
    try:
        rows = []
        for table in await connection.fetch(_TABLES):
            name = table["tablename"]
            rows += [row[0] for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')]
        await connection.execute("CHECKPOINT")
        return "\n".join(rows).encode()
    finally:
        await connection.close()


async def _found(kind: str, place: Place, harvest: Harvest, traces: Traces) -> list[str]:
    found = [f"{kind}: {what}" for what in harvest.wrong()]
    hashed = {hashlib.sha256(key.encode()).hexdigest().encode() for key in harvest.keys}
    seen: set[bytes] = set()
    secrets = _all(place, harvest)
    for where, content in traces.each():
        found += [f"{kind}: {where}: {what}" for what in _in(content, secrets)]
        seen |= {one for one in hashed if one in content}
    # Were they not found either, the search would be good for nothing.
    if seen != hashed:
        found.append(f"{kind}: only {len(seen)} of {len(hashed)} hashes of keys are stored")
    if min(len(harvest.keys), len(harvest.links), len(harvest.tokens)) < 3:
        found.append(f"{kind}: there were too few secrets to look for")
    return found


def _all(place: Place, harvest: Harvest) -> dict[bytes, str]:
    assert place.data is not None
    signing = (place.data / "secret.key").read_bytes().strip()
    return {
        **harvest.secrets,
        signing: "the signing secret",
        bytes.fromhex(signing.decode()): "the signing secret's bytes",
        METRICS_TOKEN.encode(): "the token for metrics",
    }


def _in(content: bytes, secrets: dict[bytes, str]) -> list[str]:
    """What secrets stand in a content, with what stands before them."""
    found = []
    for secret, what in secrets.items():
        at = content.find(secret)
        if at >= 0:
            around = content[max(0, at - 60) : at]
            found.append(f"{what}, after {around!r}")
    return found
