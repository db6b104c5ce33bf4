"""Rows of signing keys and signatures."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields

from app.models.binary import Binary
from app.models.record import Owned
from app.rules.prn import Kind


class SigningKey(Owned):
    """An Ed25519 public key, as hex of its 32 bytes."""

    prn_kind = Kind.SIGNING_KEY

    name = fields.TextField()
    public_key = fields.TextField()
    fingerprint = fields.TextField()
    retired = fields.BooleanField(default=False)

    class Meta:
        table = "signing_key"


class BinarySignature(Owned):
    """A verified signature, as uppercase hex of its 64 bytes."""

    prn_kind = Kind.BINARY_SIGNATURE

    binary: fields.ForeignKeyRelation[Binary] = fields.ForeignKeyField(
        "bindery.Binary", related_name=False
    )
    binary_id: UUID
    signing_key: fields.ForeignKeyRelation[SigningKey] = fields.ForeignKeyField(
        "bindery.SigningKey", related_name=False
    )
    signing_key_id: UUID
    signature = fields.TextField()

    class Meta:
        table = "binary_signature"
