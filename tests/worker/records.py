"""Records in hashing, with their content, as an upload would have left them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app import database
from app.actions import usage
from app.actions.unit import Actor
from app.models import Artifact, ArtifactVersion, Binary, BinaryPart, Event, Organization
from app.rules.access import Role
from app.rules.binary import State, VerificationStatus
from app.rules.part import PartState
from app.storage.content import ContentStore, Digest

_numbers = itertools.count(1)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
"""Long ago."""


def future() -> datetime:
    """Long after any test."""
    return datetime.now(UTC) + timedelta(days=1)


async def version() -> ArtifactVersion:
    """An artifact version of an organization of its own."""
    organization = await Organization.create(name=f"organization {next(_numbers)}")
    artifact = await Artifact.create(organization_id=organization.id, name="firmware")
    return await ArtifactVersion.create(
        organization_id=organization.id, artifact_id=artifact.id, version="1"
    )


async def hashing(
    of: ArtifactVersion, parts: list[bytes], *, store: ContentStore | None = None, **values: Any
) -> Binary:
    """A binary in HASHING and PENDING with these parts; `store` gets their bytes."""
    content = b"".join(parts)
    binary = await Binary.create(
        organization_id=of.organization_id,
        artifact_version_id=of.id,
        target=f"target-{next(_numbers)}",
        hash=hashlib.sha256(content).hexdigest(),
        size=len(content),
        state=State.UPLOADABLE,
    )
    # Against the order of the indexes, which alone counts.
    for index, data in reversed(list(enumerate(parts, start=1))):
        part = await BinaryPart.create(
            organization_id=of.organization_id,
            binary_id=binary.id,
            index=index,
            size=len(data),
            hash=hashlib.sha256(data).hexdigest(),
            state=PartState.VALID,
            blob=hashlib.md5(f"{binary.id} {index}".encode()).hexdigest(),
        )
        if store is not None:
            assert part.blob is not None
            await write(store, part.blob, data)
    await usage.recount(of.organization_id, using=database.writer())
    # Last, as workers may be looking for it.
    await Binary.filter(id=binary.id).update(
        **{
            "state": State.HASHING,
            "verification_status": VerificationStatus.PENDING,
            "bytes_uploaded": len(content),
            "revision": 3,
            **values,
        }
    )
    return await Binary.get(id=binary.id)


async def write(store: ContentStore, blob: str, data: bytes) -> None:
    """Stores a blob under a name that its row has already."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    await store.write(blob, chunks(), expect=Digest(hashlib.sha256(data).hexdigest(), len(data)))


async def blobs(binary: Binary) -> list[str]:
    """The names of a binary's blobs, in order of the parts."""
    rows = await BinaryPart.filter(binary_id=binary.id).order_by("index")
    return [str(row.blob) for row in rows]


def server_of(binary: Binary) -> Actor:
    """The server itself, acting in the binary's organization."""
    return Actor(organization_id=binary.organization_id, role=Role.ADMIN)


async def present(binary: Binary) -> Any:
    """The binary as it is now. Any: the types of Tortoise's fields don't know of NULL."""
    return await Binary.get(id=binary.id)


async def facts(binary: Binary) -> dict[str, Any]:
    """Every column of the binary as it is now: to see that nothing changed."""
    (row,) = await Binary.filter(id=binary.id).values()
    return row


async def events(subject_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    """The kinds of a subject's Events, and the facts after each, in order."""
    rows = await Event.filter(subject_id=subject_id).order_by("id")
    return [(row.kind, row.after) for row in rows]
