"""Over real sockets: what uvicorn makes of the requests and of the answers."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.models import Binary, BinaryPart, StorageGarbage, StorageIntent
from app.rules.binary import Move
from app.rules.part import PartState
from app.storage.content import ContentStore
from app.storage.disk import DiskStore
from tests.http.house import MIB, House, part_of, sample, served, until

HOST = "127.0.0.1"


@pytest.fixture
def store(disk: DiskStore) -> ContentStore:
    return disk


async def sent(port: int, *pieces: bytes) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def put_head(url: str, *headers: str) -> bytes:
    return "\r\n".join([f"PUT {url} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def randomly_cut(data: bytes, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    place = 0
    while place < len(data):
        size = chance.choice([1, 100, 1_000, 65_536, 300_000, 1_500_000])
        yield data[place : place + size]
        place += size


async def test_sixteen_mebibytes_in_any_chunks(house: House) -> None:
    data = sample(16 * MIB)
    binary, (part,) = await house.registered(data)
    url = house.upload_url(binary, part)
    async with served(house.app) as port:
        for seed in range(3):
            head = put_head(url, f"Content-Length: {len(data)}", "Connection: close")
            answer = await sent(port, head, *randomly_cut(data, seed))
            assert answer.startswith(b"HTTP/1.1 200 ")
        await house.move(binary, Move.FINISH_UPLOAD)
        async with httpx.AsyncClient() as client:
            got = await client.get(f"http://{HOST}:{port}{house.download_url(binary)}")
    assert got.content == data
    await house.assert_tidy()


@pytest.mark.parametrize("http", ["httptools", "h11"])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Content-Length: 7", "Content-Length: 8"],
        ["Content-Length: 7, 8"],
        ["Content-Length: -7"],
        ["Content-Length: +7"],
        ["Content-Length: seven"],
        ["Content-Length: 99999999999999999999999999"],
        ["Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 7"],
        ["Content-Length: 7", "Transfer-Encoding: identity"],
        ["Content-Length: 7", "Transfer-Encoding: gzip, chunked"],
        ["Content-Length: 6"],
        ["Content-Length: 8"],
    ],
)
async def test_a_malformed_length_is_400_and_leaves_nothing(
    house: House, headers: list[str], http: str
) -> None:
    binary, (part,) = await house.registered(b"content")
    async with served(house.app, http=http) as port:
        head = put_head(house.upload_url(binary, part), *headers, "Connection: close")
        answer = await sent(port, head, b"content")
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert (await part_of(part)).blob is None
    assert await StorageGarbage.all().count() == 0
    await house.assert_tidy()
    assert [name async for name in house.store.names()] == []


async def test_a_doubled_length_is_400(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    async with served(house.app) as port:
        head = put_head(house.upload_url(binary, part), *["Content-Length: 7"] * 2)
        answer = await sent(port, head, b"content")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (await part_of(part)).state is PartState.UPLOADABLE
    await house.assert_tidy()


async def test_a_content_coding_is_415(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    async with served(house.app) as port:
        head = put_head(
            house.upload_url(binary, part), "Content-Length: 7", "Content-Encoding: gzip"
        )
        answer = await sent(port, head, b"content")
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"UNSUPPORTED_MEDIA_TYPE" in answer
    await house.assert_tidy()


async def test_a_disconnect_in_the_middle_leaves_nothing(house: House) -> None:
    async def no_intent() -> bool:
        return not await StorageIntent.exists()

    data = sample(4 * MIB)
    binary, (part,) = await house.registered(data)
    async with served(house.app) as port:
        for abort in (True, False):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(put_head(house.upload_url(binary, part), f"Content-Length: {len(data)}"))
            writer.write(data[: 3 * MIB])
            await writer.drain()
            await until(StorageIntent.exists)
            if abort:
                writer.transport.abort()
            else:
                writer.write_eof()
                await reader.read()
                writer.close()
            await until(no_intent)
            await house.assert_tidy()
            assert [name async for name in house.store.names()] == []
            assert (await part_of(part)).state is PartState.UPLOADABLE


async def test_a_stalled_upload_is_408(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    async with served(house.app) as port:
        answer = await sent(
            port, put_head(house.upload_url(binary, part), "Content-Length: 7"), b"cont"
        )
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    await house.assert_tidy()


async def test_a_client_that_asks_first_is_refused_before_it_sends(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    headers = ["Content-Length: 7", "Expect: 100-continue"]
    async with served(house.app) as port:
        answer = await sent(port, put_head(house.expired(binary, part), *headers))
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"100 Continue" not in answer
        head = put_head(house.upload_url(binary, part), *headers, "Connection: close")
        answer = await sent(port, head, b"content")
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


async def test_the_answer_reaches_a_client_that_sends_all_first(house: House) -> None:
    data = sample(8 * MIB)
    binary, (part,) = await house.registered(data)
    async with served(house.app) as port:
        head = put_head(house.expired(binary, part), f"Content-Length: {len(data)}")
        answer = await sent(port, head, data)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"URL_EXPIRED" in answer
    await house.assert_tidy()


async def assert_cut(house: House, binary: Binary, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "uvicorn"):
        async with served(house.app) as port, httpx.AsyncClient() as client:
            url = f"http://{HOST}:{port}{house.download_url(binary)}"
            with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
                await client.get(url)


async def test_damage_in_the_middle_cuts_the_body(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    binary = await house.stored(sample(2 * MIB, 2), sample(MIB, 3))
    part = await BinaryPart.get(binary_id=binary.id, index=2)
    await house.store.erase([str(part.blob)])
    await assert_cut(house, binary, caplog)


async def test_destroying_cuts_a_download_that_runs(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    size = 64 * MIB
    binary = await house.stored(bytes(size // 2), bytes(size // 2))
    head = f"GET {house.download_url(binary)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with caplog.at_level(logging.CRITICAL, "uvicorn"):
        async with served(house.app) as port:
            reader, writer = await asyncio.open_connection(HOST, port, limit=MIB)
            writer.write(head)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            await house.move(binary, Move.DESTROY)
            await house.assert_tidy()
            rest = await asyncio.wait_for(reader.read(), 10)
            writer.close()
    assert 0 < len(rest) < size


async def test_a_client_that_goes_lets_go_of_the_content(house: House) -> None:
    def open_blobs() -> list[str]:
        paths = [os.path.realpath(number) for number in Path("/proc/self/fd").iterdir()]
        return [path for path in paths if "/content/" in path]

    async def closed() -> bool:
        return not open_blobs()

    binary = await house.stored(bytes(64 * MIB))
    head = f"GET {house.download_url(binary)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with served(house.app) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(head)
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        assert len(open_blobs()) == 1
        writer.transport.abort()
        await until(closed)
