"""A query that takes too long is ended, told why, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from app import engine
from app.server import Server
from app.settings import Settings
from tests.api import Api

SECONDS = 0.5
AT_ONCE = 30
LATE = "The query took longer than 0.5 seconds; ask for less, or for smaller pages."
ASKED = "{ binaries { nodes { id parts { index } artifactVersion { artifact { name } } } } }"


@pytest.fixture(params=[True, False], ids=["planner", "reference"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return replace(settings, query_seconds=SECONDS, worker=False, planner=request.param)


@pytest.fixture
async def blocked(api: Api, settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A session of somebody else who may hold PostgreSQL up."""
    if settings.database_url.startswith("sqlite:"):
        pytest.skip("in SQLite's journal mode nobody holds a reader up")
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


async def settled(tasks: int) -> None:
    """Waits until no more tasks than these are left; what was ended goes in its own time."""
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - nobody tells of it.
            await asyncio.sleep(0.02)


# What GraphQL's executor has made of an object, and not begun when all is ended, it never begins.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_a_query_that_waits_for_the_database_is_ended(
    api: Api, blocked: asyncpg.Connection[Any]
) -> None:
    await api.uploaded(await api.version())
    before = await api.ask(ASKED)
    tasks = len(asyncio.all_tasks())
    async with blocked.transaction():
        await blocked.execute("LOCK TABLE artifact_version IN ACCESS EXCLUSIVE MODE")
        for _ in range(2):
            begun = time.monotonic()
            answers = await asyncio.gather(*(api.post(ASKED) for _ in range(AT_ONCE)))
            assert time.monotonic() - begun < SECONDS * 10
            for answer in answers:
                body = answer.json()
                assert (answer.status_code, body["data"]) == (200, None)
                (error,) = body["errors"]
                assert error["message"] == LATE
                assert error["extensions"]["code"] == "QUERY_TIMEOUT"
                assert error["extensions"]["requestId"]
        # What does not need the table is answered meanwhile: no connection is lost.
        assert (await api.ask("{ apiKeys { totalCount } }"))["apiKeys"]["totalCount"] == 1
        accept = {"accept": "application/graphql-response+json"}
        key = {"authorization": f"Bearer {api.key}"}
        strict = await api.http.post("/graphql", json={"query": ASKED}, headers=accept | key)
        assert (strict.status_code, strict.json()["data"]) == (200, None)
    assert await api.ask(ASKED) == before
    await settled(tasks)


async def test_what_is_ended_is_counted_by_its_name(
    server: Server, api: Api, blocked: asyncpg.Connection[Any]
) -> None:
    async with blocked.transaction():
        await blocked.execute("LOCK TABLE binary_record IN ACCESS EXCLUSIVE MODE")
        error = await api.refused(ASKED)
    assert error["extensions"]["code"] == "QUERY_TIMEOUT"
    told = server.metrics.registry.get_sample_value
    for metric in ("bindery_operations_total", "bindery_operation_seconds_count"):
        assert told(metric, {"operation": "binaries"}) == 1
        assert told(metric, {"operation": "refused"}) is None


async def test_a_write_is_never_ended(api: Api, blocked: asyncpg.Connection[Any]) -> None:
    async def let_go() -> None:
        async with blocked.transaction():
            await blocked.execute("LOCK TABLE product IN ACCESS EXCLUSIVE MODE")
            held.set()
            await asyncio.sleep(SECONDS * 3)

    held = asyncio.Event()
    holding = asyncio.create_task(let_go())
    await held.wait()
    begun = time.monotonic()
    await api.product()
    assert time.monotonic() - begun > SECONDS * 2
    await holding
    assert (await api.ask("{ products { totalCount } }"))["products"]["totalCount"] == 1


class TestWithAnImpossibleDeadline:
    """Every query is late, whatever the database is."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, query_seconds=0.000001)

    async def test_it_is_ended_and_nothing_is_lost(self, api: Api, settings: Settings) -> None:
        tasks = len(asyncio.all_tasks())
        for _ in range(3):
            answers = await asyncio.gather(*(api.post(ASKED) for _ in range(AT_ONCE)))
            told = [answer.json() for answer in answers]
            late = [one for one in told if one["data"] is None]
            codes = {one["errors"][0]["extensions"]["code"] for one in late}
            assert codes <= {"QUERY_TIMEOUT"}
            # What SQLite reads at once waits for nothing, and so is never ended.
            at_once = settings.planner and engine.is_embedded(settings.database_url)
            assert at_once or len(late) == AT_ONCE
        await api.uploaded(await api.version())
        await settled(tasks)


class TestWithoutADeadline:
    """Zero ends nothing."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, query_seconds=0)

    async def test_nothing_is_ended(self, api: Api) -> None:
        assert await api.ask("{ binaries { totalCount } }") == {"binaries": {"totalCount": 0}}
