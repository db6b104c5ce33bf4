"""Graphs that a process keeps: none is used after what it was read from has changed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from nacl.signing import SigningKey

from app import database
from app.graphql.schema import schema
from app.reads import resolution
from app.reads.graphs import Graphs
from app.reads.values import as_uuid
from app.rules.cohort import CohortFacts
from app.rules.release import CohortGraph, ReleaseFacts
from app.settings import Settings
from tests.api import Api, Json
from tests.conftest import new_api
from tests.graphql import world
from tests.processes.served import served

MOVING = {
    "archiveReleases",
    "createBinary",
    "createRelease",
    "deleteBinary",
    "destroyBinaries",
    "destroyBinary",
    "finishBinaryUpload",
    "resetBinary",
    "signBinary",
    "startBinaryHashing",
    "updateRelease",
}
"""The mutations that can change what devices are answered, and so a cohort's version."""


def facts(size: int) -> CohortFacts:
    ids = [uuid4() for _ in range(size)]
    following = [*ids[1:], None]
    releases = [
        ReleaseFacts(id=id, next_id=next_id, bundle_id=id)
        for id, next_id in zip(ids, following, strict=True)
    ]
    return CohortFacts(CohortGraph(releases), devices=0, bundles={})


def test_a_graph_is_given_at_its_version_only() -> None:
    kept, cohort_id, graph = Graphs(), uuid4(), facts(3)
    kept.keep(cohort_id, 7, graph)
    assert kept.get(cohort_id, 7) is graph
    assert [kept.get(cohort_id, version) for version in (6, 8)] == [None, None]
    assert kept.get(uuid4(), 7) is None


def test_the_graphs_that_were_used_longest_ago_are_let_go() -> None:
    kept = Graphs(kept_releases=10)
    ids = [uuid4() for _ in range(3)]
    for id in ids[:2]:
        kept.keep(id, 1, facts(4))
    assert kept.get(ids[0], 1) is not None
    kept.keep(ids[2], 1, facts(4))
    assert [kept.get(id, 1) is not None for id in ids] == [True, False, True]
    kept.keep(ids[2], 2, facts(11))
    assert [kept.get(id, 2) for id in ids] == [None, None, None]


@dataclass
class Watching(Api):
    """A client that compares all graphs after each mutation with those before it."""

    organization_id: UUID = field(default_factory=uuid4)
    sent: dict[str, set[bool]] = field(default_factory=dict)
    kept: dict[UUID, tuple[int, Any]] = field(default_factory=dict)

    async def mutate(self, name: str, selection: str, /, **input: Any) -> Json:
        """Sends it, and notes whether a version moved."""
        await self.compare()
        payload = await super().mutate(name, selection, **input)
        self.sent.setdefault(name, set()).add(await self.compare())
        return payload

    async def compare(self) -> bool:
        """Whether a version moved; fails where one did not though its graph did."""
        moved = False
        rows = await database.query(
            "SELECT id, graph_version FROM cohort WHERE organization_id = $1",
            [self.organization_id],
        )
        versions = {as_uuid(row["id"]): row["graph_version"] for row in rows}
        graphs = await resolution.graphs(self.organization_id, versions)
        for id, version in versions.items():
            now = graphs[id].graph.releases, graphs[id].bundles
            before = self.kept.get(id, (version, now))
            if before[0] == version:
                assert before[1] == now
            moved |= before[0] != version
            self.kept[id] = version, now
        return moved


async def test_each_mutation_that_changes_a_graph_makes_it_another_version(
    http: httpx.AsyncClient,
) -> None:
    plain = await new_api(http, "acme")
    found = await plain.ask("{ organization { id } }")
    organization_id = UUID(found["organization"]["id"].rsplit(":", 1)[1])
    api = Watching(http, plain.key, organization_id=organization_id)
    built = await world.build(api, size=3)
    await change_releases(api, built)
    await change_binaries(api, built)
    await change_the_rest(api, built)
    await change_the_organization(api, built)
    assert api.sent.keys() == schema._schema.mutation_type.fields.keys()  # type: ignore[union-attr]
    assert {name for name, moved in api.sent.items() if True in moved} == MOVING


async def change_releases(api: Watching, built: world.World) -> None:
    """Each field of a release by itself: names and descriptions move nothing."""
    latest = await api.release(
        world.name(built.all("Cohort")[0]),
        world.name(built.all("Bundle")[0]),
        "last",
        version="9.0.0",
    )
    for change, moves in (
        ({"name": "renamed"}, False),
        ({"description": "told"}, False),
        ({"required": True}, True),
        ({"disabled": True}, True),
        ({"haltAfter": 3}, True),
        ({"versionRequirement": ">=1.0.0"}, True),
        ({"phase": {"value": 0.5}}, True),
        ({"phase": {"tags": ["beta"]}}, True),
        ({"phase": {"value": 1}}, True),
        ({"scheduledAt": "2099-01-01T00:00:00Z"}, True),
        ({"scheduledAt": None}, True),
    ):
        api.sent.pop("updateRelease", None)
        await api.do("updateRelease", "release { id }", releaseId=latest, **change)
        assert api.sent["updateRelease"] == {moves}, change
    api.sent["updateRelease"].add(True)


async def change_binaries(api: Watching, built: world.World) -> None:
    """The whole life of a binary whose version is released already, and its end in both ways."""
    version = world.name(built.all("ArtifactVersion")[0])
    await api.reach("UPLOADABLE", version, b"to be deleted", "a-first-target")
    (gone,) = [
        one["id"]
        for one in (
            await api.ask(
                "query($id: ID!) { artifactVersion(id: $id) {"
                ' binaries(filter: { target: "a-first-target" }) { nodes { id } } } }',
                id=version,
            )
        )["artifactVersion"]["binaries"]["nodes"]
    ]
    await api.do("createBinaryParts", "parts { id }", binaryId=gone, parts=[])
    await api.do("deleteBinary", "deletedBinaryId", binaryId=gone)
    back = await api.reach("HASHABLE", version, b"to be reset", "b-second-target")
    await api.do("resetBinary", "binary { id }", binaryId=back)
    signed = await api.reach("SIGNED", version, b"to be destroyed", "c-third-target")
    query = "query($id: ID!) { binary(id: $id) { impact { planToken } } }"
    token = (await api.ask(query, id=signed))["binary"]["impact"]["planToken"]
    await api.do("destroyBinaries", "binaries { id }", binaryIds=[signed], planToken=token)


async def change_the_rest(api: Watching, built: world.World) -> None:
    """What changes no graph: devices, keys, signatures."""
    product, cohort = world.name(built.all("Product")[0]), world.name(built.all("Cohort")[0])
    made = await api.do(
        "createDevices",
        "devices { id }",
        productId=product,
        devices=[{"identifier": "new", "cohortId": cohort}],
    )
    device = made[0]["id"]
    await api.do("claimUpdate", "update { status }", deviceId=device)
    await api.do("updateDevice", "device { id }", deviceId=device, tags=["lab"])
    await api.do("unpinDevice", "device { id }", deviceId=device)
    await api.do("quarantineDevice", "device { id }", deviceId=device)
    await api.do("releaseDeviceFromQuarantine", "device { id }", deviceId=device)
    await api.do("deleteDevice", "deletedDeviceId", deviceId=device)
    key = next(one for one in built.all("ApiKey") if one.name == "0")
    await api.do("revokeApiKey", "apiKey { id }", apiKeyId=world.name(key))
    signature = built.all("BinarySignature")[1]
    await api.do("deleteBinarySignature", "binary { id }", binarySignatureId=world.name(signature))
    unused = await api.make(
        "createSigningKey",
        "signingKey { id }",
        name="unused",
        publicKey=base64.b64encode(bytes(SigningKey.generate().verify_key)).decode(),
    )
    await api.do("deleteSigningKey", "deletedSigningKeyId", signingKeyId=unused)


async def change_the_organization(api: Watching, built: world.World) -> None:
    """What it is told of, and what it may keep."""
    await api.do("setQuota", "organization { id }", bytes="1000000")
    hook = world.name(next(one for one in built.all("Webhook") if one.name == "silent"))
    sent = await api.make("testWebhook", "webhookDelivery { id }", webhookId=hook)
    await api.do("redeliverWebhook", "webhookDelivery { id }", webhookDeliveryId=sent)
    await api.do("rotateWebhookSecret", "webhook { id }", webhookId=hook)
    await api.do("deleteWebhook", "deletedWebhookId", webhookId=hook)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("first", ["release", "binary"])
async def test_a_release_and_a_change_of_its_binary_meet_at_a_lock(
    http: httpx.AsyncClient, database_url: str, first: str
) -> None:
    api = await new_api(http, "acme")
    cohort = await api.cohort(await api.product())
    released, version = await api.version("1.0.0", "one"), await api.version("1.0.0", "other")
    await api.reach("SIGNED", released, b"released")
    await api.reach("SIGNED", version, b"to be released")
    binary = await api.reach("SIGNABLE", version, b"to be signed", "x86_64-unknown-linux-gnu")
    await api.release(cohort, await api.bundle(released), version="1.0.0")
    bundle = await api.bundle(version)
    statements = {
        "release": "INSERT INTO release SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'id', gen_random_uuid(), 'version', '2.0.0', 'next_release_id', r.id,"
        f" 'bundle_id', '{bundle.rsplit(':', 1)[1]}'))).* FROM release r",
        "binary": "UPDATE binary_record SET state = 'SIGNED'"
        f" WHERE id = '{binary.rsplit(':', 1)[1]}'",
    }
    second = "binary" if first == "release" else "release"
    one, other = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        begun = one.transaction()
        await begun.start()
        await one.execute(statements[first])
        waiting = asyncio.ensure_future(other.execute(statements[second]))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        before = await other_version(database_url)
        await begun.commit()
        await waiting
        # The binary counts once it is released, and not before.
        assert await other_version(database_url) == before + (2 if first == "release" else 1)
    finally:
        await one.close()
        await other.close()


async def other_version(url: str) -> int:
    """The one cohort's version, as anybody sees it."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT graph_version FROM cohort"))
    finally:
        await connection.close()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_process_answers_by_what_another_one_has_changed(
    http: httpx.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    api = await new_api(http, "acme")
    product = await api.product()
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    version = await api.version()
    binary = await api.reach("SIGNED", version)
    bundle = await api.bundle(version)
    first = await api.release(cohort, bundle, "first", version="1.0.0")

    def poll(of: Api) -> Awaitable[Json]:
        query = "query($id: ID!) { resolveUpdate(deviceId: $id) { status release { id }"
        return of.ask(query + " manifest { binary { id } } } }", id=device)

    with served(
        data=tmp_path / "other", log=tmp_path / "log", database=settings.database, storage_reserve=0
    ) as process:
        async with httpx.AsyncClient(base_url=process.url, timeout=30) as client:
            other = Api(client, api.key)
            both = (api, other)
            for writer, reader in (both, both[::-1], both, both[::-1]):
                for _ in range(2):
                    assert await poll(reader) == await poll(writer)
                next_ = await writer.release(cohort, bundle, f"next {writer is api}")
                for polled in (await poll(reader), await poll(writer)):
                    assert polled["resolveUpdate"]["release"] == {"id": next_}
                await writer.do("updateRelease", "release { id }", releaseId=next_, disabled=True)
                for polled in (await poll(reader), await poll(writer)):
                    assert polled["resolveUpdate"]["release"] != {"id": next_}
            await poll(other)
            fitting = await api.reach("SIGNED", version, b"fitting", "arm-linux-gnueabihf")
            for polled in (await poll(other), await poll(api)):
                told = polled["resolveUpdate"]
                assert (told["release"], told["manifest"]) == (
                    {"id": first},
                    [{"binary": {"id": fitting}}],
                )
            assert binary != fitting
