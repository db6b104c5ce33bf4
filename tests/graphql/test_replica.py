"""Queries that a standby answers: real streaming replication, held up and cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import database, replica
from app.replica import Replica
from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api
from tests.faults.cluster import IMMEDIATE, Cluster, clustered
from tests.graphql.test_subscriptions import served

NAMES = "{ products(first: 100) { nodes { name } } }"
CREATE = (
    "mutation($input: CreateProductInput!) { createProduct(input: $input) { product { name } } }"
)
Pair = tuple[Cluster, Cluster]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A PostgreSQL, and one that follows it."""
    with clustered() as primary, primary.followed() as standby:
        yield primary, standby


@asynccontextmanager
async def client(
    pair: Pair, folder: Path, *, seconds: float, overlaps: int = 1_500
) -> AsyncIterator[Api]:
    """A client of a server with a standby that may be so many seconds behind."""
    settings = Settings(
        data=folder,
        database=pair[0].url,
        database_replica=pair[1].url,
        database_replica_seconds=seconds,
        storage_reserve=0,
        limit_overlaps=overlaps,
    )
    async with (
        served(settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        api = await new_api(http, "acme")
        await in_use()
        yield api


async def in_use() -> None:
    """Waits until the standby is known to have what there was a moment ago."""
    with replica.allowed(True):
        async with asyncio.timeout(10):
            while database._standby is None or not database._standby.chosen():  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def asked(api: Api, query: str = NAMES, read: str = "replica", **variables: Any) -> Any:
    """The data of an answer, with the header that allows it to be old."""
    answer = await api.http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {api.key}", "Bindery-Read": read},
    )
    body = answer.json()
    assert "errors" not in body, body
    return body["data"]


async def names(api: Api, read: str = "replica", query: str = NAMES) -> list[str]:
    told = await asked(api, query, read)
    return [node["name"] for node in told["products"]["nodes"]]


def held_up(standby: Cluster, held: bool) -> None:
    """Has the standby replay nothing for a while."""
    standby.sql(f"SELECT pg_wal_replay_{'pause' if held else 'resume'}()")


async def test_who_allows_it_is_answered_by_the_standby(pair: Pair, tmp_path: Path) -> None:
    async with client(pair, tmp_path, seconds=60) as api:
        await api.product("before")
        async with asyncio.timeout(10):
            while "before" not in await names(api):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        held_up(pair[1], True)
        try:
            await api.product("after")
            assert "after" not in await names(api)
            assert "after" in await names(api, read="")
            # What is written, and told of it, is never read there.
            made = {"name": "written", "target": "x-y"}
            told = await asked(api, CREATE, input=made)
            assert told["createProduct"]["product"]["name"] == "written"
        finally:
            held_up(pair[1], False)


async def test_a_raised_limit_holds_for_what_the_standby_answers(
    pair: Pair, tmp_path: Path
) -> None:
    wide = NAMES.replace("name", "name " * 60)
    async with client(pair, tmp_path, seconds=60, overlaps=2_000) as api:
        held_up(pair[1], True)
        try:
            await api.product("unseen")
            assert "unseen" not in await names(api, query=wide)
            assert "unseen" in await names(api, read="", query=wide)
        finally:
            held_up(pair[1], False)


async def test_a_standby_that_is_too_far_behind_is_left_out(pair: Pair, tmp_path: Path) -> None:
    async with client(pair, tmp_path, seconds=0.4) as api:
        held_up(pair[1], True)
        try:
            await api.product("late")
            await asyncio.sleep(0.6)
            assert "late" in await names(api)
        finally:
            held_up(pair[1], False)


async def test_a_standby_that_is_away_is_left_out_and_found_again(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    tried = Replica.tried

    async def counted(self: Replica, read: Any) -> Any:
        nonlocal reads
        found = await tried(self, read)
        reads += found is not None
        return found

    monkeypatch.setattr(Replica, "tried", counted)
    async with client(pair, tmp_path, seconds=60) as api:
        await names(api)
        assert reads > 0
        await asyncio.to_thread(pair[1].stop, IMMEDIATE)
        try:
            reads = 0
            await api.product("alone")
            # Whoever finds out first, the query is answered.
            assert "alone" in await names(api)
            assert reads == 0
        finally:
            await asyncio.to_thread(pair[1].start)
        async with asyncio.timeout(60):
            while not reads:
                await names(api)
                await asyncio.sleep(0.2)


async def test_a_server_starts_without_its_standby(pair: Pair, tmp_path: Path) -> None:
    away = pair[1].url.replace("standby", "nowhere")
    settings = Settings(data=tmp_path, database=pair[0].url, database_replica=away)
    async with (
        served(settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        api = await new_api(http, "acme")
        await api.product("there")
        assert "there" in await names(api)
