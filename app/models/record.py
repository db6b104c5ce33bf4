"""What every row has: an id, its organization, and when it was made and changed."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.rules.ids import new_id
from app.rules.prn import Kind


class Record(Model):
    """The base of every row that is an object of the API."""

    prn_kind: Kind

    id = fields.UUIDField(primary_key=True, default=new_id)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        abstract = True


class Owned(Record):
    """A row of one organization; every statement about it names that organization."""

    organization: fields.ForeignKeyRelation[Organization] = fields.ForeignKeyField(
        "bindery.Organization", related_name=False
    )
    organization_id: UUID

    class Meta:
        abstract = True


class Organization(Record):
    """The tenant."""

    prn_kind = Kind.ORGANIZATION

    name = fields.TextField()

    @property
    def organization_id(self) -> UUID:
        """Its own id: an organization belongs to itself."""
        return self.id

    class Meta:
        table = "organization"
