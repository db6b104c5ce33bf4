"""The clients of PostgreSQL: one that reads, one that writes, and how both connect."""

from __future__ import annotations

import contextlib
import urllib.parse
from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionalDBClient, TransactionContextPooled
from tortoise.connection import get_connections
from tortoise.exceptions import TransactionManagementError

_SERVER_SETTINGS = {"jit": "off", "random_page_cost": "1.1", "timezone": "UTC"}
"""What every session on PostgreSQL has. Its own estimate of what a row costs that is read by an
index is that of a turning disk, and makes it read whole tables instead.
"""

CONNECT_SECONDS = 5.0
"""How long a connection may take to be made, before the database counts as away."""


class _ReadingConnection(asyncpg.Connection):
    """A connection that leaves nothing behind, and so needs no reset on each release."""

    def get_reset_query(self) -> str:
        return ""


class ReadingClient(AsyncpgDBClient):
    """PostgreSQL for queries: a pool without the statement that resets a connection."""

    connection_class = _ReadingConnection  # type: ignore[assignment]


class _Transaction(TransactionContextPooled):
    """Gives the connection back when a transaction can't begin; the stock one leaks it."""

    __slots__ = ()

    async def __aenter__(self) -> TransactionalDBClient:
        try:
            return await super().__aenter__()
        except BaseException:
            pool, taken = self.client._parent._pool, self.client._connection
            if pool is not None and taken is not None:
                await pool.release(taken)
            with contextlib.suppress(AttributeError):
                get_connections().reset(self.token)
            raise

    async def __aexit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is TransactionManagementError:
            # The stock one leaves such a transaction open. Where nothing can be written any more,
            # the address may lead to the new primary already: the next ones connect anew.
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self.client.rollback()
            parent = self.client._parent
            if parent._pool is not None:
                await parent._pool.expire_connections()
        await super().__aexit__(exc_type, exc_value, traceback)


class WritingClient(AsyncpgDBClient):
    """PostgreSQL for units of work."""

    def _in_transaction(self) -> TransactionContextPooled:
        return _Transaction(TransactionWrapper(self), self._pool_init_lock)


def credentials(url: str, name: str) -> dict[str, Any]:
    """What a URL says of the server, and what the server lists this process by."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    return {
        "host": query.get("host") or parts.hostname or "localhost",
        "port": parts.port or int(query.get("port", 5432)),
        "user": urllib.parse.unquote(parts.username or query.get("user", "postgres")),
        "password": urllib.parse.unquote(parts.password) if parts.password else None,
        "database": urllib.parse.unquote(parts.path.lstrip("/")) or "postgres",
        "application_name": f"{name}-writer",
        "timeout": CONNECT_SECONDS,
        "server_settings": _SERVER_SETTINGS.copy(),
    }
