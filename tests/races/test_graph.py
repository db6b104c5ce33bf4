"""Clients that edit one cohort's graph, destroy and archive at once: its rules always hold."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from app.models import Release
from app.rules.binary import Move, State
from app.rules.release import ReleaseFacts, check_anti_arborescence
from tests.races.house import CLIENTS, FEW, HALF, ROUNDS, Answer, House, at_once, check_lost, half
from tests.races.test_destruction import (
    REFUSED,
    check_accepted,
    destroys_with_its_impact,
    releases,
)

PER_COHORT: Final = 20
"""Rounds in one cohort: each adds some forty releases, and every edit reads the whole graph."""
REFUSALS = {
    "BUNDLE_AFFECTED",
    "RELEASE_CONSTRAINED",
    "RELEASE_GRAPH",
    "VERSION_AFFECTED",
    "VERSION_NOT_SIGNED",
    *REFUSED,
}


def check_rows(rows: Sequence[Release]) -> int:
    """Checks the releases of one cohort; gives how many there are."""
    facts = [
        ReleaseFacts(id=row.id, next_id=row.next_release_id, bundle_id=row.bundle_id)
        for row in rows
    ]
    assert len(check_anti_arborescence(facts)) == len(rows)
    return len(rows)


def _client(
    house: House, cohort: str, place: int, bundles: list[str], known: list[str], doomed: str
) -> Callable[[], Awaitable[Answer]]:
    """What the client at a place does: the first five of eight create a release."""
    lasting = bundles[1]
    match place % 8:
        case 0 | 1 | 2:
            return releases(house, cohort, bundles[place % 3], required=place % 5 == 0)
        case 3:
            return releases(house, cohort, lasting, nextReleaseId=random.choice(known))
        case 4:
            return releases(house, cohort, lasting, previousReleaseId=random.choice(known))
        case 5:
            chosen = random.sample(known, min(2, len(known)))
            return house.asks_for("archiveReleases", "releases { id }", releaseIds=chosen)
        case 6:
            moved, to = random.choice(known), random.choice(known)
            return house.asks_for(
                "updateRelease", "release { id }", releaseId=moved, nextReleaseId=to
            )
        case _ if place % 16 == 7:
            return house.asks(Move.DESTROY, doomed)
        case _:
            return destroys_with_its_impact(house, doomed)


async def test_a_cohort_stays_an_anti_arborescence(house: House) -> None:
    product = await house.api.product()
    house.version = await house.api.version(artifact="first")
    await house.binary(State.SIGNED)
    first = await house.api.bundle(house.version)
    bundles = [first]
    for number in range(ROUNDS):
        if number % PER_COHORT == 0:
            name = f"cohort {number}"
            cohort = await house.api.cohort(product, name)
            await house.api.release(cohort, first)
            created = 1
        # Two binaries in bundles of their own, one of which is destroyed in this round.
        binaries = []
        for kind in ("stays", "goes"):
            house.version = await house.api.version(artifact=f"{kind}-{number}")
            binaries.append(await house.binary(State.SIGNED))
            bundles.append(await house.api.bundle(house.version))
        bundles, doomed = bundles[-3:], binaries[-1]
        # The archive mutation and the moves of edges name releases of former rounds.
        known = [
            f"prn:1:{row.organization_id}:release:{row.id}"
            for row in await Release.filter(cohort__name=name).order_by("id")
        ]
        answers = await at_once(
            [_client(house, cohort, place, bundles, known, doomed) for place in range(CLIENTS)]
        )
        for answer in answers:
            if not answer.won:
                check_lost(answer.error, also=REFUSALS)
        created += sum(answer.won and place % 8 < 5 for place, answer in enumerate(answers))
        assert check_rows(await Release.filter(cohort__name=name)) == created
        await check_accepted()
        latest = await house.api.ask(
            "query($id: ID!) { cohort(id: $id) { latestRelease { isLatest nextRelease { id } } } }",
            id=cohort,
        )
        assert latest["cohort"]["latestRelease"] == {"isLatest": True, "nextRelease": None}


async def test_only_the_latest_is_phased_or_scheduled(house: House) -> None:
    """It is constrained, followed by another one, or archived first: each excludes another."""
    house.version = await house.api.version(artifact="phased")
    await house.binary(State.SIGNED)
    bundle = await house.api.bundle(house.version)
    product = await house.api.product()
    for number in range(FEW + 1):
        cohort = await house.api.cohort(product, f"cohort {number}")
        latest = await house.api.release(cohort, bundle)
        constraint: dict[str, object] = {"phase": {"value": 10}}
        if number % 2:
            constraint = {"scheduledAt": "2100-01-01T00:00:00Z"}
        constrains = house.asks_for(
            "updateRelease", "release { id }", releaseId=latest, **constraint
        )
        archives = house.asks_for("archiveReleases", "releases { id }", releaseIds=[latest])
        clients = half([constrains] * HALF, [releases(house, cohort, bundle)] * HALF)
        # In some rounds there is a way out.
        answers = await at_once([*clients, *[archives] * (number % 3 == 2)])
        for answer in answers:
            if not answer.won:
                check_lost(answer.error, also=REFUSALS)
        rows = await Release.filter(cohort__name=f"cohort {number}")
        for row in rows:
            if row.next_release_id is not None and not row.archived:
                assert row.phase_value is None
                assert row.scheduled_at is None
        assert check_rows(rows) == 1 + sum(answer.won for answer in answers[1:CLIENTS:2])
