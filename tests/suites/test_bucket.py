"""The suite of bucket faults finds what is planted, and its proxy refuses what S3 refuses."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.storage import resuming
from app.storage.bucket import Bucket, opened
from app.storage.location import Location
from app.storage.uploads import part_headers
from tests.buckets import location, s3_server
from tests.soak.turn import Turn
from tests.storage.samples import digest_of
from tests.suites import bucket
from tests.suites.proxy import CHECKSUM, Fault, Proxy

__all__ = ["location", "s3_server"]


async def _nothing(*_: Any, **__: Any) -> None:
    return None


def _abort_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Bucket, "abort", _nothing)


def _erase_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Bucket, "delete", _nothing)


def _store_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Bucket, "put", _nothing)


@pytest.mark.parametrize("plant", [_abort_nothing, _erase_nothing, _store_nothing])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "serving", lambda: contextlib.nullcontext(s3_server))
    monkeypatch.setattr(bucket, "AGAIN", 10)
    monkeypatch.setattr(bucket, "WAIT_SECONDS", 3)
    plant(monkeypatch)
    turn = Turn("B1", 0, 24, 1, 15)
    bucket.play(turn)
    assert turn.found


@pytest.fixture
async def proxy(s3_server: str) -> AsyncIterator[tuple[Proxy, str]]:
    made = Proxy(s3_server, random.Random(1), 0.0, 0.1)
    async with made.serving() as address:
        yield made, address


async def test_bytes_of_another_checksum_are_refused(
    proxy: tuple[Proxy, str], location: Location
) -> None:
    async with opened(replace(location, endpoint=proxy[1])) as through:
        upload = await through.begin("0" * 32)
        sha256 = digest_of(b"declared").sha256
        url = await through.part_url("0" * 32, upload, 1, sha256=sha256, seconds=60)
        async with httpx.AsyncClient() as client:
            headers = part_headers(sha256)
            wrong = await client.put(url, content=b"another!", headers=headers)
            assert (wrong.status_code, "BadDigest" in wrong.text) == (400, True)
            bare = await client.put(url, content=b"declared")
            assert (bare.status_code, "SignatureDoesNotMatch" in bare.text) == (403, True)
            assert await through.parts("0" * 32, upload) == []
            assert (await client.put(url, content=b"declared", headers=headers)).status_code == 200
        (part,) = await through.parts("0" * 32, upload)
        assert (part.index, part.size) == (1, 8)
    assert CHECKSUM in url
    assert proxy[0].refused == 2


async def test_a_link_ends(proxy: tuple[Proxy, str], location: Location) -> None:
    async with opened(replace(location, endpoint=proxy[1])) as through:
        await through.put("0" * 32, b"content", sha256=digest_of(b"content").sha256)
        good, short = [
            await through.content_url("0" * 32, filename="x.bin", seconds=seconds)
            for seconds in (600, 1)
        ]
        async with httpx.AsyncClient() as client:
            assert (await client.get(good)).content == b"content"
            await asyncio.sleep(2.1)
            late = await client.get(short)
            assert (late.status_code, "AccessDenied" in late.text) == (403, True)


@pytest.mark.parametrize("fault", list(Fault))
async def test_each_fault_is_gone_past(
    proxy: tuple[Proxy, str],
    location: Location,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One fault on each kind of request, and what was asked for comes about."""
    made, address = proxy
    monkeypatch.setattr("app.storage.bucket.READ_SECONDS", 0.3)
    made.patience = 0.5
    content = random.Random(1).randbytes(300_000)
    failing = False

    def choose(request: Any) -> Fault | None:
        nonlocal failing
        failing = not failing and (fault is not Fault.CUT or request.method == "GET")
        return fault if failing else None

    async with opened(replace(location, endpoint=address)) as through:
        monkeypatch.setattr(made, "_choose", choose)
        await through.put("0" * 32, content, sha256=digest_of(content).sha256)
        assert await through.size("0" * 32) == len(content)
        blocks = resuming.resumed(through, "0" * 32, start=5, end=len(content))
        assert b"".join([block async for block in blocks]) == content[5:]
        await through.delete(["0" * 32])
        assert await through.size("0" * 32) is None
