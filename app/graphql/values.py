"""Object types without an id: what a few columns of a row say together."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import strawberry

from app import models
from app.graphql.fields import plain
from app.graphql.scalars import BigInt, DateTime, Sha256
from app.rules import binary as rules
from app.rules.webhook import Failure


@strawberry.type(description="What an organization's content takes.")
class Storage:
    used: BigInt = plain("Bytes of all its parts, whether they have come or not.", name="usedBytes")
    quota: BigInt | None = plain("Bytes that these may be; null: any number.", name="quotaBytes")


@strawberry.type(description="The server's own verification of a binary's content.")
class Verification:
    status: rules.VerificationStatus = plain("How far it has come.", name="status")
    bytes_hashed: BigInt = plain("Bytes read so far.")
    computed_hash: Sha256 | None = plain("The SHA-256 that was computed, once it was.")
    computed_size: BigInt | None = plain("The size in bytes that was read, once it was.")
    attempts: int = plain("How often it was begun.")
    error: str | None = plain("Why it failed, or is tried again.")


VERIFICATION: Final = (
    "verification_status",
    "bytes_hashed",
    "computed_hash",
    "computed_size",
    "verification_attempts",
    "verification_error",
)
"""The columns of a binary that `verification_of` looks at."""


def verification_of(row: models.Binary) -> Verification | None:
    """What the row says of it, None before hashing was started."""
    if row.verification_status is None:
        return None
    return Verification(
        status=row.verification_status,
        bytes_hashed=BigInt(row.bytes_hashed),
        computed_hash=None if row.computed_hash is None else Sha256(row.computed_hash),
        computed_size=None if row.computed_size is None else BigInt(row.computed_size),
        attempts=row.verification_attempts,
        error=row.verification_error,
    )


@strawberry.type(description="An HTTP header to send.")
class HttpHeader:
    name: str = plain("The header's name.")
    value: str = plain("The header's value.")


@strawberry.type(description="Whom a release is open to; a value or tags.")
class Phase:
    value: float | None = plain("A fraction of the cohort's devices, or a number from 2 on.")
    tags: list[str] = plain("Devices with one of these tags; empty where a value counts.")


def phase_of(row: models.Release) -> Phase | None:
    """What the row says of it, None where the release is open to everyone."""
    if row.phase_value is None and not row.phase_tags:
        return None
    value = None if row.phase_value is None else float(row.phase_value)
    return Phase(value=value, tags=row.phase_tags)


@strawberry.type(description="One attempt to deliver an event.")
class WebhookAttempt:
    at: DateTime = plain("When it began.")
    milliseconds: int = plain("How long it took.")
    status: int | None = plain("The HTTP status of the answer, if there was one.")
    failure: Failure | None = plain("Why it failed; null where the receiver took it.")


def attempt_of(told: dict[str, Any]) -> WebhookAttempt:
    """An attempt as a delivery's row tells of it."""
    return WebhookAttempt(
        at=DateTime(datetime.fromisoformat(told["at"])),
        milliseconds=told["milliseconds"],
        status=told["status"],
        failure=told["failure"] and Failure(told["failure"]),
    )
