"""Who waits for news of changes in this process, and how the news reaches them.

A notice says that something changed, and never what: whoever gets it reads the present state. On
PostgreSQL notices travel by LISTEN/NOTIFY, so that another process's changes arrive too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

CHANNEL = "bindery"
"""What notices are sent by on PostgreSQL."""
RELISTEN_SECONDS = 1.0
"""How soon it is tried again to hear, where the database does not answer."""
CONNECT_SECONDS = 5.0
WAITING = 1_000
"""Notices that may wait for one subscriber; one more, and it is told to look at everything."""


@dataclass(frozen=True, slots=True)
class Notice:
    """That a thing of an organization changed; `event_id` names the Event that says so, if any."""

    organization_id: UUID
    subject_id: UUID
    event_id: UUID | None = None

    def write(self) -> str:
        """The notice as text."""
        ids = (self.organization_id, self.subject_id, self.event_id)
        return json.dumps([None if id is None else str(id) for id in ids])

    @classmethod
    def read(cls, text: str) -> Notice:
        """The notice in a text."""
        organization_id, subject_id, event_id = json.loads(text)
        event = None if event_id is None else UUID(event_id)
        return cls(UUID(organization_id), UUID(subject_id), event)


class Board:
    """The subscribers of one process. None, instead of a notice, means: look at everything."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Queue[Notice | None]] = set()

    def publish(self, notice: Notice | None) -> None:
        """Tells every subscriber; one that is far behind is told to look at everything."""
        for queue in self._waiting:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(notice)

    @contextlib.contextmanager
    def subscribed(self) -> Iterator[asyncio.Queue[Notice | None]]:
        """A queue of what is published for as long as the block lasts."""
        queue: asyncio.Queue[Notice | None] = asyncio.Queue(WAITING)
        self._waiting.add(queue)
        try:
            yield queue
        finally:
            self._waiting.discard(queue)


board = Board()
"""The one board of this process."""


async def listen(credentials: Mapping[str, Any]) -> None:
    """Hands on what any process announces on PostgreSQL, for ever; reconnects when it has to."""
    names = ("host", "port", "user", "password", "database")
    while True:
        lost = asyncio.Event()
        try:
            connection = await asyncpg.connect(
                **{name: credentials[name] for name in names},
                timeout=CONNECT_SECONDS,
                server_settings={"application_name": credentials["application_name"]},
            )
            try:
                connection.add_termination_listener(lambda _: lost.set())  # noqa: B023
                await connection.add_listener(
                    CHANNEL, lambda *heard: board.publish(Notice.read(heard[-1]))
                )
                board.publish(None)
                await lost.wait()
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(RELISTEN_SECONDS)
