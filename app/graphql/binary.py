"""Mutations of binaries: the record, the parts, and each move."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

import strawberry

from app import models
from app.actions import binary as actions
from app.actions import content, destruction, direct
from app.actions import part as part_actions
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, given, maybe, mutation, optional
from app.graphql.scalars import JSON, BigInt, Sha256
from app.graphql.types import Binary, BinaryPart
from app.rules.access import Role, require
from app.rules.prn import Kind

log = logging.getLogger("bindery.graphql")

REVISION = "Refuse with CONFLICT unless the binary is at this revision."


@strawberry.input(description="A part to register.")
class BinaryPartInput:
    """One part of a binary's content."""

    index: int = given("Its place, 1 to 10,000.")
    size: BigInt = given("Its size in bytes: at least 5 MiB but for the last, at most 5 GiB.")
    hash: Sha256 = given("The SHA-256 of its bytes.")

    def read(self) -> part_actions.NewPart:
        """The part as the actions take it."""
        return part_actions.NewPart(self.index, self.size, self.hash)


def _id(info: Info, name: str) -> UUID:
    return info.context.uuid(name, Kind.BINARY, "input", "binaryId")


@strawberry.input(description="A binary to create.")
class CreateBinaryInput(MutationInput):
    """What `createBinary` takes."""

    artifact_version_id: strawberry.ID = given("The version that it is the content of.")
    target: str = given("A target triplet, or `portable`.")
    hash: Sha256 = given("The SHA-256 of its content.")
    size: BigInt = given("The size of its content, in bytes.")
    description: str = given("Free text, at most 256 characters.", default="")
    custom_metadata: JSON | None = optional("A JSON object of at most 1,000,000 bytes.")
    parts: list[BinaryPartInput] | None = optional("Parts to register at once.")


@mutation(
    "Creates a binary's record; its content is uploaded in parts.",
    wakes=True,
    binary=(Binary, "The binary."),
)
async def create_binary(info: Info, input: CreateBinaryInput) -> Any:
    created = await actions.create_binary(
        info.context.actor,
        info.context.uuid(
            input.artifact_version_id, Kind.ARTIFACT_VERSION, "input", "artifactVersionId"
        ),
        target_=input.target,
        hash=input.hash,
        size=input.size,
        description=input.description,
        custom_metadata={} if input.custom_metadata is None else input.custom_metadata,
        parts=[part.read() for part in input.parts or ()],
        quota=info.context.server.settings.quota_bytes,
    )
    await _prepare(info, created.id)
    return created


@strawberry.input(description="A change of a binary.")
class UpdateBinaryInput(MutationInput):
    """What `updateBinary` takes."""

    binary_id: strawberry.ID = given("Which binary.")
    description: strawberry.Maybe[str | None] = maybe("Its new description.")
    custom_metadata: strawberry.Maybe[JSON | None] = maybe("Its new custom metadata.")
    hash: strawberry.Maybe[Sha256 | None] = maybe("Its new hash; drops the parts.")
    size: strawberry.Maybe[BigInt | None] = maybe("Its new size in bytes; drops the parts.")
    expected_revision: int | None = optional(REVISION)


@mutation(
    "Changes a binary: description and metadata before destroy, hash and size while uploadable.",
    wakes=True,
    binary=(Binary, "The binary."),
)
async def update_binary(info: Info, input: UpdateBinaryInput) -> Any:
    return await actions.update_binary(
        info.context.actor,
        _id(info, input.binary_id),
        description=input.description.value if input.description else None,
        custom_metadata=input.custom_metadata.value if input.custom_metadata else None,
        hash=input.hash.value if input.hash else None,
        size=input.size.value if input.size else None,
        expected_revision=input.expected_revision,
    )


@strawberry.input(description="Parts to register.")
class CreateBinaryPartsInput(MutationInput):
    """What `createBinaryParts` takes."""

    binary_id: strawberry.ID = given("Whose parts.")
    parts: list[BinaryPartInput] = given("At most 1,000 at once.")


@mutation(
    "Registers parts of an upload; each answer holds the URL to PUT its bytes to.",
    wakes=True,
    parts=(list[BinaryPart], "The parts, in the order given."),
)
async def create_binary_parts(info: Info, input: CreateBinaryPartsInput) -> Any:
    id = _id(info, input.binary_id)
    registered = await part_actions.create_binary_parts(
        info.context.actor,
        id,
        parts=[part.read() for part in input.parts],
        quota=info.context.server.settings.quota_bytes,
    )
    if not await _prepare(info, id):
        return registered
    # What has arrived in the bucket is known only now.
    return await info.context.loaders.one(models.BinaryPart).load_many(
        [part.id for part in registered]
    )


async def _prepare(info: Info, binary_id: UUID) -> bool:
    """Has an upload begun where clients send past the server; whether they do."""
    uploads = info.context.server.uploads
    if uploads is None:
        return False
    # This is no part of the mutation that an idempotency key is about: it may be done again.
    await direct.prepare(uploads, info.context.sender, binary_id)
    return True


@strawberry.input(description="An upload to finish.")
class FinishBinaryUploadInput(MutationInput):
    """What `finishBinaryUpload` takes."""

    binary_id: strawberry.ID = given("Whose upload.")
    start_hashing: bool = given("Queue the verification too.", default=False)
    expected_revision: int | None = optional(REVISION)


@mutation("Says that the upload is complete.", wakes=True, binary=(Binary, "The binary, hashable."))
async def finish_binary_upload(info: Info, input: FinishBinaryUploadInput) -> Any:
    id = _id(info, input.binary_id)
    if info.context.server.uploads is not None:
        require(info.context.actor.role, Role.WRITE)
        await direct.complete(info.context.server.uploads, info.context.sender, id)
    return await actions.finish_binary_upload(
        info.context.actor,
        id,
        start_hashing=input.start_hashing,
        expected_revision=input.expected_revision,
    )


@strawberry.input(description="A verification to queue.")
class StartBinaryHashingInput(MutationInput):
    """What `startBinaryHashing` takes."""

    binary_id: strawberry.ID = given("Whose content.")
    expected_revision: int | None = optional(REVISION)


@mutation(
    "Queues the server's own verification of the content.",
    wakes=True,
    binary=(Binary, "The binary, hashing."),
)
async def start_binary_hashing(info: Info, input: StartBinaryHashingInput) -> Any:
    return await actions.start_binary_hashing(
        info.context.actor,
        _id(info, input.binary_id),
        expected_revision=input.expected_revision,
    )


@strawberry.input(description="A binary to reset.")
class ResetBinaryInput(MutationInput):
    """What `resetBinary` takes."""

    binary_id: strawberry.ID = given("Which binary.")
    expected_revision: int | None = optional(REVISION)


@mutation(
    "Drops parts and content of a hashable, hashing or signable binary, for a new upload.",
    wakes=True,
    binary=(Binary, "The binary, uploadable."),
)
async def reset_binary(info: Info, input: ResetBinaryInput) -> Any:
    return await actions.reset_binary(
        info.context.actor,
        _id(info, input.binary_id),
        expected_revision=input.expected_revision,
    )


@strawberry.input(description="A binary to delete.")
class DeleteBinaryInput(MutationInput):
    """What `deleteBinary` takes."""

    binary_id: strawberry.ID = given("Which binary.")


@mutation(
    "Deletes record and parts of a binary that is neither signed nor destroyed.",
    wakes=True,
    deleted_binary_id=(strawberry.ID, "The id that is no more."),
)
async def delete_binary(info: Info, input: DeleteBinaryInput) -> Any:
    await actions.delete_binary(info.context.actor, _id(info, input.binary_id))
    return input.binary_id


@strawberry.input(description="A binary to destroy.")
class DestroyBinaryInput(MutationInput):
    """What `destroyBinary` takes."""

    binary_id: strawberry.ID = given("Which binary.")
    plan_token: str | None = optional("The token of the impact that you accept, if there is one.")
    expected_revision: int | None = optional(REVISION)


@mutation(
    "Destroys a signed binary: its content is erased for good, its record stays.",
    wakes=True,
    binary=(Binary, "The binary, destroyed."),
)
async def destroy_binary(info: Info, input: DestroyBinaryInput) -> Any:
    (destroyed,) = await destruction.destroy_binaries(
        info.context.actor,
        [_id(info, input.binary_id)],
        key=info.context.server.secret,
        plan_token=input.plan_token,
        expected_revision=input.expected_revision,
        several=False,
    )
    return (await _erased(info, [destroyed]))[0]


@strawberry.input(description="Binaries to destroy, all or none.")
class DestroyBinariesInput(MutationInput):
    """What `destroyBinaries` takes."""

    binary_ids: list[strawberry.ID] = given("Which binaries, at most 1,000.")
    plan_token: str | None = optional("The token of exactly this set's impact, if there is one.")


@mutation(
    "Destroys signed binaries, all or none.",
    wakes=True,
    binaries=(list[Binary], "The binaries, destroyed."),
)
async def destroy_binaries(info: Info, input: DestroyBinariesInput) -> Any:
    destroyed = await destruction.destroy_binaries(
        info.context.actor,
        [
            info.context.uuid(name, Kind.BINARY, "input", "binaryIds", str(index))
            for index, name in enumerate(input.binary_ids)
        ],
        key=info.context.server.secret,
        plan_token=input.plan_token,
    )
    return await _erased(info, destroyed)


async def _erased(info: Info, destroyed: list[models.Binary]) -> list[models.Binary]:
    """The binaries after their content was erased, or after a while if that takes longer.

    The worker goes on with what is left, and with what could not be erased.
    """
    server = info.context.server

    async def erase() -> None:
        for one in destroyed:
            await content.erase_garbage(server.store, binary_id=one.id)

    erasing = asyncio.create_task(erase())
    done, _ = await asyncio.wait([erasing], timeout=server.settings.erase_wait_seconds)
    for task in done:
        if task.exception() is not None:
            log.warning("content is not erased yet: %s", task.exception())
    loader = info.context.loaders.one(models.Binary)
    found: list[models.Binary] = await loader.load_many([one.id for one in destroyed])
    return found


MUTATIONS = (
    create_binary,
    update_binary,
    create_binary_parts,
    finish_binary_upload,
    start_binary_hashing,
    reset_binary,
    delete_binary,
    destroy_binary,
    destroy_binaries,
)
