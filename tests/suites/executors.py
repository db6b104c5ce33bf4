"""P1: random operations, answered by the planner and by the reference executor.

They are made from the schema, with random variables and roles, on both databases. What the planner
answers is byte for byte what the reference does; and it answers all that has no error in it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from app.rules.access import Role
from tests.conftest import new_api
from tests.graphql import world
from tests.graphql.planner.compared import Both, at_rest, both
from tests.graphql.planner.generator import Generator
from tests.soak.turn import Turn
from tests.suites.stage import DATABASES, postgres, staged

BLOCK: Final = 1_000
"""Operations on one organization; then comes a fresh one, on the other database."""
ROLES: Final = (Role.READ, Role.WRITE, Role.ADMIN, Role.ADMIN)
"""The key of a device asks for what devices ask for, and not for all else that it is refused."""
INVALID: Final = {"GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"}
"""What the generator makes now and then, though it is of no use; another operation is made then."""
POLLS: Final = ("resolveBinary", "resolveUpdate")
"""What devices ask for, by plans of their own: every seventh operation is about one of these."""
SHARE: Final = 0.95
"""How much at least has to be planned, wrong arguments and refused roles included."""


def play(turn: Turn) -> None:
    """Plays the turn's cases, block by block."""
    played: Counter[str] = Counter()
    with postgres() as address, patch("time.time", at_rest()):
        while not turn.over:
            kind = DATABASES[turn.next // BLOCK % len(DATABASES)]
            asyncio.run(_block(turn, kind, address, played))
    turn.tell(f"{played['planned']:,} of {played['valid']:,} planned")
    if played["planned"] < SHARE * played["valid"]:
        turn.find(turn.first, f"only {played['planned']} of {played['valid']} were planned")


async def _block(turn: Turn, kind: str, address: Any, played: Counter[str]) -> None:
    async with staged(kind, address) as stage:
        api = await new_api(stage.http, "acme")
        executors = await both(stage.server, api)
        found = await world.build(api)
        for number in turn.cases(BLOCK - turn.next % BLOCK):
            chance = turn.random(number)
            generator = executors.generator(chance, found)
            finding = await _case(executors, generator, played)
            if finding:
                turn.find(number, f"{kind}: {finding}")


async def _case(executors: Both, generator: Generator, played: Counter[str]) -> str | None:
    """What is wrong with the answers to one operation."""
    chance = generator.random
    about = [chance.choice(POLLS)] * (chance.random() < 0.15)
    asking = executors.as_role(chance.choice(ROLES))
    if about == ["resolveUpdate"] and chance.random() < 0.5:
        own = chance.choice(generator.values.ids["Device"])
        asking = executors.as_device(own)
        if chance.random() < 0.9:
            generator.values = replace(generator.values, ids={"Device": [own]})
    while True:
        text, variables = generator.operation(*about)
        found = await asking.run(text, variables)
        if not INVALID & set(found.codes):
            break
    if asking.actor.role is Role.DEVICE and found.planned is None and found.codes:
        # Most of what is asked at random is closed to it, which says nothing of plans.
        return None
    played["valid"] += 1
    if found.planned is None:
        if not found.codes:
            return f"declined, though nothing is wrong: {text} {variables}"
    else:
        played["planned"] += 1
        if found.planned != found.reference:
            return f"answers differ: {text} {variables}"
    if "INTERNAL_SERVER_ERROR" in found.codes:
        return f"the server failed: {text} {variables}"
    return None
