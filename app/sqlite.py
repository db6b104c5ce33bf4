"""The embedded database's client.

It stands in a file of its own because the migrations of Tortoise choose their dialect by the
name of the module that defines the client.
"""

from __future__ import annotations

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
)
from tortoise.connection import get_connections


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
