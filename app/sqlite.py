"""The embedded database's client.

It stands in a file of its own because the migrations of Tortoise choose their dialect by the
name of the module that defines the client.
"""

from __future__ import annotations

from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
)


class ImmediateTransaction(SqliteTransactionWrapper):
    """Takes SQLite's write lock when a transaction begins, not when it first writes."""

    async def begin(self) -> None:
        """Begins; waits for other writers up to the busy timeout."""
        await self._connection.execute("BEGIN IMMEDIATE")


class EmbeddedClient(SqliteClient):
    """SQLite, with transactions that take the write lock at once."""

    def _in_transaction(self) -> SqliteTransactionContext:
        return SqliteTransactionContext(ImmediateTransaction(self), self._lock)
