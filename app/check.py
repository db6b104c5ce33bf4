"""`bindery fsck`: looks at records and content, tells what is wrong, and repairs when asked to."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from app import database, engine
from app.actions import repair
from app.console import Stop, alone, is_free, told
from app.main import content_store
from app.reads import fsck
from app.rules.fsck import MEND, REPAIR, Finding
from app.settings import Settings

_NAME = "fsck"
"""What PostgreSQL knows this process by; servers have another name."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command may be told."""
    parser.add_argument("--deep", action="store_true", help="read and hash all content, too")
    parser.add_argument(
        "--repair", action="store_true", help="mend what a program may; no server may run"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(chosen: argparse.Namespace, settings: Settings) -> int:
    """Looks, and prints what is wrong; 1 where damage is left. Raises Stop if it can't look."""
    # To open a database that is not there would make one, and find it in order.
    file = engine.embedded_file(settings.database_url)
    if file is not None and not file.exists():
        raise Stop(f"There is no database {file}. Name the data directory with --data.")
    with contextlib.ExitStack() as holding:
        if chosen.repair:
            holding.enter_context(
                alone(settings, "Stop it first; without --repair fsck may run beside it.")
            )
        found, mended = asyncio.run(_look(chosen, settings))
    if chosen.json:
        print(json.dumps({"findings": [facts(one, mended=one in mended) for one in found]}))
    else:
        for one in found:
            print(line(one, mended=one in mended))
        # A timer's mail is empty where all is well; a person wants to hear it.
        if not found and sys.stdout.isatty():
            print("Nothing is wrong.")
    return int(any(one.is_damage and one not in mended for one in found))


async def _look(
    chosen: argparse.Namespace, settings: Settings
) -> tuple[Sequence[Finding], Sequence[Finding]]:
    """What is wrong, and what of it was mended."""
    store = content_store(settings)
    with told(settings):
        async with database.opened(
            settings.database_url, pool=2, name=_NAME, read_only=not chosen.repair
        ):
            await database.assert_migrated()
            free = chosen.repair or await _is_free(settings)
            if chosen.repair and await _is_served(settings):
                raise Stop(
                    "Servers run on this database; stop them to repair. Without --repair fsck may"
                    " run beside them."
                )
            await store.open()
            try:
                found = await fsck.inspect(store, deep=chosen.deep, alone=free)
                mended = await repair.repair(store, found) if chosen.repair else []
            finally:
                await store.close()
    return found, mended


async def _is_free(settings: Settings) -> bool:
    if engine.is_embedded(settings.database_url):
        return is_free(settings)
    return not await fsck.served()


async def _is_served(settings: Settings) -> bool:
    return not engine.is_embedded(settings.database_url) and await fsck.served()


def facts(finding: Finding, *, mended: bool) -> dict[str, Any]:
    """A finding for programs."""
    return {
        "code": finding.code,
        "subject": finding.subject,
        "wrong": finding.wrong,
        "mend": MEND[finding.code],
        "repair": REPAIR.get(finding.code),
        "isDamage": finding.is_damage,
        "repaired": mended,
    }


def line(finding: Finding, *, mended: bool) -> str:
    """A finding for people, with what was done about it or what to do."""
    what = f"{finding.code} {finding.subject}: {finding.wrong}"
    if mended:
        return f"{what} Repaired: {REPAIR[finding.code]}"
    return f"{what} {MEND[finding.code]}"
