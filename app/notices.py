"""Who waits for news of changes in this process, and how the news reaches them.

A notice says that something changed, and never what: whoever gets it reads the present state. On
PostgreSQL notices travel by LISTEN/NOTIFY, so that another process's changes arrive too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

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
