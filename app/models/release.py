"""Rows of releases and of the claims that devices have on them."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.bundle import Bundle
from app.models.product import Cohort
from app.models.record import Organization, Owned
from app.rules.ids import new_id
from app.rules.prn import Kind


class Release(Owned):
    """A bundle for a cohort, and its place in the cohort's graph.

    `phase_value` is a decimal number as text, so that a fraction is exact.
    """

    prn_kind = Kind.RELEASE

    cohort: fields.ForeignKeyRelation[Cohort] = fields.ForeignKeyField(
        "bindery.Cohort", related_name=False
    )
    cohort_id: UUID
    bundle: fields.ForeignKeyRelation[Bundle] = fields.ForeignKeyField(
        "bindery.Bundle", related_name=False
    )
    bundle_id: UUID
    next_release: fields.ForeignKeyNullableRelation[Release] = fields.ForeignKeyField(
        "bindery.Release", related_name=False, null=True
    )
    next_release_id: UUID | None
    name = fields.TextField()
    description = fields.TextField(default="")
    required = fields.BooleanField(default=False)
    disabled = fields.BooleanField(default=False)
    archived = fields.BooleanField(default=False)
    scheduled_at = fields.DatetimeField(null=True)
    phase_value = fields.TextField(null=True)
    phase_tags: fields.Field[list[str]] = fields.JSONField(default=list)
    halt_after = fields.IntField(null=True)
    failures = fields.IntField(default=0)
    version = fields.TextField(null=True)
    version_requirement = fields.TextField(null=True)

    class Meta:
        table = "release"


class ReleaseClaim(Model):
    """That a device was answered a release: it is inside the release's phase from then on."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "bindery.Organization", related_name=False
    )
    organization_id: UUID
    release: fields.ForeignKeyRelation[Release] = fields.ForeignKeyField(
        "bindery.Release", related_name=False
    )
    release_id: UUID
    device_id = fields.UUIDField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "release_claim"


class ReleaseClaimCount(Model):
    """A part of the number of claims that a release has: that is the sum over its slots.

    The database itself keeps it; no row: it never had one.
    """

    release_id = fields.UUIDField(primary_key=True)
    slot = fields.IntField()
    organization_id = fields.UUIDField()
    claims = fields.IntField()

    class Meta:
        table = "release_claim_count"
