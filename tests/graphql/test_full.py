"""A device's poll where nothing can be noted: what needs no place in a phase is answered."""

from __future__ import annotations

import pytest

from app.actions import poll
from app.ballast import ballast
from app.models import ReleaseClaim
from app.rules.failures import StorageFull
from tests.api import Api

UPDATE = "update { status release { id } }"


async def fleet(api: Api, *phases: object) -> tuple[list[str], list[str]]:
    """Two devices, and a release for each of `phases` that they are offered."""
    product = await api.product()
    cohort = await api.cohort(product)
    devices = [await api.device(product, cohort, f"device-{number}") for number in range(2)]
    releases = []
    for place, phase in enumerate(phases):
        version = await api.version(artifact=f"artifact-{place}")
        await api.reach("SIGNED", version, b"content")
        bundle = await api.bundle(version, name=f"bundle-{place}")
        more = {} if phase is None else {"phase": phase}
        releases.append(await api.release(cohort, bundle, f"release-{place}", **more))
    return devices, releases


async def fails(*_: object) -> None:
    raise StorageFull("The database's disk is full; nothing was changed.")


async def test_a_poll_that_needs_no_place_is_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    (device, _), (release,) = await fleet(api, None)
    monkeypatch.setattr(poll, "_note", fails)
    answer = await api.do("claimUpdate", UPDATE, deviceId=device, idempotencyKey="once")
    assert answer == {"status": "UPDATE", "release": {"id": release}}
    assert not await ReleaseClaim.exists()
    monkeypatch.undo()
    await api.do("claimUpdate", UPDATE, deviceId=device, idempotencyKey="once")
    assert await ReleaseClaim.all().count() == 1


async def test_a_place_in_a_phase_is_not_given_without_a_claim(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), (_, phased) = await fleet(api, None, {"value": 0.5})
    has_it = await api.do("claimUpdate", UPDATE, deviceId=first)
    assert has_it["release"] == {"id": phased}
    monkeypatch.setattr(poll, "_note", fails)
    assert await api.do("claimUpdate", UPDATE, deviceId=first) == has_it
    # The phase is full, and the release before it is for everybody.
    other = await api.do("claimUpdate", UPDATE, deviceId=second)
    assert other["release"] != {"id": phased}
    await ReleaseClaim.all().delete()
    error = await api.fail("claimUpdate", UPDATE, deviceId=second)
    assert error["code"] == "STORAGE_FULL"
    assert not await ReleaseClaim.exists()


async def test_no_poll_takes_of_the_ballast(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    (device, _), _ = await fleet(api, None)

    def give() -> bool:
        raise AssertionError("The ballast is for what makes room.")

    monkeypatch.setattr(ballast, "give", give)
    monkeypatch.setattr(poll, "_note", fails)
    await api.do("claimUpdate", UPDATE, deviceId=device, idempotencyKey="once")
