"""The enums of the schema: those of the rules, with their descriptions."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, TypeVar

import strawberry

from app.actions.poll import Outcome
from app.rules.access import Role
from app.rules.binary import ContentHealth, Move, State, VerificationStatus
from app.rules.impact import Effect
from app.rules.part import PartState
from app.rules.resolution import Status
from app.rules.trace import Reason
from app.rules.version import BinaryReason, Match
from app.rules.webhook import DeliveryState, Failure

E = TypeVar("E", bound=type[Enum])


class Direction(StrEnum):
    """Which way a list is ordered."""

    ASC = "ASC"
    DESC = "DESC"


class ImpactReason(StrEnum):
    """Why a release of an impact matters as much as it does."""

    TARGET_LOST = "TARGET_LOST"
    TARGET_LOST_BEFORE = "TARGET_LOST_BEFORE"
    REQUIRED = "REQUIRED"
    LATEST = "LATEST"
    ARCHIVED = "ARCHIVED"


def _describe(enum: E, name: str, description: str, **values: str) -> E:
    """Registers an enum under a name, with a description of itself and of every value."""
    missing = {member.name for member in enum} ^ values.keys()
    if missing:
        raise TypeError(f"{name}: {missing} lack a description, or have one in vain")
    registered: Any = strawberry.enum(enum, name=name, description=description)
    for value in registered.__strawberry_definition__.values:
        value.description = values[value.name]
    return enum


_describe(
    Direction, "OrderDirection", "Which way a list is ordered.", ASC="Upward.", DESC="Downward."
)
_describe(
    Role,
    "Role",
    "What an API key may do.",
    READ="Every query.",
    WRITE="Queries, and mutations but those of keys, signing keys, webhooks and destruction.",
    ADMIN="Everything.",
    DEVICE="Its own device's poll and report, and nothing else.",
)
_describe(
    State,
    "BinaryState",
    "Where a binary is in its life.",
    UPLOADABLE="It awaits its content.",
    HASHABLE="The upload is complete.",
    HASHING="The server verifies the content, or found it wrong.",
    SIGNABLE="The content is verified; a signature is awaited.",
    SIGNED="Complete, and ready for bundles.",
    DESTROYED="The content is gone for good; the record stays.",
)
_describe(
    Move,
    "BinaryTransition",
    "A move in a binary's life.",
    FINISH_UPLOAD="`finishBinaryUpload`.",
    START_HASHING="`startBinaryHashing`.",
    PASS_VERIFICATION="Automatic, when verification passes.",  # noqa: S106
    SIGN="`signBinary`.",
    DESTROY="`destroyBinary` and `destroyBinaries`.",
    RESET="`resetBinary`.",
)
_describe(
    VerificationStatus,
    "VerificationStatus",
    "How far the server's verification of a binary's content has come.",
    PENDING="Queued.",
    RUNNING="Under way.",
    RETRYING="The content could not be read; it is tried again.",
    PASSED="Hash and size are those of the record.",
    FAILED="Hash or size differ; reset is the way out.",
)
_describe(
    ContentHealth,
    "ContentHealth",
    "What the last look at the stored content found.",
    OK="The bytes are those that were verified.",
    CORRUPT="The bytes differ.",
    MISSING="The bytes are not there.",
)
_describe(
    PartState,
    "BinaryPartState",
    "What became of a registered part.",
    UPLOADABLE="Its bytes are awaited.",
    VALID="Its bytes are stored, and are those declared.",
    INVALID_SIZE="Fewer or more bytes came than declared; they were discarded.",
    INVALID_HASH="Bytes of another SHA-256 came; they were discarded.",
)
_describe(
    Outcome,
    "InstallationOutcome",
    "What became of an installation.",
    INSTALLED="The device runs it.",
    FAILED="The device could not install it.",
)
_describe(
    Effect,
    "ImpactEffect",
    "What a destruction does to a release.",
    NEWLY_AFFECTED="It would stop serving devices.",
    ALREADY_AFFECTED="It serves no device already, because of another destroyed binary.",
)
_describe(
    Match,
    "BinaryMatch",
    "By which rule a binary was resolved.",
    TARGET_SPECIFIC="Its target is the device's.",
    PORTABLE="It is portable, and there is none of the device's target.",
    NONE="No binary fits.",
)
_describe(
    BinaryReason,
    "BinaryResolutionReason",
    "Why a binary was resolved, or none.",
    TARGET_MATCHED="A signed binary of the target.",
    PORTABLE_MATCHED="A signed portable binary, and no signed one of the target.",
    NO_BINARY_FOR_TARGET="There is no binary of the target, and no portable one.",
    NOT_SIGNED="There is one, but it is not signed.",
    CONTENT_CORRUPT="There is one, but its content is corrupt or missing.",
)
_describe(
    Status,
    "DeviceUpdateStatus",
    "What a device is told.",
    UPDATE="There is a release to install.",
    NO_UPDATE="There is none.",
    DEVICE_QUARANTINE="The device is quarantined.",
)
REASONS = {
    "SELECTED": "It is the answer.",
    "SKIPPED": "It is on the path, and may be skipped.",
    "REQUIRED": "It is required and can't be skipped; the path ends here for now.",
    "DISABLED": "It is disabled.",
    "ARCHIVED": "It is archived; the path runs through it.",
    "AFFECTED": "A binary of its bundle was destroyed and not replaced.",
    "SCHEDULED": "Its date is in the future.",
    "PHASE_FULL": "Its phase has no place left.",
    "PHASE_HALTED": "Its phase halted after failed installations.",
    "TAG_MISMATCH": "Its phase is for other tags.",
    "VERSION_REQUIREMENT": "The device's version does not satisfy its requirement.",
    "NO_COMPATIBLE_BINARY": "A version of its bundle has no signed binary for the device.",
    "CONTENT_CORRUPT": "The content of a binary that it needs is corrupt or missing.",
    "PINNED": "The device is pinned.",
    "QUARANTINED": "The device is quarantined.",
    "NO_COHORT": "The device is in no cohort.",
    "NO_MATCHING_VERSION": "The reported version fits nowhere in the cohort's releases.",
    "UP_TO_DATE": "There is nothing after what the device runs.",
    "PRODUCT_ARCHIVED": "The product is archived.",
}
"""Why a release is or is not the answer, in words."""

_describe(Reason, "ResolutionReason", "Why a release is or is not the answer.", **REASONS)
_describe(
    ImpactReason,
    "ImpactReason",
    "Why a release of an impact matters as much as it does.",
    TARGET_LOST="A target of its bundle would lose its only signed binary.",
    TARGET_LOST_BEFORE="A target of its bundle lost its only signed binary before.",
    REQUIRED="It is required: devices before it would be stuck.",
    LATEST="It is the latest of its cohort.",
    ARCHIVED="It is archived, so no device waits for it.",
)
_describe(
    DeliveryState,
    "WebhookDeliveryState",
    "How far a delivery has come.",
    PENDING="It waits for its turn, or for its next attempt.",
    DELIVERED="The receiver took it.",
    DEAD="It was tried for three days, and given up.",
)
_describe(
    Failure,
    "WebhookFailure",
    "Why an attempt to deliver failed.",
    STATUS="The receiver answered with a status that is none of success.",
    REDIRECT="The receiver sent elsewhere, which is not followed.",
    TIMEOUT="The receiver did not answer in time.",
    UNRESOLVED="The name has no address.",
    ADDRESS_REFUSED="The URL, or an address of its name, is one that nothing is sent to.",
    CONNECTION_FAILED="There was no connection, or it was lost.",
    TLS_FAILED="The receiver's certificate is not good for its name, or TLS failed.",
    BAD_ANSWER="The receiver did not answer by HTTP.",
    KEY_CHANGED="The server's own secret is another one; rotate the webhook's.",
)
