"""The worker: verifies what is queued, has garbage erased, content looked at, webhooks sent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from app.actions import verification
from app.server import Server
from app.worker.delivering import Delivering
from app.worker.erasing import Erasing
from app.worker.hashing import Hashing
from app.worker.pace import Pace, woken
from app.worker.reaping import Reaping
from app.worker.scrubbing import Scrubbing

SLOTS: Final = 2
"""Records that are verified at once."""
POLL_SECONDS: Final = 1.0
"""How soon work is seen that nobody here was told of: another process's, or a retry."""


class Worker:
    """Verifies, erases, looks at content again and sends webhooks, behind one process.

    Any number may share a PostgreSQL.

    It looks for work when `server.work` is set, and every `poll_seconds`. No exception ends it:
    each one is logged, and the next look is put off, by 5 seconds at most.
    """

    def __init__(
        self,
        server: Server,
        *,
        slots: int = SLOTS,
        poll_seconds: float = POLL_SECONDS,
        lease_seconds: float | None = None,
    ) -> None:
        self._server = server
        self._slots = slots
        self._pace = Pace(poll_seconds)
        self._lease_seconds: float = lease_seconds or server.settings.lease_seconds
        self._erasing = Erasing(server.store, interval=poll_seconds)
        self._delivering = Delivering(server, interval=poll_seconds)
        self._stopped = False
        self._running: set[asyncio.Task[None]] = set()
        self._hashing: set[Hashing] = set()

    def stop(self) -> None:
        """Have `run` give back what is being verified, and return."""
        self._stopped = True
        for hashing in self._hashing:
            hashing.stop()
        self._server.work.set()

    async def run(self) -> None:
        """Work until `stop` is called. The database and the store are open until it returns."""
        loops = [
            asyncio.create_task(self._erasing.run()),
            asyncio.create_task(self._delivering.run()),
        ]
        if self._server.settings.scrub_bytes_per_second:
            loops.append(asyncio.create_task(_scrubbing(self._server).run()))
        if self._server.settings.upload_abandoned_seconds:
            loops.append(asyncio.create_task(Reaping(self._server).run()))
        try:
            while not self._stopped:
                self._occupy_slot()
                if await woken(self._server.work, within=self._pace.seconds):
                    self._erasing.wake()
                    self._delivering.wake()
        finally:
            self.stop()
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, *self._running, return_exceptions=True)

    def _occupy_slot(self) -> None:
        if len(self._running) < self._slots and not self._stopped:
            task = asyncio.create_task(self._work_off())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _work_off(self) -> None:
        """Verifies one record after the other, until none waits."""
        with self._pace.trying("Verification"):
            while not self._stopped:
                lease = self._lease_seconds
                claimed = await verification.claim(lease_seconds=lease)
                self._pace.succeeded()
                if claimed is None:
                    return
                self._server.metrics.lease("taken")
                # Where there was one, there may be one for the next slot.
                self._occupy_slot()
                await self._verify(self._hashing_of(claimed, lease))

    def _hashing_of(self, claimed: verification.Claimed, lease: float) -> Hashing:
        server = self._server
        return Hashing(server.store, claimed, lease_seconds=lease, metrics=server.metrics)

    async def _verify(self, hashing: Hashing) -> None:
        self._hashing.add(hashing)
        if self._stopped:
            hashing.stop()
        try:
            again = await hashing.run()
        finally:
            self._hashing.discard(hashing)
        if again is not None:
            asyncio.get_running_loop().call_later(again, self._server.work.set)


def _scrubbing(server: Server) -> Scrubbing:
    settings = server.settings
    return Scrubbing(
        server.store,
        rate=settings.scrub_bytes_per_second,
        again_after=timedelta(days=settings.scrub_days),
    )
