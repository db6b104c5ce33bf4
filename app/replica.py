"""A standby of PostgreSQL, which answers what may be a little old while it is not far behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncpg
from tortoise import BaseDBAsyncClient

from app import postgres
from app.loss import translated
from app.rules.failures import DatabaseUnavailable

T = TypeVar("T")

NAME: Final = "replica"
"""Of its connection, beside `default` and `reader`."""
LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks, at most."""
PATIENCE: Final = 5.0
"""Seconds after which a look that got no answer is given up."""

_WRITTEN: Final = "SELECT (pg_current_wal_lsn() - '0/0')::bigint AS position"
_REPLAYED: Final = """
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
    - '0/0')::bigint AS position
"""
_allowed: ContextVar[bool] = ContextVar("allowed", default=False)
_NOTHING: Final = contextlib.nullcontext()
_log = logging.getLogger(__name__)


def allowed(answer: bool) -> AbstractContextManager[None]:
    """Whether what is read in this block, and in tasks that it starts, may be a little old."""
    return _allowing() if answer else _NOTHING


@contextlib.contextmanager
def _allowing() -> Iterator[None]:
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """Where a standby is, and how many seconds it may be behind."""

    url: str
    seconds: float

    def credentials(self, name: str, *, pool: int) -> dict[str, Any]:
        """What Tortoise connects by. No connection is made before the first look."""
        found = postgres.credentials(self.url, name)
        found["application_name"] = f"{name}-replica-reader"
        return {**found, "minsize": 0, "maxsize": pool}


class Replica:
    """One standby, and how fresh it is known to be.

    The primary is asked how far it has written, and the standby how far it has replayed. What the
    standby has replayed was all there is at the time when the primary was asked: that time is a
    bound that needs no clock but this process's own, and that an idle primary does not move.
    """

    def __init__(
        self, connection: BaseDBAsyncClient, primary: BaseDBAsyncClient, *, seconds: float
    ) -> None:
        self.connection = connection
        self._primary = primary
        self._seconds = seconds
        self._asked: deque[tuple[float, int]] = deque(maxlen=1_000)
        self._fresh = float("-inf")

    def chosen(self) -> bool:
        """Whether to read there: the request allows it, and it is not too far behind."""
        return _allowed.get() and time.monotonic() - self._fresh <= self._seconds

    async def tried(self, read: Callable[[BaseDBAsyncClient], Awaitable[T]]) -> T | None:
        """What is read there; None when it can't be: it is left out until it answers a look."""
        try:
            return await read(self.connection)
        except (DatabaseUnavailable, asyncpg.SerializationError):
            # The second is how a standby ends what stands in the way of its replaying.
            self._fresh = float("-inf")
            return None

    async def look(self) -> None:
        """Finds out how fresh it is. Raises DatabaseUnavailable."""
        at = time.monotonic()
        self._asked.append((at, await _position(self._primary, _WRITTEN)))
        replayed = await _position(self.connection, _REPLAYED)
        while self._asked and self._asked[0][1] <= replayed:
            self._fresh, _ = self._asked.popleft()

    async def run(self) -> None:
        """Looks again and again, until cancelled. No failure ends it."""
        there = True
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.look()
                there = True
            except (DatabaseUnavailable, TimeoutError, asyncpg.PostgresError) as error:
                if there:
                    _log.warning("The replica is not used: %s", str(error) or "no answer")
                there = False
                self._fresh = float("-inf")
            await asyncio.sleep(min(LONGEST_PAUSE, max(0.02, self._seconds / 4)))


async def _position(connection: BaseDBAsyncClient, sql: str) -> int:
    with translated():
        (row,) = await connection.execute_query_dict(sql)
    position: int = row["position"]
    return position
