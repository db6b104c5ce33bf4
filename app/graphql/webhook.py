"""Mutations of webhooks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry

from app.actions import webhook as actions
from app.graphql.audit import Webhook, WebhookDelivery
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, Warned, given, maybe, mutation, optional
from app.outbound.names import judged
from app.rules.access import Role, require
from app.rules.errors import SecretAlreadyShown
from app.rules.prn import Kind

_SECRET = "What verifies the signatures of its deliveries; begins with `whsec_`."  # noqa: S105
_KINDS = "The kinds of events to send, such as `binary.destroy`; left out, all of them."


def _id(info: Info, name: str) -> UUID:
    return info.context.uuid(name, Kind.WEBHOOK, "input", "webhookId")


async def _judge(info: Info, url: str) -> None:
    """Refuses a URL that can't be sent to; looks up its name, for those alone who may set it."""
    require(info.context.actor.role, Role.ADMIN)
    await judged(url, allowed=info.context.server.settings.webhook_networks)


def _shown(found: tuple[Any, str | None]) -> Any:
    webhook, secret = found
    if secret is None:
        # A replay of the mutation has no secret to show.
        shown = SecretAlreadyShown("The secret was shown when it was made, and only then.")
        return Warned((webhook, None), shown)
    return webhook, secret


@strawberry.input(description="A webhook to create.")
class CreateWebhookInput(MutationInput):
    """What `createWebhook` takes."""

    name: str = given("1 to 128 characters.")
    url: str = given("Where to POST, such as `https://hooks.example.com/bindery`.")
    event_kinds: list[str] | None = optional(_KINDS)
    enabled: bool = given("Whether events are sent from now on.", default=True)


@mutation(
    "Creates a webhook. Its secret is shown this once only.",
    webhook=(Webhook, "The webhook."),
    secret=(str, _SECRET),
)
async def create_webhook(info: Info, input: CreateWebhookInput) -> Any:
    await _judge(info, input.url)
    found: Any = await actions.create_webhook(
        info.context.actor,
        name=input.name,
        url=input.url,
        event_kinds=input.event_kinds,
        enabled=input.enabled,
        key=info.context.server.secret,
    )
    return _shown(found)


@strawberry.input(description="A change of a webhook.")
class UpdateWebhookInput(MutationInput):
    """What `updateWebhook` takes."""

    webhook_id: strawberry.ID = given("Which webhook.")
    name: strawberry.Maybe[str | None] = maybe("Its new name.")
    url: strawberry.Maybe[str | None] = maybe("Its new URL; what waits is sent there too.")
    event_kinds: strawberry.Maybe[list[str] | None] = optional(
        "The kinds of events to send from now on; null: all of them."
    )
    enabled: strawberry.Maybe[bool | None] = maybe(
        "False: nothing new is sent, and what waits stays. True: that goes on."
    )


@mutation("Changes a webhook.", wakes=True, webhook=(Webhook, "The webhook."))
async def update_webhook(info: Info, input: UpdateWebhookInput) -> Any:
    change = {
        field: given.value
        for field in ("name", "url", "event_kinds", "enabled")
        if (given := getattr(input, field)) is not None
    }
    if "url" in change:
        await _judge(info, change["url"])
    return await actions.update_webhook(
        info.context.actor, _id(info, input.webhook_id), change=change
    )


@strawberry.input(description="A webhook to delete.")
class DeleteWebhookInput(MutationInput):
    """What `deleteWebhook` takes."""

    webhook_id: strawberry.ID = given("Which webhook.")


@mutation(
    "Deletes a webhook, what waits for it, and its log.",
    deleted_webhook_id=(strawberry.ID, "The id that is no more."),
)
async def delete_webhook(info: Info, input: DeleteWebhookInput) -> Any:
    await actions.delete_webhook(info.context.actor, _id(info, input.webhook_id))
    return input.webhook_id


@strawberry.input(description="A webhook whose secret is to be another one.")
class RotateWebhookSecretInput(MutationInput):
    """What `rotateWebhookSecret` takes."""

    webhook_id: strawberry.ID = given("Which webhook.")
    overlap_seconds: int | None = optional(
        "How long deliveries are signed by the secret before too; left out, a day. At most a week."
    )


@mutation(
    "Makes another secret, shown this once only; the one before stays good for a while.",
    webhook=(Webhook, "The webhook."),
    secret=(str, _SECRET),
)
async def rotate_webhook_secret(info: Info, input: RotateWebhookSecretInput) -> Any:
    found: Any = await actions.rotate_secret(
        info.context.actor,
        _id(info, input.webhook_id),
        overlap_seconds=input.overlap_seconds,
        key=info.context.server.secret,
    )
    return _shown(found)


@strawberry.input(description="A webhook to try.")
class TestWebhookInput(MutationInput):
    """What `testWebhook` takes."""

    webhook_id: strawberry.ID = given("Which webhook.")


@mutation(
    "Sends an event of kind `webhook.test` to one webhook; its delivery tells what came of it.",
    wakes=True,
    webhook_delivery=(WebhookDelivery, "What is on its way."),
)
async def test_webhook(info: Info, input: TestWebhookInput) -> Any:
    return await actions.test_webhook(info.context.actor, _id(info, input.webhook_id))


@strawberry.input(description="A delivery to send again.")
class RedeliverWebhookInput(MutationInput):
    """What `redeliverWebhook` takes."""

    webhook_delivery_id: strawberry.ID = given("Which delivery.")


@mutation(
    "Sends a delivery again under its id, be it done, given up, or waiting for its next attempt.",
    wakes=True,
    webhook_delivery=(WebhookDelivery, "What is on its way again."),
)
async def redeliver_webhook(info: Info, input: RedeliverWebhookInput) -> Any:
    return await actions.redeliver(
        info.context.actor,
        info.context.uuid(
            input.webhook_delivery_id, Kind.WEBHOOK_DELIVERY, "input", "webhookDeliveryId"
        ),
    )


MUTATIONS = (
    create_webhook,
    update_webhook,
    delete_webhook,
    rotate_webhook_secret,
    test_webhook,
    redeliver_webhook,
)
