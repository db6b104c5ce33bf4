"""Rows of artifacts and their versions."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields

from app.models.record import Owned
from app.rules.prn import Kind


class Artifact(Owned):
    """An immutable reference to a kind of content."""

    prn_kind = Kind.ARTIFACT

    name = fields.TextField()
    description = fields.TextField(default="")

    class Meta:
        table = "artifact"


class ArtifactVersion(Owned):
    """One version of an artifact, with one binary per target."""

    prn_kind = Kind.ARTIFACT_VERSION

    artifact: fields.ForeignKeyRelation[Artifact] = fields.ForeignKeyField(
        "bindery.Artifact", related_name=False
    )
    artifact_id: UUID
    version = fields.TextField()
    description = fields.TextField(default="")

    class Meta:
        table = "artifact_version"
