"""Several servers on one PostgreSQL: one that dies leaves its uploads to the others."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import signal
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.api import Api, Json
from tests.processes.served import Served, client, new_key, served

LEASE = 3
MIB = 1 << 20
DATA = bytes(range(256)) * (16 * 1024)
PATIENCE = 30.0

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@dataclass(frozen=True)
class House:
    """Two servers on one database and one folder, and a client of the second."""

    first: Served
    second: Served
    api: Api
    data: Path
    database: str

    async def rows(self) -> dict[str, int]:
        """How many intents and pieces of garbage there are."""
        connection = await asyncpg.connect(self.database)
        try:
            return {
                table: await connection.fetchval(f"SELECT count(*) FROM {table}")
                for table in ("storage_intent", "storage_gc")
            }
        finally:
            await connection.close()

    def files(self) -> list[Path]:
        return [path for path in (self.data / "blobs").glob("??/*") if path.is_file()]

    async def becomes(self, *, intents: int, files: int) -> None:
        """Waits until there are so many intents and files, and no garbage."""
        wanted = {"storage_intent": intents, "storage_gc": 0}
        async with asyncio.timeout(PATIENCE):
            while (await self.rows(), len(self.files())) != (wanted, files):  # noqa: ASYNC110 - another process's.
                await asyncio.sleep(0.05)

    async def part(self, binary: Json) -> Json:
        """The binary's one part as it is now."""
        query = "query($id: ID!) { binary(id: $id) { parts { state uploadUrl } } }"
        (found,) = (await self.api.ask(query, id=binary["id"]))["binary"]["parts"]
        part: Json = found
        return part


@pytest.fixture
def servers(database_url: str, tmp_path: Path) -> Iterator[tuple[Served, Served, str]]:
    data, log = tmp_path / "data", tmp_path / "log"
    key = new_key(data=data, database=database_url)
    with (
        served(data=data, log=log, database=database_url, lease_seconds=LEASE) as first,
        served(data=data, log=log, database=database_url, lease_seconds=LEASE) as second,
    ):
        yield first, second, key


@pytest.fixture
async def house(
    servers: tuple[Served, Served, str], database_url: str, tmp_path: Path
) -> AsyncIterator[House]:
    first, second, key = servers
    async with client(second, key) as api:
        yield House(first, second, api, tmp_path / "data", database_url)


@dataclass
class Upload:
    """A PUT that goes on as its test says."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), PATIENCE)


@contextlib.asynccontextmanager
async def upload(server: Served, path: str) -> AsyncIterator[Upload]:
    where = urllib.parse.urlsplit(server.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(DATA)}"
    writer.write(f"{head}\r\n\r\n".encode())
    try:
        yield Upload(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_what_a_killed_server_was_taking_is_cleaned_up_by_the_other(house: House) -> None:
    binary = await house.api.binary(await house.api.version(), DATA)
    async with upload(house.first, binary["parts"][0]["uploadUrl"]) as sending:
        await sending.send(DATA[: 2 * MIB])
        await house.becomes(intents=1, files=1)
        house.first.kill()
        await house.becomes(intents=0, files=0)
    part = await house.part(binary)
    assert part["state"] == "UPLOADABLE"
    answer = await house.api.http.put(part["uploadUrl"], content=DATA)
    assert answer.status_code == 200
    await house.becomes(intents=0, files=1)


async def test_a_slow_upload_to_a_live_server_is_left_alone(house: House) -> None:
    binary = await house.api.binary(await house.api.version(), DATA)
    async with upload(house.first, binary["parts"][0]["uploadUrl"]) as sending:
        piece = len(DATA) // 16
        for start in range(0, len(DATA), piece):
            if start:
                await asyncio.sleep(3 * LEASE / 15)
                assert (await house.rows())["storage_intent"] == 1
            await sending.send(DATA[start : start + piece])
        assert (await sending.answer()).startswith(b"HTTP/1.1 200 ")
    await house.becomes(intents=0, files=1)
    url = await download_url(house.api, binary["id"])
    got = await house.api.http.get(url)
    assert hashlib.sha256(got.content).digest() == hashlib.sha256(DATA).digest()


async def download_url(api: Api, id: str) -> str:
    made = await api.do("finishBinaryUpload", "binary { downloadUrl }", binaryId=id)
    url: str = made["downloadUrl"]
    return url


async def test_a_server_that_was_stopped_stores_nothing_that_was_given_up(house: House) -> None:
    binary = await house.api.binary(await house.api.version(), DATA)
    async with upload(house.first, binary["parts"][0]["uploadUrl"]) as sending:
        await sending.send(DATA[: 2 * MIB])
        await house.becomes(intents=1, files=1)
        house.first.process.send_signal(signal.SIGSTOP)
        await house.becomes(intents=0, files=0)
        house.first.process.send_signal(signal.SIGCONT)
        await sending.send(DATA[2 * MIB :])
        answer = await sending.answer()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"DATABASE_UNAVAILABLE" in answer
    assert b"Send the part again" in answer
    await house.becomes(intents=0, files=0)
    part = await house.part(binary)
    assert part["state"] == "UPLOADABLE"
    async with httpx.AsyncClient(base_url=house.first.url) as first:
        assert (await first.put(part["uploadUrl"], content=DATA)).status_code == 200


async def test_a_server_that_ends_in_peace_is_forgotten(house: House) -> None:
    connection = await asyncpg.connect(house.database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM process") == 2
        assert await asyncio.to_thread(house.first.stop) == 0
        assert await connection.fetchval("SELECT count(*) FROM process") == 1
    finally:
        await connection.close()
