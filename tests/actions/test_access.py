"""How often it is noted that a key was used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.actions import access, device, product
from app.actions.access import authenticate
from app.actions.unit import Actor
from app.models import ApiKey
from app.rules.access import Role

pytestmark = pytest.mark.usefixtures("opened")
AT = datetime(2026, 1, 1, tzinfo=UTC)


async def key_of(role: Role) -> str:
    """The secret of a new key; one of a device has a device of its own."""
    organization = await access.ensure_organization("acme")
    admin = Actor(organization_id=organization.id, role=Role.ADMIN)
    device_id = None
    if role is Role.DEVICE:
        made = await product.create_product(admin, name="router", target_="x-y")
        (found,) = await device.create_devices(
            admin, made.id, devices=[device.NewDevice(identifier="1")]
        )
        device_id = found.id
    _, secret = await access.create_api_key(admin, name="key", role=role, device_id=device_id)
    assert secret is not None
    return secret


@pytest.mark.parametrize(
    ("role", "exact"),
    [
        (Role.READ, timedelta(minutes=1)),
        (Role.WRITE, timedelta(minutes=1)),
        (Role.ADMIN, timedelta(minutes=1)),
        (Role.DEVICE, timedelta(hours=1)),
    ],
)
async def test_the_use_of_a_key_is_noted_as_exactly_as_is_said(
    role: Role, exact: timedelta
) -> None:
    secret = await key_of(role)

    async def used(at: datetime) -> datetime | None:
        actor = await authenticate(secret, at=at, request_id="r")
        return (await ApiKey.get(id=actor.key_id)).last_used_at

    second = timedelta(seconds=1)
    assert await used(AT) == AT
    assert await used(AT + exact) == AT
    assert await used(AT + exact + second) == AT + exact + second
    assert await used(AT + exact + 2 * second) == AT + exact + second
