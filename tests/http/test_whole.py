"""Downloads of content that rots on the disk: none of it is complete with a wrong bit."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from app.actions import health
from app.models import Binary, BinaryPart
from app.rules.binary import State
from app.rules.failures import DatabaseUnavailable
from app.storage.content import ContentStore
from app.storage.disk import DiskStore
from tests.http.house import MIB, House, error_of, sample, served

FLIPS = 50
PIECES = (sample(2 * MIB + 17, 2), sample(MIB, 3), sample(700_001, 4))
DATA = b"".join(PIECES)


@pytest.fixture
def store(disk: DiskStore) -> ContentStore:
    return disk


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A cut body is an error in uvicorn's log, and here it is what should happen."""
    for name in ("uvicorn", "app.http.refusal"):
        caplog.set_level(logging.CRITICAL + 1, name)


async def files_of(tmp_path: Path, binary: Binary) -> list[Path]:
    names = await BinaryPart.filter(binary_id=binary.id).order_by("index").values_list("blob")
    return [tmp_path / "content" / str(name)[:2] / str(name) for (name,) in names]


def flip(files: list[Path], place: int, bit: int) -> None:
    """Turns one bit of the content, where it lies on the disk."""
    for file in files:
        size = file.stat().st_size
        if place < size:
            with file.open("r+b") as content:
                content.seek(place)
                (byte,) = content.read(1)
                content.seek(place)
                content.write(bytes([byte ^ (1 << bit)]))
            return
        place -= size
    raise AssertionError(f"The content is {place} bytes too short.")


@asynccontextmanager
async def downloads(house: House, binary: Binary) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    async with served(house.app) as port, httpx.AsyncClient() as client:
        yield client, f"http://127.0.0.1:{port}{house.download_url(binary)}"


async def got(
    client: httpx.AsyncClient, url: str, headers: dict[str, str] | None = None
) -> tuple[bool, bytes]:
    """Whether a download of status 200 or 206 came to its end, and the bytes that came."""
    came = b""
    try:
        async with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code >= 300:
                await answer.aread()
                assert error_of(answer) == (500, "CONTENT_CORRUPT")
                return False, b""
            async for block in answer.aiter_raw():
                came += block
    except httpx.RemoteProtocolError:
        return False, came
    return True, came


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("state", [State.HASHABLE, State.HASHING, State.SIGNABLE, State.SIGNED])
async def test_no_download_of_content_with_a_flipped_bit_is_complete(
    house: House, tmp_path: Path, state: State
) -> None:
    chance = random.Random(f"flips {state}")
    binary = await house.stored(*PIECES, state=state)
    files = await files_of(tmp_path, binary)
    seams = [0, len(PIECES[0]), len(PIECES[0]) + len(PIECES[1]), len(DATA)]
    places = [place for start, stop in itertools.pairwise(seams) for place in (start, stop - 1)]
    places += [chance.randrange(len(DATA)) for _ in range(FLIPS - len(places))]
    async with downloads(house, binary) as (client, url):
        for place in places:
            bit = chance.randrange(8)
            flip(files, place, bit)
            complete, came = await got(client, url)
            assert not complete, f"Bit {bit} of byte {place} was flipped."
            assert len(came) < len(DATA)
            flip(files, place, bit)
        assert await got(client, url) == (True, DATA)


@pytest.mark.usefixtures("quiet")
async def test_a_range_of_everything_is_checked_as_well(house: House, tmp_path: Path) -> None:
    binary = await house.stored(*PIECES)
    files = await files_of(tmp_path, binary)
    async with downloads(house, binary) as (client, url):
        for header in ("bytes=0-", f"bytes=-{len(DATA)}", f"bytes=0-{len(DATA) - 1}"):
            assert await got(client, url, {"Range": header}) == (True, DATA)
            flip(files, len(DATA) - 1, 0)
            complete, _ = await got(client, url, {"Range": header})
            assert not complete
            flip(files, len(DATA) - 1, 0)


async def test_a_range_tells_the_digest_of_all_for_the_client_to_check(
    house: House, tmp_path: Path
) -> None:
    """The server can't know that these are wrong; who puts the ranges together can."""
    binary = await house.stored(*PIECES)
    whole = await house.client.get(house.download_url(binary))
    flip(await files_of(tmp_path, binary), 10, 0)
    came = b""
    for header in ("bytes=0-99", "bytes=100-"):
        answer = await house.client.get(house.download_url(binary), headers={"Range": header})
        assert answer.status_code == 206
        for name in ("ETag", "Repr-Digest"):
            assert answer.headers[name] == whole.headers[name]
        came += answer.content
    assert len(came) == len(DATA)
    assert came != DATA


async def test_what_fits_into_one_block_is_refused_before_a_byte(
    house: House, tmp_path: Path
) -> None:
    binary = await house.stored(b"a" * 1_000)
    flip(await files_of(tmp_path, binary), 999, 7)
    answer = await house.client.get(house.download_url(binary))
    assert error_of(answer) == (500, "CONTENT_CORRUPT")
    head = await house.client.head(house.download_url(binary))
    assert (head.status_code, head.headers["content-length"]) == (200, "1000")
    assert head.content == b""


async def test_empty_content_is_checked_too(house: House) -> None:
    binary = await house.stored()
    url = house.download_url(binary)
    assert (await house.client.get(url)).content == b""
    await Binary.filter(id=binary.id).update(hash="0" * 64)
    assert error_of(await house.client.get(url)) == (500, "CONTENT_CORRUPT")


async def test_content_with_more_bytes_than_the_record_says_is_refused(house: House) -> None:
    binary = await house.stored(*PIECES)
    await Binary.filter(id=binary.id).update(size=len(DATA) - 1)
    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = await house.client.get(house.download_url(binary), headers=headers)
        assert error_of(answer) == (500, "CONTENT_CORRUPT")


async def next_look() -> UUID | None:
    """What the worker would look at next, where nothing is due by itself."""
    claimed = await health.claim(again_after=timedelta(days=365), rate=MIB)
    return None if claimed is None else claimed.binary_id


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("pieces", [PIECES, (b"short",)], ids=["cut", "refused"])
@pytest.mark.parametrize("state", [State.HASHABLE, State.SIGNABLE, State.SIGNED])
async def test_what_was_found_wrong_is_looked_at_next(
    house: House, tmp_path: Path, state: State, pieces: tuple[bytes, ...]
) -> None:
    """Only what was verified once: the rest is read by the worker anyway."""
    await house.stored(b"another", state=State.SIGNED)
    binary = await house.stored(*pieces, state=state)
    async with downloads(house, binary) as (client, url):
        await got(client, url)
        assert await next_look() is None
        flip(await files_of(tmp_path, binary), 0, 0)
        for _ in range(2):
            complete, _ = await got(client, url)
            assert not complete
    verified = state in (State.SIGNABLE, State.SIGNED)
    assert await next_look() == (binary.id if verified else None)
    assert await next_look() is None


@pytest.mark.usefixtures("quiet")
async def test_a_doubt_that_can_not_be_noted_changes_nothing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("The database does not answer.")

    binary = await house.stored(b"short")
    flip(await files_of(tmp_path, binary), 0, 0)
    monkeypatch.setattr(health, "suspect", away)
    answer = await house.client.get(house.download_url(binary))
    assert error_of(answer) == (500, "CONTENT_CORRUPT")
