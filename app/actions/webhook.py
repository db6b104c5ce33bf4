"""Writes about webhooks: where they point, their secrets, and what is to be sent (again)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from app import database
from app.actions import delivery
from app.actions.unit import Unit, action, prn
from app.models import Webhook, WebhookDelivery
from app.rules import event, text
from app.rules import webhook as rules
from app.rules.access import Role
from app.rules.errors import BadUserInput, WebhookDisabled, WebhookLimit
from app.rules.ids import new_id

_PATH = ("input", "webhookId")
_AGAIN = """
    UPDATE webhook_delivery
    SET state = 'PENDING', queued_at = {now}, next_attempt_at = NULL, ended_at = NULL,
        updated_at = $3
    WHERE organization_id = $1 AND id = $2
"""
_WAKE = "UPDATE webhook_lane SET due_at = {now} WHERE webhook_id = $1 AND token IS NULL"
_FORGET = "DELETE FROM webhook_lane WHERE webhook_id = $1"


@action(Role.ADMIN)
async def create_webhook(
    unit: Unit,
    *,
    name: str,
    url: str,
    event_kinds: Sequence[str] | None = None,
    enabled: bool = True,
    key: bytes,
) -> tuple[Webhook, str]:
    """Creates a webhook; gives it with its secret, which is shown this once only.

    `url` was judged by whoever calls, since that takes looking up its name. `key` is the server's
    own. Raises BadUserInput, WebhookLimit.
    """
    name = text.name(name, field="name", max_length=128)
    kinds = event.kinds(event_kinds, path=("input", "eventKinds"))
    count = await Webhook.filter(organization_id=unit.organization_id).count()
    if count >= rules.MAX_WEBHOOKS:
        raise WebhookLimit(
            f"An organization has at most {rules.MAX_WEBHOOKS} webhooks; delete one first."
        )
    id = new_id()
    secret = rules.secret(key, organization_id=unit.organization_id, webhook_id=id, generation=1)
    webhook = await Webhook.create(
        using_db=unit.connection,
        id=id,
        organization_id=unit.organization_id,
        name=name,
        url=url,
        event_kinds=kinds,
        enabled=enabled,
        secret_check=rules.fingerprint(secret),
    )
    facts = {"name": name, "url": url, "event_kinds": kinds, "enabled": enabled}
    await unit.record("webhook.create", webhook, after=facts)
    return webhook, rules.written(secret)


@action(Role.ADMIN)
async def update_webhook(unit: Unit, webhook_id: UUID, *, change: Mapping[str, Any]) -> Webhook:
    """Changes the name, the URL, the kinds or whether it is enabled, of those in `change`.

    What waits stays while it is disabled, and goes on when it is enabled. `url` was judged by
    whoever calls. Raises BadUserInput, NotFound.
    """
    webhook = await unit.held(Webhook, webhook_id, path=_PATH)
    values = dict(change)
    if "name" in values:
        text.name(values["name"], field="name", max_length=128)
    if "event_kinds" in values:
        values["event_kinds"] = event.kinds(values["event_kinds"], path=("input", "eventKinds"))
    was = (webhook.enabled, webhook.url)
    await unit.change("webhook.update", webhook, **values)
    if webhook.enabled and was != (True, webhook.url):
        # Whatever waits for its next attempt is tried at once: somebody has mended something.
        await _run(unit, _WAKE, webhook.id)
    return webhook


@action(Role.ADMIN, on_full_disk=True)
async def delete_webhook(unit: Unit, webhook_id: UUID) -> Webhook:
    """Deletes a webhook with all that waits for it and its log. Gives it as it was."""
    webhook = await unit.held(Webhook, webhook_id, path=_PATH)
    await unit.record("webhook.delete", webhook, before={"name": webhook.name, "url": webhook.url})
    await _run(unit, _FORGET, webhook.id)
    own = WebhookDelivery.filter(organization_id=unit.organization_id, webhook_id=webhook.id)
    await own.using_db(unit.connection).delete()
    await Webhook.filter(organization_id=unit.organization_id, id=webhook.id).delete()
    return webhook


@action(Role.ADMIN)
async def rotate_secret(
    unit: Unit, webhook_id: UUID, *, overlap_seconds: int | None = None, key: bytes
) -> tuple[Webhook, str]:
    """Gives a webhook another secret, shown this once only; the one before is good for a while.

    Raises BadUserInput, NotFound.
    """
    overlap = rules.OVERLAP_SECONDS if overlap_seconds is None else overlap_seconds
    if not 0 <= overlap <= rules.MAX_OVERLAP_SECONDS:
        raise BadUserInput(
            f"`overlapSeconds` is {overlap}; it must be 0 to {rules.MAX_OVERLAP_SECONDS}.",
            path=("input", "overlapSeconds"),
        )
    webhook = await unit.held(Webhook, webhook_id, path=_PATH)
    secret = rules.secret(
        key,
        organization_id=unit.organization_id,
        webhook_id=webhook.id,
        generation=webhook.generation + 1,
    )
    webhook.secret_check = rules.fingerprint(secret)
    await unit.change(
        "webhook.rotate_secret",
        webhook,
        also=["secret_check"],
        generation=webhook.generation + 1,
        previous_until=unit.at + timedelta(seconds=overlap),
    )
    return webhook, rules.written(secret)


@action(Role.ADMIN)
async def test_webhook(unit: Unit, webhook_id: UUID) -> WebhookDelivery:
    """Sends an event of kind `webhook.test` to one webhook, whatever kinds it asks for.

    Gives the delivery that waits. Raises NotFound, WebhookDisabled.
    """
    webhook = await _enabled(unit, webhook_id, path=_PATH)
    told = await unit.record(event.TEST, webhook, after={"name": webhook.name})
    own = WebhookDelivery.filter(organization_id=unit.organization_id, webhook_id=webhook.id)
    return await own.using_db(unit.connection).get(event_id=told.id)


@action(Role.ADMIN)
async def redeliver(unit: Unit, delivery_id: UUID) -> WebhookDelivery:
    """Has a delivery sent again, under the same id, for three days from now on.

    One that waits is tried at once. Raises NotFound, WebhookDisabled.
    """
    path = ("input", "webhookDeliveryId")
    found = await unit.find(WebhookDelivery, delivery_id, path=path)
    webhook = await _enabled(unit, found.webhook_id, path=path)
    # The lane first, as the worker does.
    await delivery.queue(unit.connection, webhook.id, found.subject_id)
    await _run(unit, _AGAIN, unit.organization_id, found.id, unit.at)
    again = await unit.find(WebhookDelivery, delivery_id, path=path)
    await unit.record("webhook.redeliver", webhook, after={"delivery": prn(again)})
    return again


async def _run(unit: Unit, sql: str, *arguments: Any) -> None:
    in_words = database.worded(sql, using=unit.connection)
    await database.execute(in_words, arguments, using=unit.connection)


async def _enabled(unit: Unit, webhook_id: UUID, *, path: Sequence[str]) -> Webhook:
    webhook = await unit.held(Webhook, webhook_id, path=path, share=True)
    if not webhook.enabled:
        raise WebhookDisabled(
            "The webhook is disabled, so nothing is sent to it; enable it first.", path=path
        )
    return webhook
