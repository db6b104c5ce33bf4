"""Takes a backup: records as of one moment, then the content that they name.

Erasing is held meanwhile (`app.actions.hold`), so that this content is there until it is copied;
blobs are never written a second time, so that it does not matter when.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from app import engine, lock
from app.actions.hold import HOLD_FILE
from app.backup import files, manifest, records
from app.backup.manifest import Manifest
from app.backup.records import Records
from app.console import Stop
from app.settings import Settings
from app.storage import folders
from app.storage.content import Digest

_AT_ONCE: Final = 4
"""Files that are copied at once: most of a small one's time is the wait for its fsync."""
_AGAIN_SECONDS: Final = 0.02
_HOLD_SECONDS: Final = 2.0
"""How long a hold is tried for; who looks whether there is one has it for a moment."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was made, and what was wrong with content before it was copied."""

    manifest: Manifest
    wrong: list[str]


async def take(settings: Settings, target: Path) -> Taken:
    """Makes the folder `target`, complete or not at all.

    Raises Stop, Damaged, OSError and what drivers do.
    """
    partial = target.with_name(f"{target.name}.partial")
    with _made_at_once(partial, target):
        return await _fill(settings, partial)


@contextlib.contextmanager
def _made_at_once(partial: Path, target: Path) -> Iterator[None]:
    """Gives the block a new folder `partial`, and that its real name if the block succeeds."""
    if target.exists():
        raise Stop(f"{target} is there already; name a folder that is not.")
    try:
        with lock.held(partial):
            # What an earlier run left that was interrupted.
            _empty(partial)
            try:
                yield
                (partial / "lock").unlink()
                files.sync_folders(partial)
                partial.rename(target)
                files.sync_folder(target.parent)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
    except lock.InUseElsewhere as error:
        raise Stop(f"Another backup to {target} is under way.") from error


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


async def _fill(settings: Settings, folder: Path) -> Taken:
    begun = datetime.now(UTC)
    wrong: list[str] = []
    file = engine.embedded_file(settings.database_url)
    if file is not None:
        with _held(file.parent):
            copied = records.copy_embedded(file, folder / manifest.DATABASE)
            _copy_content(settings, copied, folder, wrong)
    else:
        async with records.connected(settings.database_url) as connection:
            await _hold(connection)
            copied = await records.copy_tables(connection, folder / manifest.TABLES)
            _copy_content(settings, copied, folder, wrong)
            # Had the connection been lost, others would have erased what was still to be copied.
            await connection.fetchval("SELECT 1")
    secret = settings.data / manifest.SECRET
    if secret.exists():
        copied.files[manifest.SECRET] = files.copied(secret, folder / manifest.SECRET)
    facts = {
        "bindery": version("bindery"),
        "begun_at": begun.isoformat(),
        "database": "postgres" if file is None else "sqlite",
        "migrations": copied.migrations,
        "content": not settings.content,
    }
    return Taken(manifest.write(folder, copied.files, facts), wrong)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    end = time.monotonic() + _HOLD_SECONDS
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock.held(folder, name=HOLD_FILE))
                break
            except lock.InUseElsewhere as error:
                if time.monotonic() > end:
                    raise Stop("Another backup of this data directory is under way.") from error
                time.sleep(_AGAIN_SECONDS)
        yield


async def _hold(connection: records.Connection) -> None:
    end = time.monotonic() + _HOLD_SECONDS
    while not await records.hold(connection):
        if time.monotonic() > end:
            raise Stop("Another backup of this database is under way.")
        await asyncio.sleep(_AGAIN_SECONDS)


def _copy_content(settings: Settings, copied: Records, folder: Path, wrong: list[str]) -> None:
    """Copies the blobs that the records name, unless they are in a bucket."""
    if settings.content:
        return
    root = settings.data / manifest.BLOBS

    def copy(blob: str, expect: Digest) -> None:
        path = f"{manifest.BLOBS}/{blob[:2]}/{blob}"
        try:
            digest = files.copied(folders.path_of(root, blob), folder / path)
        except FileNotFoundError:
            wrong.append(f"The blob {blob} is missing in {root}.")
            return
        copied.files[path] = digest
        if digest != expect:
            wrong.append(f"The blob {blob} is not what was uploaded.")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(copy, *one) for one in copied.blobs]:
            done.result()
