"""Devices in groups: as many as there are, each with the devices that have just its facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product
from random import Random
from typing import Final
from uuid import UUID

import pytest

from app import database, models
from app.reads import fleet, resolution
from app.reads.values import as_uuid
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.ids import new_id
from bench import loading
from bench.rows import CHAIN, COHORTS, Data

DATA: Final = Data(binaries=1_000, devices=2_000)
ORGANIZATION: Final = UUID(DATA.organization_id)
MANY_TAGS: Final = [f"{place:02}{'🚀' * 62}" for place in range(32)]
"""As many and as long ones as a device may have: 8 kB, of which no index of PostgreSQL takes 3."""


@pytest.fixture
async def loaded(database_url: str) -> AsyncIterator[str]:
    """An open database with the benchmark's devices, and whatever else makes devices differ."""
    await loading.load(database_url, DATA)
    async with database.opened(database_url):
        random = Random(1)
        releases = [UUID(DATA.id("release", place)) for place in range(COHORTS * CHAIN)]
        await models.Release.filter(id=releases[CHAIN - 2]).update(phase_value="0.5")
        await models.Release.filter(id=releases[CHAIN - 3]).update(phase_value="1")
        devices = await models.Device.filter(organization_id=ORGANIZATION)
        for device in random.sample(devices, 600):
            device.update_from_dict(
                {
                    "tags": random.choice([["lab", "beta"], ["beta", "lab"], MANY_TAGS]),
                    "quarantined": random.random() < 0.2,
                    "pinned_release_id": random.choice([None, releases[3], releases[CHAIN - 1]]),
                    "reported_version": random.choice([None, "1.7.0", "1.7", "9.0.0"]),
                    "cohort_id": random.choice([device.cohort_id, None]),
                }
            )
            await device.save()
        # Claims on what is phased, on what no longer is, and on another cohort's release.
        wanted = [*releases[CHAIN - 4 : CHAIN], releases[2 * CHAIN - 1]]
        held = {(row.device_id, row.release_id) for row in await models.ReleaseClaim.all()}
        chosen = product(random.sample([device.id for device in devices], 400), wanted)
        await models.ReleaseClaim.bulk_create(
            models.ReleaseClaim(
                id=new_id(), organization_id=ORGANIZATION, device_id=device, release_id=release
            )
            for device, release in chosen
            if (device, release) not in held and random.random() < 0.5
        )
        yield database_url


def all_facts(device: DeviceFacts, _cohort: CohortFacts) -> DeviceFacts:
    """A key that keeps apart whatever differs."""
    return device


async def one_by_one(cohorts: dict[UUID, CohortFacts]) -> dict[str, DeviceFacts]:
    """The devices of cohorts by identifier, read each by itself, with what matters of them."""
    rows = await database.query(
        "SELECT id FROM device WHERE organization_id = $1 AND cohort_id {ids:2}",
        [ORGANIZATION, list(cohorts)],
    )
    asking = await resolution.asking(ORGANIZATION, [as_uuid(row["id"]) for row in rows])
    phased = {id for facts in cohorts.values() for id in facts.graph.phased_ids}
    tagged = any(facts.graph.phase_tags for facts in cohorts.values())
    return {
        one.row.identifier: replace(
            one.facts,
            id=one.row.product_id,
            claims=one.facts.claims & phased,
            tags=one.facts.tags if tagged else frozenset(),
        )
        for one in asking.values()
    }


@pytest.mark.parametrize("chosen", [range(COHORTS), [0], [0, 1], []])
async def test_every_device_is_in_the_group_of_its_facts(loaded: str, chosen: list[int]) -> None:
    cohorts = await resolution.cohorts(
        ORGANIZATION, [UUID(DATA.id("cohort", place)) for place in chosen]
    )
    known = await one_by_one(cohorts)
    expected = Counter(known.values())
    assert not cohorts or max(len(facts.claims) for facts in expected) > 1
    for examples in (False, True):
        groups = await fleet.devices(ORGANIZATION, cohorts, key=all_facts, examples=examples)
        assert groups.keys() == cohorts.keys()
        found = [group for of_cohort in groups.values() for group in of_cohort]
        assert {group.device: group.number for group in found} == expected
        assert len(found) == len(expected)
        for group in found:
            assert (known[group.example] == group.device) if examples else not group.example


async def test_without_phases_by_tag_tags_part_no_groups(loaded: str) -> None:
    await models.Release.filter(organization_id=ORGANIZATION).update(phase_tags=[])
    cohorts = await resolution.cohorts(ORGANIZATION, [UUID(DATA.id("cohort", 0))])
    known = await one_by_one(cohorts)
    groups = await fleet.devices(ORGANIZATION, cohorts, key=all_facts)
    (found,) = groups.values()
    assert {group.device: group.number for group in found} == Counter(known.values())
    assert not any(group.device.tags for group in found)
    asked = await fleet.devices(ORGANIZATION, cohorts, key=all_facts, also_tags=frozenset({"lab"}))
    (found,) = asked.values()
    assert any(group.device.tags for group in found)


async def test_nobody_elses_devices_are_counted(loaded: str) -> None:
    cohorts = await resolution.cohorts(ORGANIZATION, [UUID(DATA.id("cohort", 0))])
    groups = await fleet.devices(new_id(), cohorts)
    assert list(groups.values()) == [[]]


async def test_claimers_count_whoever_claimed_though_no_cohort_has_it_now(loaded: str) -> None:
    ids = [UUID(DATA.id("release", place)) for place in (CHAIN - 3, CHAIN - 1)]
    found = await fleet.claimers(ORGANIZATION, ids)
    for id in ids:
        claims = await models.ReleaseClaim.filter(release_id=id)
        devices = await models.Device.filter(id__in=[claim.device_id for claim in claims])
        assert any(device.cohort_id is None for device in devices)
        told: Counter[UUID | None] = Counter()
        for device, number in found[id]:
            told[device.cohort_id] += number
        assert told == Counter(device.cohort_id for device in devices)
