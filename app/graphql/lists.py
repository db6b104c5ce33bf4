"""The lists of the schema: their filters, their orders, and what they are read from."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry

from app import models
from app.graphql.enums import Direction
from app.graphql.listing import Listing, containing, hashed, narrow
from app.graphql.scalars import DateTime, Sha256
from app.reads.pages import Condition, Source
from app.rules.access import Role
from app.rules.binary import ContentHealth, State, VerificationStatus
from app.rules.prn import Kind
from app.rules.webhook import DeliveryState

_IDS = {"CREATED_AT": "t.id"}
_NAMES = {**_IDS, "NAME": "t.name", "UPDATED_AT": "t.updated_at"}
_ORDERS = {
    "CREATED_AT": "By time of creation.",
    "NAME": "By name.",
    "UPDATED_AT": "By time of the last change.",
    "VERSION": "By version, as text.",
    "TARGET": "By target.",
    "SIZE": "By size.",
    "STATE": "By state, alphabetically.",
    "IDENTIFIER": "By identifier.",
    "POSITION": "By place in the bundle.",
}


def _order(thing: str, orders: dict[str, str]) -> type[Any]:
    """The input type and the enum of a list's orders."""
    members: Any = Enum(f"{thing}OrderField", {name: name for name in orders})  # type: ignore[misc]
    enum: Any = strawberry.enum(members, description=f"What {thing} lists can be ordered by.")
    for value in enum.__strawberry_definition__.values:
        value.description = _ORDERS[value.name]
    namespace = {
        "__annotations__": {"field": enum, "direction": Direction},
        "field": strawberry.field(description="What to order by; the id decides between equals."),
        "direction": strawberry.field(default=Direction.ASC, description="Upward or downward."),
    }
    order: type[Any] = strawberry.input(
        type(f"{thing}Order", (), namespace), description=f"How to order a list of {thing}s."
    )
    return order


def _listing(
    model: type[Any], filter: type[Any], orders: dict[str, str], *, descending: bool = False
) -> Listing:
    thing = model.__name__
    return Listing(thing, Source(model), filter, _order(thing, orders), orders, descending)


@strawberry.input(description="Which products to list.")
class ProductFilter:
    """Narrows a list of products."""

    archived: bool | None = narrow("t.archived = {}", "Only archived ones, or only others.")
    name_contains: str | None = containing("t.name", "Only those with this text in their name.")
    target: str | None = narrow("t.target = {}", "Only those of this target.")


@strawberry.input(description="Which cohorts to list.")
class CohortFilter:
    """Narrows a list of cohorts."""

    name_contains: str | None = containing("t.name", "Only those with this text in their name.")
    product_id: strawberry.ID | None = narrow(
        "t.product_id = {}", "Only those of this product.", kind=Kind.PRODUCT
    )


@strawberry.input(description="Which devices to list.")
class DeviceFilter:
    """Narrows a list of devices."""

    cohort_id: strawberry.ID | None = narrow(
        "t.cohort_id = {}", "Only those of this cohort.", kind=Kind.COHORT
    )
    identifier: str | None = narrow("t.identifier = {}", "Only the one of this identifier.")
    identifier_contains: str | None = containing(
        "t.identifier", "Only those with this text in their identifier."
    )
    product_id: strawberry.ID | None = narrow(
        "t.product_id = {}", "Only those of this product.", kind=Kind.PRODUCT
    )
    quarantined: bool | None = narrow("t.quarantined = {}", "Only quarantined ones, or others.")
    reported_release_id: strawberry.ID | None = narrow(
        "t.reported_release_id = {}", "Only those that report this release.", kind=Kind.RELEASE
    )


@strawberry.input(description="Which artifacts to list.")
class ArtifactFilter:
    """Narrows a list of artifacts."""

    name: str | None = narrow("t.name = {}", "Only those of this name.")
    name_contains: str | None = containing("t.name", "Only those with this text in their name.")


@strawberry.input(description="Which artifact versions to list.")
class ArtifactVersionFilter:
    """Narrows a list of artifact versions."""

    artifact_id: strawberry.ID | None = narrow(
        "t.artifact_id = {}", "Only those of this artifact.", kind=Kind.ARTIFACT
    )
    version: str | None = narrow("t.version = {}", "Only this version.")


@strawberry.input(description="Which binaries to list.")
class BinaryFilter:
    """Narrows a list of binaries."""

    artifact_id: strawberry.ID | None = narrow(
        "t.artifact_version_id IN (SELECT id FROM artifact_version WHERE artifact_id = {})",
        "Only those of this artifact.",
        kind=Kind.ARTIFACT,
    )
    artifact_version_id: strawberry.ID | None = narrow(
        "t.artifact_version_id = {}",
        "Only those of this artifact version.",
        kind=Kind.ARTIFACT_VERSION,
    )
    content_health: list[ContentHealth] | None = narrow(
        "t.content_health IN {}", "Only those whose content is in one of these conditions."
    )
    hash: Sha256 | None = hashed("t.hash = {}", "Only those of this hash.")
    state: list[State] | None = narrow("t.state IN {}", "Only those in one of these states.")
    target: str | None = narrow("t.target = {}", "Only those of this target.")
    verification_status: list[VerificationStatus] | None = narrow(
        "t.verification_status IN {}", "Only those whose verification has come so far."
    )


@strawberry.input(description="Which signing keys to list.")
class SigningKeyFilter:
    """Narrows a list of signing keys."""

    fingerprint: Sha256 | None = hashed("t.fingerprint = {}", "Only the one of this fingerprint.")
    retired: bool | None = narrow("t.retired = {}", "Only retired ones, or only others.")


@strawberry.input(description="Which signatures to list.")
class BinarySignatureFilter:
    """Narrows a list of signatures."""

    binary_id: strawberry.ID | None = narrow(
        "t.binary_id = {}", "Only those of this binary.", kind=Kind.BINARY
    )


@strawberry.input(description="Which bundles to list.")
class BundleFilter:
    """Narrows a list of bundles."""

    artifact_version_id: strawberry.ID | None = narrow(
        "t.id IN (SELECT bundle_id FROM bundle_version WHERE artifact_version_id = {})",
        "Only those that hold this artifact version.",
        kind=Kind.ARTIFACT_VERSION,
    )
    name_contains: str | None = containing("t.name", "Only those with this text in their name.")


@strawberry.input(description="Which releases to list.")
class ReleaseFilter:
    """Narrows a list of releases."""

    archived: bool | None = narrow("t.archived = {}", "Only archived ones, or only others.")
    bundle_id: strawberry.ID | None = narrow(
        "t.bundle_id = {}", "Only those of this bundle.", kind=Kind.BUNDLE
    )
    cohort_id: strawberry.ID | None = narrow(
        "t.cohort_id = {}", "Only those of this cohort.", kind=Kind.COHORT
    )
    disabled: bool | None = narrow("t.disabled = {}", "Only disabled ones, or only others.")
    name_contains: str | None = containing("t.name", "Only those with this text in their name.")
    required: bool | None = narrow("t.required = {}", "Only required ones, or only others.")


@strawberry.input(description="Which API keys to list.")
class ApiKeyFilter:
    """Narrows a list of API keys."""

    device_id: strawberry.ID | None = narrow(
        "t.device_id = {}", "Only those of this device.", kind=Kind.DEVICE
    )
    role: list[Role] | None = narrow("t.role IN {}", "Only those of one of these roles.")


@strawberry.input(description="Which events to list.")
class EventFilter:
    """Narrows the audit record."""

    kind: list[str] | None = narrow("t.kind IN {}", "Only these kinds, such as `binary.destroy`.")
    since: DateTime | None = narrow("t.time >= {}", "Only from this moment on.")
    until: DateTime | None = narrow("t.time < {}", "Only before this moment.")


@strawberry.input(description="Which webhooks to list.")
class WebhookFilter:
    """Narrows a list of webhooks."""

    enabled: bool | None = narrow("t.enabled = {}", "Only enabled ones, or only others.")
    name_contains: str | None = containing("t.name", "Only those with this text in their name.")


@strawberry.input(description="Which deliveries to list.")
class WebhookDeliveryFilter:
    """Narrows the log of deliveries."""

    state: list[DeliveryState] | None = narrow("t.state IN {}", "Only those that came so far.")
    webhook_id: strawberry.ID | None = narrow(
        "t.webhook_id = {}", "Only those to this webhook.", kind=Kind.WEBHOOK
    )


PRODUCTS = _listing(models.Product, ProductFilter, _NAMES)
COHORTS = _listing(models.Cohort, CohortFilter, _NAMES)
DEVICES = _listing(
    models.Device,
    DeviceFilter,
    {**_IDS, "IDENTIFIER": "t.identifier", "UPDATED_AT": "t.updated_at"},
)
ARTIFACTS = _listing(models.Artifact, ArtifactFilter, _NAMES)
ARTIFACT_VERSIONS = _listing(
    models.ArtifactVersion, ArtifactVersionFilter, {**_IDS, "VERSION": "t.version"}
)
BINARIES = _listing(
    models.Binary,
    BinaryFilter,
    {
        **_IDS,
        "SIZE": "t.size",
        "STATE": "t.state",
        "TARGET": "t.target",
        "UPDATED_AT": "t.updated_at",
    },
)
SIGNING_KEYS = _listing(models.SigningKey, SigningKeyFilter, _NAMES)
SIGNATURES = _listing(models.BinarySignature, BinarySignatureFilter, _IDS)
BUNDLES = _listing(models.Bundle, BundleFilter, _NAMES)
RELEASES = _listing(models.Release, ReleaseFilter, _NAMES)
API_KEYS = _listing(models.ApiKey, ApiKeyFilter, _NAMES)
EVENTS = _listing(models.Event, EventFilter, _IDS, descending=True)
WEBHOOKS = _listing(models.Webhook, WebhookFilter, _NAMES)
WEBHOOK_DELIVERIES = _listing(models.WebhookDelivery, WebhookDeliveryFilter, _IDS, descending=True)

_POSITIONS = {"POSITION": "x.position", **ARTIFACT_VERSIONS.orders}
BUNDLE_VERSIONS = Listing(
    "BundleVersion",
    Source(models.ArtifactVersion, "JOIN bundle_version x ON x.artifact_version_id = t.id"),
    ArtifactVersionFilter,
    _order("BundleArtifactVersion", _POSITIONS),
    _POSITIONS,
)
HISTORY = (
    Condition(
        "t.kind IN {}",
        ("device.claim", "device.install_failed", "device.installed", "device.report"),
    ),
)
"""What makes an event of a device part of its history."""
