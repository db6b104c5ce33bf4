"""Rows of what mutations did for idempotency keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.record import Organization
from app.rules.ids import new_id


class Idempotency(Model):
    """That a key's mutation was done, for an idempotency key; `result` names the rows it gave."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "bindery.Organization", related_name=False
    )
    organization_id: UUID
    api_key_id = fields.UUIDField()
    mutation = fields.TextField()
    idempotency_key = fields.TextField()
    input_hash = fields.TextField()
    result: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "idempotency"
