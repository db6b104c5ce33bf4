"""R7, in small: clients race for one move over HTTP, and exactly one wins.

`make races` plays every pair of moves on both databases; this is for the bug that is planted.
"""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.faults.clients import staged
from tests.faults.forked import Plant, asked
from tests.faults.stored import created
from tests.journeys.client import Api
from tests.soak.turn import Turn

CLIENTS: Final = 16


def raced(turn: Turn, *, plant: Plant | None = None) -> None:
    """One race for finishing an upload in each case."""
    with (
        tempfile.TemporaryDirectory(prefix="bindery-races-") as name,
        asked(Path(name), plant=plant) as (_, api),
    ):
        stage = staged(api)
        for number in turn.cases():
            one = created(api, stage, target=f"r-{number}", content=b"content")
            one.upload(api)
            won = _race(api, one.id)
            if won != 1:
                turn.find(number, f"{won} of {CLIENTS} clients won the same move")
                return


def _race(api: Api, binary: str) -> int:
    """How many of the clients were told that they finished the upload."""
    together = threading.Barrier(CLIENTS)
    asked = (
        "mutation($id: ID!) { finishBinaryUpload(input: { binaryId: $id })"
        " { binary { id } errors { code } } }"
    )

    def client() -> bool:
        together.wait()
        payload = api.ask(asked, id=binary)["finishBinaryUpload"]
        return not payload["errors"]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(one.result() for one in [pool.submit(client) for _ in range(CLIENTS)])
