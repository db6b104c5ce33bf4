"""The queue of webhooks: which delivery is next, who has it, and what came of it.

What is leased is a lane: all that waits for one webhook about one subject, of which the first is
sent. Times are those of the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from app import database
from app.actions.unit import prn
from app.models import Event, Webhook, WebhookDelivery
from app.reads.values import as_uuid
from app.rules import webhook as rules
from app.rules.facts import told
from app.rules.prn import Kind, format_prn
from app.rules.webhook import DeliveryState, Failure

PARKED: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""When a lane of a disabled webhook is due; enabling it says another time."""

_AT_ONCE: Final = 100
_FORGET_AT_ONCE: Final = 1_000
_LEAST: Final = timedelta(seconds=1)

_QUEUE = """
    INSERT INTO webhook_lane (webhook_id, subject_id, due_at) VALUES ($1, $2, {now})
    ON CONFLICT (webhook_id, subject_id) DO UPDATE SET due_at = {now}
    WHERE webhook_lane.token IS NULL
"""
_WAITING = "SELECT 1 AS due FROM webhook_lane WHERE due_at <= {now} LIMIT 1"
_TAKE = """
    UPDATE webhook_lane SET token = $1, due_at = {later:2}
    WHERE (webhook_id, subject_id) = (
        SELECT webhook_id, subject_id FROM webhook_lane
        WHERE due_at <= {now} AND NOT webhook_id {ids:3}
        ORDER BY due_at LIMIT 1 {lock}
    )
    RETURNING webhook_id, subject_id
"""
_FIRST = """
    SELECT * FROM webhook_delivery WHERE webhook_id = $1 AND subject_id = $2 AND state = 'PENDING'
    ORDER BY position LIMIT 1
"""
_PARK = """
    UPDATE webhook_lane SET token = NULL, due_at = $3 WHERE webhook_id = $1 AND subject_id = $2
"""
_GIVE_BACK = """
    UPDATE webhook_lane SET token = NULL, due_at = {later:4}
    WHERE webhook_id = $1 AND subject_id = $2 AND token = $3
"""
_OVER = "SELECT 1 AS over FROM webhook_delivery WHERE id = $1 AND queued_at <= {later:2}"
_NOTE = """
    UPDATE webhook_delivery
    SET state = 'PENDING', next_attempt_at = {later:2}, attempt_count = attempt_count + 1,
        attempts = $3, updated_at = $4
    WHERE id = $1
"""
_END = """
    UPDATE webhook_delivery
    SET state = $2, ended_at = {now}, next_attempt_at = NULL, attempt_count = attempt_count + 1,
        attempts = $3, updated_at = $4
    WHERE id = $1
"""
_NEXT = "UPDATE webhook_lane SET due_at = {now} WHERE webhook_id = $1 AND subject_id = $2"
_LEAVE = """
    DELETE FROM webhook_lane WHERE webhook_id = $1 AND subject_id = $2 AND NOT EXISTS (
        SELECT 1 FROM webhook_delivery d
        WHERE d.webhook_id = $1 AND d.subject_id = $2 AND d.state = 'PENDING'
    )
"""
_FORGET = """
    DELETE FROM webhook_delivery WHERE id IN (
        SELECT id FROM webhook_delivery WHERE ended_at <= {later:1} AND ended_at IS NOT NULL
        ORDER BY ended_at LIMIT $2
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that one holder, and nobody else, has been given to send."""

    token: UUID
    webhook: Webhook
    delivery: WebhookDelivery
    event: Event

    @property
    def message_id(self) -> str:
        """What a receiver tells a repeat by: the same for every attempt."""
        return prn(self.delivery)

    def body(self) -> bytes:
        """What is sent: the same for every attempt, since an event never changes."""
        event, owner = self.event, self.event.organization_id
        actor = event.actor_key_id
        facts = {
            "id": format_prn(Kind.EVENT, owner, event.id),
            "organization": format_prn(Kind.ORGANIZATION, owner, owner),
            "subject": format_prn(Kind(event.subject_kind), owner, event.subject_id),
            "actorKey": actor and format_prn(Kind.API_KEY, owner, actor),
            "before": event.before,
            "after": event.after,
            "requestId": event.request_id,
        }
        time = told({"timestamp": event.time}, organization_id=owner)
        return orjson.dumps({"type": event.kind, **time, "data": facts})

    def secrets(self, key: bytes, *, at: datetime) -> list[bytes]:
        """What signs it now: the secret, and while it rolls the one before. Empty: another key."""
        webhook = self.webhook
        generations = [webhook.generation]
        if webhook.previous_until is not None and at < webhook.previous_until:
            generations.append(webhook.generation - 1)
        found = [
            rules.secret(
                key,
                organization_id=webhook.organization_id,
                webhook_id=webhook.id,
                generation=generation,
            )
            for generation in generations
        ]
        return found if rules.fingerprint(found[0]) == webhook.secret_check else []


async def queue(connection: database.Connection, webhook_id: UUID, subject_id: UUID) -> None:
    """Has what waits for a webhook about a subject sent at once, if it is not on its way."""
    await _run(connection, _QUEUE, webhook_id, subject_id)


async def waits() -> bool:
    """Whether anything is due; a look that writes nothing."""
    sql = database.worded(_WAITING, using=database.reader())
    return bool(await database.query(sql))


async def claim(*, lease_seconds: float, busy: Sequence[UUID] = ()) -> Claimed | None:
    """Takes the next delivery that is due, of any organization; None: there is none.

    `busy` are webhooks that get no more at once.
    """
    token = uuid4()

    async def body(connection: database.Connection) -> Claimed | None:
        for _ in range(_AT_ONCE):
            lanes = await _ask(connection, _TAKE, token, float(lease_seconds), list(busy))
            if not lanes:
                return None
            lane = [as_uuid(lanes[0]["webhook_id"]), as_uuid(lanes[0]["subject_id"])]
            webhook = await Webhook.get(id=lane[0], using_db=connection)
            if not webhook.enabled:
                await _run(connection, _PARK, *lane, PARKED)
                continue
            waiting = await database.rows(WebhookDelivery, _FIRST, lane, using=connection)
            if not waiting:
                await _run(connection, _LEAVE, *lane)
                continue
            event = await Event.get(id=waiting[0].event_id, using_db=connection)
            return Claimed(token=token, webhook=webhook, delivery=waiting[0], event=event)
        return None

    return await database.unit_of_work(body)


async def note(
    claimed: Claimed,
    *,
    began: datetime,
    milliseconds: int,
    status: int | None,
    failure: Failure | None,
    pause: timedelta,
) -> DeliveryState | None:
    """Writes what came of an attempt; gives how far the delivery is now. None: it is lost.

    One that failed is due again after `pause`, or given up when its three days are over.
    """
    delivery = claimed.delivery
    left = delivery.queued_at + rules.RETRIED_FOR - datetime.now(UTC)
    wait = min(pause, max(_LEAST, left)).total_seconds() if failure else 0.0
    attempt = {
        "at": began.isoformat(),
        "milliseconds": milliseconds,
        "status": status,
        "failure": failure,
    }
    attempts = orjson.dumps(rules.logged(delivery.attempts, attempt)).decode()

    async def body(connection: database.Connection) -> DeliveryState | None:
        lane = [claimed.webhook.id, delivery.subject_id]
        # The lane first: nobody adds to it until this is committed, and nobody is overlooked.
        if not await _run(connection, _GIVE_BACK, *lane, claimed.token, wait):
            return None
        facts = [attempts, datetime.now(UTC)]
        over = [delivery.id, -rules.RETRIED_FOR.total_seconds()]
        if failure and not await _ask(connection, _OVER, *over):
            await _run(connection, _NOTE, delivery.id, wait, *facts)
            return DeliveryState.PENDING
        state = DeliveryState.DEAD if failure else DeliveryState.DELIVERED
        await _run(connection, _END, delivery.id, state.value, *facts)
        await _run(connection, _NEXT, *lane)
        await _run(connection, _LEAVE, *lane)
        return state

    return await database.unit_of_work(body)


async def release(claimed: Claimed) -> None:
    """Gives a delivery back untried, for whoever claims next."""

    async def body(connection: database.Connection) -> None:
        lane = [claimed.webhook.id, claimed.delivery.subject_id]
        await _run(connection, _GIVE_BACK, *lane, claimed.token, 0.0)

    await database.unit_of_work(body, on_full_disk=True)


async def forget(*, days: int) -> int:
    """Drops some of what ended so many days ago from the log; gives how many."""

    async def body(connection: database.Connection) -> int:
        return await _run(connection, _FORGET, -86_400.0 * days, _FORGET_AT_ONCE)

    return await database.unit_of_work(body, on_full_disk=True)


async def _ask(connection: database.Connection, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    in_words = database.worded(sql, using=connection)
    return await database.query(in_words, arguments, using=connection)


async def _run(connection: database.Connection, sql: str, *arguments: Any) -> int:
    in_words = database.worded(sql, using=connection)
    return await database.execute(in_words, arguments, using=connection)
