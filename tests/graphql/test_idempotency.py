"""A mutation sent twice with one idempotency key is done once."""

from __future__ import annotations

import asyncio

import httpx

from tests.api import BINARY, Api
from tests.conftest import new_api


async def test_a_replay_gives_the_same_thing_and_does_nothing(api: Api) -> None:
    product = "product { id name }"
    first = await api.do("createProduct", product, name="a", target="x-y", idempotencyKey="k")
    again = await api.do("createProduct", product, name="a", target="x-y", idempotencyKey="k")
    assert again == first
    counted = await api.ask("{ products { totalCount } events { nodes { kind } } }")
    kinds = [event["kind"] for event in counted["events"]["nodes"]]
    assert counted["products"] == {"totalCount": 1}
    assert kinds == ["product.create", "api_key.create", "organization.create"]


async def test_another_input_is_refused(api: Api) -> None:
    await api.do("createArtifact", "artifact { id }", name="a", idempotencyKey="k")
    refusal = await api.fail("createArtifact", "artifact { id }", name="b", idempotencyKey="k")
    assert (refusal["code"], refusal["path"]) == (
        "IDEMPOTENCY_KEY_REUSED",
        ["input", "idempotencyKey"],
    )
    counted = await api.ask("{ artifacts { totalCount } }")
    assert counted == {"artifacts": {"totalCount": 1}}


async def test_a_key_counts_per_mutation_and_per_api_key(api: Api, http: httpx.AsyncClient) -> None:
    other = await new_api(http, "acme")
    for client in (api, other):
        await client.do("createArtifact", "artifact { id }", name="a", idempotencyKey="k")
        await client.do(
            "createBundle",
            "bundle { id }",
            name="x",
            artifactVersionIds=[await _signed(client)],
            idempotencyKey="k",
        )
    counted = await api.ask("{ artifacts { totalCount } bundles { totalCount } }")
    assert counted == {"artifacts": {"totalCount": 4}, "bundles": {"totalCount": 2}}


async def _signed(api: Api) -> str:
    version = await api.version()
    await api.reach("SIGNED", version)
    return version


async def test_a_refusal_is_not_kept(api: Api) -> None:
    product = await api.product()
    await api.cohort(product, "taken")
    cohort = {"productId": product, "idempotencyKey": "k"}
    refusal = await api.fail("createCohort", "cohort { id }", name="taken", **cohort)
    assert refusal["code"] == "ALREADY_EXISTS"
    await api.do("createCohort", "cohort { id }", name="free", **cohort)


async def test_a_secret_is_not_shown_again(api: Api) -> None:
    sent = {"name": "ci", "role": "READ", "idempotencyKey": "k"}
    first = await api.mutate("createApiKey", "apiKey { id } secret", **sent)
    again = await api.mutate("createApiKey", "apiKey { id } secret", **sent)
    assert first["secret"].startswith("bky_")
    assert (again["apiKey"], again["secret"]) == (first["apiKey"], None)
    assert [error["code"] for error in again["errors"]] == ["SECRET_ALREADY_SHOWN"]


async def test_destroying_again_succeeds_with_the_same_key_only(api: Api) -> None:
    id = await api.reach("SIGNED", await api.version())
    first = await api.do("destroyBinary", BINARY, binaryId=id, idempotencyKey="k")
    assert await api.do("destroyBinary", BINARY, binaryId=id, idempotencyKey="k") == first
    refusal = await api.fail("destroyBinary", BINARY, binaryId=id)
    assert (refusal["code"], refusal["state"]) == ("INVALID_TRANSITION", "DESTROYED")


async def test_racing_sends_do_it_once(api: Api) -> None:
    sent = {"name": "a", "description": "b", "idempotencyKey": "k"}
    made = await asyncio.gather(
        *(api.do("createArtifact", "artifact { id }", **sent) for _ in range(16))
    )
    assert len({one["id"] for one in made}) == 1
    assert await api.ask("{ artifacts { totalCount } }") == {"artifacts": {"totalCount": 1}}


async def test_a_device_may_poll_twice(api: Api, http: httpx.AsyncClient) -> None:
    product = await api.product()
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    release = await api.release(cohort, await api.bundle(await _signed(api)))
    selection = "update { status release { id } }"
    for _ in range(2):
        told = await api.do("claimUpdate", selection, deviceId=device, idempotencyKey="k")
        assert told == {"status": "UPDATE", "release": {"id": release}}


async def test_a_patch_counts_with_what_it_gives(api: Api) -> None:
    id = await api.product()
    rename = {"productId": id, "idempotencyKey": "k"}
    first = await api.do("updateProduct", "product { name }", name="new", **rename)
    assert await api.do("updateProduct", "product { name }", name="new", **rename) == first
    refusal = await api.fail("updateProduct", "product { name }", name="other", **rename)
    assert refusal["code"] == "IDEMPOTENCY_KEY_REUSED"
    # To give null is something else than to give nothing.
    device = await api.device(id, await api.cohort(id))
    patch = {"deviceId": device, "idempotencyKey": "d"}
    await api.do("updateDevice", "device { id }", cohortId=None, **patch)
    refusal = await api.fail("updateDevice", "device { id }", **patch)
    assert refusal["code"] == "IDEMPOTENCY_KEY_REUSED"
    await api.do("updateDevice", "device { id }", cohortId=None, **patch)
