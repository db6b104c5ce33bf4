"""Every reason for which a request fails that no rule forbids: one class, one code, on one page.

It is in the way in which it was sent, in the bytes, or in what the server lacks. The other page,
`errors`, has what the rules forbid.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.rules.refusal import BinderyError

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
