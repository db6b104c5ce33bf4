"""Who follows a binary is told how far its hashing is, again and again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import pytest

from app.settings import Settings
from tests.api import BINARY, Api
from tests.conftest import new_api
from tests.graphql.test_subscriptions import FOLLOW, followed, served

# How the worker goes on does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MIB = 1 << 20
SIZE = 1024 * MIB
AT_LEAST_EVERY = 256 * MIB
BLOCK = bytes(MIB)


async def _content() -> AsyncIterator[bytes]:
    for _ in range(SIZE // MIB):
        yield BLOCK


async def _uploaded(api: Api) -> str:
    """The id of a binary of a GiB, whose bytes are all there."""
    digest = hashlib.sha256()
    for _ in range(SIZE // MIB):
        digest.update(BLOCK)
    told = digest.hexdigest()
    made = await api.do(
        "createBinary",
        "binary { id parts { uploadUrl } }",
        artifactVersionId=await api.version(),
        target="portable",
        hash=told,
        size=SIZE,
        parts=[{"index": 1, "size": SIZE, "hash": told}],
    )
    length = {"content-length": str(SIZE)}
    answer = await api.http.put(
        made["parts"][0]["uploadUrl"], content=_content(), headers=length, timeout=120
    )
    assert answer.status_code == 200, answer.text
    id: str = made["id"]
    return id


async def _told_of(api: Api, id: str) -> list[int]:
    """How many bytes were hashed, each time that a subscription told it."""
    seen = []
    async with followed(api, FOLLOW, id=id) as results:
        await anext(results)
        await api.do("finishBinaryUpload", BINARY, binaryId=id, startHashing=True)
        async for result in results:
            binary = result["data"]["binaryChanged"]
            seen.append(int((binary["verification"] or {"bytesHashed": 0})["bytesHashed"]))
            if binary["state"] == "SIGNABLE":
                break
    return seen


@pytest.mark.long
async def test_progress_is_told_at_least_every_256_mebibytes(settings: Settings) -> None:
    async with (
        served(settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=60) as http,
    ):
        api = await new_api(http, "acme")
        seen = await asyncio.wait_for(_told_of(api, await _uploaded(api)), 120)
    assert seen[-1] == SIZE
    steps = [after - before for before, after in pairwise([0, *seen])]
    assert all(0 <= step <= AT_LEAST_EVERY for step in steps), seen
