"""`bindery`, with a watch on its event loop: `python -m bench.watched FILE serve …`.

The watch asks to be woken every 5 ms. How late it is then, is how long the loop had no time for
anybody. Linux tells for how long of that its thread could have run, had other programs left it a
processor; that is no stall of the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from app import cli
from app.main import running
from app.server import Server

PAUSE: Final = 0.005
_SCHEDULER: Final = Path("/proc/thread-self/schedstat")


@dataclass
class Stalls:
    """What the watch has seen, in seconds."""

    longest: float = 0.0
    """The longest stall, without the time that other programs took."""
    longest_at_all: float = 0.0
    """The longest with that time."""
    over: int = 0
    """How many were above 100 ms, without that time."""

    async def watch(self) -> None:
        """Goes on until cancelled."""
        while True:
            begun, waited = time.perf_counter(), _waited()
            await asyncio.sleep(PAUSE)
            late = time.perf_counter() - begun - PAUSE
            own = max(0.0, late - (_waited() - waited))
            self.longest = max(self.longest, own)
            self.longest_at_all = max(self.longest_at_all, late)
            self.over += own > 0.1


def _waited() -> float:
    """The seconds that this thread was ready to run, and another program had the processor."""
    with contextlib.suppress(OSError):
        return int(_SCHEDULER.read_text().split()[1]) / 1e9
    return 0.0


def main() -> int:
    """Runs the command of the other arguments; what was seen is in the file when it ends."""
    file, *arguments = sys.argv[1:]
    stalls = Stalls()

    @contextlib.asynccontextmanager
    async def watched(server: Server) -> AsyncIterator[None]:
        async with running(server):
            task = asyncio.create_task(stalls.watch())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                Path(file).write_text(json.dumps(asdict(stalls)))

    cli.running = watched  # type: ignore[attr-defined]
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
