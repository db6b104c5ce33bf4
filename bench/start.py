"""How long a server takes from its start until it is ready, its content and its worker included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from bench import servers
from bench.figures import START_SECONDS, Figure, figure
from bench.servers import Cores

TIMES: Final = 5
PAUSE: Final = 0.005


def started(url: str, folder: Path, cores: Cores) -> Iterator[Figure]:
    """The seconds until `/health/ready` says so; the median of several starts."""
    taken = []
    for number in range(TIMES):
        begun = time.perf_counter()
        settings = {"BINDERY_WORKER": "true"}
        # A folder of its own is empty; the database is what holds the binaries.
        with servers.product(
            f"start{number}", url, folder, core=cores.server, settings=settings
        ) as served:
            ready = f"http://127.0.0.1:{served.port}/health/ready"
            while httpx.get(ready, trust_env=False).status_code != 200:
                time.sleep(PAUSE)
            taken.append(time.perf_counter() - begun)
    yield figure("start", "s to ready", taken, target=START_SECONDS, at_most=True)
