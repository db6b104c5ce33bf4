"""How much each API key may ask of this process within a minute."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from app.graphql.transport import Refused

WINDOW_SECONDS = 60
KEYS = 10_000
"""How many keys are counted; the ones not heard of for longest are forgotten first."""


@dataclass(slots=True)
class Spent:
    """What one key has asked for in the minute that ends at `until` (a monotonic time)."""

    until: float
    requests: int = 0
    cost: int = 0


class Rates:
    """The counts of every key, in windows of a minute."""

    def __init__(self, *, requests: int, cost: int) -> None:
        self.requests, self.cost = requests, cost
        self._spent: OrderedDict[UUID, Spent] = OrderedDict()

    def let_in(self, key_id: UUID) -> Spent:
        """What a key has asked for with one more request. Raises Refused where it may not."""
        now = time.monotonic()
        spent = self.count(key_id, now=now)
        if self.exceeded(spent):
            wait = max(1, math.ceil(spent.until - now))
            raise Refused(
                429,
                "RATE_LIMITED",
                f"The key may send {self.requests} requests of a cost of {self.cost} in all"
                f" within a minute; wait {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )
        return spent

    def count(self, key_id: UUID, *, now: float) -> Spent:
        """Counts one more request of a key; gives what it has asked for."""
        spent = self._spent.get(key_id)
        if spent is None or now >= spent.until:
            spent = self._spent[key_id] = Spent(now + WINDOW_SECONDS)
        self._spent.move_to_end(key_id)
        while len(self._spent) > KEYS:
            self._spent.popitem(last=False)
        spent.requests += 1
        return spent

    def exceeded(self, spent: Spent) -> bool:
        """Whether a key has asked for more than it may."""
        return spent.requests > self.requests or spent.cost >= self.cost
