"""Destroying while bundles and releases are made: no release loses its binary unaccepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from app.models import ApiKey, Cohort, Event, Release
from app.reads import resolution
from app.rules.binary import Move, State
from app.rules.version import affected_by
from tests.races.house import (
    CLIENTS,
    FEW,
    HALF,
    ROUNDS,
    Answer,
    House,
    at_once,
    check_lost,
    check_moves,
    half,
)

REFUSED = {"IMPACT_NOT_ACCEPTED", "IMPACT_CHANGED"}


def destroys_with_its_impact(house: House, id: str) -> Callable[[], Awaitable[Answer]]:
    """A client that reads the impact, and accepts it."""

    async def destroy() -> Answer:
        found = await house.api.ask(
            "query($id: ID!) { binary(id: $id) { impact { planToken } } }", id=id
        )
        token = found["binary"]["impact"]["planToken"]
        return await house.asks(Move.DESTROY, id, planToken=token)()

    return destroy


def releases(
    house: House, cohort: str, bundle: str, **more: Any
) -> Callable[[], Awaitable[Answer]]:
    """A client that creates a release."""
    return house.asks_for(
        "createRelease",
        "release { id }",
        name="release",
        cohortId=cohort,
        bundleId=bundle,
        **more,
    )


async def check_accepted() -> int:
    """Checks that every affected, unarchived release is in an impact that was accepted.

    Gives how many releases were accepted in all.
    """
    key = await ApiKey.all().first()
    assert key is not None
    organization_id: UUID = key.organization_id
    cohort_ids = [cohort.id for cohort in await Cohort.all()]
    facts = await resolution.cohorts(organization_id, cohort_ids)
    accepted = {
        name.rsplit(":", 1)[1]
        for event in await Event.filter(kind="binary.impact_accepted")
        for name in event.after["releases"]
    }
    for cohort in facts.values():
        for release in cohort.graph.releases:
            if affected_by(cohort.bundles[release.bundle_id]) and not release.archived:
                assert str(release.id) in accepted
    return len(accepted)


async def test_no_bundle_of_a_destroyed_binary(house: House) -> None:
    for number in range(FEW):
        house.version = await house.api.version(artifact=f"bundled-{number}")
        id = await house.binary(State.SIGNED)
        before = await house.told(id)
        clients = half(
            [
                house.asks_for(
                    "createBundle",
                    "bundle { id }",
                    name="bundle",
                    artifactVersionIds=[house.version],
                )
            ]
            * HALF,
            [house.asks(Move.DESTROY, id)] * HALF,
        )
        answers = await at_once(clients)
        also = {"VERSION_NOT_SIGNED", "VERSION_AFFECTED"}
        assert await check_moves(house, id, before, answers, also=also) == {Move.DESTROY: 1}
        found = await house.api.ask(
            """query($id: ID!) { artifactVersion(id: $id) { bundles { totalCount } } }""",
            id=house.version,
        )
        bundles = found["artifactVersion"]["bundles"]["totalCount"]
        assert bundles == sum(answer.won for answer in answers[::2])


async def test_no_release_of_a_destroyed_binary(house: House) -> None:
    product = await house.api.product()
    for number in range(ROUNDS):
        cohort = await house.api.cohort(product, f"cohort {number}")
        house.version = await house.api.version(artifact=f"released-{number}")
        id = await house.binary(State.SIGNED)
        bundle = await house.api.bundle(house.version)
        before = await house.told(id)
        clients = half(
            [releases(house, cohort, bundle)] * HALF,
            # Some accept nothing, some what they have just seen.
            [destroys_with_its_impact(house, id), *[house.asks(Move.DESTROY, id)] * 3]
            * (HALF // 4),
        )
        answers = await at_once(clients)
        made = await check_moves(house, id, before, answers, also={"BUNDLE_AFFECTED", *REFUSED})
        assert made.total() <= 1
        await check_accepted()
        if not made:
            refused = [answer.error["code"] for answer in answers[1::2]]
            assert set(refused) <= REFUSED
            assert all(answer.won for answer in answers[::2])
            assert (await destroys_with_its_impact(house, id)()).won
        kept = await Release.all().count()
        assert await check_accepted() <= kept


async def test_no_release_in_a_cohort_that_the_destroy_did_not_see(house: House) -> None:
    """Each release is in a cohort of its own, so that no row is shared but the version's."""
    product = await house.api.product()
    for number in range(FEW):
        house.version = await house.api.version(artifact=f"spread-{number}")
        id = await house.binary(State.SIGNED)
        bundle = await house.api.bundle(house.version)
        cohorts = [
            await house.api.cohort(product, f"cohort {number} {place}") for place in range(HALF)
        ]
        before = await house.told(id)

        clients = half(
            [releases(house, cohort, bundle) for cohort in cohorts],
            [house.asks(Move.DESTROY, id), destroys_with_its_impact(house, id)] * (HALF // 2),
        )
        answers = await at_once(clients)
        made = await check_moves(house, id, before, answers, also={"BUNDLE_AFFECTED", *REFUSED})
        assert made.total() <= 1
        await check_accepted()
        codes = Counter(answer.error["code"] for answer in answers[::2] if not answer.won)
        assert codes.keys() <= {"BUNDLE_AFFECTED"}
        assert made or not codes


async def test_a_token_is_good_for_what_was_seen(house: House) -> None:
    """Tokens of one moment, while releases are added and archived: added ones are refused."""
    product = await house.api.product()
    for number in range(FEW):
        cohort = await house.api.cohort(product, f"cohort {number}")
        house.version = await house.api.version(artifact=f"accepted-{number}")
        id = await house.binary(State.SIGNED)
        bundle = await house.api.bundle(house.version)
        release = await house.api.release(cohort, bundle, "seen")
        found = await house.api.ask(
            "query($id: ID!) { binary(id: $id) { impact { planToken } } }", id=id
        )
        token = found["binary"]["impact"]["planToken"]
        others = [
            house.asks_for("archiveReleases", "releases { id }", releaseIds=[release]),
            releases(house, cohort, bundle, nextReleaseId=release),
        ]
        answers = await at_once(
            [*others, *[house.asks(Move.DESTROY, id, planToken=token)] * (CLIENTS - 2)]
        )
        archived, created, *destroyed = answers
        assert archived.won
        for answer in [created, *destroyed]:
            if not answer.won:
                check_lost(answer.error, also={"BUNDLE_AFFECTED", *REFUSED})
        assert sum(answer.won for answer in destroyed) == (0 if created.won else 1)
        await check_accepted()


async def test_a_token_is_good_for_the_revision_that_was_seen(house: House) -> None:
    """Tokens of one moment, while the binary is changed: whichever comes first, it counts."""
    cohort = await house.api.cohort(await house.api.product())
    for number in range(ROUNDS):
        house.version = await house.api.version(artifact=f"revised-{number}")
        id = await house.binary(State.SIGNED)
        await house.api.release(cohort, await house.api.bundle(house.version), f"{number}")
        found = await house.api.ask(
            "query($id: ID!) { binary(id: $id) { revision impact { planToken } } }", id=id
        )
        seen, token = found["binary"]["revision"], found["binary"]["impact"]["planToken"]
        before = await house.told(id)
        changes = [
            house.asks_for("updateBinary", "binary { id }", binaryId=id, description=f"{place}")
            for place in range(HALF)
        ]
        destroys = [house.asks(Move.DESTROY, id, planToken=token)] * HALF
        answers = await at_once(half(changes, destroys))
        made = await check_moves(house, id, before, answers, also=REFUSED)
        events = (await house.told(id))["events"]["nodes"]
        begun = [e["before"]["revision"] for e in events if e["kind"] == "binary.destroy"]
        assert begun == [seen] * made.total()
