"""Rows of API keys and of the audit record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.device import Device
from app.models.record import Organization, Owned
from app.rules.access import Role
from app.rules.ids import new_id
from app.rules.prn import Kind


class ApiKey(Owned):
    """An API key; of its secret, only the SHA-256 is kept."""

    prn_kind = Kind.API_KEY

    name = fields.TextField()
    role = fields.CharEnumField(Role)
    device: fields.ForeignKeyNullableRelation[Device] = fields.ForeignKeyField(
        "bindery.Device", related_name=False, null=True
    )
    device_id: UUID | None
    secret_hash = fields.TextField()
    expires_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_key"


class Event(Model):
    """The audit record of one change: written in its transaction, never changed."""

    prn_kind = Kind.EVENT

    id = fields.UUIDField(primary_key=True, default=new_id)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "bindery.Organization", related_name=False
    )
    organization_id: UUID
    time = fields.DatetimeField()
    actor_key_id = fields.UUIDField(null=True)
    kind = fields.TextField()
    subject_kind = fields.TextField()
    subject_id = fields.UUIDField()
    before: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    after: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    request_id = fields.TextField()

    class Meta:
        table = "event"
