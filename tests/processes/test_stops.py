"""A process that is told to stop ends what was begun, gives back what it took, and goes soon."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.engine import embedded_file
from tests.api import Api, Json
from tests.processes.forking import Process
from tests.processes.served import Served, client, command, environment, new_key, said, served

SOON = 15.0
"""Seconds within which a process has ended: five for requests under way, and a slow machine."""
LEASE = 600
"""Seconds after which work would be taken over from a process that did not give it back."""
HALF = 4 << 20
LARGE = 256 << 20
"""Bytes that take a worker longer to hash than a client to see that it does."""
WRITERS = 8


@contextlib.contextmanager
def server_on(database: str, folder: Path, **settings: object) -> Iterator[Served]:
    """A server with the data of this test."""
    where = {"data": folder / "data", "log": folder / "log", "database": database}
    with served(**where, lease_seconds=LEASE, **settings) as one:  # type: ignore[arg-type]
        yield one


def stopped(process: subprocess.Popen[str] | Process) -> None:
    """Tells a process to stop, and waits until it has."""
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON * 2) == 0
    assert time.monotonic() - begun < SOON


async def stored(database: str, sql: str) -> list[tuple[object, ...]]:
    """Rows that a database has, whoever runs."""
    file = embedded_file(database)
    if file is not None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            return connection.execute(sql).fetchall()
    connected = await asyncpg.connect(database)
    try:
        return [tuple(row) for row in await connected.fetch(sql)]
    finally:
        await connected.close()


async def becomes(api: Api, binary: str, state: str) -> None:
    """Waits until a binary is in this state, for less long than any lease."""
    query = "query($id: ID!) { binary(id: $id) { state } }"
    async with asyncio.timeout(60):
        while (await api.ask(query, id=binary))["binary"]["state"] != state:  # noqa: ASYNC110 - another process's.
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_upload_whose_rest_comes_is_finished(database_url: str, tmp_path: Path) -> None:
    key = new_key(data=tmp_path / "data", database=database_url)
    content = bytes(2 * HALF)
    with server_on(database_url, tmp_path) as server:
        async with client(server, key) as api:
            binary = await api.binary(await api.version(), content)

            async def slowly() -> AsyncIterator[bytes]:
                yield content[:HALF]
                await asyncio.sleep(0.3)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.7)
                yield content[HALF:]

            answer = await api.http.put(
                binary["parts"][0]["uploadUrl"],
                content=slowly(),
                headers={"content-length": str(len(content))},
            )
            assert answer.status_code == 200
        assert server.process.wait(SOON) == 0
    with server_on(database_url, tmp_path) as server:
        async with client(server, key) as api:
            await api.do(
                "finishBinaryUpload",
                "binary { state }",
                binaryId=binary["id"],
                startHashing=True,
            )
            await becomes(api, binary["id"], "SIGNABLE")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_upload_that_hangs_is_left_and_leaves_nothing(
    database_url: str, tmp_path: Path
) -> None:
    key = new_key(data=tmp_path / "data", database=database_url)
    content = bytes(2 * HALF)
    with server_on(database_url, tmp_path, upload_idle_seconds=60) as server:
        async with client(server, key) as api:
            binary = await api.binary(await api.version(), content)

            async def hanging() -> AsyncIterator[bytes]:
                yield content[:HALF]
                await asyncio.sleep(60)

            upload = asyncio.create_task(
                api.http.put(
                    binary["parts"][0]["uploadUrl"],
                    content=hanging(),
                    headers={"content-length": str(len(content))},
                )
            )
            await asyncio.sleep(0.5)
            await asyncio.to_thread(stopped, server.process)
            upload.cancel()
            await asyncio.gather(upload, return_exceptions=True)
    status, told = said("fsck", "--deep", data=tmp_path / "data", database=database_url)
    assert status == 0, told
    assert not [one for one in (tmp_path / "data" / "blobs").rglob("*") if one.is_file()]
    with server_on(database_url, tmp_path) as server:
        async with client(server, key) as api:
            answer = await api.http.put(binary["parts"][0]["uploadUrl"], content=content)
            assert answer.status_code == 200


async def test_no_mutation_that_was_acknowledged_is_lost(database_url: str, tmp_path: Path) -> None:
    key = new_key(data=tmp_path / "data", database=database_url)
    acknowledged: list[str] = []
    with server_on(database_url, tmp_path) as server:
        async with client(server, key) as api:

            async def write(writer: int) -> None:
                number = 0
                with contextlib.suppress(httpx.TransportError):
                    while True:
                        name = f"artifact {writer}.{number}"
                        # Anything but success, a 500 too, fails the test here.
                        await api.do("createArtifact", "artifact { id }", name=name)
                        acknowledged.append(name)
                        number += 1

            writers = [asyncio.create_task(write(one)) for one in range(WRITERS)]
            await asyncio.sleep(1)
            await asyncio.to_thread(stopped, server.process)
            await asyncio.gather(*writers)
    assert len(acknowledged) > WRITERS
    names = {str(name) for (name,) in await stored(database_url, "SELECT name FROM artifact")}
    assert set(acknowledged) <= names
    # What was written and not acknowledged: at most the one that each writer had under way.
    assert len(names) - len(acknowledged) <= WRITERS


@contextlib.contextmanager
def worker_on(database: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker with the data of this test."""
    with subprocess.Popen(
        command("worker", data=folder / "data", database=database),
        env=environment(lease_seconds=LEASE),
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def large(api: Api) -> Json:
    """A binary that takes long to hash, uploaded."""
    content = bytes(LARGE)
    binary = await api.binary(await api.version(), content)
    answer = await api.http.put(binary["parts"][0]["uploadUrl"], content=content)
    assert answer.status_code == 200
    await api.do("finishBinaryUpload", "binary { state }", binaryId=binary["id"])
    return binary


async def hashed(api: Api, binary: str) -> None:
    """Waits until somebody reads the binary."""
    query = "query($id: ID!) { binary(id: $id) { verification { status } } }"
    async with asyncio.timeout(60):
        while (await api.ask(query, id=binary))["binary"]["verification"]["status"] != "RUNNING":  # noqa: ASYNC110 - another process's.
            await asyncio.sleep(0.005)


STATE = "SELECT state, verification_status FROM binary_record"
GIVEN_BACK = [("HASHING", "PENDING")]


async def test_a_server_gives_back_what_it_hashes(database_url: str, tmp_path: Path) -> None:
    key = new_key(data=tmp_path / "data", database=database_url)
    with server_on(database_url, tmp_path) as server:
        async with client(server, key) as api:
            binary = await large(api)
            await api.do("startBinaryHashing", "binary { state }", binaryId=binary["id"])
            await hashed(api, binary["id"])
            await asyncio.to_thread(stopped, server.process)
    assert await stored(database_url, STATE) == GIVEN_BACK
    with server_on(database_url, tmp_path) as server:
        async with client(server, key) as api:
            await becomes(api, binary["id"], "SIGNABLE")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_worker_gives_back_what_it_hashes(database_url: str, tmp_path: Path) -> None:
    key = new_key(data=tmp_path / "data", database=database_url)
    with server_on(database_url, tmp_path, worker=False) as server:
        async with client(server, key) as api:
            binary = await large(api)
            with worker_on(database_url, tmp_path) as first:
                await api.do("startBinaryHashing", "binary { state }", binaryId=binary["id"])
                await hashed(api, binary["id"])
                await asyncio.to_thread(stopped, first)
            assert await stored(database_url, STATE) == GIVEN_BACK
            with worker_on(database_url, tmp_path):
                await becomes(api, binary["id"], "SIGNABLE")
