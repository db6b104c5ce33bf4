"""Rows of products and their cohorts."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields

from app.models.record import Owned
from app.rules.prn import Kind


class Product(Owned):
    """A kind of device, with the target that its devices run."""

    prn_kind = Kind.PRODUCT

    name = fields.TextField()
    target = fields.TextField()
    archived = fields.BooleanField(default=False)

    class Meta:
        table = "product"


class Cohort(Owned):
    """A group of a product's devices that gets the same releases.

    `graph_version` rises with each change of what the cohort's devices may be answered. The
    database itself counts, so nothing else writes it.
    """

    prn_kind = Kind.COHORT

    product: fields.ForeignKeyRelation[Product] = fields.ForeignKeyField(
        "bindery.Product", related_name=False
    )
    product_id: UUID
    name = fields.TextField()
    description = fields.TextField(default="")
    graph_version = fields.BigIntField(default=0)

    class Meta:
        table = "cohort"
