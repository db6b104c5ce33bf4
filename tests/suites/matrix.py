"""S2: everything that the schema and the routes offer, asked for by everybody.

The answers are held to the table of permissions. `python -m tests.suites.matrix` writes the table
anew from what the server answers, to be read before it is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable

from tests.soak.turn import Turn
from tests.suites import permissions
from tests.suites.asking import Asking
from tests.suites.permissions import Identity
from tests.suites.stage import DATABASES, Stage, postgres, staged


def play(turn: Turn) -> None:
    """Asks for the places of the table, on one database and then on the other."""
    table = permissions.read()
    with postgres() as address:
        while not turn.over:
            part = turn.next // len(table)
            asyncio.run(_part(turn, table, DATABASES[part % len(DATABASES)], address))


async def _part(
    turn: Turn, table: dict[str, dict[Identity, str]], kind: str, address: Callable[[], str]
) -> None:
    places = list(table)
    async with _asking(kind, address) as (stage, asking):
        if list(permissions.listed(stage.app)) != places:
            turn.find(turn.next, "the table does not list what the server offers")
        for number in turn.cases(len(places) - turn.next % len(places)):
            place = places[number % len(places)]
            for identity, wanted in table[place].items():
                told = await asking.told(place, identity)
                if told != wanted:
                    turn.find(number, f"{kind}: {place} for {identity}: {told}, and not {wanted}")


@contextlib.asynccontextmanager
async def _asking(kind: str, address: Callable[[], str]) -> AsyncIterator[tuple[Stage, Asking]]:
    async with staged(kind, address) as stage:
        asking = Asking(stage)
        await asking.prepare()
        yield stage, asking


async def _observed() -> dict[str, dict[Identity, str]]:
    with postgres() as address:
        async with _asking("sqlite", address) as (stage, asking):
            return {
                place: {identity: await asking.told(place, identity) for identity in Identity}
                for place in permissions.listed(stage.app)
            }


def main() -> int:
    """Write the table."""
    table = asyncio.run(_observed())
    permissions.write(table)
    sys.stdout.write(f"{len(table)} places\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
