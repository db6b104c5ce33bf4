"""Webhooks as they arrive at a real receiver, from a running server, on both databases."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from app import models
from app.actions import delivery
from app.rules import webhook as rules
from app.rules.ids import new_id
from app.rules.prn import parse_prn
from app.settings import Settings
from tests.api import Api, Json
from tests.receiver import (
    LOOPBACK,
    OF_PRODUCTS,
    Message,
    Receiver,
    changes,
    hooked,
    receiving,
    status,
    verify,
)

PATIENCE = 30.0
LOG = """query($id: ID!) { webhookDelivery(id: $id) {
  state attemptCount nextAttemptAt endedAt attempts { at milliseconds status failure } } }"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let webhooks go to loopback, and repeat them soon."""
    return dataclasses.replace(
        settings,
        webhook_allowed_networks=LOOPBACK,
        webhook_retry_seconds=0.05,
        webhook_seconds=1.0,
    )


async def after_a_test(api: Api, id: str) -> Json:
    """What came of a test, once something has."""
    made = await api.do("testWebhook", "webhookDelivery { id }", webhookId=id)
    return await until(api, made["id"], 1)


async def until(api: Api, delivery_id: str, attempts: int) -> Json:
    async with asyncio.timeout(PATIENCE):
        while True:
            found: Json = (await api.ask(LOG, id=delivery_id))["webhookDelivery"]
            if found["attemptCount"] >= attempts:
                return found
            await asyncio.sleep(0.02)


async def taken(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum(map(len, receiver.subjects().values())) < count:  # noqa: ASYNC110 - another task's.
            await asyncio.sleep(0.02)


async def test_an_event_comes_as_it_is_recorded_and_its_signature_verifies(api: Api) -> None:
    async with receiving() as receiver:
        hook = await hooked(api, receiver, eventKinds=["product.create"])
        product = await api.product("router")
        await taken(receiver, 1)
        (message,) = receiver.came
    found = await api.ask(
        """{ events(first: 1, filter: {kind: ["product.create"]}) { nodes {
          id time after requestId actorKey { id } webhookDeliveries { nodes { id } } } } }"""
    )
    (event,) = found["events"]["nodes"]
    assert message.told == {
        "type": "product.create",
        "timestamp": event["time"],
        "data": {
            "id": event["id"],
            "organization": ":".join(product.split(":")[:3]),
            "subject": product,
            "actorKey": event["actorKey"]["id"],
            "before": {},
            "after": event["after"],
            "requestId": event["requestId"],
        },
    }
    assert [{"id": message.id}] == event["webhookDeliveries"]["nodes"]
    assert message.path == "/hook"
    assert message.headers["content-type"] == "application/json"
    assert verify(hook["secret"], message.headers, message.body) == message.id
    for changed in (
        {"webhook-id": message.id + "0"},
        {"webhook-timestamp": "1"},
        {"webhook-signature": "v1,AAAA"},
    ):
        with pytest.raises(ValueError):
            verify(hook["secret"], {**message.headers, **changed}, message.body)
    with pytest.raises(ValueError):
        verify(hook["secret"], message.headers, message.body + b" ")


async def test_each_event_comes_in_the_order_of_its_subject_while_a_receiver_fails(
    api: Api,
) -> None:
    """It fails in every way there is, for a while; then it takes all of it."""
    failures: list[bytes | None] = [
        status(500),
        status(404),
        status(307, "location: /elsewhere"),
        b"nonsense\r\n\r\n",
        b"",
        None,
    ]
    seen = 0

    def answer(_message: Message) -> bytes | None:
        nonlocal seen
        seen += 1
        return failures[seen % len(failures)] if seen <= 12 else status(200)

    async with receiving(answer) as receiver:
        hook = await hooked(api, receiver, eventKinds=OF_PRODUCTS)
        events = await changes(api, products=3, each=5)
        await taken(receiver, 18)
    assert receiver.subjects() == events
    for message in receiver.came:
        verify(hook["secret"], message.headers, message.body)
    # Nothing was begun about a subject before what came earlier was taken.
    waiting: dict[str, str] = {}
    for message in receiver.came:
        subject = message.told["data"]["subject"]
        assert waiting.setdefault(subject, message.id) == message.id
        if message in receiver.taken:
            del waiting[subject]
    bodies = {message.id: message.body for message in receiver.came}
    assert all(bodies[message.id] == message.body for message in receiver.came)


@pytest.mark.parametrize(
    ("said", "told", "failure"),
    [
        (status(500), 500, "STATUS"),
        (status(410), 410, "STATUS"),
        (status(302, "location: http://127.0.0.1/"), 302, "REDIRECT"),
        (b"\x00\x01\x02\r\n\r\n", None, "BAD_ANSWER"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n", None, "BAD_ANSWER"),
        (b"", None, "CONNECTION_FAILED"),
        (None, None, "TIMEOUT"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n", 200, None),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nno gzip", 200, None),
    ],
)
async def test_the_log_says_what_came_of_an_attempt(
    api: Api, said: bytes | None, told: int | None, failure: str | None
) -> None:
    async with receiving(lambda _: said) as receiver:
        hook = await hooked(api, receiver, eventKinds=["webhook.test"])
        found = await after_a_test(api, hook["webhook"]["id"])
    attempt = found["attempts"][0]
    assert (attempt["status"], attempt["failure"]) == (told, failure)
    assert 0 <= attempt["milliseconds"] <= 10_000
    assert (found["state"], found["endedAt"] is None) == (
        ("PENDING", True) if failure else ("DELIVERED", False)
    )


async def test_a_rolling_secret_signs_beside_the_one_before(api: Api) -> None:
    async with receiving() as receiver:
        hook = await hooked(api, receiver, eventKinds=["webhook.test"])
        id, first = hook["webhook"]["id"], hook["secret"]
        rolled = await api.mutate("rotateWebhookSecret", "secret", webhookId=id)
        await after_a_test(api, id)
        at_once = {"webhookId": id, "overlapSeconds": 0}
        ended = await api.mutate("rotateWebhookSecret", "secret", **at_once)
        await after_a_test(api, id)
    both, one = receiver.came
    for secret in (first, rolled["secret"]):
        assert verify(secret, both.headers, both.body) == both.id
    assert verify(ended["secret"], one.headers, one.body) == one.id
    for secret in (first, rolled["secret"]):
        with pytest.raises(ValueError):
            verify(secret, one.headers, one.body)


async def test_another_key_of_the_server_signs_nothing(api: Api) -> None:
    async with receiving() as receiver:
        hook = await hooked(api, receiver, eventKinds=["webhook.test"])
        id = parse_prn(hook["webhook"]["id"], path=()).id
        await models.Webhook.filter(id=id).update(secret_check="another")
        found = await after_a_test(api, hook["webhook"]["id"])
        assert found["attempts"][0]["failure"] == "KEY_CHANGED"
        assert receiver.connections == 0
        await api.mutate("rotateWebhookSecret", "secret", webhookId=hook["webhook"]["id"])
        await taken(receiver, 1)


async def test_what_can_t_be_delivered_is_given_up_and_what_is_behind_it_goes_on(
    api: Api,
) -> None:
    async with receiving(lambda _: status(500)) as receiver:
        hook = await hooked(api, receiver, eventKinds=["webhook.test"])
        id = hook["webhook"]["id"]
        first, second = [
            await api.make("testWebhook", "webhookDelivery { id }", webhookId=id) for _ in range(2)
        ]
        await until(api, first, 2)
        assert (await until(api, second, 0))["attempts"] == []
        old = datetime.now(UTC) - rules.RETRIED_FOR
        own = models.WebhookDelivery.filter(id=parse_prn(first, path=()).id)
        await own.update(queued_at=old)
        await until(api, second, 1)
        found = await until(api, first, 3)
        assert (found["state"], found["nextAttemptAt"]) == ("DEAD", None)
        receiver.answer = lambda _: status(200)
        await api.do("redeliverWebhook", "webhookDelivery { id }", webhookDeliveryId=first)
        await taken(receiver, 2)
        again = await until(api, first, found["attemptCount"] + 1)
        # What is behind it may have been taken, and not yet written down.
        async with asyncio.timeout(PATIENCE):
            while await models.WebhookLane.all().exists():  # noqa: ASYNC110 - another task's.
                await asyncio.sleep(0.02)
    assert again["state"] == "DELIVERED"
    assert {message.id for message in receiver.taken} == {first, second}


async def test_what_waits_for_a_disabled_webhook_is_kept(api: Api) -> None:
    async with receiving(lambda _: status(500)) as receiver:
        hook = await hooked(api, receiver, eventKinds=["product.create"])
        await api.product()
        async with asyncio.timeout(PATIENCE):
            while not receiver.came:  # noqa: ASYNC110 - another task's.
                await asyncio.sleep(0.02)
        change = {"webhookId": hook["webhook"]["id"], "enabled": False}
        await api.do("updateWebhook", "webhook { id }", **change)
        await asyncio.sleep(1.5)
        came = len(receiver.came)
        receiver.answer = lambda _: status(200)
        await api.product("while it was disabled")
        await asyncio.sleep(1.5)
        assert len(receiver.came) == came
        await api.do("updateWebhook", "webhook { id }", **{**change, "enabled": True})
        await taken(receiver, 1)
    assert {one.told["data"]["after"]["name"] for one in receiver.taken} == {"router"}


async def test_a_late_holder_writes_nothing(api: Api) -> None:
    """What it was given is somebody else's by now."""
    async with receiving(lambda _: None) as receiver:
        await hooked(api, receiver, eventKinds=["product.create"])
        await api.product()
        async with asyncio.timeout(PATIENCE):
            while not receiver.came:  # noqa: ASYNC110 - another task's.
                await asyncio.sleep(0.02)
        assert await delivery.claim(lease_seconds=60) is None
        lane = await models.WebhookLane.all().get()
        row = await models.WebhookDelivery.all().get()
        claimed = delivery.Claimed(
            token=new_id(),
            webhook=await models.Webhook.all().get(),
            delivery=row,
            event=await models.Event.get(id=row.event_id),
        )
        late = await delivery.note(
            claimed,
            began=datetime.now(UTC),
            milliseconds=1,
            status=200,
            failure=None,
            pause=timedelta(0),
        )
        assert late is None
        await delivery.release(claimed)
        assert (await models.WebhookLane.all().get()).token == lane.token
    assert (await models.WebhookDelivery.all().get()).state is rules.DeliveryState.PENDING


async def test_the_log_is_kept_for_a_while(api: Api) -> None:
    async with receiving() as receiver:
        hook = await hooked(api, receiver, eventKinds=["webhook.test"])
        for _ in range(2):
            await after_a_test(api, hook["webhook"]["id"])
    assert await delivery.forget(days=30) == 0
    old = datetime.now(UTC) - timedelta(days=31)
    first = await models.WebhookDelivery.all().order_by("id").first()
    assert first is not None
    await models.WebhookDelivery.filter(id=first.id).update(ended_at=old)
    assert await delivery.forget(days=30) == 1
    assert await models.WebhookDelivery.all().count() == 1
