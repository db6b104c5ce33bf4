"""Events that somebody who waits for them may not have heard of."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app import database

AT_ONCE: Final = 1_000
"""Events that one look takes; whoever missed more looks again."""
SLACK_SECONDS: Final = 60.0
"""An event's id is made before its transaction is committed, by a clock of its process: how much
later than its id says it may be there."""

_SINCE: Final = """
SELECT id FROM event WHERE organization_id = $1 AND id >= $2 ORDER BY id LIMIT $3
"""


@dataclass
class Heard:
    """Which events of an organization were heard of, so that those that were not can be found.

    Each event is new once, whether it is heard of or found. None from before it was made is.
    """

    organization_id: UUID
    _begun: float = field(default_factory=time.time)
    _last: float = field(default_factory=time.time)
    _known: dict[UUID, float] = field(default_factory=dict)

    def new(self, event_id: UUID) -> bool:
        """Notes an event; whether it was not heard of before."""
        now = time.time()
        self._last = now
        if event_id in self._known:
            return False
        self._known[event_id] = now
        # In order of time: what is older than any look goes back is forgotten.
        while self._known and next(iter(self._known.values())) < now - 2 * SLACK_SECONDS:
            del self._known[next(iter(self._known))]
        return True

    async def missed(self) -> list[UUID]:
        """The events that nobody told of, oldest first, all of them new.

        Raises DatabaseUnavailable.
        """
        found: list[UUID] = []
        after = max(self._begun, self._last - SLACK_SECONDS)
        first = UUID(int=int(after * 1000) << 80)
        while True:
            rows = await database.query(_SINCE, [self.organization_id, first, AT_ONCE])
            ids = [UUID(str(row["id"])) for row in rows]
            found += [id for id in ids if self.new(id)]
            if len(ids) < AT_ONCE:
                return found
            first = UUID(int=ids[-1].int + 1)
