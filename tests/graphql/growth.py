"""An organization of any size: as many rows at the end of every edge as it is large."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from app import database, models
from app.rules.binary import State
from app.rules.ids import new_id
from app.rules.prn import format_prn
from app.rules.webhook import DeliveryState

BATCH = 1_000
LARGEST_BUNDLE = 1_000
TARGETS = 3
"""Few, since a coverage tells each artifact version once for each of them."""
SEEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Grown:
    """Resource names of what leads to many rows."""

    product: str
    cohort: str
    artifact: str
    binary: str
    """One that every release holds."""
    bundle: str
    """One of as many artifact versions as a bundle may hold, each of an artifact of its own."""
    last_two: tuple[str, str]
    """The last release but one, and the latest."""
    device: str
    """One whose path goes through every release, and that gets the largest bundle."""
    webhook: str
    """One with many deliveries."""


@dataclass
class Growth:
    """Collects rows, table by table, in the order in which they can be written."""

    organization_id: UUID
    size: int
    rows: list[Any] = field(default_factory=list)

    def add(self, model: Any, **columns: Any) -> Any:
        """One more row."""
        row = model(organization_id=self.organization_id, **columns)
        self.rows.append(row)
        return row

    def many(self, model: Any, **columns: Any) -> list[Any]:
        """As many rows as the world is large; `name` becomes another one in each."""
        name = columns.pop("name")
        return [self.add(model, name=f"{name} {n}", **columns) for n in range(self.size)]

    async def write(self) -> None:
        """Writes them all in one transaction, since releases lead to later ones."""
        tables: dict[Any, list[Any]] = {}
        for row in self.rows:
            tables.setdefault(type(row), []).append(row)

        async def body(connection: database.Connection) -> None:
            for model, rows in tables.items():
                await model.bulk_create(rows, batch_size=BATCH, using_db=connection)

        await database.unit_of_work(body)


async def grow(organization_id: UUID, size: int) -> Grown:
    """Writes rows as the actions would have: `size` of each kind, from 3."""
    world = Growth(organization_id, size)
    products = [
        world.add(models.Product, name=f"product {n}", target=f"target-{n % TARGETS}")
        for n in range(size)
    ]
    cohorts = world.many(models.Cohort, name="cohort", product_id=products[0].id)
    artifacts, versions = _versions(world)
    binary = _binaries(world, versions)
    bundles = _bundles(world, versions)
    releases = _releases(world, cohorts[0], bundles)
    devices = _devices(world, products, cohorts[0], releases)
    events = _events(world, products, versions, devices, binary)
    webhook = _webhooks(world, events)
    await world.write()

    def name(row: Any) -> str:
        return format_prn(row.prn_kind, organization_id, row.id)

    return Grown(
        product=name(products[0]),
        cohort=name(cohorts[0]),
        artifact=name(artifacts[0]),
        binary=name(binary),
        bundle=name(bundles[-1]),
        last_two=(name(releases[-2]), name(releases[-1])),
        device=name(devices[0]),
        webhook=name(webhook),
    )


def _versions(world: Growth) -> tuple[list[Any], list[Any]]:
    """Many versions of the first artifact, and then one of each."""
    artifacts = world.many(models.Artifact, name="artifact")
    many = [
        world.add(models.ArtifactVersion, artifact_id=artifacts[0].id, version=f"{n}.0.0")
        for n in range(1, world.size)
    ]
    one_each = [
        world.add(models.ArtifactVersion, artifact_id=artifact.id, version="0.0.0")
        for artifact in artifacts
    ]
    return artifacts, one_each + many


def _binary(world: Growth, version: Any, target: str, state: State = State.SIGNED) -> Any:
    return world.add(
        models.Binary,
        artifact_version_id=version.id,
        target=target,
        hash="0" * 64,
        size=1,
        state=state,
        destroyed=state is State.DESTROYED,
    )


def _binaries(world: Growth, versions: list[Any]) -> Any:
    """One signed binary for each version, and many for another; gives the most signed of them."""
    portable = [_binary(world, version, "portable") for version in versions]
    for n in range(world.size):
        _binary(world, versions[world.size], f"other-{n}", State.UPLOADABLE)
        _binary(world, versions[world.size], f"gone-{n}", State.DESTROYED)
    for n in range(world.size):
        world.add(models.BinaryPart, binary_id=portable[0].id, index=n + 1, size=1, hash="0" * 64)
    keys = [
        world.add(models.SigningKey, name="key", public_key=f"{n:064x}", fingerprint=f"{n:064x}")
        for n in range(world.size)
    ]
    signed = [(portable[0], key) for key in keys] + [(one, keys[0]) for one in portable[1:]]
    for binary, key in signed:
        world.add(
            models.BinarySignature,
            binary_id=binary.id,
            signing_key_id=key.id,
            signature="0" * 128,
        )
    return portable[0]


def _bundles(world: Growth, versions: list[Any]) -> list[Any]:
    """Small ones, and a large one; the first version is in all of them."""
    bundles = world.many(models.Bundle, name="bundle")
    for n, bundle in enumerate(bundles):
        largest = n == world.size - 1
        held = (
            versions[: min(world.size, LARGEST_BUNDLE)]
            if largest
            else [versions[0], versions[n + 1]]
        )
        for position, version in enumerate(held):
            world.add(
                models.BundleVersion,
                bundle_id=bundle.id,
                artifact_version_id=version.id,
                position=position,
            )
    return bundles


def _releases(world: Growth, cohort: Any, bundles: list[Any]) -> list[Any]:
    """A chain, of which the first half is disabled."""
    following = dict(pairwise([*(ids := [new_id() for _ in bundles]), None]))
    return [
        world.add(
            models.Release,
            id=id,
            cohort_id=cohort.id,
            bundle_id=bundle.id,
            next_release_id=following[id],
            name=bundle.name,
            version=f"{n}.0.0",
            disabled=2 * n < world.size,
            phase_tags=[],
        )
        for n, (id, bundle) in enumerate(zip(ids, bundles, strict=True))
    ]


def _devices(world: Growth, products: list[Any], cohort: Any, releases: Iterable[Any]) -> list[Any]:
    """Devices on every release, with a claim on the latest and a key of their own."""
    releases = list(releases)
    devices = [
        world.add(
            models.Device,
            product_id=product.id,
            cohort_id=cohort.id,
            identifier=f"device {n}",
            quarantined=n % 3 == 1,
            pinned_release_id=None,
            reported_release_id=release.id,
            reported_bundle_id=None,
        )
        for n, (product, release) in enumerate(zip(products, releases, strict=True))
    ]
    for device in devices:
        world.add(models.ReleaseClaim, release_id=releases[-1].id, device_id=device.id)
        world.add(
            models.ApiKey,
            name="key",
            role="DEVICE",
            device_id=device.id,
            secret_hash=str(device.id),
        )
    return devices


def _events(
    world: Growth, products: list[Any], versions: list[Any], devices: list[Any], binary: Any
) -> list[Any]:
    """The newest ones are of every kind, at any size."""
    keys = [row for row in world.rows if isinstance(row, models.ApiKey)]
    organization = models.Organization(id=world.organization_id)
    return [
        world.add(
            models.Event,
            time=SEEN,
            actor_key_id=subjects[-1].id,
            kind=f"{subject.prn_kind}.report",
            subject_kind=subject.prn_kind,
            subject_id=subject.id,
            request_id="",
        )
        for subjects in zip(products, versions, devices, keys, strict=False)
        for subject in (*subjects, devices[0], binary, organization)
    ]


def _webhooks(world: Growth, events: list[Any]) -> Any:
    """Disabled ones, so that nothing is sent; the first has one delivery of each event."""
    url = "https://hooks.example/"
    hooks = world.many(models.Webhook, name="hook", url=url, secret_check="", enabled=False)
    # Positions are unique on a server, and there may be a world of another size on it.
    for position, event in enumerate(events, start=world.size * BATCH):
        world.add(
            models.WebhookDelivery,
            webhook_id=hooks[0].id,
            event_id=event.id,
            subject_id=event.subject_id,
            position=position,
            state=DeliveryState.DELIVERED,
            queued_at=SEEN,
            ended_at=SEEN,
        )
    return hooks[0]
