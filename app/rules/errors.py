"""Every reason for which the rules forbid something: one class, one code, on one page.

The other page, `failures`, has what goes wrong with a request that no rule forbids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.rules.refusal import BinderyError

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
