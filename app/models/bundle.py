"""Rows of bundles and the ordered artifact versions in them."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.artifact import ArtifactVersion
from app.models.record import Organization, Owned
from app.rules.ids import new_id
from app.rules.prn import Kind


class Bundle(Owned):
    """An immutable, ordered list of artifact versions."""

    prn_kind = Kind.BUNDLE

    name = fields.TextField()

    class Meta:
        table = "bundle"


class BundleVersion(Model):
    """The place of one artifact version in a bundle; `position` counts from 0."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "bindery.Organization", related_name=False
    )
    organization_id: UUID
    bundle: fields.ForeignKeyRelation[Bundle] = fields.ForeignKeyField(
        "bindery.Bundle", related_name=False
    )
    bundle_id: UUID
    artifact_version: fields.ForeignKeyRelation[ArtifactVersion] = fields.ForeignKeyField(
        "bindery.ArtifactVersion", related_name=False
    )
    artifact_version_id: UUID
    position = fields.IntField()

    class Meta:
        table = "bundle_version"
