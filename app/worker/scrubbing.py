"""Looks at stored content again and again, slowly, and marks what is damaged."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta
from typing import Final

from app.actions import health
from app.actions.health import Claimed
from app.rules import scrubbing
from app.rules.binary import ContentHealth
from app.rules.failures import ContentCorrupt, StorageDegraded
from app.storage.content import ContentStore, Digest
from app.worker.pace import Pace

LOOK_AGAIN_SECONDS: Final = 60.0
"""How often it is asked whether some content is due."""

_log = logging.getLogger(__name__)


class Scrubbing:
    """A loop that reads one verified content after the other, `rate` bytes a second at most.

    The bytes come from the disk, not from memory. What is wrong is read once more before it is
    called so. What can't be read at all, for a reason that may pass, is not judged.
    """

    def __init__(
        self,
        store: ContentStore,
        *,
        rate: int,
        again_after: timedelta,
        interval: float = LOOK_AGAIN_SECONDS,
    ) -> None:
        self._store = store
        self._rate = rate
        self._again_after = again_after
        self._pace = Pace(interval)

    async def run(self) -> None:
        """Go on until cancelled. What is being read then is left to a later look."""
        while True:
            worked = False
            with self._pace.trying("Looking at stored content"):
                worked = await self._look()
            if not worked:
                await asyncio.sleep(self._pace.seconds)

    async def _look(self) -> bool:
        """Look at one content; whether one was due."""
        claimed = await health.claim(again_after=self._again_after, rate=self._rate)
        if claimed is None:
            return False
        try:
            found = await self._judged(claimed)
            if found is not ContentHealth.OK:
                found = await self._judged(claimed)
        except StorageDegraded as error:
            _log.error("The content of binary %s can't be read: %s", claimed.binary_id, error)
            return False
        if await health.tell(claimed, found) and found is not ContentHealth.OK:
            _log.error("The content of binary %s is %s.", claimed.binary_id, found)
        return True

    async def _judged(self, claimed: Claimed) -> ContentHealth:
        try:
            is_right = await self._digest(claimed) == claimed.expected
        except ContentCorrupt:
            is_right = False
        there = is_right or None not in [await self._store.size(blob) for blob in claimed.blobs]
        return scrubbing.judge(is_right=is_right, is_there=there)

    async def _digest(self, claimed: Claimed) -> Digest:
        """What the content is. The thread that reads it pauses by itself."""
        halt = threading.Event()
        begun = time.monotonic()

        def progress(done: int) -> None:
            halt.wait(scrubbing.pause(done, seconds=time.monotonic() - begun, rate=self._rate))

        reading = asyncio.create_task(
            self._store.digest(claimed.blobs, progress=progress, stop=halt)
        )
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            halt.set()
            await asyncio.gather(reading, return_exceptions=True)
            raise
