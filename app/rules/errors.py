"""Every reason for which Bindery refuses something: one class, one code, on one page.
A class states its facts as keyword-only fields, so that a client decides without reading text.
Rules and actions raise; the doors translate. `http_status` is what the byte routes answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


@dataclass(eq=False)
class BinderyError(Exception):
    """The base of every refusal. `path` names the input field concerned, outermost first."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    http_status: ClassVar[int] = 400

    message: str
    path: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__init__(self.message)

    @property
    def facts(self) -> dict[str, Any]:
        """The machine-readable facts of this refusal: every field but the message and the path."""
        basics = {"message", "path"}
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in basics}


# Who is asking.


class Unauthenticated(BinderyError):
    """No API key was sent, or none that exists."""

    code = "UNAUTHENTICATED"
    http_status = 401


class KeyRevoked(Unauthenticated):
    """The API key existed and was revoked."""

    code = "KEY_REVOKED"


class KeyExpired(Unauthenticated):
    """The API key's expiry has passed."""

    code = "KEY_EXPIRED"


@dataclass(eq=False, kw_only=True)
class Forbidden(BinderyError):
    """The API key's role may not do this."""

    code = "FORBIDDEN"
    http_status = 403

    role: str


# What was asked.


class BadUserInput(BinderyError):
    """An input has the wrong form; the message says which rule, and what would be right."""

    code = "BAD_USER_INPUT"


class NotFound(BinderyError):
    """No such thing in this organization, be it unknown or another organization's."""

    code = "NOT_FOUND"
    http_status = 404


@dataclass(eq=False, kw_only=True)
class AlreadyExists(BinderyError):
    """A unique name, version, identifier or target is taken."""

    code = "ALREADY_EXISTS"
    http_status = 409

    existing_id: str


class InUse(BinderyError):
    """The thing can't be changed or removed, because others depend on it."""

    code = "IN_USE"
    http_status = 409


class ProductArchived(BinderyError):
    """The product is archived: it takes no new device, cohort or release."""

    code = "PRODUCT_ARCHIVED"
    http_status = 409


class IdempotencyKeyReused(BinderyError):
    """The idempotency key was used before, with another input."""

    code = "IDEMPOTENCY_KEY_REUSED"
    http_status = 409


class SecretAlreadyShown(BinderyError):
    """A secret is shown once; a replay has what it belongs to without it."""

    code = "SECRET_ALREADY_SHOWN"
    http_status = 409


class WebhookUrlRefused(BinderyError):
    """The server does not connect to this URL; the message says which rule it breaks."""

    code = "WEBHOOK_URL_REFUSED"


class WebhookDisabled(BinderyError):
    """The webhook is disabled, so nothing is sent to it; enable it first."""

    code = "WEBHOOK_DISABLED"
    http_status = 409


class WebhookLimit(BinderyError):
    """The organization has as many webhooks as it may have."""

    code = "WEBHOOK_LIMIT"
    http_status = 409


# The life of a binary.


@dataclass(eq=False, kw_only=True)
class InvalidTransition(BinderyError):
    """The present state does not allow this move."""

    code = "INVALID_TRANSITION"
    http_status = 409

    state: str
    available_transitions: Sequence[str]


@dataclass(eq=False, kw_only=True)
class Conflict(BinderyError):
    """The race was lost, or the expected revision is not the present one."""

    code = "CONFLICT"
    http_status = 409

    state: str
    revision: int
    available_transitions: Sequence[str]


@dataclass(eq=False, kw_only=True)
class PartsIncomplete(BinderyError):
    """The upload is not complete: indexes are missing, or the sizes don't add up."""

    code = "PARTS_INCOMPLETE"
    http_status = 409

    missing: Sequence[int]
    declared_size: int
    stored_size: int


class BadSignatureFormat(BinderyError):
    """The signature is not 64 bytes in hex, or not a canonical Ed25519 signature."""

    code = "BAD_SIGNATURE_FORMAT"


class BadSignature(BinderyError):
    """The signature does not verify under this key for this binary's hash."""

    code = "BAD_SIGNATURE"


@dataclass(eq=False, kw_only=True)
class BadPublicKey(BinderyError):
    """The public key is no Ed25519 key of full order."""

    code = "BAD_PUBLIC_KEY"

    reason: str


class KeyRetired(BinderyError):
    """The signing key is retired: it signs nothing new."""

    code = "KEY_RETIRED"
    http_status = 409


class LastSignature(BinderyError):
    """The last signature of a signed binary, or any of a destroyed one, stays."""

    code = "LAST_SIGNATURE"
    http_status = 409


# Bundles and releases.


@dataclass(eq=False, kw_only=True)
class VersionRefused(BinderyError):
    """The base of what is wrong with one artifact version of a bundle; `index` counts from 0."""

    index: int


class VersionNotSigned(VersionRefused):
    """The artifact version has no signed binary."""

    code = "VERSION_NOT_SIGNED"


class VersionAffected(VersionRefused):
    """A target of the artifact version has a destroyed binary and no signed replacement."""

    code = "VERSION_AFFECTED"


class DuplicateVersion(VersionRefused):
    """The artifact version is in the list twice."""

    code = "DUPLICATE_VERSION"


class VersionNotFound(VersionRefused):
    """No such artifact version in this organization."""

    code = "NOT_FOUND"
    http_status = 404


class BundleEmpty(BinderyError):
    """A bundle holds at least one artifact version."""

    code = "BUNDLE_EMPTY"


@dataclass(eq=False, kw_only=True)
class BundleAffected(BinderyError):
    """The bundle holds a target with a destroyed binary and no signed replacement."""

    code = "BUNDLE_AFFECTED"
    http_status = 409

    binary_ids: Sequence[str]


@dataclass(eq=False, kw_only=True)
class ReleaseGraph(BinderyError):
    """The edit would break the anti-arborescence of the cohort's releases; `rule` names how."""

    code = "RELEASE_GRAPH"
    http_status = 409

    rule: str


@dataclass(eq=False, kw_only=True)
class ReleaseConstrained(BinderyError):
    """A scheduled or phased release is involved where none may be; `rule` names how."""

    code = "RELEASE_CONSTRAINED"
    http_status = 409

    rule: str


# Destruction.


@dataclass(eq=False, kw_only=True)
class ImpactNotAccepted(BinderyError):
    """Releases would be newly affected, and no plan token that accepts them was sent."""

    code = "IMPACT_NOT_ACCEPTED"
    http_status = 409

    binary_ids: Sequence[str]
    release_ids: Sequence[str]


@dataclass(eq=False, kw_only=True)
class ImpactChanged(BinderyError):
    """The impact is no longer the accepted one: releases were added, or their flags changed."""

    code = "IMPACT_CHANGED"
    http_status = 409

    added: Sequence[str]
    removed: Sequence[str]


# Bytes.


class UrlInvalid(BinderyError):
    """The signed URL was changed, or never issued by this server."""

    code = "URL_INVALID"
    http_status = 403


class UrlExpired(BinderyError):
    """The signed URL's time is over; ask for a fresh one."""

    code = "URL_EXPIRED"
    http_status = 403


class MethodNotAllowed(BinderyError):
    """The URL is good for another HTTP method."""

    code = "METHOD_NOT_ALLOWED"
    http_status = 405


class UploadSuperseded(BinderyError):
    """The part was replaced, the binary reset, or its upload finished."""

    code = "UPLOAD_SUPERSEDED"
    http_status = 410


class ContentDestroyed(BinderyError):
    """The binary was destroyed, its content is gone for good."""

    code = "CONTENT_DESTROYED"
    http_status = 410


class ContentCorrupt(BinderyError):
    """The stored bytes are missing, or no longer those that were verified."""

    code = "CONTENT_CORRUPT"
    http_status = 500


@dataclass(eq=False, kw_only=True)
class InvalidSize(BinderyError):
    """The part's bytes are fewer or more than declared; they were discarded."""

    code = "INVALID_SIZE"

    declared_size: int
    received_size: int


@dataclass(eq=False, kw_only=True)
class InvalidHash(BinderyError):
    """The part's bytes have another SHA-256 than declared; they were discarded."""

    code = "INVALID_HASH"

    declared_hash: str
    received_hash: str


class BadRequest(BinderyError):
    """The HTTP request has the wrong form."""

    code = "BAD_REQUEST"


class LengthRequired(BadRequest):
    """A part is sent with a Content-Length that equals its declared size."""

    code = "LENGTH_REQUIRED"


class UnsupportedMediaType(BinderyError):
    """The request's media type or content coding is not taken here."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415


class UploadTimeout(BinderyError):
    """The client stalled for longer than the deadline."""

    code = "UPLOAD_TIMEOUT"
    http_status = 408


class QueryTimeout(BinderyError):
    """The query took longer than it may; ask for less, or for smaller pages."""

    code = "QUERY_TIMEOUT"


# What the server itself lacks.


@dataclass(eq=False, kw_only=True)
class QuotaExceeded(BinderyError):
    """The organization's parts would take more bytes than it may have."""

    code = "QUOTA_EXCEEDED"
    http_status = 507

    limit: int
    used: int


class StorageFull(BinderyError):
    """The disk is too full to take this; nothing was stored."""

    code = "STORAGE_FULL"
    http_status = 507


class StorageDegraded(BinderyError):
    """The disk failed a write or an fsync; nothing was acknowledged, writes are refused."""

    code = "STORAGE_DEGRADED"
    http_status = 503


class DatabaseUnavailable(BinderyError):
    """The database does not answer; try again after a while."""

    code = "DATABASE_UNAVAILABLE"
    http_status = 503
