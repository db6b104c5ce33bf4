"""Writes about binaries: the record, and each move that a caller may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.actions import moves
from app.actions.part import NewPart, check_parts, register
from app.actions.unit import Unit, action, prn
from app.models import ArtifactVersion, Binary, BinaryPart, BinarySignature
from app.rules import digest, part, target, text
from app.rules.access import Role
from app.rules.binary import DELETABLE, Move, State, VerificationStatus


@action(Role.WRITE)
async def create_binary(
    unit: Unit,
    artifact_version_id: UUID,
    *,
    target_: str,
    hash: str,
    size: int,
    description: str = "",
    custom_metadata: object = None,
    parts: Sequence[NewPart] = (),
    quota: int = 0,
) -> Binary:
    """Creates a binary's record, uploadable, and registers parts with it if there are any.

    `quota` is what the server grants, as `usage.count` takes it. Raises BadUserInput, NotFound,
    QuotaExceeded, and AlreadyExists for a target that a binary of the version has which is not
    destroyed.
    """
    values: dict[str, Any] = {
        "target": target.target(target_, path=("input", "target")),
        "hash": digest.sha256_hex(hash, path=("input", "hash")),
        "size": digest.size(size, path=("input", "size")),
        "description": text.description(description, field="description"),
        "custom_metadata": text.custom_metadata({} if custom_metadata is None else custom_metadata),
    }
    checked = check_parts(parts)
    version = await unit.find(
        ArtifactVersion, artifact_version_id, path=("input", "artifactVersionId")
    )
    await unit.refuse_taken(
        Binary,
        path=("input", "target"),
        what="a binary for this target in this artifact version",
        artifact_version_id=artifact_version_id,
        target=values["target"],
        state__not=State.DESTROYED,
    )
    binary = await Binary.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        artifact_version_id=artifact_version_id,
        state=State.UPLOADABLE,
        **values,
    )
    # Custom metadata may take a megabyte; it is told from its first change on.
    facts = {name: values[name] for name in ("target", "hash", "size", "description")}
    await unit.record(
        "binary.create",
        binary,
        after={**facts, "state": State.UPLOADABLE, "artifact_version": prn(version)},
    )
    await register(unit, binary, checked, quota=quota)
    return binary


@action(Role.WRITE)
async def update_binary(
    unit: Unit,
    binary_id: UUID,
    *,
    description: str | None = None,
    custom_metadata: object = None,
    hash: str | None = None,
    size: int | None = None,
    expected_revision: int | None = None,
) -> Binary:
    """Changes description and custom metadata before destroy; hash and size while uploadable.

    A new hash or size drops the parts. Raises InvalidTransition, Conflict, BadUserInput.
    """
    binary = await unit.held(Binary, binary_id, path=("input", "binaryId"))
    values: dict[str, Any] = {}
    if description is not None:
        values["description"] = text.description(description, field="description")
    if custom_metadata is not None:
        values["custom_metadata"] = text.custom_metadata(custom_metadata)
    if hash is not None:
        values["hash"] = digest.sha256_hex(hash, path=("input", "hash"))
    if size is not None:
        values["size"] = digest.size(size, path=("input", "size"))
    values = {name: value for name, value in values.items() if value != getattr(binary, name)}
    content_changes = {"hash", "size"} & values.keys()
    if binary.state is State.DESTROYED:
        raise moves.refusal(binary, "A binary can't be changed")
    if content_changes and binary.state is not State.UPLOADABLE:
        raise moves.refusal(binary, "Hash and size can't be changed")
    moves.expect(binary, expected_revision)
    if content_changes:
        await moves.drop_parts(unit, binary_id)
        values["bytes_uploaded"] = 0
    await unit.change("binary.update", binary, **values, revision=binary.revision + bool(values))
    return binary


@action(Role.WRITE)
async def finish_binary_upload(
    unit: Unit,
    binary_id: UUID,
    *,
    start_hashing: bool = False,
    expected_revision: int | None = None,
) -> Binary:
    """Says that the upload is complete; with `start_hashing`, queues verification as well.

    Raises PartsIncomplete, InvalidTransition, Conflict, NotFound.
    """
    binary = await moves.move(
        unit, binary_id, Move.FINISH_UPLOAD, expected_revision=expected_revision
    )
    rows = await BinaryPart.filter(organization_id=unit.organization_id, binary_id=binary_id)
    facts = [part.PartFacts(index=row.index, size=row.size, state=row.state) for row in rows]
    part.check_complete(facts, declared_size=binary.size, path=("input", "binaryId"))
    return await _start(unit, binary_id) if start_hashing else binary


@action(Role.WRITE)
async def start_binary_hashing(
    unit: Unit, binary_id: UUID, *, expected_revision: int | None = None
) -> Binary:
    """Queues the server's own verification. Raises InvalidTransition, Conflict, NotFound."""
    return await _start(unit, binary_id, expected_revision=expected_revision)


async def _start(unit: Unit, binary_id: UUID, *, expected_revision: int | None = None) -> Binary:
    return await moves.move(
        unit,
        binary_id,
        Move.START_HASHING,
        expected_revision=expected_revision,
        values={"verification_status": VerificationStatus.PENDING},
    )


@action(Role.WRITE, on_full_disk=True)
async def reset_binary(
    unit: Unit, binary_id: UUID, *, expected_revision: int | None = None
) -> Binary:
    """Drops parts and content, so that a new upload may be made. Raises as every move does."""
    binary = await moves.move(unit, binary_id, Move.RESET, expected_revision=expected_revision)
    await moves.drop_parts(unit, binary_id)
    return binary


@action(Role.ADMIN, on_full_disk=True)
async def delete_binary(unit: Unit, binary_id: UUID) -> Binary:
    """Deletes record and parts of a binary that is neither signed nor destroyed.

    Gives the binary as it was. Raises InvalidTransition, NotFound.
    """
    binary = await unit.held(Binary, binary_id, path=("input", "binaryId"))
    if binary.state not in DELETABLE:
        raise moves.refusal(binary, "A binary can't be deleted")
    await moves.drop_parts(unit, binary_id)
    await BinarySignature.filter(organization_id=unit.organization_id, binary_id=binary_id).delete()
    await Binary.filter(organization_id=unit.organization_id, id=binary_id).delete()
    await unit.record(
        "binary.delete",
        binary,
        before={
            "state": binary.state,
            "target": binary.target,
            "hash": binary.hash,
            "size": binary.size,
            "artifact_version": binary.artifact_version_id,
        },
    )
    return binary
