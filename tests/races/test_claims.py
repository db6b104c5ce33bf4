"""Devices that poll at once never pass a phase's limit, and never get less than it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import pytest

from app import database
from app.models import ReleaseClaim
from app.rules.binary import State
from tests.races.house import CLIENTS, FEW, Answer, House, at_once

CLAIMS: Final = 1_000
UPDATE: Final = "update { status release { name } }"
_KEPT: Final = """
SELECT release_id, SUM(claims) AS n FROM release_claim_count
GROUP BY release_id HAVING SUM(claims) <> 0 ORDER BY 1
"""
_THERE: Final = "SELECT release_id, COUNT(*) AS n FROM release_claim GROUP BY release_id ORDER BY 1"


async def _devices(house: House, product: str, cohort: str, count: int) -> list[str]:
    ids: list[str] = []
    while len(ids) < count:
        new = [
            {"identifier": f"device-{number}", "cohortId": cohort}
            for number in range(len(ids), min(count, len(ids) + 1_000))
        ]
        made = await house.api.do("createDevices", "devices { id }", productId=product, devices=new)
        ids += [device["id"] for device in made]
    return ids


def _polls(house: House, device: str) -> Callable[[], Awaitable[Answer]]:
    return house.asks_for("claimUpdate", UPDATE, deviceId=device)


async def _fleet(house: House, count: int) -> tuple[str, str, list[str]]:
    """A cohort, a bundle for it, and so many devices in it."""
    await house.binary(State.SIGNED)
    # The version's binary is target-specific; these are devices of its target.
    product = await house.api.product(target="target-1")
    cohort = await house.api.cohort(product)
    bundle = await house.api.bundle(house.version)
    return cohort, bundle, await _devices(house, product, cohort, count)


async def _check_kept(*, total: int) -> None:
    """The database's own numbers of claims are those of the claims."""
    kept, there = [
        {str(row["release_id"]): row["n"] for row in await database.query(sql)}
        for sql in (_KEPT, _THERE)
    ]
    assert kept == there
    assert sum(there.values()) == total


@pytest.mark.parametrize(
    ("value", "devices"), [(10, CLAIMS), (0.1, 100)], ids=["ten", "a-tenth-of-100"]
)
async def test_ten_devices_are_let_in(house: House, value: float, devices: int) -> None:
    cohort, bundle, ids = await _fleet(house, devices)
    await house.api.release(cohort, bundle, "open")
    await house.api.release(cohort, bundle, "phased", phase={"value": value})
    asked = (ids * (CLAIMS // devices))[:CLAIMS]
    answers = await at_once([_polls(house, id) for id in asked])
    told: dict[str, set[str]] = {}
    for id, answer in zip(asked, answers, strict=True):
        update = answer.payload["update"]
        assert update["status"] == "UPDATE"
        told.setdefault(id, set()).add(update["release"]["name"])
    # Whoever is not let in steps back to the release before; a device's answer stays the same.
    assert all(len(names) == 1 for names in told.values())
    inside = {id for id, names in told.items() if names == {"phased"}}
    assert len(inside) == 10
    assert len(told) == devices
    assert await ReleaseClaim.all().count() == devices
    await _check_kept(total=devices)
    events = await house.api.ask('{ events(filter: {kind: ["device.claim"]}) { totalCount } }')
    assert events["events"]["totalCount"] == devices
    again = await at_once([_polls(house, id) for id in sorted(inside)])
    assert {answer.payload["update"]["release"]["name"] for answer in again} == {"phased"}


@pytest.mark.parametrize("_round", range(FEW))
async def test_what_releases_count_is_what_is_claimed(house: House, _round: int) -> None:
    cohort, bundle, ids = await _fleet(house, CLIENTS)
    await house.api.release(cohort, bundle, "first")
    await at_once([_polls(house, id) for id in ids])
    await house.api.release(cohort, bundle, "second")
    await _check_kept(total=CLIENTS)

    def leaves(id: str) -> Callable[[], Awaitable[Answer]]:
        return house.asks_for("updateDevice", "device { id }", deviceId=id, cohortId=None)

    def goes(id: str) -> Callable[[], Awaitable[Answer]]:
        return house.asks_for("deleteDevice", "deletedDeviceId", deviceId=id)

    quarter = CLIENTS // 4
    staying, leaving, going, torn = [ids[at : at + quarter] for at in range(0, CLIENTS, quarter)]
    starts = [_polls(house, id) for id in staying]
    # The others end claims on one release or on two, as they come before their own poll or after.
    starts += [start for id in leaving for start in (leaves(id), _polls(house, id))]
    starts += [start for id in going for start in (goes(id), _polls(house, id))]
    starts += [start for id in torn for start in (leaves(id), goes(id), _polls(house, id))]
    answers = await at_once(starts)
    lost = [answer.error["code"] for answer in answers if not answer.won]
    assert set(lost) <= {"NOT_FOUND"}, lost
    await _check_kept(total=2 * quarter)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_no_claim_passes_a_phase_that_was_lowered_meanwhile(
    house: House, database_url: str
) -> None:
    """On SQLite one transaction follows the other, so there is no meanwhile."""
    cohort, bundle, (device,) = await _fleet(house, 1)
    await house.api.release(cohort, bundle, "open")
    phased = await house.api.release(cohort, bundle, "phased", phase={"value": 5})
    operator = await asyncpg.connect(database_url)
    try:
        transaction = operator.transaction()
        await transaction.start()
        # As `updateRelease` does, but it takes its time before the commit.
        lowered = "UPDATE release SET phase_value = '0.0' WHERE id = $1"
        await operator.execute(lowered, phased.rsplit(":", 1)[1])
        poll = asyncio.ensure_future(_polls(house, device)())
        waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(10):
            while not await operator.fetchval(waiting):  # noqa: ASYNC110 - nobody tells.
                await asyncio.sleep(0.02)
        await transaction.commit()
        answer = await poll
    finally:
        await operator.close()
    assert answer.payload["update"]["release"]["name"] == "open"
