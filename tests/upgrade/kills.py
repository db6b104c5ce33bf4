"""Kills a migration of the first version's data at every moment, and starts it again.

`python -m tests.upgrade.kills URL EVERY` does so at every EVERY-th moment: before each statement,
before each commit, and before and after each note that a migration was applied. The URL names a
database as the first version left it; what is done is done to copies of it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.parse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from tortoise.migrations.recorder import MigrationRecorder

from app import database, engine
from app.migrations._script import Script
from tests.catalogue import catalogue
from tests.databases import administer

_COUNTED: Final = ("organization", "binary_record", "binary_part", "release", "device", "event")


def main() -> int:
    """Kills at every moment; says how often, and what was wrong after a second start."""
    url, every = sys.argv[1], int(sys.argv[2])
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        whole = _after(_copy(url, Path(folder), 0), told, die_at=0)
        kills = 0
        for moment in itertools.count(1, every):
            copy = _copy(url, Path(folder), moment)
            if _after(copy, told, die_at=moment) is not None:
                break
            kills += 1
            if _after(copy, told, die_at=0) != whole:
                wrong.append(f"It is not whole after a kill at moment {moment}.")
    sys.stdout.write("\n".join([*wrong, f"{kills} kills, {len(wrong)} wrong\n"]))
    return 0 if whole and kills and not wrong else 1


def _after(url: str, told: Path, *, die_at: int) -> Any:
    """Migrates in a process that dies at a moment (0: never); gives what is there then.

    None: it died.
    """
    told.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        status = 1
        try:
            told.write_text(json.dumps(asyncio.run(_migrated(url, die_at)), default=str))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    return json.loads(told.read_text()) if status == 0 else "failed"


async def _migrated(url: str, die_at: int) -> Any:
    if die_at:
        _plant(die_at)
    async with database.opened(url, pool=2):
        await database.migrate()
        counts = {
            table: await database.query(f"SELECT count(*) AS n FROM {table}") for table in _COUNTED
        }
        applied = await database.query("SELECT name FROM tortoise_migrations ORDER BY name")
        return [await catalogue(), counts, applied]


def _plant(die_at: int) -> None:
    """Has this process killed at a moment."""
    moments = itertools.count(1)

    def moment() -> None:
        if next(moments) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run(_self: Script, editor: Any, statements: Any) -> None:
        for statement in statements:
            moment()
            await editor.client.execute_query(statement)
        moment()

    def around(act: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def noted(*arguments: Any) -> None:
            moment()
            await act(*arguments)
            moment()

        return noted

    setattr(Script, "_run_sql", run)  # noqa: B010 - a method that is not to be replaced.
    noted = around(MigrationRecorder.record_applied)
    setattr(MigrationRecorder, "record_applied", noted)  # noqa: B010 - the same.


def _copy(url: str, folder: Path, number: int) -> str:
    """A copy of a database that nobody has open."""
    file = engine.embedded_file(url)
    if file is not None:
        copy = folder / f"{number}.db"
        shutil.copyfile(file, copy)
        return f"sqlite://{copy}"
    parts = urllib.parse.urlsplit(url)
    name = f"{parts.path[1:]}_{number}"
    asyncio.run(administer(url, f"CREATE DATABASE {name} TEMPLATE {parts.path[1:]}"))
    return parts._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    sys.exit(main())
