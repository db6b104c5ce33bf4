"""Rows of webhooks, and of what is sent to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from app.models.access import Event
from app.models.record import Owned
from app.rules.prn import Kind
from app.rules.webhook import DeliveryState


class Webhook(Owned):
    """Where events are sent. Its secrets are worked out anew each time, from `generation`.

    `secret_check` tells a secret from another one, and `previous_until` is how long the generation
    before is good too.
    """

    prn_kind = Kind.WEBHOOK

    name = fields.TextField()
    url = fields.TextField()
    event_kinds: fields.Field[list[str] | None] = fields.JSONField(null=True)
    enabled = fields.BooleanField(default=True)
    generation = fields.IntField(default=1)
    secret_check = fields.TextField()
    previous_until = fields.DatetimeField(null=True)

    class Meta:
        table = "webhook"


class WebhookDelivery(Owned):
    """One event on its way to one webhook. The database itself writes it, with the event.

    `position` rises with each, so what waits for one webhook about one subject has its order.
    """

    prn_kind = Kind.WEBHOOK_DELIVERY

    webhook: fields.ForeignKeyRelation[Webhook] = fields.ForeignKeyField(
        "bindery.Webhook", related_name=False
    )
    webhook_id: UUID
    event: fields.ForeignKeyRelation[Event] = fields.ForeignKeyField(
        "bindery.Event", related_name=False
    )
    event_id: UUID
    subject_id = fields.UUIDField()
    position = fields.BigIntField()
    state = fields.CharEnumField(DeliveryState)
    attempt_count = fields.IntField(default=0)
    attempts: fields.Field[list[dict[str, Any]]] = fields.JSONField(default=list)
    queued_at = fields.DatetimeField()
    next_attempt_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "webhook_delivery"


class WebhookLane(Model):
    """The deliveries of one subject that wait for one webhook: the first one is sent when due.

    A lane that is being worked on is due when its lease is over; `token` tells whose that is.
    """

    webhook_id = fields.UUIDField(primary_key=True)
    subject_id = fields.UUIDField()
    due_at = fields.DatetimeField()
    token = fields.UUIDField(null=True)

    class Meta:
        table = "webhook_lane"
