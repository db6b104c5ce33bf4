"""Rows of the processes that share a database."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class Process(Model):
    """A process, and when it last said that it lives, by the database's clock."""

    boot = fields.UUIDField(primary_key=True)
    seen_at = fields.DatetimeField()

    class Meta:
        table = "process"
