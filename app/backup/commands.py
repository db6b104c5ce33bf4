"""`bindery backup` and `bindery restore`.

Status 0: it is done; 1: it is done, and damage was found, told in a line each; 2: it is not done.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import asyncpg

from app import check, engine
from app.backup import manifest
from app.backup.manifest import NoBackup
from app.backup.records import Damaged
from app.backup.restoring import restore
from app.backup.taking import take
from app.console import Stop, alone, reason, told
from app.settings import Settings


def add_backup_options(parser: argparse.ArgumentParser) -> None:
    """What `backup` may be told."""
    parser.add_argument("folder", type=Path, help="where to put the backup; a folder that is new")
    parser.add_argument("--json", action="store_true", help="print what it holds as JSON")


def add_restore_options(parser: argparse.ArgumentParser) -> None:
    """What `restore` may be told."""
    parser.add_argument("folder", type=Path, help="the backup")
    parser.add_argument("--deep", action="store_true", help="have fsck hash all content, too")
    parser.add_argument("--json", action="store_true", help="print what fsck finds as JSON")


def run_backup(chosen: argparse.Namespace, settings: Settings) -> int:
    """Makes a backup; servers may go on meanwhile. Raises Stop."""
    file = engine.embedded_file(settings.database_url)
    if file is not None and not file.exists():
        raise Stop(f"There is no database {file}. Name the data directory with --data.")
    target: Path = chosen.folder.absolute()
    with _said(target), told(settings):
        taken = asyncio.run(take(settings, target))
    facts = taken.manifest
    if chosen.json:
        print(json.dumps({**asdict(facts), "wrong": taken.wrong}))
    else:
        print("\n".join([*taken.wrong, f"Backed up {facts.files} files, {facts.bytes:,} bytes."]))
        if not facts.content:
            print("Content is in a bucket and not in this backup: keep versions of it there.")
    return int(bool(taken.wrong))


def run_restore(chosen: argparse.Namespace, settings: Settings) -> int:
    """Restores a backup to an empty place, and looks at it. Raises Stop."""
    with _said(chosen.folder):
        # What is mistyped makes no data directory.
        manifest.read(chosen.folder)
    with (
        alone(settings, "Restore to an empty directory."),
        _said(chosen.folder),
        told(settings),
    ):
        facts, found = asyncio.run(restore(settings, chosen.folder, deep=chosen.deep))
    if chosen.json:
        print(json.dumps({"findings": [check.facts(one, mended=False) for one in found]}))
    else:
        for one in found:
            print(check.line(one, mended=False))
        damage = sum(one.is_damage for one in found)
        print(
            f"Restored {facts.files} files, {facts.bytes:,} bytes, as of {facts.begun_at};"
            f" fsck found {damage or 'nothing'}{' damaged' if damage else ' wrong'}."
        )
    return int(any(one.is_damage for one in found))


@contextlib.contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Says in one line why a backup can't be made or used. Raises Stop."""
    try:
        yield
    except NoBackup as error:
        raise Stop(str(error)) from error
    except Damaged as error:
        raise Stop(f"The database is damaged ({error}). See `bindery fsck`.") from error
    except asyncpg.InterfaceError as error:
        raise Stop(f"The connection to the database was lost: {error}.") from error
    except OSError as error:
        where = error.filename or folder
        raise Stop(f"{where} can't be used: {reason(error)}.") from error
