"""Mutations of the organization itself."""

from __future__ import annotations

from typing import Any

import strawberry

from app.actions import usage as actions
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, mutation, optional
from app.graphql.scalars import BigInt
from app.graphql.types import Organization


@strawberry.input(description="A limit to set.")
class SetQuotaInput(MutationInput):
    """What `setQuota` takes."""

    bytes: BigInt | None = optional("How many; left out, as many as the server grants.")


@mutation(
    "Sets how many bytes the organization's parts may take. What is there already stays.",
    organization=(Organization, "The organization."),
)
async def set_quota(info: Info, input: SetQuotaInput) -> Any:
    return await actions.set_quota(
        info.context.actor, input.bytes, granted=info.context.server.settings.quota_bytes
    )


MUTATIONS = (set_quota,)
