"""A mutation sent twice with one idempotency key is done once.

What it did is stored in its own transaction, so there is never an effect without its record. A
replay is answered from the present state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app import models
from app.models import Idempotency, Organization, Owned, Record
from app.rules.errors import IdempotencyKeyReused
from app.rules.prn import Kind

KEPT = timedelta(hours=24)
_MODELS: dict[Kind, type[Owned]] = {
    model.prn_kind: model
    for model in vars(models).values()
    if isinstance(model, type) and issubclass(model, Owned) and model is not Owned
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of a mutation: which, with which idempotency key, and a hash of its input."""

    mutation: str
    key: str
    input_hash: str


@dataclass(frozen=True, slots=True)
class Done:
    """That the mutation was done before, and what it gave, as it is now."""

    result: Any


async def done_before(
    attempt: Attempt, *, organization_id: UUID, key_id: UUID, at: datetime
) -> Done | None:
    """What an earlier attempt gave, within this transaction. Raises IdempotencyKeyReused."""
    await Idempotency.filter(api_key_id=key_id, created_at__lt=at - KEPT).delete()
    found = await Idempotency.get_or_none(
        organization_id=organization_id,
        api_key_id=key_id,
        mutation=attempt.mutation,
        idempotency_key=attempt.key,
    )
    if found is None:
        return None
    if found.input_hash != attempt.input_hash:
        raise IdempotencyKeyReused(
            "The idempotency key was used before with another input; choose a new one.",
            path=("input", "idempotencyKey"),
        )
    rows = [
        await _present(Kind(kind), id, organization_id=organization_id)
        for kind, id in found.result["rows"]
    ]
    match found.result["shape"]:
        case "list":
            return Done(rows)
        case "tuple":
            return Done((rows[0], None))
        case _:
            return Done(rows[0])


async def keep(
    attempt: Attempt, result: Any, *, organization_id: UUID, key_id: UUID, at: datetime
) -> None:
    """Records what this attempt gave, within its transaction."""
    rows = result if isinstance(result, list) else [result]
    if isinstance(result, tuple):
        rows = [result[0]]
    await Idempotency.create(
        organization_id=organization_id,
        api_key_id=key_id,
        mutation=attempt.mutation,
        idempotency_key=attempt.key,
        input_hash=attempt.input_hash,
        result={
            "shape": type(result).__name__ if isinstance(result, list | tuple) else "row",
            "rows": [[row.prn_kind, str(row.id)] for row in rows],
        },
        created_at=at,
    )


async def _present(kind: Kind, id: UUID, *, organization_id: UUID) -> Record | None:
    """A row of the organization as it is now, or the organization itself."""
    if kind is Kind.ORGANIZATION:
        return await Organization.get_or_none(id=organization_id)
    return await _MODELS[kind].get_or_none(organization_id=organization_id, id=id)
