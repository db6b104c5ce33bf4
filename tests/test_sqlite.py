"""Reads of SQLite on the event loop: which are, which are not, and that both see the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tortoise.exceptions import OperationalError

from app import database
from app.models import Organization
from app.rules.failures import DatabaseUnavailable
from app.sqlite import STEPS

LONG = (
    "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)"
    " SELECT COUNT(*) FROM number"
)
"""A statement of some steps for each number."""


@pytest.fixture(autouse=True)
async def opened(tmp_path: Path) -> AsyncIterator[None]:
    async with database.opened(f"sqlite://{tmp_path / 'bindery.db'}"):
        await database.migrate()
        # The first read of a connection also reads what tables there are.
        await database.query("SELECT id FROM organization")
        yield


def _at_once(read: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives that waits for nothing; None where it waits."""
    try:
        read.send(None)
    except StopIteration as ended:
        return ended.value
    read.close()
    return None


async def test_a_short_read_waits_for_no_thread() -> None:
    assert _at_once(database.fetch("SELECT 7, $1", ["text"])) == [(7, "text")]
    assert _at_once(database.query("SELECT 7 AS n")) == [{"n": 7}]


async def test_it_sees_what_was_committed_and_nothing_else() -> None:
    names = "SELECT name FROM organization"

    async def body(connection: database.Connection) -> None:
        await Organization.create(using_db=connection, name="one")
        assert _at_once(database.fetch(names)) == []

    await database.unit_of_work(body)
    assert _at_once(database.fetch(names)) == [("one",)]


async def test_a_long_read_leaves_the_event_loop_alone() -> None:
    async def ticks() -> int:
        count = 0
        while not reading.done():
            await asyncio.sleep(0)
            count += 1
        return count

    reading = asyncio.create_task(database.fetch(LONG, [STEPS]))
    assert await ticks() > 1
    assert [tuple(row) for row in await reading] == [(STEPS,)]


async def test_a_statement_known_to_be_long_is_not_begun_twice() -> None:
    assert _at_once(database.fetch(LONG, [3])) == [(3,)]
    await database.fetch(LONG, [STEPS])
    assert _at_once(database.fetch(LONG, [3])) is None
    assert _at_once(database.fetch("SELECT 1")) == [(1,)]


async def test_it_changes_nothing() -> None:
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("INSERT INTO organization (id) VALUES (1)")
    assert await database.fetch("SELECT id FROM organization") == []


async def test_a_mistake_is_told_as_the_other_connection_tells_it() -> None:
    with pytest.raises(OperationalError, match="no such column"):
        await database.fetch("SELECT secret FROM api_key")
