"""Rows: Tortoise fields and relations. Nothing here decides."""

from app.models.access import ApiKey, Event
from app.models.artifact import Artifact, ArtifactVersion
from app.models.binary import (
    Binary,
    BinaryPart,
    ContentScrub,
    StorageGarbage,
    StorageIntent,
    StorageUpload,
    StorageUsage,
)
from app.models.bundle import Bundle, BundleVersion
from app.models.device import CohortDevices, Device
from app.models.idempotency import Idempotency
from app.models.process import Process
from app.models.product import Cohort, Product
from app.models.record import Organization, Owned, Record
from app.models.release import Release, ReleaseClaim, ReleaseClaimCount
from app.models.signature import BinarySignature, SigningKey
from app.models.webhook import Webhook, WebhookDelivery, WebhookLane

__all__ = [
    "ApiKey",
    "Artifact",
    "ArtifactVersion",
    "Binary",
    "BinaryPart",
    "BinarySignature",
    "Bundle",
    "BundleVersion",
    "Cohort",
    "CohortDevices",
    "ContentScrub",
    "Device",
    "Event",
    "Idempotency",
    "Organization",
    "Owned",
    "Process",
    "Product",
    "Record",
    "Release",
    "ReleaseClaim",
    "ReleaseClaimCount",
    "SigningKey",
    "StorageGarbage",
    "StorageIntent",
    "StorageUpload",
    "StorageUsage",
    "Webhook",
    "WebhookDelivery",
    "WebhookLane",
]
