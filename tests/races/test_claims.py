"""Devices that poll at once never pass a phase's limit, and never get less than it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from app.models import ReleaseClaim
from app.rules.binary import State
from tests.races.house import Answer, House, at_once

CLAIMS: Final = 1_000
UPDATE: Final = "update { status release { name } }"


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


@pytest.mark.parametrize(
    ("value", "devices"), [(10, CLAIMS), (0.1, 100)], ids=["ten", "a-tenth-of-100"]
)
async def test_ten_devices_are_let_in(house: House, value: float, devices: int) -> None:
    await house.binary(State.SIGNED)
    # The version's binary is target-specific; these are devices of its target.
    product = await house.api.product(target="target-1")
    cohort = await house.api.cohort(product)
    bundle = await house.api.bundle(house.version)
    ids = await _devices(house, product, cohort, devices)
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
    events = await house.api.ask('{ events(filter: {kind: ["device.claim"]}) { totalCount } }')
    assert events["events"]["totalCount"] == devices
    again = await at_once([_polls(house, id) for id in sorted(inside)])
    assert {answer.payload["update"]["release"]["name"] for answer in again} == {"phased"}
