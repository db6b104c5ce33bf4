"""The example operations: what a console, a dashboard, a CI job and a device send.

They are valid, pass the limits of what an operation may cost even at the largest page, and each one
is executed here in the order in which people would send them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    ListTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    TypeNode,
    parse,
    print_ast,
    validate,
)

from app.graphql.gate import RULES
from app.graphql.guard import Guard, Limits
from app.graphql.schema import schema
from app.reads.pages import MAX_SIZE
from app.settings import Settings
from tests.api import Api, Json
from tests.conftest import new_api
from tests.graphql.test_subscriptions import followed, served

FOLDER = Path(__file__).parents[2] / "fixtures" / "operations"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.graphql"))}
CONTENT = b"content"
HASH = hashlib.sha256(CONTENT).hexdigest()
TARGET = "aarch64-unknown-linux-musl"


def operation(document: DocumentNode) -> OperationDefinitionNode:
    """The one operation of a document."""
    (found,) = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return found


def largest(type_: TypeNode) -> object:
    """The most that a client can send for a variable, as far as its cost goes."""
    if isinstance(type_, NonNullTypeNode):
        return largest(type_.type)
    if isinstance(type_, ListTypeNode):
        return ["prn:1"] * MAX_SIZE
    return MAX_SIZE if print_ast(type_) == "Int" else None


@pytest.mark.parametrize("name", TEXTS)
def test_it_is_valid(name: str) -> None:
    assert validate(schema._schema, parse(TEXTS[name]), RULES) == []


@pytest.mark.parametrize("name", TEXTS)
def test_its_operation_is_named_like_its_file(name: str) -> None:
    found = operation(parse(TEXTS[name]))
    assert found.name is not None
    assert found.name.value == "".join(word.capitalize() for word in name.split("-"))


@pytest.mark.parametrize("name", TEXTS)
def test_it_passes_the_limits_at_the_largest_page(name: str) -> None:
    document = parse(TEXTS[name], max_tokens=Limits().tokens)
    found = operation(document)
    variables = {
        one.variable.name.value: largest(one.type) for one in found.variable_definitions or ()
    }
    try:
        Guard(schema._schema, document, variables).check(found, Limits())
    except GraphQLError as error:
        pytest.fail(f"{name}: {error.message}")


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if "mutation " in text])
def test_a_mutation_selects_the_errors(name: str) -> None:
    found = operation(parse(TEXTS[name]))
    assert found.operation is OperationType.MUTATION
    (sent,) = found.selection_set.selections
    assert isinstance(sent, FieldNode)
    assert sent.selection_set is not None
    (errors,) = [
        one
        for one in sent.selection_set.selections
        if isinstance(one, FieldNode) and one.name.value == "errors"
    ]
    assert errors.selection_set is not None
    plain = {
        one.name.value for one in errors.selection_set.selections if isinstance(one, FieldNode)
    }
    assert plain >= {"code", "message", "path"}


@dataclass
class Play:
    """Sends the example operations, and knows which it has sent."""

    api: Api
    sent: set[str] = field(default_factory=set)

    def by(self, key: str) -> Play:
        """The same with another key."""
        return replace(self, api=Api(self.api.http, key))

    async def ask(self, name: str, /, **variables: Any) -> Any:
        """What the one root field of a query gives; of several, their answers by name."""
        self.sent.add(name)
        answer = await self.api.ask(TEXTS[name], **variables)
        assert all(value is not None for value in answer.values()), (name, answer)
        return next(iter(answer.values())) if len(answer) == 1 else answer

    async def do(self, name: str, /, **input: Any) -> Json:
        """The payload of a mutation that succeeds."""
        payload: Json = await self.ask(name, input=input)
        assert payload["errors"] == [], name
        return payload

    async def refused(self, name: str, /, **input: Any) -> Json:
        """The one error of a mutation that is refused."""
        payload: Json = await self.ask(name, input=input)
        (error,) = payload["errors"]
        found: Json = error
        return found


@pytest.fixture
async def play(settings: Settings) -> AsyncIterator[Play]:
    """A fresh server on a socket, since a subscription has to arrive while it goes on."""
    async with (
        served(settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        yield Play(await new_api(http, "acme"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_is_executed(play: Play) -> None:
    viewer = await play.ask("console-viewer")
    assert (viewer["viewer"]["role"], viewer["organization"]["name"]) == ("ADMIN", "acme")
    assert (await play.ask("dashboard-server"))["ready"] is True
    cohort, devices = await fleet(play)
    version, binary = await upload(play)
    await look_at(play, version, binary)
    release = await roll_out(play, cohort, version)
    await poll(play, devices[0], release, binary)
    await operate(play, devices, release)
    await destroy(play, version, binary, release)
    await tell(play)
    assert play.sent == TEXTS.keys()


async def fleet(play: Play) -> tuple[str, list[str]]:
    """A product with a cohort and two devices."""
    made = await play.do("console-create-product", name="Camera", target=TARGET)
    product = made["product"]["id"]
    taken = await play.refused("console-create-product", name="Camera", target=TARGET)
    assert (taken["__typename"], taken["existingId"]) == ("AlreadyExistsError", product)
    made = await play.do("console-create-cohort", productId=product, name="stable")
    cohort: str = made["cohort"]["id"]
    new = [{"identifier": f"camera-{place}", "cohortId": cohort} for place in (1, 2)]
    made = await play.do("console-create-devices", productId=product, devices=new)
    devices = [device["id"] for device in made["devices"]]
    found = await play.ask("console-products", first=10, filter={"nameContains": "cam"})
    (listed,) = found["nodes"]
    assert (listed["devices"]["totalCount"], listed["cohorts"]["totalCount"]) == (2, 1)
    return cohort, devices


async def upload(play: Play) -> tuple[str, str]:
    """A signed binary, as a CI job makes it, and its artifact version."""
    assert (await play.ask("ci-find-artifact", name="firmware"))["nodes"] == []
    job = {"name": "firmware", "idempotencyKey": "job-1"}
    artifact = (await play.do("ci-create-artifact", **job))["artifact"]["id"]
    assert (await play.do("ci-create-artifact", **job))["artifact"]["id"] == artifact
    made = await play.do("ci-create-artifact-version", artifactId=artifact, version="1.0.0")
    version: str = made["artifactVersion"]["id"]
    taken = await play.refused("ci-create-artifact-version", artifactId=artifact, version="1.0.0")
    assert (taken["__typename"], taken["existingId"]) == ("AlreadyExistsError", version)
    record = {"artifactVersionId": version, "target": TARGET, "hash": HASH, "size": len(CONTENT)}
    made = await play.do("ci-create-binary", **record)
    binary: str = made["binary"]["id"]
    missing = await play.refused("ci-finish-upload", binaryId=binary)
    assert (missing["__typename"], missing["missing"]) == ("PartsIncompleteError", [1])
    await put(play, binary)
    resumed = await play.ask("ci-resume-upload", id=binary)
    assert [part["state"] for part in resumed["parts"]] == ["VALID"]
    await play.do("ci-finish-upload", binaryId=binary)
    made = await play.do("console-reset-binary", binaryId=binary)
    assert made["binary"]["state"] == "UPLOADABLE"
    await put(play, binary)
    await play.do("ci-finish-upload", binaryId=binary, startHashing=False)
    play.sent.add("ci-watch-binary")
    async with followed(play.api, TEXTS["ci-watch-binary"], id=binary) as results:
        await play.do("ci-start-hashing", binaryId=binary)
        async with asyncio.timeout(20):
            async for result in results:
                assert "errors" not in result
                if result["data"]["binaryChanged"]["state"] == "SIGNABLE":
                    break
    assert (await play.ask("ci-poll-binary", id=binary))["verification"]["computedHash"] == HASH
    public = base64.b64encode(bytes(play.api.signer.verify_key)).decode()
    made = await play.do("console-create-signing-key", name="release key", publicKey=public)
    signing_key = made["signingKey"]["id"]
    made = await play.do(
        "ci-sign-binary",
        binaryId=binary,
        signingKeyId=signing_key,
        signature=play.api.signature(CONTENT),
    )
    assert made["binary"]["state"] == "SIGNED"
    await play.do("console-retire-signing-key", signingKeyId=signing_key)
    (key,) = (await play.ask("console-signing-keys", filter={"retired": True}))["nodes"]
    assert key["signatures"]["totalCount"] == 1
    return version, binary


async def put(play: Play, binary: str) -> None:
    """The one part of a binary, registered and sent."""
    parts = [{"index": 1, "size": len(CONTENT), "hash": HASH}]
    (part,) = (await play.do("ci-create-binary-parts", binaryId=binary, parts=parts))["parts"]
    headers = {header["name"]: header["value"] for header in part["uploadHeaders"]}
    answer = await play.api.http.request(
        part["uploadMethod"], part["uploadUrl"], content=CONTENT, headers=headers
    )
    assert answer.status_code == 200, answer.text


async def look_at(play: Play, version: str, binary: str) -> None:
    """The console's lists and pages of what was uploaded."""
    (artifact,) = (await play.ask("console-artifacts", first=5))["nodes"]
    assert artifact["artifactVersions"]["nodes"] == [{"id": version, "version": "1.0.0"}]
    page = await play.ask("console-artifact", id=artifact["id"], first=5)
    (shown,) = page["artifactVersions"]["nodes"]
    assert [one["id"] for one in shown["binaries"]["nodes"]] == [binary]
    order = {"field": "UPDATED_AT", "direction": "DESC"}
    filter = {"state": ["SIGNED"], "target": TARGET}
    forward = await play.ask("console-binaries", first=1, filter=filter, orderBy=order)
    backward = await play.ask("console-binaries", last=1, filter=filter, orderBy=order)
    assert forward == backward
    assert forward["edges"][0]["node"]["id"] == binary
    changed = await play.do("console-update-binary", binaryId=binary, customMetadata={"slot": "a"})
    found = await play.ask("console-binary", id=binary)
    assert found["customMetadata"] == {"slot": "a"}
    assert found["revision"] == changed["binary"]["revision"]
    assert (len(found["parts"]), len(found["signatures"])) == (1, 1)
    assert found["events"]["nodes"][0]["kind"] == "binary.update"
    stale = await play.refused(
        "console-update-binary", binaryId=binary, description="late", expectedRevision=1
    )
    assert (stale["__typename"], stale["revision"]) == ("ConflictError", found["revision"])


async def roll_out(play: Play, cohort: str, version: str) -> str:
    """A bundle, and its release, which was simulated before."""
    made = await play.do("console-create-bundle", name="bundle 1", artifactVersionIds=[version])
    bundle: str = made["bundle"]["id"]
    (listed,) = (await play.ask("console-bundles", first=5))["nodes"]
    assert [one["id"] for one in listed["artifactVersions"]["nodes"]] == [version]
    covered = await play.ask("dashboard-coverage", bundleId=bundle)
    assert (covered["devicesCovered"], covered["devicesLeftOut"]) == (2, 0)
    wanted = {"cohortId": cohort, "bundleId": bundle, "phase": {"value": 0.5}}
    simulated = await play.ask("console-simulate-release", input=wanted)
    assert (simulated["devices"], simulated["phaseLimit"]) == (2, 1)
    made = await play.do("console-create-release", name="release 1", version="1.0.0", **wanted)
    release: str = made["release"]["id"]
    made = await play.do("console-update-release", releaseId=release, phase={"value": 1})
    assert made["release"]["phase"] == {"value": 1, "tags": []}
    page = await play.ask("console-cohort", id=cohort)
    assert page["latestRelease"]["id"] == release
    (listed,) = (await play.ask("console-releases", filter={"cohortId": cohort}))["nodes"]
    assert (listed["id"], listed["affectedBy"]) == (release, [])
    return release


async def poll(play: Play, device: str, release: str, binary: str) -> None:
    """A device's work, with a key of its own."""
    made = await play.do("console-create-api-key", name="camera-1", role="DEVICE", deviceId=device)
    own = play.by(made["secret"])
    update = (await own.do("device-claim-update", deviceId=device))["update"]
    (entry,) = update["manifest"]
    assert (update["status"], update["release"]["id"]) == ("UPDATE", release)
    assert (entry["binary"]["id"], entry["hash"]) == (binary, HASH)
    again = await own.ask("device-manifest", deviceId=device, reported=None)
    answer = await play.api.http.get(again["manifest"][0]["url"])
    assert (answer.status_code, answer.content) == (200, CONTENT)
    await own.do(
        "device-report-state",
        deviceId=device,
        reported={"releaseId": release, "version": "1.0.0"},
        outcome="INSTALLED",
    )
    told = await play.ask("dashboard-adoption", releaseId=release)
    assert told["adoption"] == {"before": 1, "claimed": 0, "on": 1, "behind": 0}
    (key,) = (await play.ask("console-api-keys", filter={"role": ["DEVICE"]}))["nodes"]
    assert key["device"]["id"] == device
    await play.do("console-revoke-api-key", apiKeyId=key["id"])


async def operate(play: Play, devices: list[str], release: str) -> None:
    """What an operator does to single devices, and what is told of it."""
    first, second = devices
    made = await play.do("console-pin-device", deviceId=second, releaseId=release)
    assert made["device"]["pinnedRelease"]["id"] == release
    page = await play.ask("console-device", id=second)
    assert page["update"]["trace"][0]["reason"] == "PINNED"
    await play.do("console-unpin-device", deviceId=second)
    play.sent.add("console-watch-events")
    kinds = {"kind": ["device.quarantine"]}
    async with followed(play.api, TEXTS["console-watch-events"], filter=kinds) as results:
        coming = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0.2)
        await play.do("console-quarantine-device", deviceId=second)
        told = (await asyncio.wait_for(coming, 10))["data"]["eventRecorded"]
    assert told["subject"] == {"__typename": "Device", "id": second}
    attention = await play.ask("dashboard-attention")
    assert [device["id"] for device in attention["quarantined"]["nodes"]] == [second]
    await play.do("console-release-device-from-quarantine", deviceId=second)
    found = await play.ask("console-devices", filter={"reportedReleaseId": release})
    assert [device["id"] for device in found["nodes"]] == [first]
    found = await play.ask("console-events", first=1, filter=kinds)
    assert [event["id"] for event in found["nodes"]] == [told["id"]]


async def destroy(play: Play, version: str, binary: str, release: str) -> None:
    """A destruction is refused, accepted, done; and the release is archived."""
    impact = await play.ask("console-destruction-impact", ids=[binary], first=10)
    assert [one["release"]["id"] for one in impact["releases"]["nodes"]] == [release]
    lost = (await play.ask("dashboard-damaged-content", binaryId=binary))["lossImpact"]
    assert (lost["devicesLosingUpdate"], lost["releases"]["totalCount"]) == (1, 1)
    refusal = await play.refused("console-destroy-binary", binaryId=binary)
    assert refusal["__typename"] == "ImpactNotAcceptedError"
    assert [one["id"] for one in refusal["releases"]] == [release]
    refusal = await play.refused("console-destroy-binaries", binaryIds=[binary])
    assert refusal["impact"]["devicesLosingUpdate"] == impact["devicesLosingUpdate"] == 1
    token = refusal["impact"]["planToken"]
    made = await play.do("console-destroy-binary", binaryId=binary, planToken=token)
    assert made["binary"]["state"] == "DESTROYED"
    page = await play.ask("dashboard-affected-releases", binaryId=binary)
    (listed,) = page["releases"]["nodes"]
    assert (listed["id"], listed["affectedBy"]) == (release, [{"id": binary, "target": TARGET}])
    made = await play.do("console-archive-releases", releaseIds=[release])
    assert made["releases"] == [{"id": release, "archived": True}]
    # Nothing is newly affected by what else the version has, so that takes no token.
    other = Api(play.api.http, play.api.key)
    left = await other.reach("SIGNED", version, b"for every other target")
    made = await play.do("console-destroy-binaries", binaryIds=[left])
    assert [(one["id"], one["destroyed"]) for one in made["binaries"]] == [(left, True)]


async def tell(play: Play) -> None:
    """A webhook is set up, tried, changed and taken away again; its name has no address."""
    hook = {"url": "https://hooks.invalid/bindery", "eventKinds": ["release.create"]}
    made = await play.do("console-create-webhook", name="deployments", **hook)
    id = made["webhook"]["id"]
    sent = (await play.do("console-test-webhook", webhookId=id))["webhookDelivery"]
    (listed,) = (await play.ask("console-webhooks", filter={"enabled": True}))["nodes"]
    assert listed["id"] == id
    log = await play.ask("console-webhook", id=id, first=10)
    assert [one["id"] for one in log["deliveries"]["nodes"]] == [sent["id"]]
    again = await play.do("console-redeliver-webhook", webhookDeliveryId=sent["id"])
    assert again["webhookDelivery"]["state"] == "PENDING"
    rolled = await play.do("console-rotate-webhook-secret", webhookId=id)
    assert rolled["secret"] != made["secret"]
    made = await play.do("console-update-webhook", webhookId=id, enabled=False)
    assert made["webhook"]["enabled"] is False
    made = await play.do("console-delete-webhook", webhookId=id)
    assert made["deletedWebhookId"] == id
