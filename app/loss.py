"""What the drivers raise when the database, or its disk, can't do its work."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
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


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns a loss of the database into DatabaseUnavailable, and a full disk into StorageFull."""
    try:
        yield
    except asyncpg.DiskFullError as error:
        raise _full() from error
    except TransactionManagementError as error:
        if not isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
            raise
        raise DatabaseUnavailable(
            "The database can only be read: it is a standby, or was made one; try again in a few"
            " seconds."
        ) from error
    except (
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
    ) as error:
        cause = error.args[0] if isinstance(error, OperationalError) and error.args else error
        if isinstance(error, OperationalError) and not _is_loss(cause):
            raise
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
