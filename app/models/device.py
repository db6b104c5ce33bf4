"""Rows of devices, and of how many there are."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.bundle import Bundle
from app.models.product import Cohort, Product
from app.models.record import Owned
from app.models.release import Release
from app.rules.prn import Kind


class Device(Owned):
    """One device of the fleet: where it belongs, and what it last reported to run."""

    prn_kind = Kind.DEVICE

    product: fields.ForeignKeyRelation[Product] = fields.ForeignKeyField(
        "bindery.Product", related_name=False
    )
    product_id: UUID
    cohort: fields.ForeignKeyNullableRelation[Cohort] = fields.ForeignKeyField(
        "bindery.Cohort", related_name=False, null=True
    )
    cohort_id: UUID | None
    identifier = fields.TextField()
    tags: fields.Field[list[str]] = fields.JSONField(default=list)
    quarantined = fields.BooleanField(default=False)
    pinned_release: fields.ForeignKeyNullableRelation[Release] = fields.ForeignKeyField(
        "bindery.Release", related_name=False, null=True
    )
    pinned_release_id: UUID | None
    reported_release: fields.ForeignKeyNullableRelation[Release] = fields.ForeignKeyField(
        "bindery.Release", related_name=False, null=True
    )
    reported_release_id: UUID | None
    reported_bundle: fields.ForeignKeyNullableRelation[Bundle] = fields.ForeignKeyField(
        "bindery.Bundle", related_name=False, null=True
    )
    reported_bundle_id: UUID | None
    reported_version = fields.TextField(null=True)
    last_seen_at = fields.DatetimeField(null=True)

    class Meta:
        table = "device"


class CohortDevices(Model):
    """How many devices a cohort has. The database itself keeps it; no row: it never had one."""

    cohort_id = fields.UUIDField(primary_key=True)
    organization_id = fields.UUIDField()
    devices = fields.BigIntField()

    class Meta:
        table = "cohort_devices"
