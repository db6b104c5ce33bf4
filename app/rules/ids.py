"""New ids: version 7 uuids, so that order of id is order of creation.

This is the one rule that reads a clock and a source of randomness itself. A uuid of version 7 is
made of nothing but the two, and a caller that had to hand them in could break the order that
every list relies on. Source of the layout: RFC 9562, sections 5.7 and 6.2.
"""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0  # The first 60 free bits of the last uuid: milliseconds << 12 | counter.


def new_id() -> UUID:
    """A new version 7 uuid, greater than every one that this process made before.

    The twelve bits after the time are a counter that starts each millisecond at a random value
    below 2,048. It carries into the time when it overflows, and goes on from the last uuid when
    the clock was set back. Safe to call from any thread. Between processes the 62 random bits
    keep uuids apart.
    """
    global _last
    random = secrets.randbits(11 + 62)
    with _lock:
        now = (time.time_ns() // 1_000_000) << 12 | random >> 62
        _last = head = max(_last + 1, now)
    time_and_counter = (head >> 12) << 16 | 0x7 << 12 | head & 0xFFF
    return UUID(int=time_and_counter << 64 | 0b10 << 62 | random & (1 << 62) - 1)
