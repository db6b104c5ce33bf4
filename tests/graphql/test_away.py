"""A server whose PostgreSQL goes away and comes back, while clients are connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from app.graphql import subscriptions
from app.settings import Settings
from tests.api import BINARY, Api
from tests.conftest import new_api
from tests.faults.cluster import FAST, Cluster, clustered
from tests.graphql.test_subscriptions import EVENTS, FOLLOW, followed, served

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of its own: others would miss it."""
    with clustered() as found:
        yield found


@pytest.fixture
async def api(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Api]:
    """A client of a server on it."""
    settings = Settings(data=tmp_path, database=cluster.url, storage_reserve=0, lease_seconds=2)
    async with (
        served(settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        yield await new_api(http, "acme")


async def back(api: Api) -> None:
    """Waits until the server is ready. Raises TimeoutError after five seconds."""
    async with asyncio.timeout(5):
        while (await api.http.get("/health/ready")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_subscriptions_wait_for_the_database(
    cluster: Cluster, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "KEY_CHECK_SECONDS", 0.1)
    binary = await api.binary(await api.version())
    async with (
        followed(api, FOLLOW, id=binary["id"]) as states,
        followed(api, EVENTS, kind=["product.create"]) as events,
    ):
        recorded = asyncio.ensure_future(anext(events))
        assert "data" in await anext(states)
        await asyncio.to_thread(cluster.stop, FAST)
        # Their keys are looked at several times meanwhile.
        await asyncio.sleep(0.5)
        await asyncio.to_thread(cluster.start)
        await back(api)
        await api.http.put(binary["parts"][0]["uploadUrl"], content=b"content")
        await api.product()
        async with asyncio.timeout(5):
            heard = await anext(states)
            assert heard["data"]["binaryChanged"]["bytesUploaded"] == "7"
            assert (await recorded)["data"]["eventRecorded"]["kind"] == "product.create"


async def test_what_needs_the_database_is_refused_with_a_time_to_come_again(
    cluster: Cluster, api: Api
) -> None:
    binary = await api.binary(await api.version())
    await asyncio.to_thread(cluster.stop, FAST)
    try:
        ready = await api.http.get("/health/ready")
        live = await api.http.get("/health/live")
        asked = await api.post("{ viewer { id } }")
        sent = await api.http.put(binary["parts"][0]["uploadUrl"], content=b"content")
    finally:
        await asyncio.to_thread(cluster.start)
    for answer in (ready, asked, sent):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert ready.json() == {
        "status": "unavailable",
        "start": "ok",
        "database": "failed",
        "storage": "ok",
    }
    assert live.status_code == 200
    for answer in (asked, sent):
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "DATABASE_UNAVAILABLE"
    await back(api)
    await api.do("deleteBinary", "deletedBinaryId", binaryId=binary["id"])


async def test_hashing_goes_on_when_the_database_is_back(cluster: Cluster, api: Api) -> None:
    binary = await api.binary(await api.version())
    await api.http.put(binary["parts"][0]["uploadUrl"], content=b"content")
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"], startHashing=True)
    await asyncio.to_thread(cluster.restart, FAST)
    await back(api)
    async with asyncio.timeout(10):
        while True:
            found = await api.ask("query($id: ID!) { binary(id: $id) { state } }", id=binary["id"])
            if found["binary"]["state"] == "SIGNABLE":
                break
            await asyncio.sleep(0.05)
