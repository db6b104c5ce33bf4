"""How webhooks are signed, what they say, and when they are tried again.

The form is that of Standard Webhooks (https://www.standardwebhooks.com), so that receivers can use
what there is for it. A secret is worked out from the server's own, and stored nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

Json = dict[str, Any]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - it only begins one.
RETRIED_FOR: Final = timedelta(days=3)
"""How long after an event, or after it was asked for again, its delivery is tried."""
LONGEST_PAUSE: Final = timedelta(hours=4)
OVERLAP_SECONDS: Final = 86_400
"""How long the secret before the last rotation is good too, if nothing else is said."""
MAX_OVERLAP_SECONDS: Final = 7 * 86_400
MAX_WEBHOOKS: Final = 100
"""How many an organization may have: each event is written down for each of them."""
MAX_ATTEMPTS: Final = 50
"""How many attempts a delivery tells of, the last ones."""

_PURPOSE: Final = "bindery-webhook-1"
_DOUBLINGS: Final = 30


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class Failure(StrEnum):
    """Why an attempt failed, in one word."""

    STATUS = "STATUS"
    REDIRECT = "REDIRECT"
    TIMEOUT = "TIMEOUT"
    UNRESOLVED = "UNRESOLVED"
    ADDRESS_REFUSED = "ADDRESS_REFUSED"
    CONNECTION_FAILED = "CONNECTION_FAILED"
    TLS_FAILED = "TLS_FAILED"
    BAD_ANSWER = "BAD_ANSWER"
    KEY_CHANGED = "KEY_CHANGED"


def secret(key: bytes, *, organization_id: UUID, webhook_id: UUID, generation: int) -> bytes:
    """The 32 bytes that sign a webhook's deliveries; another generation has others."""
    covered = f"{_PURPOSE}\n{organization_id}\n{webhook_id}\n{generation}"
    return hmac.digest(key, covered.encode(), "sha256")


def written(secret: bytes) -> str:
    """A secret as it is shown to whoever sets up the receiver."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def fingerprint(secret: bytes) -> str:
    """What is stored of a secret, by which another one is told from it.

    A process with another key would sign by other secrets, and receivers would refuse it all.
    """
    return hashlib.sha256(f"{_PURPOSE}-check\n".encode() + secret).hexdigest()


def headers(message_id: str, body: bytes, *, at: int, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers by which a receiver tells who sent a body, when, and whether it came before.

    `at` is in unix seconds, and each attempt has its own. There is one signature for each secret,
    over `id.timestamp.body`.
    """
    covered = f"{message_id}.{at}.".encode() + body
    signatures = (
        "v1," + base64.b64encode(hmac.digest(one, covered, "sha256")).decode() for one in secrets
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }


def pause(attempts: int, *, first_seconds: float, jitter: float) -> timedelta:
    """How long to wait after `attempts` (from 1) attempts that failed.

    It doubles from `first_seconds` to 4 hours. `jitter` from 0 to 1 shortens it by up to a half, so
    that a receiver that comes back is not met by all at once.
    """
    doubled = first_seconds * 2 ** min(attempts - 1, _DOUBLINGS)
    longest = min(LONGEST_PAUSE.total_seconds(), doubled)
    return timedelta(seconds=longest * (1 - jitter / 2))


def failure_of(status: int) -> Failure | None:
    """What an HTTP status means: 2xx is success, and a redirection is not followed."""
    if 200 <= status < 300:
        return None
    return Failure.REDIRECT if 300 <= status < 400 else Failure.STATUS


def logged(attempts: Sequence[Json], attempt: Json) -> list[Json]:
    """The attempts with one more, of which only the last are kept."""
    return [*attempts, attempt][-MAX_ATTEMPTS:]
