"""Webhooks as clients set them up, and what is written down for them with each event."""

from __future__ import annotations

import base64

import httpx

from app import models
from app.rules import webhook as rules
from app.rules.prn import parse_prn
from app.server import Server
from tests.api import Api, Json
from tests.conftest import new_api
from tests.graphql.world import HOOK
from tests.rules.test_address import HOSTILE

HOOKS = "id name url eventKinds enabled previousUntil"
LOG = (
    "query($id: ID!) { webhook(id: $id) { deliveries(orderBy: {field: CREATED_AT}) { nodes"
    " { id state event { kind } } } } }"
)


async def made(api: Api, **more: object) -> Json:
    told = {"name": "hook", "url": HOOK, **more}
    payload = await api.mutate("createWebhook", f"webhook {{ {HOOKS} }} secret", **told)
    assert payload["errors"] == []
    return payload


async def kinds_for(api: Api, id: str) -> list[str]:
    found = await api.ask(LOG, id=id)
    return [one["event"]["kind"] for one in found["webhook"]["deliveries"]["nodes"]]


async def test_a_secret_is_shown_once_and_is_nowhere_in_the_tables(
    api: Api, server: Server
) -> None:
    first = await made(api, idempotencyKey="once")
    hook = first["webhook"]
    assert hook == {
        "id": hook["id"],
        "name": "hook",
        "url": HOOK,
        "eventKinds": None,
        "enabled": True,
        "previousUntil": None,
    }
    name = parse_prn(hook["id"], path=())
    secret = rules.secret(
        server.secret, organization_id=name.organization, webhook_id=name.id, generation=1
    )
    assert first["secret"] == "whsec_" + base64.b64encode(secret).decode()
    again = await api.mutate(
        "createWebhook", "webhook { id } secret", name="hook", url=HOOK, idempotencyKey="once"
    )
    assert again["webhook"] == {"id": hook["id"]}
    assert again["secret"] is None
    assert [one["code"] for one in again["errors"]] == ["SECRET_ALREADY_SHOWN"]
    row = await models.Webhook.get(id=name.id)
    kept = repr(vars(row)) + repr([vars(one) for one in await models.Event.all()])
    assert secret.hex() not in kept
    assert base64.b64encode(secret).decode() not in kept


async def test_another_secret_leaves_the_one_before_for_a_while(api: Api) -> None:
    hook = await made(api)
    id = hook["webhook"]["id"]
    payload = await api.mutate(
        "rotateWebhookSecret", f"webhook {{ {HOOKS} }} secret", webhookId=id, overlapSeconds=60
    )
    assert payload["errors"] == []
    assert payload["secret"] not in (None, hook["secret"])
    assert payload["webhook"]["previousUntil"] is not None
    again = await api.mutate("rotateWebhookSecret", "secret", webhookId=id)
    assert len({hook["secret"], payload["secret"], again["secret"]}) == 3


async def test_an_event_is_written_down_for_those_that_ask_for_it(api: Api) -> None:
    all_ = (await made(api))["webhook"]["id"]
    some = (await made(api, eventKinds=["product.create", "artifact.create"]))["webhook"]["id"]
    none = (await made(api, enabled=False))["webhook"]["id"]
    await api.product()
    await api.product("other")
    await api.do("createArtifact", "artifact { id }", name="firmware")
    # A product of this name is there: nothing is done, so nothing is told.
    await api.fail("createProduct", "product { id }", name="other", target="a-b-c")
    told = ["product.create", "product.create", "artifact.create"]
    assert await kinds_for(api, some) == told
    assert await kinds_for(api, all_) == ["webhook.create"] * 3 + told
    assert await kinds_for(api, none) == []


async def test_a_test_goes_to_one_webhook_whatever_it_asks_for(api: Api) -> None:
    one = (await made(api, eventKinds=["product.create"]))["webhook"]["id"]
    other = (await made(api, eventKinds=["product.create", "webhook.test"]))["webhook"]["id"]
    sent = await api.do(
        "testWebhook",
        "webhookDelivery { state attemptCount webhook { id } event { kind subject { id } } }",
        webhookId=one,
    )
    assert sent["webhook"] == {"id": one}
    assert sent["event"] == {"kind": "webhook.test", "subject": {"id": one}}
    assert (await kinds_for(api, one), await kinds_for(api, other)) == (["webhook.test"], [])


async def test_a_webhook_is_changed_and_deleted_with_its_log(api: Api) -> None:
    id = (await made(api, eventKinds=["product.create"]))["webhook"]["id"]
    await api.product()
    changed = await api.do(
        "updateWebhook",
        f"webhook {{ {HOOKS} }}",
        webhookId=id,
        name="other",
        url="https://other.invalid",
        eventKinds=None,
        enabled=False,
    )
    wanted = {"name": "other", "url": "https://other.invalid", "eventKinds": None}
    assert changed == {"id": id, "enabled": False, "previousUntil": None, **wanted}
    kept = await api.do("updateWebhook", f"webhook {{ {HOOKS} }}", webhookId=id)
    assert kept == changed
    assert await kinds_for(api, id) == ["product.create"]
    await api.do("deleteWebhook", "deletedWebhookId", webhookId=id)
    assert (await api.ask("{ webhooks { totalCount } }"))["webhooks"] == {"totalCount": 0}
    assert await models.WebhookDelivery.all().count() == 0
    assert await models.WebhookLane.all().count() == 0
    refused = await api.fail("deleteWebhook", "deletedWebhookId", webhookId=id)
    assert refused["code"] == "NOT_FOUND"


async def test_an_organization_has_a_hundred_at_most(api: Api, http: httpx.AsyncClient) -> None:
    id = (await made(api))["webhook"]["id"]
    row = await models.Webhook.get(id=parse_prn(id, path=()).id)
    for _ in range(rules.MAX_WEBHOOKS - 1):
        copy = models.Webhook(organization_id=row.organization_id, name="copy", url=row.url)
        copy.update_from_dict({"secret_check": "", "enabled": False})
        await copy.save()
    refused = await api.fail("createWebhook", "webhook { id }", name="more", url=HOOK)
    assert refused["code"] == "WEBHOOK_LIMIT"
    await made(await new_api(http, "other"))


async def test_what_was_done_is_sent_again_under_its_id(api: Api) -> None:
    id = (await made(api, eventKinds=["product.create"]))["webhook"]["id"]
    await api.product()
    found = (await api.ask(LOG, id=id))["webhook"]["deliveries"]["nodes"][0]["id"]
    row = await models.WebhookDelivery.get(id=parse_prn(found, path=()).id)
    row.update_from_dict({"state": rules.DeliveryState.DELIVERED, "ended_at": row.queued_at})
    await row.save()
    await models.WebhookLane.filter(webhook_id=row.webhook_id).delete()
    again = await api.do(
        "redeliverWebhook",
        "webhookDelivery { id state endedAt }",
        webhookDeliveryId=found,
    )
    assert again == {"id": found, "state": "PENDING", "endedAt": None}
    assert await models.WebhookLane.filter(subject_id=row.subject_id).count() == 1


async def test_hostile_urls_can_t_be_set(api: Api) -> None:
    for _, url in HOSTILE:
        if ".test:" in url:
            # The name is one of the tests of the sender, which say what it resolves to.
            continue
        told = {"name": "hook", "url": url.format(port=9)}
        refused = await api.fail("createWebhook", "webhook { id }", **told)
        assert (refused["code"], refused["path"]) == ("WEBHOOK_URL_REFUSED", ["input", "url"]), url
    assert await models.Webhook.all().count() == 0
