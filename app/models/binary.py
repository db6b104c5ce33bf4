"""Rows of binaries, their parts, and the blobs that are on their way in or out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.artifact import ArtifactVersion
from app.models.record import Owned
from app.rules.binary import ContentHealth, State, VerificationStatus
from app.rules.part import PartState
from app.rules.prn import Kind


class Binary(Owned):
    """A binary's record. Only `app.actions.moves` writes `state`, `revision` and `epoch`."""

    prn_kind = Kind.BINARY

    artifact_version: fields.ForeignKeyRelation[ArtifactVersion] = fields.ForeignKeyField(
        "bindery.ArtifactVersion", related_name=False
    )
    artifact_version_id: UUID
    target = fields.TextField()
    hash = fields.TextField()
    size = fields.BigIntField()
    state = fields.CharEnumField(State)
    description = fields.TextField(default="")
    custom_metadata: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    destroyed = fields.BooleanField(default=False)
    bytes_uploaded = fields.BigIntField(default=0)
    revision = fields.BigIntField(default=1)
    epoch = fields.BigIntField(default=1)
    content_erased_at = fields.DatetimeField(null=True)
    content_health = fields.CharEnumField(ContentHealth, null=True)
    content_checked_at = fields.DatetimeField(null=True)
    verification_status = fields.CharEnumField(VerificationStatus, null=True)
    verification_error = fields.TextField(null=True)
    verification_attempts = fields.BigIntField(default=0)
    verification_due_at = fields.DatetimeField(null=True)
    bytes_hashed = fields.BigIntField(default=0)
    computed_hash = fields.TextField(null=True)
    computed_size = fields.BigIntField(null=True)
    lease_token = fields.UUIDField(null=True)
    lease_expires_at = fields.DatetimeField(null=True)

    class Meta:
        table = "binary_record"


class BinaryPart(Owned):
    """The registration of one part. Its id names the registration in the upload URL."""

    prn_kind = Kind.BINARY_PART

    binary: fields.ForeignKeyRelation[Binary] = fields.ForeignKeyField(
        "bindery.Binary", related_name=False
    )
    binary_id: UUID
    index = fields.IntField(source_field="part_index")
    size = fields.BigIntField()
    hash = fields.TextField()
    state = fields.CharEnumField(PartState, default=PartState.UPLOADABLE)
    blob = fields.TextField(null=True)

    class Meta:
        table = "binary_part"


class StorageIntent(Model):
    """A blob whose file may exist, though no row holds it yet. `boot` is the writing process."""

    blob = fields.CharField(max_length=32, primary_key=True)
    boot = fields.UUIDField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "storage_intent"


class StorageUpload(Model):
    """An object of a bucket that clients send the parts of a binary to.

    `completing` is set before the object is made of its parts: after that there may be one.
    """

    blob = fields.CharField(max_length=32, primary_key=True)
    binary_id = fields.UUIDField(unique=True)
    upload = fields.TextField()
    completing = fields.BooleanField(default=False)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "storage_upload"


class StorageUsage(Model):
    """What the parts of an organization take, stored or not yet, and its own limit of that."""

    organization_id = fields.UUIDField(primary_key=True)
    bytes = fields.BigIntField()
    quota = fields.BigIntField(null=True)

    class Meta:
        table = "storage_usage"


class StorageGarbage(Model):
    """A blob whose file may exist, though no row holds it any more."""

    blob = fields.CharField(max_length=32, primary_key=True)
    binary_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "storage_gc"


class ContentScrub(Model):
    """A content that some process looks at; another one may do so after `until`."""

    binary_id = fields.UUIDField(primary_key=True)
    until = fields.DatetimeField()

    class Meta:
        table = "content_scrub"
