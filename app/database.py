"""The database that is open: its connections, its migrations, the unit of work, statements."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, cast

import asyncpg
from tortoise import BaseDBAsyncClient, connections
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext
from tortoise.exceptions import IntegrityError
from tortoise.fields import DatetimeField
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.models import Model
from tortoise.transactions import in_transaction

from app import notices, replica, tracing
from app.ballast import ballast
from app.dialect import bound
from app.dialect import worded as in_words
from app.engine import APPS, configuration, is_embedded
from app.loss import translated as translated
from app.notices import CHANNEL, Notice, board
from app.rules.failures import DatabaseUnavailable, StorageFull
from app.sqlite import ReadingClient

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Connection = BaseDBAsyncClient

_MIGRATION_LOCK = 0x62696E64
_ATTEMPTS = 10
_UNIQUE_ATTEMPTS = 3
_PAUSE_SECONDS = 0.01
_pending: set[asyncio.Task[Any]] = set()
_reader: Connection | None = None
_standby: replica.Replica | None = None
_held: ContextVar[list[Notice] | None] = ContextVar("held", default=None)


class Retry(Exception):
    """What a unit of work read before its locks is no longer so; it begins again."""


@contextlib.asynccontextmanager
async def opened(
    url: str,
    *,
    pool: int = 10,
    name: str = "bindery",
    read_only: bool = False,
    standby: replica.Standby | None = None,
) -> AsyncIterator[None]:
    """Opens both connections for as long as the block lasts, and ends every unit of work first.

    `name` is what PostgreSQL lists this process by. Where it is `read_only`, the database itself
    refuses every change. The standby need not be there: it answers what `replica.allowed` allows.
    Raises DatabaseUnavailable when the database does not answer.
    """
    # Statements are kept by the connection's name, and would outlive a change of the dialect.
    EXECUTOR_CACHE.clear()
    global _reader, _standby
    before = _reader, _standby
    context = TortoiseContext()
    configured = configuration(url, pool=pool, name=name, read_only=read_only, standby=standby)
    async with context:
        await context.init(configured, use_tz=True, _enable_global_fallback=True)
        _reader = connections.get("reader")
        with translated():
            await writer().execute_query("SELECT 1")
            await assert_pragmas()
        _standby = None
        tasks = []
        if not is_embedded(url):
            news = notices.listen(configured["connections"]["default"]["credentials"])
            tasks.append(asyncio.create_task(news))
            if standby is not None:
                there = connections.get(replica.NAME)
                _standby = replica.Replica(there, reader(), seconds=standby.seconds)
                tasks.append(asyncio.create_task(_standby.run()))
        try:
            yield
        finally:
            await drain()
            _reader, _standby = before
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def assert_pragmas() -> None:
    """Refuses to go on when SQLite did not take the settings that durability rests on."""
    for connection in (writer(), reader()):
        if dialect(connection) == "sqlite":
            (journal,) = await connection.execute_query_dict("PRAGMA journal_mode")
            (synchronous,) = await connection.execute_query_dict("PRAGMA synchronous")
            if (journal["journal_mode"], synchronous["synchronous"]) != ("wal", 2):
                raise DatabaseUnavailable("SQLite did not accept WAL with synchronous=FULL.")


async def assert_sound() -> None:
    """Refuses to go on with an SQLite file that is damaged. Raises DatabaseUnavailable.

    It reads the whole file, and compares no index with its table, which would take far longer.
    """
    if dialect(writer()) == "sqlite":
        try:
            rows = await writer().execute_query_dict("PRAGMA quick_check(1)")
            wrong = rows[0]["quick_check"]
        except sqlite3.DatabaseError as error:
            wrong = str(error)
        if wrong != "ok":
            raise DatabaseUnavailable(
                f"The database is damaged ({' '.join(wrong.split())}). Restore it from a backup."
            )


async def migrate(*, up_to: str | None = None) -> list[str]:
    """Applies what is missing, one process at a time; gives the names of what it applied.

    `up_to` is the last migration that an empty database gets; none: the last that there is. Raises
    DatabaseUnavailable for a database that a newer version has changed.
    """
    applied: list[str] = []

    def note(event: str, _app: str, name: str) -> None:
        if event == "apply_done":
            applied.append(name)

    async def apply() -> None:
        executor, _ = await _migrations()
        targets = None if up_to is None else [MigrationTarget("bindery", up_to)]
        await executor.migrate(targets, progress=note)

    if dialect(writer()) == "sqlite":
        await apply()
    else:
        async with in_transaction("reader") as lock:
            await lock.execute_query(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            with translated():
                await apply()
    return applied


async def assert_migrated() -> None:
    """Raises DatabaseUnavailable unless the tables are those of this version."""
    _, missing = await _migrations()
    if missing:
        raise DatabaseUnavailable(
            f"The database is of an earlier version of Bindery ({missing[0]} is missing). Bring it"
            " to this one with `bindery migrate`, or by starting a server."
        )


async def _migrations() -> tuple[MigrationExecutor, list[str]]:
    """What applies migrations, and the names of those that are missing. Raises as `migrate`."""
    executor = MigrationExecutor(writer(), cast("dict[str, dict[Any, Any]]", APPS))
    await executor.loader.build_graph()
    known, applied = executor.loader.disk_migrations.keys(), executor.loader.applied_migrations
    unknown = sorted(key.name for key in applied - known)
    if unknown:
        raise DatabaseUnavailable(
            f"A newer version of Bindery changed the database ({', '.join(unknown)})."
            " Start that version, or restore the backup from before it."
        )
    return executor, sorted(key.name for key in known - applied)


def writer() -> Connection:
    """The connection that writes; within a unit of work, its transaction."""
    found: Connection = connections.get("default")
    return found


def reader() -> Connection:
    """The connection for queries. It never sees what is not committed.

    It is asked for with each statement, and never another one in a transaction, so it is looked up
    once, when it is opened.
    """
    assert _reader is not None, "no database is open"
    return _reader


def dialect(connection: Connection) -> str:
    """`sqlite` or `postgres`."""
    return connection.capabilities.dialect


def worded(sql: str, *, using: Connection) -> str:
    """A statement with the clock and the locks of a connection's database (`dialect.worded`)."""
    return in_words(sql, embedded=dialect(using) == "sqlite")


async def unit_of_work(
    body: Callable[[Connection], Awaitable[T]], *, on_full_disk: bool = False
) -> T:
    """Runs `body` in one transaction that a cancelled caller can't interrupt half-way.

    The body may run again: after it lost a race for a unique value (its own look-up then finds
    the winner), or after a deadlock. It must do nothing but read and write the database. With
    `on_full_disk` it may use the room of the ballast; until that has its room again, nothing else
    is taken. Raises what the body raises, StorageFull and DatabaseUnavailable.
    """
    task = asyncio.create_task(_attempts(body, on_full_disk=on_full_disk))
    _pending.add(task)
    task.add_done_callback(_pending.discard)
    return await asyncio.shield(task)


async def _attempts(body: Callable[[Connection], Awaitable[T]], *, on_full_disk: bool) -> T:
    if ballast.lacking and not on_full_disk:
        raise StorageFull(
            "The disk is full, nothing new is taken. Destroy or delete binaries to make room."
        )
    for attempt in range(1, _ATTEMPTS + 1):
        _held.set([])
        try:
            with translated(), tracing.transaction():
                async with in_transaction("default") as connection:
                    result = await body(connection)
                    held = _held.get() or []
                    if held and dialect(connection) == "postgres":
                        await _notify(held, using=connection)
                        held = []
            for notice in held:
                board.publish(notice)
            return result
        except IntegrityError:
            if attempt >= _UNIQUE_ATTEMPTS:
                raise
        except StorageFull:
            if not on_full_disk or not await asyncio.to_thread(ballast.give):
                raise
        except (Retry, asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            # Others go first meanwhile, so that their number comes to an end.
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
    raise DatabaseUnavailable(
        "Too much happens to the same things at once; try again in a few seconds."
    )


async def announce(notice: Notice, *, using: Connection) -> None:
    """Tells whoever waits that something changed, once the transaction is committed."""
    held = _held.get()
    if held is not None:
        held.append(notice)
    elif dialect(using) == "postgres":
        await _notify([notice], using=using)
    else:
        board.publish(notice)


async def _notify(notices: Sequence[Notice], *, using: Connection) -> None:
    """Sends notices to every process with the commit, all in one statement."""
    await execute(
        "SELECT pg_notify($1, notice) FROM unnest($2::text[]) AS notice",
        [CHANNEL, [notice.write() for notice in notices]],
        using=using,
    )


async def drain() -> None:
    """Waits until every unit of work under way has ended."""
    while _pending:
        # `gather` gives the loop no turn where all have just ended, from Python 3.12 on, and so
        # they would never leave the set.
        await asyncio.wait(_pending)


async def query(
    sql: str, arguments: Sequence[Any] = (), *, using: Connection | None = None
) -> list[dict[str, Any]]:
    """Rows of a hand-written statement with `$1` placeholders, as dicts.

    A list of ids is one argument, used as `{ids:1}` in the place of a comparison's right side.
    """
    if using is None and _standby is not None and _standby.chosen():
        found = await _standby.tried(lambda there: query(sql, arguments, using=there))
        if found is not None:
            return found
    connection = using or reader()
    with translated(), tracing.statement(sql):
        return await connection.execute_query_dict(
            *bound(sql, arguments, embedded=dialect(connection) == "sqlite")
        )


async def fetch(
    sql: str, arguments: Sequence[Any] = (), *, using: Connection | None = None
) -> Sequence[Sequence[Any]]:
    """Rows of a hand-written statement as `query` takes it, by position, as the driver has them."""
    if using is None and _standby is not None and _standby.chosen():
        answer = await _standby.tried(lambda there: fetch(sql, arguments, using=there))
        if answer is not None:
            return answer
    connection = using or reader()
    with translated(), tracing.statement(sql):
        if isinstance(connection, ReadingClient):
            return await connection.fetch(*bound(sql, arguments, embedded=True))
        _, found = await connection.execute_query(*bound(sql, arguments, embedded=False))
    return cast("Sequence[Sequence[Any]]", found)


async def execute(sql: str, arguments: Sequence[Any] = (), *, using: Connection) -> int:
    """Runs a hand-written statement that changes rows; gives how many."""
    with translated(), tracing.statement(sql):
        count, _ = await using.execute_query(
            *bound(sql, arguments, embedded=dialect(using) == "sqlite")
        )
    return count


async def rows(
    model: type[M], sql: str, arguments: Sequence[Any] = (), *, using: Connection | None = None
) -> list[M]:
    """Instances of a model from a hand-written statement that selects all its columns."""
    return [instance(model, row) for row in await query(sql, arguments, using=using)]


def instance(model: type[M], row: Mapping[str, Any]) -> M:
    """One instance of a model from a row that has all its columns."""
    values = dict(row)
    for name in _moments(model):
        if isinstance(values[name], str):
            # As SQLite has it. Tortoise reads every form of ISO 8601, at a hundred times the cost.
            values[name] = datetime.fromisoformat(values[name])
    return model._init_from_db(**values)


@lru_cache
def _moments(model: type[Model]) -> tuple[str, ...]:
    fields = model._meta.fields_map
    return tuple(
        column
        for name, column in model._meta.fields_db_projection.items()
        if isinstance(fields[name], DatetimeField)
    )
