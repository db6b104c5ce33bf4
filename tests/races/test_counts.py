"""Devices come, move and go at once; the number that each cohort keeps is theirs in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import pytest

from app import database
from app.models import CohortDevices
from tests.races.house import CLIENTS, ROUNDS, Answer, House, at_once

COUNTED = """
SELECT cohort_id, COUNT(*) AS devices FROM device WHERE cohort_id IS NOT NULL GROUP BY cohort_id
"""
AT_ONCE = 6
"""Devices that one client creates, in cohorts that take turns."""

Start = Callable[[], Awaitable[Answer]]


class Fleet:
    """Devices of one product, in cohorts that they are moved between."""

    def __init__(self, house: House, product: str, cohorts: list[str]) -> None:
        self._house, self._product, self._cohorts = house, product, cohorts
        self._numbers = count(1)

    def creates(self, place: int) -> Start:
        """Several at once; every second client names the cohorts the other way round."""
        cohorts = self._cohorts[:: -1 if place % 2 else 1]
        devices = [
            {"identifier": f"device-{next(self._numbers)}", "cohortId": cohorts[at % len(cohorts)]}
            for at in range(AT_ONCE)
        ]
        return self._house.asks_for(
            "createDevices", "devices { id }", productId=self._product, devices=devices
        )

    def moves(self, device: str, place: int) -> Start:
        """To the one or the other cohort, or out of all."""
        to = (*self._cohorts, None)[place % (len(self._cohorts) + 1)]
        return self._house.asks_for("updateDevice", "device { id }", deviceId=device, cohortId=to)

    def deletes(self, device: str) -> Start:
        return self._house.asks_for("deleteDevice", "deletedDeviceId", deviceId=device)

    async def made(self, starts: list[Start]) -> Iterator[str]:
        """Has clients create at once, and gives the devices."""
        answers = await at_once(starts)
        assert all(answer.won for answer in answers), [a.payload["errors"] for a in answers]
        return (one["id"] for answer in answers for one in answer.payload["devices"])


async def check_counts(*, total: int) -> None:
    kept = {row.cohort_id: row.devices for row in await CohortDevices.filter(devices__not=0)}
    counted = {row["cohort_id"]: row["devices"] for row in await database.query(COUNTED)}
    assert {str(id): number for id, number in kept.items()} == {
        str(id): number for id, number in counted.items()
    }
    assert sum(kept.values()) == total


@pytest.mark.parametrize("_round", range(max(1, ROUNDS // 2)))
async def test_what_cohorts_keep_is_what_they_have(house: House, _round: int) -> None:
    product = await house.api.product()
    cohorts = [await house.api.cohort(product, name) for name in ("stable", "beta")]
    fleet = Fleet(house, product, cohorts)
    ids = list(await fleet.made([fleet.creates(place) for place in range(CLIENTS)]))
    await check_counts(total=CLIENTS * AT_ONCE)

    third = CLIENTS // 3
    moving, going, torn = ids[:third], ids[third : 2 * third], ids[2 * third : 3 * third]
    starts = [fleet.moves(id, place) for place, id in enumerate(moving)]
    starts += [fleet.deletes(id) for id in going]
    # Of these, one is moved and deleted at once: both is done, or it was gone before.
    starts += [start for id in torn for start in (fleet.moves(id, 2), fleet.deletes(id))]
    starts += [fleet.creates(place) for place in range(4)]
    answers = await at_once(starts)
    lost = [answer.error["code"] for answer in answers if not answer.won]
    assert set(lost) <= {"NOT_FOUND"}, lost
    out = sum(1 for place in range(third) if place % 3 == 2)
    await check_counts(total=(CLIENTS + 4) * AT_ONCE - out - len(going) - len(torn))
