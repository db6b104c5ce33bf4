"""S6: hostile requests, each refused with its own error before it costs anything."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any, Final

from app.listening import spare_what_stays
from tests.conftest import new_api
from tests.soak.turn import Turn
from tests.suites.answers import inside_told, wrong_status
from tests.suites.documents import Hostile
from tests.suites.requests import hostile
from tests.suites.stage import Stage, postgres, staged

CPU_SECONDS: Final = 0.05
_ATTEMPTS: Final = 5
"""The least of so many counts: another one may hold a collection of this process's garbage."""


def play(turn: Turn) -> None:
    """Sends the hostile requests, each one as if it were the first."""
    asyncio.run(_play(turn))


async def _play(turn: Turn) -> None:
    documents = hostile()
    with postgres() as address:
        async with staged("sqlite", address) as stage:
            key = (await new_api(stage.http, "acme")).key
            usual = gc.get_threshold()
            # As `bindery serve` does when it starts.
            gc.collect()
            spare_what_stays()
            for number in turn.cases():
                document = documents[number % len(documents)]
                for finding in await judged(stage, key, document):
                    turn.find(number, f"{document.name}: {finding}")
            gc.unfreeze()
            gc.set_threshold(*usual)


async def judged(stage: Stage, key: str, document: Hostile) -> list[str]:
    """What is wrong with how a request is refused."""
    headers = {
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "accept": "application/graphql-response+json",
    }
    taken = []
    for attempt in range(_ATTEMPTS):
        # A document that was sent before would be refused sooner.
        body = document.body.replace(b'"query": "', b'"query": "#%d\\n' % attempt, 1)
        begun = time.process_time()
        response = await stage.http.post("/graphql", content=body, headers=headers)
        taken.append(time.process_time() - begun)
        if taken[-1] < CPU_SECONDS:
            break
    found = []
    if min(taken) >= CPU_SECONDS:
        found.append(f"took {1000 * min(taken):.0f} ms of CPU")
    if wrong := wrong_status(response.status_code) or inside_told(response.text):
        found.append(wrong)
    answer: dict[str, Any] = response.json()
    told = answer.get("errors", [{}])[0].get("extensions", {})
    if told.get("code") != document.code:
        found.append(f"is told {response.status_code} {response.text[:200]}")
    elif document.limit and told.get("limit") != document.limit:
        found.append(f"passes the limit {told.get('limit')}, and not {document.limit}")
    return found
