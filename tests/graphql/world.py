"""An organization with something at both ends of every edge, and a few more than a page of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterable
from typing import Any, Final

from nacl.signing import SigningKey

from app import models
from app.rules.prn import format_prn
from app.rules.webhook import DeliveryState
from tests.api import Api

ARM: Final = "arm-linux-gnueabihf"
HOOK: Final = "https://hooks.invalid/bindery"
"""A name that never has an address."""
X86: Final = "x86_64-unknown-linux-gnu"
ROWS: Final[dict[str, Any]] = {
    model.__name__: model
    for model in (
        models.ApiKey,
        models.Artifact,
        models.ArtifactVersion,
        models.Binary,
        models.BinaryPart,
        models.BinarySignature,
        models.Bundle,
        models.Cohort,
        models.Device,
        models.Event,
        models.Organization,
        models.Product,
        models.Release,
        models.SigningKey,
        models.Webhook,
        models.WebhookDelivery,
    )
}
"""The model behind each type of node."""


class World:
    """What stands in the tables, as plain rows: what the API says is compared with it."""

    def __init__(self, rows: dict[str, list[Any]], held: list[Any]) -> None:
        self.rows = rows
        self.held = held
        """The places of artifact versions in bundles."""

    def all(self, kind: str) -> list[Any]:
        """Every row of a type, the oldest first."""
        return self.rows[kind]

    def where(self, kind: str, **columns: Any) -> list[Any]:
        """The rows of a type with these values."""
        return [
            row
            for row in self.rows[kind]
            if all(getattr(row, column) == value for column, value in columns.items())
        ]

    def one(self, kind: str, id: Any) -> Any:
        """The row of a type with this id; None where there is none."""
        return next((row for row in self.rows[kind] if row.id == id), None)

    def versions_of(self, bundle_id: Any) -> list[Any]:
        """The artifact versions of a bundle, in its order."""
        places = sorted(
            (place for place in self.held if place.bundle_id == bundle_id),
            key=lambda place: place.position,
        )
        return [self.one("ArtifactVersion", place.artifact_version_id) for place in places]

    def bundles_of(self, version_id: Any) -> list[Any]:
        """The bundles that hold an artifact version."""
        held = {place.bundle_id for place in self.held if place.artifact_version_id == version_id}
        return [bundle for bundle in self.rows["Bundle"] if bundle.id in held]


def name(row: Any) -> str:
    """The resource name of a row."""
    return format_prn(row.prn_kind, row.organization_id, row.id)


def names(rows: Iterable[Any]) -> list[str]:
    """The resource names of rows, in their order."""
    return [name(row) for row in rows]


async def read(organization_id: Any) -> World:
    """All rows of an organization."""
    rows: dict[str, list[Any]] = {}
    for kind, model in ROWS.items():
        own = {"id" if kind == "Organization" else "organization_id": organization_id}
        rows[kind] = await model.filter(**own).order_by("id")
    held = await models.BundleVersion.filter(organization_id=organization_id)
    return World(rows, list(held))


async def build(api: Api, *, size: int = 5) -> World:
    """Fills the organization of a key, and gives all of its rows."""
    await fill(api, size=size)
    found = await api.ask("{ organization { id } }")
    id = found["organization"]["id"].rsplit(":", 1)[1]
    # What was on its way when its webhook was disabled may still end.
    while await models.WebhookLane.filter(token__isnull=False).exists():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    # To be given up takes a delivery three days.
    given_up = await models.WebhookDelivery.filter(organization_id=id).order_by("id").first()
    assert given_up is not None
    given_up.update_from_dict({"state": DeliveryState.DEAD, "ended_at": given_up.queued_at})
    await given_up.save(update_fields=["state", "ended_at"])
    return await read(id)


async def fill(api: Api, *, size: int = 5) -> None:
    """Fills the organization of a key through the API; `size`, from 2, is how many of each."""
    products = [await api.product(f"product-{n}", (ARM, X86)[n % 2]) for n in range(size)]
    cohorts = [await api.cohort(products[0], f"cohort-{n}") for n in range(size)]
    versions = await _versions(api, size)
    await _binaries(api, versions, size)
    bundles = [await api.bundle(*versions[:3], name="the bundle")]
    for n in range(size - 1):
        bundles.append(await api.bundle(*versions[1::-1], name=f"bundle-{n // 2}"))
    releases = await _releases(api, cohorts[0], bundles, size)
    other = await api.cohort(products[1], "cohort-0")
    await api.release(other, bundles[-1], "elsewhere")
    await _lost_release(api, other)
    await _devices(api, products, cohorts[0], releases, bundles[0], size)
    await _changes(api, products[0], cohorts[0], releases[0], size)
    await api.do("archiveProduct", "product { id }", productId=products[-1])
    await _webhooks(api, size)


async def _versions(api: Api, size: int) -> list[str]:
    """Versions of one artifact, beside artifacts of which two have one name."""
    first = await api.version("1.0.0", "firmware")
    found = await api.ask(
        "query($id: ID!) { artifactVersion(id: $id) { artifact { id } } }", id=first
    )
    artifact = found["artifactVersion"]["artifact"]["id"]
    versions = [first]
    for n in range(1, size):
        model = await api.do("createArtifact", "artifact { id }", name=f"model-{n // 2}")
        made = await api.do(
            "createArtifactVersion",
            "artifactVersion { id }",
            artifactId=artifact,
            version=f"1.0.{n}",
        )
        versions.append(made["id"])
        await api.do(
            "updateArtifactVersion",
            "artifactVersion { id }",
            artifactVersionId=first,
            description=f"after {n}",
        )
        if n == 1:
            other = await api.do(
                "createArtifactVersion",
                "artifactVersion { id }",
                artifactId=model["id"],
                version="1.0.1",
            )
            await api.binary(other["id"], b"a model", "portable")
        await api.do("updateArtifact", "artifact { id }", artifactId=artifact, name=f"firm-{n}")
    return versions


async def _binaries(api: Api, versions: list[str], size: int) -> None:
    """A signed binary for each version, and in the first one some in other states."""
    for place, version in enumerate(versions):
        target = ARM if place % 2 else "portable"
        content = f"content {place}".encode()
        id = await api.reach("SIGNED", version, content, target)
        if place:
            continue
        for n in range(1, size):
            await _sign(api, id, content, n)
            await api.do("updateBinary", "binary { id }", binaryId=id, description=f"after {n}")
        await api.reach("DESTROYED", version, b"gone", ARM)
        await api.reach("SIGNED", version, b"replaced", ARM)
        for n, state in enumerate(("UPLOADABLE", "HASHABLE", "SIGNABLE")[: size - 1]):
            await api.reach(state, version, bytes(n), f"target-{n}")


async def _sign(api: Api, binary_id: str, content: bytes, number: int) -> None:
    """A further signature, by a key that signs nothing else; the first of them is retired."""
    key = SigningKey.generate()
    made = await api.do(
        "createSigningKey",
        "signingKey { id }",
        name=f"key-{number // 2}",
        publicKey=base64.b64encode(bytes(key.verify_key)).decode(),
    )
    digest = hashlib.sha256(content).hexdigest()
    await api.do(
        "signBinary",
        "binary { id }",
        binaryId=binary_id,
        signingKeyId=made["id"],
        signature=key.sign(digest.encode()).signature.hex(),
    )
    if number == 1:
        await api.do("retireSigningKey", "signingKey { id }", signingKeyId=made["id"])
    name = {"signingKeyId": await api.key_id(), "name": f"signer {number}"}
    await api.do("renameSigningKey", "signingKey { id }", **name)


async def _releases(api: Api, cohort: str, bundles: list[str], size: int) -> list[str]:
    """A chain, and branches that all lead to its second release."""
    releases = [
        await api.release(cohort, bundle, f"release-{n // 2}", required=n == 1, disabled=n == 2)
        for n, bundle in enumerate(bundles)
    ]
    for n in range(size - 1):
        branch = await api.release(cohort, bundles[0], f"branch-{n}", nextReleaseId=releases[1])
        releases.append(branch)
    await api.do("archiveReleases", "releases { id }", releaseIds=releases[-1:])
    return releases


async def _lost_release(api: Api, cohort: str) -> None:
    """A release whose binary was destroyed, as somebody accepted."""
    version = await api.version("0.9", "old")
    id = await api.reach("SIGNED", version, b"old")
    await api.release(cohort, await api.bundle(version, name="lost"), "lost")
    query = "query($id: ID!) { binary(id: $id) { impact { planToken } } }"
    token = (await api.ask(query, id=id))["binary"]["impact"]["planToken"]
    await api.do("destroyBinary", "binary { id }", binaryId=id, planToken=token)


async def _devices(
    api: Api,
    products: list[str],
    cohort: str,
    releases: list[str],
    bundle: str,
    size: int,
) -> None:
    """Devices that run the first release, one of another product, and one in quarantine."""
    found = []
    for n in range(size):
        device = await api.device(products[0], cohort, f"device-{n}", tags=["beta"] * (n % 2))
        reported = {"releaseId": releases[0], "bundleId": bundle, "version": f"1.0.{n}"}
        await api.do("reportDeviceState", "device { id }", deviceId=device, reported=reported)
        found.append(device)
        again = {"deviceId": found[0], "reported": {**reported, "version": f"2.0.{n}"}}
        await api.do("reportDeviceState", "device { id }", **again)
        key = {"role": "DEVICE", "deviceId": found[0]}
        await api.do("createApiKey", "apiKey { id }", name=f"device {n}", **key)
        await api.do("createApiKey", "apiKey { id }", name=f"{n}", role=("READ", "WRITE")[n % 2])
    last = await api.device(products[1], None, "elsewhere")
    await api.do("quarantineDevice", "device { id }", deviceId=last)
    await api.do("pinDevice", "device { id }", deviceId=found[1], releaseId=releases[0])


async def _webhooks(api: Api, size: int) -> None:
    """Webhooks that are to be told of each other, disabled so that what waits stays as it is."""
    hooks = [
        await api.make(
            "createWebhook",
            "webhook { id }",
            name=f"hook-{n // 2}",
            url=HOOK,
            eventKinds=["webhook.update"],
        )
        for n in range(size)
    ]
    for n in range(size):
        await api.do("updateWebhook", "webhook { id }", webhookId=hooks[0], name=f"renamed {n}")
    for hook in hooks:
        await api.do("updateWebhook", "webhook { id }", webhookId=hook, enabled=False)
    made = {"name": "silent", "url": HOOK, "eventKinds": ["webhook.test"]}
    await api.do("createWebhook", "webhook { id }", **made)


async def _changes(api: Api, product: str, cohort: str, release: str, size: int) -> None:
    """So many changes that the events of a subject do not fit on one page either."""
    for n in range(size - 1):
        text = f"after {n}"
        await api.do("updateProduct", "product { id }", productId=product, name=f"renamed {n}")
        await api.do("updateCohort", "cohort { id }", cohortId=cohort, description=text)
        await api.do("updateRelease", "release { id }", releaseId=release, description=text)
