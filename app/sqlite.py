"""The embedded database's client.

It stands in a file of its own because the migrations of Tortoise choose their dialect by the
name of the module that defines the client.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
)
from tortoise.connection import get_connections

STEPS: Final = 100_000
"""How many steps of SQLite's machine a statement may take on the event loop: a millisecond."""
SECONDS: Final = 0.02
"""How long these may last, where the disk has to be waited for."""
LONG_FOR: Final = 10.0
"""For how many seconds a statement that takes more steps is not tried there again."""
_BREATH: Final = 500
"""After so many steps it is looked at how far a statement has come."""
_KEPT: Final = 500
"""How many statements are kept prepared, and how many are known to be long."""


class ImmediateTransaction(SqliteTransactionWrapper):
    """Takes SQLite's write lock when a transaction begins, not when it first writes."""

    async def begin(self) -> None:
        """Begins; waits for other writers up to the busy timeout."""
        await self._connection.execute("BEGIN IMMEDIATE")


class ImmediateContext(SqliteTransactionContext):
    """Gives the connection back when a transaction can't begin; the stock one keeps it for ever."""

    __slots__ = ()

    async def __aenter__(self) -> TransactionalDBClient:
        await self._trxlock.acquire()
        try:
            await self.ensure_connection()
            await self.connection.begin()
        except BaseException:
            self._trxlock.release()
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        found: TransactionalDBClient = self.connection
        return found


class EmbeddedClient(SqliteClient):
    """SQLite, with transactions that take the write lock at once."""

    def _in_transaction(self) -> SqliteTransactionContext:
        return ImmediateContext(ImmediateTransaction(self), self._lock)


class ReadingClient(EmbeddedClient):
    """SQLite for queries: a short one runs on the event loop, by a connection of its own.

    To hand a statement to another thread, and its rows back, takes longer than most statements do.
    One that takes too long is ended, and runs in the other thread after all; so does whatever
    can't be read at once.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._own: sqlite3.Connection | None = None
        self._left, self._end = 0, 0.0
        """How many breaths the statement under way has left, and until when."""
        self._long: dict[str, float] = {}

    async def create_connection(self, with_db: bool) -> None:
        """Opens both connections."""
        await super().create_connection(with_db)
        if self._own is None:
            own = sqlite3.connect(self.filename, isolation_level=None, cached_statements=_KEPT)
            for pragma, value in {**self.pragmas, "busy_timeout": 0}.items():
                own.execute(f"PRAGMA {pragma}={value}")
            own.set_progress_handler(self._is_enough, _BREATH)
            self._own = own

    async def close(self) -> None:
        """Closes both."""
        if self._own is not None:
            self._own.close()
            self._own = None
        await super().close()

    async def execute_query(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[int, Sequence[Any]]:
        """The number of rows, and the rows. Raises as the stock client does."""
        found = await self._read(query, values)
        if found is None:
            slow: tuple[int, Sequence[Any]] = await super().execute_query(query, values)
            return slow
        cursor, rows = found
        return len(rows), [sqlite3.Row(cursor, row) for row in rows]

    async def execute_query_dict(
        self, query: str, values: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        """The rows by the names of their columns. Raises as the stock client does."""
        found = await self._read(query, values)
        if found is None:
            slow: list[dict[str, Any]] = await super().execute_query_dict(query, values)
            return slow
        cursor, rows = found
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def fetch(self, query: str, values: list[Any]) -> Sequence[Any]:
        """The rows by position alone. Raises as the stock client does."""
        found = await self._read(query, values)
        return (await super().execute_query(query, values))[1] if found is None else found[1]

    async def _read(
        self, query: str, values: list[Any] | None
    ) -> tuple[sqlite3.Cursor, list[tuple[Any, ...]]] | None:
        """What is read at once; None where it can't be."""
        begun = time.perf_counter()
        if self._own is None or self._long.get(query, 0.0) > begun:
            return None
        self._left, self._end = STEPS // _BREATH, begun + SECONDS
        try:
            cursor = self._own.execute(query, values or ())
            rows = cursor.fetchall()
        except sqlite3.Error:
            # The other connection tells what is wrong, if it is no want of patience.
            if self._left <= 0:
                if len(self._long) >= _KEPT:
                    self._long.clear()
                self._long[query] = begun + LONG_FOR
            return None
        self.log.debug("%s: %s", query, values)
        if time.perf_counter() > begun + SECONDS / 40:
            # Others go first, where a request has several of these.
            await asyncio.sleep(0)
        return cursor, rows

    def _is_enough(self) -> bool:
        self._left -= 1
        return self._left <= 0 or time.perf_counter() > self._end
