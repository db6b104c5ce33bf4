"""Puts a backup back where nothing is yet, and finishes what was under way when it was taken.

A file in the data directory says that this is not done; no server starts beside it
(`app.console.usable`), so that half of a backup is never served.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from app import database, engine
from app.actions import presence, verification
from app.actions.content import erase_garbage
from app.backup import files, manifest, records
from app.backup.manifest import Manifest, NoBackup
from app.console import RESTORING, Stop
from app.main import content_store
from app.reads import fsck
from app.rules.fsck import Finding
from app.settings import Settings

_MAY_BE_THERE: Final = frozenset({"lock", "lost+found"})
_DATABASES: Final = {"sqlite": "an SQLite database", "postgres": "PostgreSQL"}


async def restore(
    settings: Settings, folder: Path, *, deep: bool
) -> tuple[Manifest, list[Finding]]:
    """Restores a backup, and has fsck look at it; gives what that finds.

    Where it fails, what it had put into the data directory is removed. Raises Stop, NoBackup,
    OSError and what drivers do.
    """
    found = manifest.read(folder)
    listed = list(manifest.files(folder, found))
    file = engine.embedded_file(settings.database_url)
    kind = "postgres" if file is None else "sqlite"
    if found.database != kind:
        raise Stop(
            f"{folder} has the records of {_DATABASES[found.database]}, and --database names"
            f" {_DATABASES[kind]}. Restore to the same kind."
        )
    with _unfinished(settings.data):
        if file is not None:
            if file.exists():
                raise Stop(f"There is a database {file} already. Restore to an empty directory.")
            _copy(folder, listed, lambda path: _place(settings, file, path))
        else:
            await _load(settings, folder, found, listed)
        async with database.opened(settings.database_url, pool=2):
            await database.assert_sound()
            await database.migrate()
            return found, await _look(settings, deep=deep)


@contextlib.contextmanager
def _unfinished(data: Path) -> Iterator[None]:
    """Marks an empty data directory as half restored for as long as the block lasts."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = sorted(entry.name for entry in data.iterdir() if entry.name not in _MAY_BE_THERE)
    if there:
        raise Stop(f"The data directory {data} has {there[0]} in it. Restore to an empty one.")
    files.written(data / RESTORING, b"")
    files.sync_folder(data)
    try:
        yield
        files.sync_folders(data)
    except BaseException:
        _clear(data)
        raise
    (data / RESTORING).unlink()
    files.sync_folder(data)


def _clear(data: Path) -> None:
    """Removes what was restored; the mark last, so that nothing is left that looks whole."""
    for entry in data.iterdir():
        if entry.name not in (*_MAY_BE_THERE, RESTORING):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
    (data / RESTORING).unlink(missing_ok=True)


def _place(settings: Settings, file: Path, path: str) -> Path:
    return file if path == manifest.DATABASE else settings.data / path


def _copy(folder: Path, listed: list[tuple[str, str]], place: Callable[[str], Path]) -> None:
    """Copies the files of a backup, each to its place. Raises NoBackup where one is damaged."""
    for path, sha256 in listed:
        try:
            digest = files.copied(folder / path, place(path))
        except FileNotFoundError as error:
            raise NoBackup(f"{folder / path} is missing: the backup is damaged.") from error
        if digest.sha256 != sha256:
            raise NoBackup(f"{folder / path} is not what was written: the backup is damaged.")


async def _load(
    settings: Settings, folder: Path, found: Manifest, listed: list[tuple[str, str]]
) -> None:
    """Fills an empty PostgreSQL database, and copies the content."""
    async with records.connected(settings.database_url) as connection:
        if not await records.is_empty(connection):
            raise Stop("The database has tables already. Restore to an empty one, made for this.")
        _copy(folder, listed, lambda path: settings.data / path)
        # As it was when the backup was made: what came later changes rows, too.
        async with database.opened(settings.database_url, pool=2):
            await database.migrate(up_to=found.migrations[-1])
        tables = settings.data / manifest.TABLES
        await records.load_tables(connection, tables)
        shutil.rmtree(tables)


async def _look(settings: Settings, *, deep: bool) -> list[Finding]:
    """Finishes what a crash at that moment would have left undone, and has fsck look."""
    store = content_store(settings)
    await store.open()
    try:
        if not settings.content:
            # Of what was on its way in or out there is no byte in a backup. A bucket may have it,
            # and others may use it: that is left to the server that is started here.
            await presence.recover()
            await verification.requeue_dead()
            await erase_garbage(store)
        return await fsck.inspect(store, deep=deep)
    finally:
        await store.close()
