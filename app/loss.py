"""What the drivers raise when the database, or its disk, can't do its work."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from typing import Final

import asyncpg
from tortoise.exceptions import (
    DBConnectionError,
    OperationalError,
    TransactionManagementError,
)

from app.rules.failures import DatabaseUnavailable, StorageFull

# The second is how SQLite says that its index of the WAL could not grow.
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_LOSSES: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    DBConnectionError,
    sqlite3.OperationalError,
    OperationalError,
)


class _Translated:
    """A block around nearly every statement. As a generator it would cost five times as much."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is not None:
            _translate(error)


_TRANSLATED: Final = _Translated()


def translated() -> AbstractContextManager[None]:
    """Turns a loss of the database into DatabaseUnavailable, and a full disk into StorageFull."""
    return _TRANSLATED


def _translate(error: BaseException) -> None:
    if isinstance(error, asyncpg.DiskFullError):
        raise _full() from error
    if isinstance(error, TransactionManagementError):
        if isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
            raise DatabaseUnavailable(
                "The database can only be read: it is a standby, or was made one; try again in a"
                " few seconds."
            ) from error
    elif isinstance(error, _LOSSES):
        cause = error.args[0] if isinstance(error, OperationalError) and error.args else error
        if isinstance(error, OperationalError) and not _is_loss(cause):
            return
        if getattr(cause, "sqlite_errorcode", None) in _FULL:
            raise _full() from error
        raise DatabaseUnavailable(
            "The database does not answer; try again in a few seconds."
        ) from error


def _is_loss(cause: object) -> bool:
    """Whether SQLite could not do it now; a mistake in a statement is none."""
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(cause, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


def _full() -> StorageFull:
    return StorageFull(
        "The database's disk is full; nothing was changed. Destroying or deleting binaries still"
        " works, and makes room."
    )
