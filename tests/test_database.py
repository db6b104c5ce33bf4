"""The unit of work and the connections: what is committed, what is seen, and what is told."""

from __future__ import annotations

import asyncio
import sqlite3
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from tortoise.exceptions import IntegrityError, OperationalError

from app import database, engine
from app.models import Organization
from app.rules.failures import DatabaseUnavailable, StorageFull

STEPS = 25
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# Where SQLite has one transaction at a time.
POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[str]:
    """An open database with every migration; its address."""
    async with database.opened(database_url, pool=4):
        await database.migrate()
        yield database_url


async def _names() -> list[str]:
    """What is committed, read by a connection of its own."""
    rows = await database.query("SELECT name FROM organization ORDER BY name")
    return [row["name"] for row in rows]


async def _create(connection: database.Connection, *names: str) -> None:
    for name in names:
        await Organization.create(using_db=connection, name=name)


async def _two(name: str, connection: database.Connection) -> None:
    await _create(connection, f"{name} 1", f"{name} 2")


@pytest.mark.parametrize("pause", [0.0, 0.0004])
async def test_a_cancelled_caller_leaves_all_or_nothing(opened: str, pause: float) -> None:
    for step in range(STEPS):
        caller = asyncio.create_task(database.unit_of_work(partial(_two, f"step {step:02}")))
        for _ in range(step):
            await asyncio.sleep(pause)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        # Neither the lock of SQLite nor a connection of the pool is kept by the one cancelled.
        async with asyncio.timeout(5):
            await database.unit_of_work(lambda connection: _create(connection, "next"))
            await database.drain()
        names = await _names()
        # Cancelled before its first step it did not begin; from then on it goes to its end.
        assert names == ["next", *([f"step {step:02} 1", f"step {step:02} 2"] if step else [])]
        await database.execute("DELETE FROM organization", using=database.writer())


async def test_many_cancelled_callers_give_all_connections_back(opened: str) -> None:
    callers = [
        asyncio.create_task(database.unit_of_work(partial(_two, str(name)))) for name in range(20)
    ]
    await asyncio.sleep(0.005)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    async with asyncio.timeout(10):
        await database.drain()
    assert len(await _names()) == 40


async def test_what_has_just_ended_is_not_waited_for_again_and_again(opened: str) -> None:
    """The loop takes note of an end at its next turn, which waiting has to give it."""
    ended = asyncio.create_task(asyncio.sleep(0))
    await ended
    database._pending.add(ended)
    ended.add_done_callback(database._pending.discard)
    await database.drain()
    assert not database._pending


async def test_closing_waits_for_what_a_cancelled_caller_began(database_url: str) -> None:
    async with database.opened(database_url):
        await database.migrate()
        begun = asyncio.Event()

        async def slowly(connection: database.Connection) -> None:
            begun.set()
            await _create(connection, "early")
            await asyncio.sleep(0.1)
            await _create(connection, "late")

        caller = asyncio.create_task(database.unit_of_work(slowly))
        await begun.wait()
        caller.cancel()
    async with database.opened(database_url):
        assert await _names() == ["early", "late"]


async def test_what_raises_leaves_nothing(opened: str) -> None:
    async def fail(connection: database.Connection) -> None:
        await _create(connection, "gone")
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        await database.unit_of_work(fail)
    assert await _names() == []


async def test_a_reader_sees_what_is_committed_and_nothing_else(opened: str) -> None:
    async def body(connection: database.Connection) -> None:
        await _create(connection, "new")
        assert await _names() == []
        seen = await database.query("SELECT name FROM organization", using=connection)
        assert [row["name"] for row in seen] == ["new"]
        # Tortoise's own statements are the transaction's, without being told.
        assert await Organization.all().count() == 1

    await database.unit_of_work(body)
    assert await _names() == ["new"]


async def test_who_lost_a_race_for_a_unique_value_finds_the_winner(opened: str) -> None:
    runs: list[bool] = []

    async def body(connection: database.Connection) -> str:
        # The first run looks before the winner is there.
        runs.append(len(runs) > 0 and await Organization.filter(name="acme").exists())
        if runs[-1]:
            return "found"
        await _create(connection, "marker", "acme")
        return "made"

    await database.unit_of_work(lambda connection: _create(connection, "acme"))
    assert await database.unit_of_work(body) == "found"
    assert runs == [False, True]
    # What the first run wrote is not there.
    assert await _names() == ["acme"]


@POSTGRES
async def test_two_that_look_at_once_make_one(opened: str) -> None:
    both = asyncio.Barrier(2)
    runs = []

    async def body(connection: database.Connection) -> str:
        runs.append(1)
        if await Organization.filter(name="acme").exists():
            return "found"
        if len(runs) <= 2:
            await both.wait()
        await _create(connection, "acme")
        return "made"

    results = await asyncio.gather(database.unit_of_work(body), database.unit_of_work(body))
    assert sorted(results) == ["found", "made"]
    assert (len(runs), await _names()) == (3, ["acme"])


async def test_a_value_that_stays_taken_is_told(opened: str) -> None:
    runs = []

    async def body(connection: database.Connection) -> None:
        runs.append(1)
        await _create(connection, "acme", "acme")

    with pytest.raises(IntegrityError):
        await database.unit_of_work(body)
    assert (len(runs), await _names()) == (3, [])


async def test_retry_begins_again_without_what_was_written(opened: str) -> None:
    runs = []

    async def body(connection: database.Connection) -> int:
        runs.append(1)
        await _create(connection, f"run {len(runs)}")
        if len(runs) < 5:
            raise database.Retry
        return len(runs)

    assert await database.unit_of_work(body) == 5
    assert await _names() == ["run 5"]


async def test_retry_ends_in_an_answer_for_callers(
    opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PAUSE_SECONDS", 0)

    async def body(connection: database.Connection) -> None:
        await _create(connection, "again")
        raise database.Retry

    with pytest.raises(DatabaseUnavailable):
        await database.unit_of_work(body)
    assert await _names() == []


@POSTGRES
async def test_a_deadlock_is_run_again(opened: str) -> None:
    await database.unit_of_work(lambda connection: _create(connection, "a", "b"))
    both = asyncio.Barrier(2)
    runs = []

    async def rename(first: str, second: str, connection: database.Connection) -> None:
        runs.append(1)
        sql = "UPDATE organization SET updated_at = now() WHERE name = $1"
        await database.execute(sql, [first], using=connection)
        if len(runs) <= 2:
            await both.wait()
        await database.execute(sql, [second], using=connection)

    await asyncio.gather(
        database.unit_of_work(partial(rename, "a", "b")),
        database.unit_of_work(partial(rename, "b", "a")),
    )
    assert len(runs) == 3


async def test_a_lost_database_is_told_and_found_again(opened: str) -> None:
    if database.dialect(database.writer()) == "sqlite":
        await _lose_sqlite(opened)
    else:
        await _lose_postgres()
    await database.unit_of_work(lambda connection: _create(connection, "after"))
    assert await _names() == ["after"]


async def _lose_sqlite(url: str) -> None:
    """Another process writes for longer than the busy timeout."""
    await database.writer().execute_query("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(url.removeprefix("sqlite://"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable):
            await database.unit_of_work(lambda connection: _create(connection, "never"))
        # Reading goes on meanwhile.
        assert await _names() == []


async def _lose_postgres() -> None:
    """The back end ends within a transaction, then all of them between two."""

    async def body(connection: database.Connection) -> None:
        await _create(connection, "never")
        await connection.execute_query("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable):
        await database.unit_of_work(body)
    await database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    # The pool may have to find out one connection at a time that they are gone.
    async with asyncio.timeout(5):
        while True:
            try:
                await database.unit_of_work(_nothing)
            except DatabaseUnavailable:
                continue
            return


@POSTGRES
async def test_a_primary_that_becomes_a_standby_is_told_and_the_new_one_found(
    opened: str, postgres_server: str
) -> None:
    """No connection is closed at the change back: those that could not write are made anew."""
    name = urllib.parse.urlsplit(opened).path.lstrip("/")
    operator = await asyncpg.connect(postgres_server)
    try:
        await operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        async with asyncio.timeout(5):
            while True:
                with pytest.raises(DatabaseUnavailable) as refused:
                    await database.unit_of_work(lambda connection: _create(connection, "never"))
                if "can only be read" in str(refused.value):
                    break
        await operator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    finally:
        await operator.close()
    await database.unit_of_work(lambda connection: _create(connection, "after"))
    assert await _names() == ["after"]


async def _nothing(connection: database.Connection) -> None:
    await connection.execute_query("SELECT 1")


async def test_a_mistake_in_a_statement_is_no_loss(opened: str) -> None:
    with pytest.raises((OperationalError, asyncpg.PostgresSyntaxError)):
        await database.query("SELECT FROM WHERE")
    with pytest.raises((OperationalError, asyncpg.UndefinedColumnError)):
        await database.execute("UPDATE organization SET nope = 1", using=database.writer())


async def test_a_database_that_is_not_there_is_told(database_url: str, tmp_path: Path) -> None:
    if engine.is_embedded(database_url):
        url = f"sqlite://{tmp_path}/no/such/folder/bindery.db"
    else:
        url = urllib.parse.urlsplit(database_url)._replace(path="/nobody").geturl()
        url = url if "@" in url else "postgresql://bindery@127.0.0.1:1/bindery"
    with pytest.raises(DatabaseUnavailable):
        async with database.opened(url):
            pass
    # The driver of SQLite ends its thread after a failed opening, and waits for nothing.
    await asyncio.sleep(0.05)


@SQLITE
async def test_sqlite_has_what_durability_rests_on(opened: str) -> None:
    # What reads on the event loop waits for nobody there.
    for connection, query_only, wait in (
        (database.writer(), 0, 10_000),
        (database.reader(), 1, 0),
    ):
        for pragma, value in {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": wait,
            "query_only": query_only,
        }.items():
            (row,) = await connection.execute_query_dict(f"SELECT * FROM pragma_{pragma}")
            assert list(row.values()) == [value], pragma


@SQLITE
@pytest.mark.parametrize("pragma", [{"synchronous": "NORMAL"}, {"journal_mode": "DELETE"}])
async def test_a_server_without_it_does_not_start(
    database_url: str, pragma: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PRAGMAS", {**engine.PRAGMAS, **pragma})
    with pytest.raises(DatabaseUnavailable, match="synchronous=FULL"):
        async with database.opened(database_url):
            pass


@SQLITE
async def test_the_reader_of_sqlite_can_not_write(opened: str) -> None:
    with pytest.raises((OperationalError, DatabaseUnavailable)):
        await database.execute("DELETE FROM organization", using=database.reader())


@SQLITE
async def test_a_full_disk_is_told(opened: str) -> None:
    (row,) = await database.writer().execute_query_dict("PRAGMA page_count")
    await database.writer().execute_query(f"PRAGMA max_page_count = {row['page_count'] + 1}")

    async def body(connection: database.Connection) -> None:
        await _create(connection, *(f"{number} {'x' * 1_000}" for number in range(100)))

    with pytest.raises(StorageFull):
        await database.unit_of_work(body)
    assert await _names() == []


async def test_a_row_by_hand_is_the_same_instance_as_a_row_by_the_model(opened: str) -> None:
    made = await Organization.create(name="acme", using_db=database.writer())
    (found,) = await database.rows(
        Organization, "SELECT * FROM organization WHERE id = $1", [made.id]
    )
    by_model = await Organization.get(id=made.id, using_db=database.reader())
    assert vars(found) == vars(by_model)
    assert found.created_at.utcoffset() == timedelta(0)
