"""Writes about organizations and API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from app.actions.unit import Actor, Unit, action
from app.models import ApiKey, Device, Organization
from app.rules import text
from app.rules.access import Role, hash_secret, new_secret
from app.rules.errors import BadUserInput, KeyExpired, KeyRevoked, Unauthenticated


@action(Role.ADMIN)
async def create_api_key(
    unit: Unit,
    *,
    name: str,
    role: Role,
    device_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Creates an API key; gives it with its secret, which is shown this once only.

    A DEVICE key is bound to a device, and no other is. Raises BadUserInput, NotFound.
    """
    name = text.name(name, field="name", max_length=128)
    if (role is Role.DEVICE) != (device_id is not None):
        raise BadUserInput(
            "A key of role DEVICE names its device, a key of another role none.",
            path=("input", "deviceId"),
        )
    if expires_at is not None and expires_at <= unit.at:
        raise BadUserInput("The expiry must be in the future.", path=("input", "expiresAt"))
    if device_id is not None:
        await unit.find(Device, device_id, path=("input", "deviceId"))
    secret = new_secret()
    key = await ApiKey.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        name=name,
        role=role,
        device_id=device_id,
        secret_hash=hash_secret(secret),
        expires_at=expires_at,
    )
    await unit.record("api_key.create", key, after={"name": name, "role": role})
    return key, secret


@action(Role.ADMIN)
async def revoke_api_key(unit: Unit, api_key_id: UUID) -> ApiKey:
    """Revokes an API key for good; again is the same."""
    await unit.lock(ApiKey, [api_key_id])
    key = await unit.find(ApiKey, api_key_id, path=("input", "apiKeyId"))
    if key.revoked_at is None:
        await unit.change("api_key.revoke", key, revoked_at=unit.at)
    return key


async def authenticate(secret: str, *, at: datetime, request_id: str) -> Actor:
    """The actor whose secret this is. Raises Unauthenticated, KeyRevoked, KeyExpired."""
    key = await ApiKey.get_or_none(secret_hash=hash_secret(secret))
    if key is None:
        raise Unauthenticated("There is no such API key.")
    if key.revoked_at is not None:
        raise KeyRevoked("The API key was revoked.")
    if key.expires_at is not None and key.expires_at <= at:
        raise KeyExpired("The API key has expired.")
    return Actor(
        organization_id=key.organization_id,
        role=key.role,
        key_id=key.id,
        device_id=key.device_id,
        request_id=request_id,
    )


async def ensure_organization(name: str) -> Organization:
    """The organization of this name, made if it is new. Raises BadUserInput."""
    name = text.name(name, field="name", max_length=128)
    found = await Organization.get_or_none(name=name)
    return found or await Organization.create(name=name)
