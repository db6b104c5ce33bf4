"""Writes about organizations and API keys."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from app import database
from app.actions.unit import Actor, Unit, action
from app.models import ApiKey, Device, Organization
from app.reads.values import as_uuid, maybe_time, maybe_uuid
from app.rules import text
from app.rules.access import Role, hash_secret, new_secret
from app.rules.errors import BadUserInput, KeyExpired, KeyRevoked, Unauthenticated
from app.rules.failures import StorageFull

RECENT = timedelta(minutes=1)
"""How exact `lastUsed` is: it is written at most this often."""
RECENT_OF_DEVICE = timedelta(hours=1)
"""The same of a device's key: its polls note that the device was seen, to the minute."""

KEYS = 10_000
"""Of how many keys it is kept what their rows say; the least used ones go first."""

# Written by hand, because every request asks one of these: to put the same statement together
# from a query set, and an instance from its row, takes twice as long.
_KEY = """
SELECT id, organization_id, role, device_id, expires_at, revoked_at, last_used_at FROM api_key
"""
_SENDER = f"{_KEY} WHERE secret_hash = $1"
_STILL = f"{_KEY} WHERE organization_id = $1 AND id = $2"


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
    facts = {"name": name, "role": role, "device_id": device_id, "expires_at": expires_at}
    await unit.record("api_key.create", key, after=facts)
    return key, secret


@action(Role.ADMIN, on_full_disk=True)
async def revoke_api_key(unit: Unit, api_key_id: UUID) -> ApiKey:
    """Revokes an API key for good; again is the same."""
    key = await unit.held(ApiKey, api_key_id, path=("input", "apiKeyId"))
    if key.revoked_at is None:
        await unit.change("api_key.revoke", key, revoked_at=unit.at)
    return key


async def authenticate(secret: str, *, at: datetime, request_id: str) -> Actor:
    """The actor whose secret this is. Raises Unauthenticated, KeyRevoked, KeyExpired."""
    key = _good(await database.fetch(_SENDER, [hash_secret(secret)]), at=at)
    recent = RECENT_OF_DEVICE if key.role is Role.DEVICE else RECENT
    if key.last_used_at is None or key.last_used_at < at - recent:
        # Whoever only reads is not kept from it by a disk that takes no note.
        with contextlib.suppress(StorageFull):
            await _note_use(key.id, at)
    return Actor(
        organization_id=key.organization_id,
        role=key.role,
        key_id=key.id,
        device_id=key.device_id,
        request_id=request_id,
    )


async def still_good(actor: Actor, *, at: datetime) -> None:
    """Makes sure that an actor's key is good still. Raises as `authenticate` does."""
    _good(await database.fetch(_STILL, [actor.organization_id, actor.key_id]), at=at)


def _good(rows: Sequence[Sequence[Any]], *, at: datetime) -> _Key:
    if not rows:
        raise Unauthenticated("There is no such API key.")
    (row,) = rows
    key = _read(*row)
    if key.revoked:
        raise KeyRevoked("The API key was revoked.")
    if key.expires_at is not None and key.expires_at <= at:
        raise KeyExpired("The API key has expired.")
    return key


class _Key(NamedTuple):
    """What a row tells of a key."""

    id: UUID
    organization_id: UUID
    role: Role
    device_id: UUID | None
    expires_at: datetime | None
    revoked: bool
    last_used_at: datetime | None


@lru_cache(KEYS)
def _read(
    id: Any,
    organization_id: Any,
    role: str,
    device_id: Any,
    expires_at: Any,
    revoked_at: Any,
    last_used_at: Any,
) -> _Key:
    """A row as it is read. Kept by the row, which is asked for each time, and so never old."""
    return _Key(
        as_uuid(id),
        as_uuid(organization_id),
        Role(role),
        maybe_uuid(device_id),
        maybe_time(expires_at),
        revoked_at is not None,
        maybe_time(last_used_at),
    )


async def _note_use(key_id: UUID, at: datetime) -> None:
    async def body(connection: database.Connection) -> None:
        await ApiKey.filter(id=key_id).using_db(connection).update(last_used_at=at)

    await database.unit_of_work(body)


async def ensure_organization(name: str) -> Organization:
    """The organization of this name, made if it is new. Raises BadUserInput."""
    name = text.name(name, field="name", max_length=128)

    async def body(connection: database.Connection) -> Organization:
        at = datetime.now(UTC)
        found = await Organization.get_or_none(name=name, using_db=connection)
        if found is None:
            found = await Organization.create(name=name, using_db=connection)
            unit = Unit(Actor(organization_id=found.id, role=Role.ADMIN), connection, at)
            await unit.record("organization.create", found, after={"name": name})
        return found

    return await database.unit_of_work(body)
