"""Mutations of API keys."""

from __future__ import annotations

from typing import Any

import strawberry

from app.actions import access as actions
from app.graphql.audit import ApiKey
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, Warned, given, mutation, optional
from app.graphql.scalars import DateTime
from app.rules.access import Role
from app.rules.errors import SecretAlreadyShown
from app.rules.prn import Kind


@strawberry.input(description="An API key to create.")
class CreateApiKeyInput(MutationInput):
    """What `createApiKey` takes."""

    name: str = given("1 to 128 characters.")
    role: Role = given("What it may do.")
    device_id: strawberry.ID | None = optional("The device of a key of role DEVICE.")
    expires_at: DateTime | None = optional("When it ends; left out, never.")


@mutation(
    "Creates an API key. Its secret is shown this once only.",
    api_key=(ApiKey, "The key."),
    secret=(str, "What to send as `Authorization: Bearer …`."),
)
async def create_api_key(info: Info, input: CreateApiKeyInput) -> Any:
    key: Any
    secret: str | None
    key, secret = await actions.create_api_key(
        info.context.actor,
        name=input.name,
        role=input.role,
        device_id=None
        if input.device_id is None
        else info.context.uuid(input.device_id, Kind.DEVICE, "input", "deviceId"),
        expires_at=input.expires_at,
    )
    if secret is None:
        # A replay of the mutation has no secret to show.
        shown = SecretAlreadyShown("The secret was shown when the key was created, and only then.")
        return Warned((key, None), shown)
    return key, secret


@strawberry.input(description="An API key to revoke.")
class RevokeApiKeyInput(MutationInput):
    """What `revokeApiKey` takes."""

    api_key_id: strawberry.ID = given("Which API key.")


@mutation("Revokes an API key for good.", api_key=(ApiKey, "The key."))
async def revoke_api_key(info: Info, input: RevokeApiKeyInput) -> Any:
    return await actions.revoke_api_key(
        info.context.actor,
        info.context.uuid(input.api_key_id, Kind.API_KEY, "input", "apiKeyId"),
    )


MUTATIONS = (create_api_key, revoke_api_key)
