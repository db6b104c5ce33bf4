"""Erases the bytes that no row holds any more, for as long as the worker runs."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from app import database
from app.actions.content import erase_garbage
from app.models import StorageGarbage
from app.storage.content import ContentStore
from app.worker.pace import Pace, woken

LOOK_AGAIN_SECONDS: Final = 5.0
"""How often binaries are looked for that were destroyed, and nothing says so yet: whoever erased
their bytes was interrupted, a server whose database went away too."""


class Erasing:
    """A loop that looks for garbage when woken, and every `interval` seconds.

    Looking for garbage costs nothing. Looking for binaries that wait for their `contentErasedAt`
    without having any is done when woken, after a failure, and every five seconds.
    """

    def __init__(self, store: ContentStore, *, interval: float) -> None:
        self._store = store
        self._wake = asyncio.Event()
        self._pace = Pace(interval)
        self._looked_at = float("-inf")

    def wake(self) -> None:
        """Have it look at once, or again after what it is erasing."""
        self._wake.set()

    async def run(self) -> None:
        """Erase until cancelled. What was begun then stays garbage, and is erased again."""
        called = True
        while True:
            failed = True
            with self._pace.trying("Erasing"), database.translated():
                if called or await self._has_work():
                    self._looked_at = time.monotonic()
                    await erase_garbage(self._store)
                failed = False
            called = await woken(self._wake, within=self._pace.seconds) or failed

    async def _has_work(self) -> bool:
        if time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
            return True
        return await StorageGarbage.exists()
