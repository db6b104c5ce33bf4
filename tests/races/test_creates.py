"""64 clients create one and the same thing: it is there once, and the others learn its id."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nacl.signing import SigningKey

from app.rules.binary import State
from tests.races.house import CLIENTS, CONTENT, House, at_once

Input = dict[str, Any]


async def _binary(house: House) -> Input:
    digest = hashlib.sha256(CONTENT).hexdigest()
    part = {"index": 1, "size": len(CONTENT), "hash": digest}
    return {
        "artifactVersionId": house.version,
        "target": "portable",
        "hash": digest,
        "size": len(CONTENT),
        "parts": [part],
    }


async def _artifact_version(house: House) -> Input:
    artifact = await house.api.do("createArtifact", "artifact { id }", name="model")
    return {"artifactId": artifact["id"], "version": "1"}


async def _product(house: House) -> Input:
    return {"name": "router", "target": "arm-linux-gnueabihf"}


async def _cohort(house: House) -> Input:
    return {"productId": await house.api.product(), "name": "stable"}


async def _device(house: House) -> Input:
    return {"productId": await house.api.product(), "identifier": "device-1"}


async def _devices(house: House) -> Input:
    devices = [{"identifier": f"device-{number}"} for number in range(3)]
    return {"productId": await house.api.product(), "devices": devices}


async def _signing_key(house: House) -> Input:
    key = SigningKey(bytes(32)).verify_key
    return {"name": "signer", "publicKey": base64.b64encode(bytes(key)).decode()}


async def _release(house: House) -> Input:
    await house.binary(State.SIGNED)
    cohort = await house.api.cohort(await house.api.product())
    bundle = await house.api.bundle(house.version)
    return {"name": "release", "cohortId": cohort, "bundleId": bundle, "version": "1.0.0"}


@pytest.mark.parametrize(
    ("mutation", "result", "prepare"),
    [
        ("createArtifactVersion", "artifactVersion", _artifact_version),
        ("createBinary", "binary", _binary),
        ("createCohort", "cohort", _cohort),
        ("createDevice", "device", _device),
        ("createDevices", "devices", _devices),
        ("createProduct", "product", _product),
        ("createRelease", "release", _release),
        ("createSigningKey", "signingKey", _signing_key),
    ],
)
async def test_one_of_64_creates_and_the_others_learn_the_id(
    house: House, mutation: str, result: str, prepare: Callable[[House], Awaitable[Input]]
) -> None:
    input = await prepare(house)
    answers = await at_once([house.asks_for(mutation, f"{result} {{ id }}", **input)] * CLIENTS)
    (winner,) = [answer.payload[result] for answer in answers if answer.won]
    made = [one["id"] for one in winner] if isinstance(winner, list) else [winner["id"]]
    lost = [answer.error for answer in answers if not answer.won]
    assert {error["code"] for error in lost} == {"ALREADY_EXISTS"}
    assert {error["existingId"] for error in lost} <= set(made)
    found = await house.api.ask(
        """query($kind: String!) { events(filter: {kind: [$kind]}) { totalCount } }""",
        kind=_EVENTS[mutation],
    )
    already = 1 if mutation == "createArtifactVersion" else 0
    signer = 1 if mutation == "createSigningKey" and house.api.signing_key_id else 0
    assert found["events"]["totalCount"] == len(made) + already + signer


_EVENTS = {
    "createArtifactVersion": "artifact_version.create",
    "createBinary": "binary.create",
    "createCohort": "cohort.create",
    "createDevice": "device.create",
    "createDevices": "device.create",
    "createProduct": "product.create",
    "createRelease": "release.create",
    "createSigningKey": "signing_key.create",
}
"""What each one writes down, once for each thing created."""
