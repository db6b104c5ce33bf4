"""Bugs that the harness must catch, planted in the child that serves: none is in the product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app import database
from app.actions import presence
from app.storage.disk import DiskStore


def no_intent() -> None:
    """What a dead process was writing is known to no row."""

    async def recover() -> None:
        await database.execute("DELETE FROM storage_intent", [], using=database.writer())

    presence.recover = recover


def gc_not_drained() -> None:
    """Garbage loses its rows, and keeps its files."""

    async def erase(_store: DiskStore, _names: object) -> None:
        return

    DiskStore.erase = erase  # type: ignore[assignment]


PLANTED: Final[dict[str, Callable[[], None]]] = {
    "no intent row": no_intent,
    "gc not drained": gc_not_drained,
}
