"""The object types of the record of changes, each made of one row: whose keys make them, the
events, and the webhooks that events are sent to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from app import models
from app.graphql import lists
from app.graphql.connections import Connection
from app.graphql.context import Info
from app.graphql.fields import derived, edge, plain, to_many, to_one
from app.graphql.node import Node, Recorded, find_node
from app.graphql.scalars import JSON, DateTime
from app.graphql.values import WebhookAttempt, attempt_of
from app.rules.access import Role
from app.rules.prn import Kind
from app.rules.webhook import RETRIED_FOR, DeliveryState

if TYPE_CHECKING:
    from app.graphql.types import Device, Organization

TYPES = strawberry.lazy("app.graphql.types")
"""Where the types of what is changed are: each leads to its events."""
EVENTS_OF = "The audit record of this, the newest first."


@strawberry.type(description="What an HTTP client is known by.")
class ApiKey(Recorded):
    row = models.ApiKey

    name: str = plain("What it is called.")
    role: Role = plain("What it may do.")
    expires_at: DateTime | None = plain("When it ends.")
    revoked_at: DateTime | None = plain("When it was revoked.")
    last_used_at: DateTime | None = plain(
        "When it was last used, to the minute; of a device's, to the hour."
    )
    device: Annotated[Device, TYPES] | None = to_one(
        models.Device, "device_id", "The device whose key it is."
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)


@strawberry.type(description="The audit record of one change; it never changes itself.")
class Event(Node):
    row = models.Event

    time: DateTime = plain("When it was.")
    kind: str = plain("What was done, such as `binary.destroy`.")
    before: JSON = plain("The facts that changed, as they were.")
    after: JSON = plain("The facts that changed, as they became.")
    request_id: str = plain("The request that did it; empty where the server did.")
    actor_key: ApiKey | None = to_one(
        models.ApiKey, "actor_key_id", "Whose key did it; null for the server, or a deleted key."
    )

    webhook_deliveries: Connection[WebhookDelivery] = to_many(
        lists.WEBHOOK_DELIVERIES, "t.event_id", "The webhooks that it was sent to, or is to be."
    )

    @edge("What was changed; null where it is there no more.", needs=("subject_kind", "subject_id"))
    async def subject(self, root: strawberry.Parent[models.Event], info: Info) -> Node | None:
        found: Node | None = await find_node(info, Kind(root.subject_kind), root.subject_id)
        return found


@strawberry.type(description="Where events are sent, over HTTP and signed.")
class Webhook(Recorded):
    row = models.Webhook

    name: str = plain("What it is called.")
    url: str = plain("Where events are sent.")
    event_kinds: list[str] | None = plain("The kinds that are sent; null where all are.")
    enabled: bool = plain("Whether events are sent.")
    previous_until: DateTime | None = plain(
        "Until when the secret before the last rotation signs too."
    )
    deliveries: Connection[WebhookDelivery] = to_many(
        lists.WEBHOOK_DELIVERIES, "t.webhook_id", "What was sent and what waits, the newest first."
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)
    organization: Annotated[Organization, TYPES] = to_one(
        models.Organization, "organization_id", "The tenant."
    )


@strawberry.type(description="One event on its way to one webhook.")
class WebhookDelivery(Recorded):
    row = models.WebhookDelivery

    state: DeliveryState = plain("How far it has come.")
    attempt_count: int = plain("How often it was tried.")
    next_attempt_at: DateTime | None = plain("When it is tried again; null before the first time.")
    ended_at: DateTime | None = plain("When it was delivered or given up.")
    webhook: Webhook = to_one(models.Webhook, "webhook_id", "Where it is sent.")
    event: Event = to_one(models.Event, "event_id", "What it tells.")

    @derived("When it is given up, if the receiver takes it no sooner.", needs=("queued_at",))
    def gives_up_at(self, root: strawberry.Parent[models.WebhookDelivery]) -> DateTime:
        return DateTime(root.queued_at + RETRIED_FOR)

    @derived("Its last attempts, at most 50, the oldest first.", needs=("attempts",))
    def attempts(self, root: strawberry.Parent[models.WebhookDelivery]) -> list[WebhookAttempt]:
        return [attempt_of(one) for one in root.attempts]
