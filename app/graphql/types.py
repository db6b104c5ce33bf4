"""The object types of the fleet and its content, each made of one row: its plain fields are the
row's columns. Those of the record of changes are in `audit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from app import models
from app.graphql import answers, fleet, lists
from app.graphql.audit import EVENTS_OF, ApiKey, Event, Webhook, WebhookDelivery
from app.graphql.connections import Connection, page_arguments
from app.graphql.context import Info
from app.graphql.fields import children, derived, edge, plain, to_many, to_one
from app.graphql.node import Recorded
from app.graphql.scalars import JSON, BigInt, DateTime, Sha256
from app.graphql.values import (
    VERIFICATION,
    HttpHeader,
    Phase,
    Storage,
    Verification,
    phase_of,
    verification_of,
)
from app.reads import usage
from app.rules import binary as rules
from app.rules.access import Role
from app.rules.part import PartState

if TYPE_CHECKING:
    from app.graphql.rollout import Adoption, DeviceUpdate, Impact, ReleaseGraph

ROLLOUT = strawberry.lazy("app.graphql.rollout")
"""Where the types of answers are: they are made of rows, and rows lead to them."""


@strawberry.type(description="The tenant: nothing is visible across it.")
class Organization(Recorded):
    row = models.Organization

    name: str = plain("Unique on this server.")
    artifacts: Connection[Artifact] = to_many(lists.ARTIFACTS, None, "Its artifacts.")
    bundles: Connection[Bundle] = to_many(lists.BUNDLES, None, "Its bundles.")
    events: Connection[Event] = to_many(lists.EVENTS, None, "Its audit record, newest first.")
    products: Connection[Product] = to_many(lists.PRODUCTS, None, "Its products.")
    signing_keys: Connection[SigningKey] = to_many(lists.SIGNING_KEYS, None, "Its signing keys.")
    webhooks: Connection[Webhook] = to_many(lists.WEBHOOKS, None, "Its webhooks.")

    @edge("What its content takes, and may take.")
    async def storage(self, root: strawberry.Parent[models.Organization], info: Info) -> Storage:
        granted = info.context.server.settings.quota_bytes
        return await usage.of(root.id, default=granted)  # type: ignore[return-value]


@strawberry.type(description="A kind of device.")
class Product(Recorded):
    row = models.Product

    name: str = plain("Unique in the organization.")
    target: str = plain("The target triplet that its devices run.")
    archived: bool = plain("Whether it takes no new device, cohort or release, and no updates.")
    cohorts: Connection[Cohort] = to_many(lists.COHORTS, "t.product_id", "Its cohorts.")
    devices: Connection[Device] = to_many(lists.DEVICES, "t.product_id", "Its devices.")
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)
    organization: Organization = to_one(models.Organization, "organization_id", "The tenant.")


@strawberry.type(description="A group of a product's devices that gets the same releases.")
class Cohort(Recorded):
    row = models.Cohort

    name: str = plain("Unique in the product.")
    description: str = plain("Free text.")
    product: Product = to_one(models.Product, "product_id", "The product of its devices.")
    devices: Connection[Device] = to_many(lists.DEVICES, "t.cohort_id", "Its devices.")
    releases: Connection[Release] = to_many(lists.RELEASES, "t.cohort_id", "Its releases.")
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)

    @edge("The release that all paths end in; null where there is none yet.", needs=("id",))
    async def latest_release(
        self, root: strawberry.Parent[models.Cohort], info: Info
    ) -> Release | None:
        loader = info.context.loaders.children(models.Release, "cohort_id", "id")
        releases = await loader.load(root.id)
        return next((one for one in releases if one.next_release_id is None), None)

    @edge("Its releases as a graph, ready to draw.", needs=("id",))
    async def release_graph(
        self, root: strawberry.Parent[models.Cohort], info: Info
    ) -> Annotated[ReleaseGraph, ROLLOUT]:
        loader = info.context.loaders.children(models.Release, "cohort_id", "id")
        return await loader.load(root.id)  # type: ignore[return-value]


@strawberry.type(description="One device of the fleet.")
class Device(Recorded):
    row = models.Device

    identifier: str = plain("Unique in the organization.")
    tags: list[str] = plain("What phases by tag look at.")
    quarantined: bool = plain("Whether it gets no update, and is told so.")
    reported_version: str | None = plain("The version that it last reported to run.")
    last_seen_at: DateTime | None = plain("When it last polled or reported, to the minute.")
    product: Product = to_one(models.Product, "product_id", "The kind of device that it is.")
    cohort: Cohort | None = to_one(models.Cohort, "cohort_id", "The cohort that it is in.")
    pinned_release: Release | None = to_one(
        models.Release, "pinned_release_id", "The one release that it may get, if it is pinned."
    )
    reported_release: Release | None = to_one(
        models.Release, "reported_release_id", "The release that it last reported to run."
    )
    reported_bundle: Bundle | None = to_one(
        models.Bundle, "reported_bundle_id", "The bundle that it last reported to run."
    )
    api_keys: Connection[ApiKey] = to_many(lists.API_KEYS, "t.device_id", "Its own API keys.")
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)

    @edge(
        "What it reported, installed, failed to install and claimed; the newest first.",
        needs=("id",),
    )
    @page_arguments
    async def history(self: Any, info: Info, **page: Any) -> Connection[Event]:
        opened = await lists.EVENTS.where(info.context, self.id, lists.HISTORY, **page)
        return opened  # type: ignore[return-value]

    @edge("What it would be answered now; reading it claims nothing.")
    async def update(
        self, root: strawberry.Parent[models.Device], info: Info
    ) -> Annotated[DeviceUpdate, ROLLOUT]:
        return await answers.update_of(info.context, root.id)  # type: ignore[return-value]


@strawberry.type(description="An immutable reference to a kind of content.")
class Artifact(Recorded):
    row = models.Artifact

    name: str = plain("What it is called.")
    description: str = plain("Free text.")
    artifact_versions: Connection[ArtifactVersion] = to_many(
        lists.ARTIFACT_VERSIONS, "t.artifact_id", "Its versions."
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)
    organization: Organization = to_one(models.Organization, "organization_id", "The tenant.")


@strawberry.type(description="One version of an artifact, with one binary per target.")
class ArtifactVersion(Recorded):
    row = models.ArtifactVersion

    version: str = plain("Unique in the artifact, immutable.")
    description: str = plain("Free text.")
    artifact: Artifact = to_one(models.Artifact, "artifact_id", "What it is a version of.")
    binaries: Connection[Binary] = to_many(
        lists.BINARIES, "t.artifact_version_id", "Its binaries, destroyed ones too."
    )
    bundles: Connection[Bundle] = to_many(
        lists.BUNDLES.within(join="JOIN bundle_version x ON x.bundle_id = t.id"),
        "x.artifact_version_id",
        "The bundles that hold it.",
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)


@strawberry.type(description="What distributes: a record, and content that is stored apart.")
class Binary(Recorded):
    row = models.Binary

    target: str = plain("A target triplet, or `portable`.")
    hash: Sha256 = plain("The SHA-256 of the content.")
    size: BigInt = plain("The size of the content, in bytes.")
    state: rules.State = plain("Where it is in its life.")
    description: str = plain("Free text.")
    custom_metadata: JSON = plain("Any JSON object.")
    destroyed: bool = plain("Whether its content is gone for good.")
    bytes_uploaded: BigInt = plain("The bytes of its valid parts; 0 once it is destroyed.")
    revision: int = plain("Rises with each move and each update; for `expectedRevision`.")
    content_erased_at: DateTime | None = plain("When the content of a destroyed one was gone.")
    content_health: rules.ContentHealth | None = plain("What the last look at it found, if any.")
    content_checked_at: DateTime | None = plain("When its stored content was last looked at.")
    artifact_version: ArtifactVersion = to_one(
        models.ArtifactVersion, "artifact_version_id", "The version that it is the content of."
    )
    parts: list[BinaryPart] = children(
        models.BinaryPart, "binary_id", "index", "Its registered parts, by index."
    )
    signatures: list[BinarySignature] = children(
        models.BinarySignature, "binary_id", "id", "Its signatures, oldest first.", device=True
    )
    releases: Connection[Release] = to_many(
        lists.RELEASES.within(
            join="JOIN bundle_version x ON x.bundle_id = t.bundle_id"
            " JOIN binary_record b ON b.artifact_version_id = x.artifact_version_id"
        ),
        "b.id",
        "The releases whose bundle holds its version.",
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)

    @derived("The moves that a caller can cause now.", needs=("state",))
    def available_transitions(self, root: strawberry.Parent[models.Binary]) -> list[rules.Move]:
        return list(rules.available(root.state))

    @derived(
        "The verification of its content; null before hashing was started.",
        needs=VERIFICATION,
    )
    def verification(self, root: strawberry.Parent[models.Binary]) -> Verification | None:
        return verification_of(root)

    @derived(
        "A signed URL to GET the content from, for a while; null where there is none.",
        needs=("id", "organization_id", "state", "epoch"),
    )
    def download_url(self, root: strawberry.Parent[models.Binary], info: Info) -> str | None:
        known_to_device = info.context.actor.role is not Role.DEVICE or root.state == "SIGNED"
        downloadable = root.state in rules.DOWNLOADABLE and known_to_device
        return info.context.server.download_url(root) if downloadable else None

    @edge("What destroying it would do.", needs=("id",))
    async def impact(
        self, root: strawberry.Parent[models.Binary], info: Info
    ) -> Annotated[Impact, ROLLOUT]:
        return await answers.impact_of(info.context, [root.id])  # type: ignore[return-value]

    @edge(
        "What the loss of its content does, or did: as if it were whole before, and destroyed now."
    )
    async def loss_impact(
        self, root: strawberry.Parent[models.Binary], info: Info
    ) -> Annotated[Impact, ROLLOUT]:
        return await answers.impact_of(info.context, [root.id], of_loss=True)  # type: ignore[return-value]


@strawberry.type(description="The registration of one part of a binary's content.")
class BinaryPart(Recorded):
    row = models.BinaryPart

    index: int = plain("Its place, from 1.")
    size: BigInt = plain("Its size, in bytes.")
    hash: Sha256 = plain("The SHA-256 of its bytes.")
    state: PartState = plain("What became of it.")
    binary: Binary = to_one(models.Binary, "binary_id", "What it is a part of.")

    @derived("Where to send the bytes; null for keys that may not, and once the upload is over.")
    async def upload_url(
        self, root: strawberry.Parent[models.BinaryPart], info: Info
    ) -> str | None:
        link = await answers.part_link(info.context, root)
        return None if link is None else link[0]

    @derived("The HTTP method to send the bytes with.", needs=("id",))
    def upload_method(self) -> str:
        return "PUT"

    @derived("The HTTP headers to send with the bytes, besides Content-Length.", needs=("hash",))
    def upload_headers(
        self, root: strawberry.Parent[models.BinaryPart], info: Info
    ) -> list[HttpHeader]:
        headers = info.context.server.upload_headers(root)
        return [HttpHeader(name=name, value=value) for name, value in headers.items()]

    @derived("Until when the upload URL is good.")
    async def upload_expires_at(
        self, root: strawberry.Parent[models.BinaryPart], info: Info
    ) -> DateTime | None:
        link = await answers.part_link(info.context, root)
        return None if link is None else DateTime(link[1])


@strawberry.type(description="An Ed25519 public key that signs binaries.")
class SigningKey(Recorded):
    row = models.SigningKey

    name: str = plain("What it is called.")
    fingerprint: Sha256 = plain("The SHA-256 of the 32 bytes of the public key.")
    public_key: str = plain("The 32 bytes of the public key, as hex.")
    retired: bool = plain("Whether it signs nothing new.")
    signatures: Connection[BinarySignature] = to_many(
        lists.SIGNATURES, "t.signing_key_id", "What it signed."
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)


@strawberry.type(description="A verified signature over a binary's hash.")
class BinarySignature(Recorded):
    row = models.BinarySignature

    signature: str = plain("The 64 bytes of the signature, as uppercase hex.")
    binary: Binary = to_one(models.Binary, "binary_id", "What is signed.")
    signing_key: SigningKey = to_one(models.SigningKey, "signing_key_id", "Who signed.")
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)


@strawberry.type(description="An immutable, ordered list of artifact versions.")
class Bundle(Recorded):
    row = models.Bundle

    name: str = plain("What it is called.")
    artifact_versions: Connection[ArtifactVersion] = to_many(
        lists.BUNDLE_VERSIONS, "x.bundle_id", "Its artifact versions, in its order."
    )
    releases: Connection[Release] = to_many(lists.RELEASES, "t.bundle_id", "Where it is released.")
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)


@strawberry.type(description="A bundle for a cohort, and its place in the cohort's graph.")
class Release(Recorded):
    row = models.Release

    name: str = plain("What it is called.")
    description: str = plain("Free text.")
    required: bool = plain("Whether devices can't skip it.")
    disabled: bool = plain("Whether it is never served.")
    archived: bool = plain("Whether paths run through it as if it were not there; final.")
    scheduled_at: DateTime | None = plain("Before this moment it is not served.")
    halt_after: int | None = plain("After so many failed installations its phase halts.")
    failures: int = plain("How many failed installations devices reported.")
    version: str | None = plain("A semantic version, unique in the cohort.")
    version_requirement: str | None = plain("What a device's version must satisfy.")
    cohort: Cohort = to_one(models.Cohort, "cohort_id", "Whose release it is.")
    bundle: Bundle = to_one(models.Bundle, "bundle_id", "What it installs.")
    next_release: Release | None = to_one(
        models.Release, "next_release_id", "What devices get after it; null for the latest."
    )
    previous_releases: Connection[Release] = to_many(
        lists.RELEASES, "t.next_release_id", "The releases that point to it."
    )
    devices: Connection[Device] = to_many(
        lists.DEVICES, "t.reported_release_id", "The devices that report to run it."
    )
    events: Connection[Event] = to_many(lists.EVENTS, "t.subject_id", EVENTS_OF)

    @derived("Whether all paths of its cohort end in it.", needs=("next_release_id",))
    def is_latest(self, root: strawberry.Parent[models.Release]) -> bool:
        return root.next_release_id is None

    @derived("Whether its date is in the future.", needs=("scheduled_at",))
    def is_scheduled(self, root: strawberry.Parent[models.Release], info: Info) -> bool:
        return root.scheduled_at is not None and root.scheduled_at > info.context.at

    @derived(
        "Whether it is open to a part of the cohort only.", needs=("phase_value", "phase_tags")
    )
    def is_phased(self, root: strawberry.Parent[models.Release]) -> bool:
        return bool(root.phase_tags) or root.phase_value not in (None, "1", "1.0")

    @derived(
        "Whom it is open to; null where that is everyone.", needs=("phase_value", "phase_tags")
    )
    def phase(self, root: strawberry.Parent[models.Release]) -> Phase | None:
        return phase_of(root)

    @edge("The destroyed binaries for which it serves no device; empty where it serves.")
    async def affected_by(
        self, root: strawberry.Parent[models.Release], info: Info
    ) -> list[Binary]:
        return await answers.affecting(info.context, root)  # type: ignore[return-value]

    @edge("How far it has come among the devices of its cohort.")
    async def adoption(
        self, root: strawberry.Parent[models.Release], info: Info
    ) -> Annotated[Adoption, ROLLOUT]:
        return await fleet.adoption_of(info.context, root)  # type: ignore[return-value]


_OF_THE_FLEET = (Product, Cohort, Device, Release)
_OF_CONTENT = (Artifact, ArtifactVersion, Binary, BinaryPart, BinarySignature, SigningKey, Bundle)
_OF_THE_RECORD = (ApiKey, Event, Webhook, WebhookDelivery)
NODES: tuple[type[Any], ...] = (Organization, *_OF_THE_FLEET, *_OF_CONTENT, *_OF_THE_RECORD)
