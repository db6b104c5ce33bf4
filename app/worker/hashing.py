"""Verifies one record: reads its content once, and keeps the lease on it meanwhile."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Final

from app.actions import verification
from app.actions.verification import Claimed
from app.metrics import Metrics
from app.rules.failures import DatabaseUnavailable, StorageFull
from app.rules.refusal import BinderyError
from app.rules.verification import backoff
from app.storage.content import ContentStore, Digest, DigestStopped
from app.worker.pace import Pace, woken

RENEW_EVERY_BYTES: Final = 32 << 20
"""Bytes after which the progress is written down, however soon that is."""

_UNREADABLE: Final = "The stored content can't be read; the server's log says why."
_log = logging.getLogger(__name__)


class Hashing:
    """The verification of one claimed record, from the claim to the result."""

    def __init__(
        self,
        store: ContentStore,
        claimed: Claimed,
        *,
        lease_seconds: float,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._store = store
        self._claimed = claimed
        self._lease_seconds = lease_seconds
        self._halt = threading.Event()
        """Stops the thread that hashes."""
        self._wake = asyncio.Event()
        """Set when the lease is to be renewed early, or to be kept no longer."""
        self._stopped = False
        self._read = False
        self._done = self._told = 0

    def stop(self) -> None:
        """Have `run` give the work back and return, as soon as the present block is hashed."""
        self._stopped = True
        self._halt.set()
        self._wake.set()

    async def run(self) -> float | None:
        """Verify the record; the seconds after which to look at it again, None: never.

        Raises DatabaseUnavailable and StorageFull only after `stop`; until then it waits.
        """
        keeping = asyncio.create_task(self._keep_lease())
        try:
            outcome = await self._digest()
        finally:
            self._read = True
            self._wake.set()
            await keeping
        if isinstance(outcome, Digest):
            await self._written(lambda: verification.finish(self._claimed, outcome))
        elif self._stopped:
            await self._written(lambda: verification.release(self._claimed))
            self._metrics.lease("released")
        elif outcome is not None:
            delay = backoff(self._claimed.attempts, jitter=self._claimed.token.int % 1000 / 1000)
            if await self._written(lambda: verification.retry(self._claimed, outcome, delay=delay)):
                return delay.total_seconds()
        return None

    async def _digest(self) -> Digest | str | None:
        """What the content is, why it can't be read, or None when hashing was stopped."""
        loop = asyncio.get_running_loop()

        def progress(done: int) -> None:
            loop.call_soon_threadsafe(self._note, done)

        try:
            return await self._store.digest(self._claimed.blobs, progress=progress, stop=self._halt)
        except DigestStopped:
            return None
        except BinderyError as error:
            _log.warning("Binary %s can't be read: %s", self._claimed.binary_id, error)
            return error.message
        except Exception:
            _log.exception("Binary %s can't be read.", self._claimed.binary_id)
            return _UNREADABLE

    def _note(self, done: int) -> None:
        self._metrics.hashed(done - self._done)
        self._done = done
        if done - self._told >= RENEW_EVERY_BYTES:
            self._wake.set()

    async def _keep_lease(self) -> None:
        """Renews the lease, thrice before it would expire, until the content is read."""
        while True:
            await woken(self._wake, within=self._lease_seconds / 3)
            if self._read or self._stopped:
                return
            self._told = self._done
            try:
                kept = await verification.renew(
                    self._claimed, bytes_hashed=self._done, lease_seconds=self._lease_seconds
                )
            except Exception as error:
                # A lease that expires meanwhile does no harm: the result names its token.
                _log.warning("The lease on %s is not renewed: %r", self._claimed.binary_id, error)
                continue
            self._metrics.lease("renewed" if kept else "lost")
            if not kept:
                _log.info("Binary %s is no longer ours to verify.", self._claimed.binary_id)
                self._halt.set()
                return

    async def _written(self, write: Callable[[], Awaitable[bool]]) -> bool:
        """Writes a result as soon as the database takes it: the content was read for it."""
        pace = Pace(0.25)
        while True:
            try:
                return await write()
            except (DatabaseUnavailable, StorageFull):
                if self._stopped:
                    raise
                pace.failed()
                await woken(self._wake, within=pace.seconds)
