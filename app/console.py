"""What every command does around its work: it holds the data, and says in one line why not."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
from tortoise.exceptions import BaseORMException

from app import engine, lock
from app.rules.failures import DatabaseUnavailable
from app.settings import Settings

RESTORING: Final = "restoring"
"""The file that a data directory has for as long as a backup is put into it."""


class Stop(Exception):
    """Ends a command with one line for the operator."""


@contextlib.contextmanager
def alone(settings: Settings, instead: str) -> Iterator[None]:
    """Holds the data directory where the database is embedded; PostgreSQL is shared.

    Where a server holds it, the refusal says what to do `instead`.
    """
    with contextlib.ExitStack() as stack:
        if engine.is_embedded(settings.database_url):
            try:
                with usable(settings.data):
                    stack.enter_context(lock.held(settings.data))
            except lock.InUseElsewhere as error:
                raise Stop(
                    f"The data directory {settings.data} is in use by a running server. {instead}"
                ) from error
        yield


def is_free(settings: Settings) -> bool:
    """Whether no process holds the data directory of an embedded database now."""
    try:
        with usable(settings.data), lock.held(settings.data):
            return True
    except lock.InUseElsewhere:
        return False


@contextlib.contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Names the data directory, and what to do, when this block can't use it."""
    try:
        if (folder / RESTORING).exists():
            raise Stop(
                f"The data directory {folder} has half of a backup in it. Empty it, and restore"
                " again."
            )
        yield
    except OSError as error:
        raise Stop(
            f"The data directory {folder} can't be used: {reason(error)}. Name one that this user"
            " may write to, with --data or BINDERY_DATA."
        ) from error


@contextlib.contextmanager
def told(settings: Settings) -> Iterator[None]:
    """Names the database, and why, when it refuses this block."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise Stop(f"{error}{_cause(error)} {_which(settings)}") from error
    except (asyncpg.PostgresError, sqlite3.Error, BaseORMException) as error:
        raise Stop(f"The database refused: {error}. {_which(settings)}") from error


def _which(settings: Settings) -> str:
    """The database, and the setting that names it."""
    if not settings.database:
        return f"Database: {named(settings)} (BINDERY_DATA)."
    return f"Database: {named(settings)} (BINDERY_DATABASE)."


def _cause(error: BaseException) -> str:
    cause = error.__cause__
    return f" ({cause})" if cause is not None and str(cause) else ""


def named(settings: Settings) -> str:
    """The database's URL without user, password and options."""
    parts = urllib.parse.urlsplit(settings.database_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def reason(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)
