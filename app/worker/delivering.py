"""Sends webhooks, for as long as the worker runs."""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app import database
from app.actions import delivery
from app.actions.delivery import Claimed
from app.rules import webhook as rules
from app.rules.webhook import Failure
from app.server import Server
from app.worker.pace import Pace, woken

SLOTS: Final = 16
"""Deliveries that one process sends at once."""
SLOTS_OF_ONE: Final = 4
"""How many of these are to one webhook, so that a receiver that hangs holds up no others."""
SOON: Final = timedelta(seconds=10)
"""What is due sooner is not left to the next look."""
TIDY_SECONDS: Final = 600.0

_log = logging.getLogger(__name__)
_AGENT: Final = "Bindery"


class Delivering:
    """Slots that take one delivery after the other while any is due.

    It looks when woken, and every `interval` seconds. No exception ends it.
    """

    def __init__(self, server: Server, *, interval: float) -> None:
        self._server = server
        self._settings = server.settings
        self._wake = asyncio.Event()
        self._pace = Pace(interval)
        self._running: set[asyncio.Task[None]] = set()
        self._sending: Counter[UUID] = Counter()
        self._tidied_at = time.monotonic()
        self._sender: Any = None

    def wake(self) -> None:
        """Have it look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled. What is on its way then is given back, and sent again."""
        try:
            while True:
                self._occupy_slot()
                await woken(self._wake, within=self._pace.seconds)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _occupy_slot(self) -> None:
        if len(self._running) < SLOTS:
            task = asyncio.create_task(self._work_off())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _work_off(self) -> None:
        """Sends one after the other, until nothing is due."""
        with self._pace.trying("Sending webhooks"), database.translated():
            await self._tidy()
            waits = await delivery.waits()
            while waits and (claimed := await self._claim()) is not None:
                # Where there was one, there may be one for the next slot.
                self._occupy_slot()
                await self._deliver(claimed)

    async def _claim(self) -> Claimed | None:
        busy = [id for id, count in self._sending.items() if count >= SLOTS_OF_ONE]
        # The receiver's time is part of the lease, and what is written after it.
        lease = self._settings.webhook_seconds + self._settings.lease_seconds
        return await delivery.claim(lease_seconds=lease, busy=busy)

    async def _deliver(self, claimed: Claimed) -> None:
        self._sending[claimed.webhook.id] += 1
        try:
            await self._attempt(claimed)
        except asyncio.CancelledError:
            await delivery.release(claimed)
            raise
        finally:
            self._sending[claimed.webhook.id] -= 1
            if not self._sending[claimed.webhook.id]:
                del self._sending[claimed.webhook.id]

    async def _attempt(self, claimed: Claimed) -> None:
        began, start = datetime.now(UTC), time.monotonic()
        status, failure = await self._send(claimed, began)
        pause = rules.pause(
            claimed.delivery.attempt_count + 1,
            first_seconds=self._settings.webhook_retry_seconds,
            jitter=random.random(),  # noqa: S311 - it spreads attempts, and hides nothing.
        )
        state = await delivery.note(
            claimed,
            began=began,
            milliseconds=round((time.monotonic() - start) * 1000),
            status=status,
            failure=failure,
            pause=pause,
        )
        self._server.metrics.webhook("lost" if state is None else state.lower())
        if failure:
            if pause < SOON:
                asyncio.get_running_loop().call_later(pause.total_seconds(), self._wake.set)
            _log.info("Webhook %s failed: %s %s", claimed.message_id, failure, status or "")

    async def _send(self, claimed: Claimed, at: datetime) -> tuple[int | None, Failure | None]:
        secrets = claimed.secrets(self._server.secret, at=at)
        if not secrets:
            return None, Failure.KEY_CHANGED
        body = claimed.body()
        signed = rules.headers(claimed.message_id, body, at=int(at.timestamp()), secrets=secrets)
        headers = {"content-type": "application/json", "user-agent": _AGENT, **signed}
        sender = await self._client()
        answer = await sender.post(claimed.webhook.url, body, headers)
        return answer.status, answer.failure

    async def _client(self) -> Any:
        """The HTTP client, which takes its time to import: no start waits for it."""
        if self._sender is None:
            module = await asyncio.to_thread(importlib.import_module, "app.outbound.sender")
            self._sender = module.Sender(
                allowed=self._settings.webhook_networks, seconds=self._settings.webhook_seconds
            )
        return self._sender

    async def _tidy(self) -> None:
        """Now and then, drops from the log what ended long ago."""
        if time.monotonic() - self._tidied_at < TIDY_SECONDS:
            return
        self._tidied_at = time.monotonic()
        while await delivery.forget(days=self._settings.webhook_log_days):
            pass
