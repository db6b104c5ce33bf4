"""Mutations of signing keys and signatures."""

from __future__ import annotations

from typing import Any

import strawberry

from app.actions import signature as actions
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, given, mutation, optional
from app.graphql.types import Binary, SigningKey
from app.rules.prn import Kind


def _key(info: Info, name: str) -> Any:
    return info.context.uuid(name, Kind.SIGNING_KEY, "input", "signingKeyId")


@strawberry.input(description="A signing key to register.")
class CreateSigningKeyInput(MutationInput):
    """What `createSigningKey` takes."""

    name: str = given("1 to 128 characters.")
    public_key: str = given("An Ed25519 public key, as PEM or as base64 of its 32 bytes.")


@mutation(
    "Registers a public key; the private key never reaches the server.",
    signing_key=(SigningKey, "The signing key."),
)
async def create_signing_key(info: Info, input: CreateSigningKeyInput) -> Any:
    return await actions.create_signing_key(
        info.context.actor, name=input.name, public_key=input.public_key
    )


@strawberry.input(description="A signing key to rename.")
class RenameSigningKeyInput(MutationInput):
    """What `renameSigningKey` takes."""

    signing_key_id: strawberry.ID = given("Which signing key.")
    name: str = given("Its new name.")


@mutation("Renames a signing key.", signing_key=(SigningKey, "The signing key."))
async def rename_signing_key(info: Info, input: RenameSigningKeyInput) -> Any:
    return await actions.rename_signing_key(
        info.context.actor, _key(info, input.signing_key_id), name=input.name
    )


@strawberry.input(description="A signing key to retire.")
class RetireSigningKeyInput(MutationInput):
    """What `retireSigningKey` takes."""

    signing_key_id: strawberry.ID = given("Which signing key.")


@mutation(
    "Retires a signing key for good: it signs nothing new, its signatures stay valid.",
    signing_key=(SigningKey, "The signing key."),
)
async def retire_signing_key(info: Info, input: RetireSigningKeyInput) -> Any:
    return await actions.retire_signing_key(info.context.actor, _key(info, input.signing_key_id))


@strawberry.input(description="A signing key to delete.")
class DeleteSigningKeyInput(MutationInput):
    """What `deleteSigningKey` takes."""

    signing_key_id: strawberry.ID = given("Which signing key.")


@mutation(
    "Deletes a signing key that signed nothing.",
    deleted_signing_key_id=(strawberry.ID, "The id that is no more."),
)
async def delete_signing_key(info: Info, input: DeleteSigningKeyInput) -> Any:
    await actions.delete_signing_key(info.context.actor, _key(info, input.signing_key_id))
    return input.signing_key_id


@strawberry.input(description="A signature to attach.")
class SignBinaryInput(MutationInput):
    """What `signBinary` takes."""

    binary_id: strawberry.ID = given("What is signed.")
    signing_key_id: strawberry.ID = given("Who signed.")
    signature: str = given(
        "The Ed25519 signature over the 64 characters of the lowercase hex SHA-256, as hex."
    )
    expected_revision: int | None = optional(
        "Refuse with CONFLICT unless the binary is at this revision."
    )


@mutation(
    "Attaches a signature, which the server verifies. A signable binary is signed by it."
    " It binds the content, not the binary's id or target.",
    binary=(Binary, "The binary, signed."),
)
async def sign_binary(info: Info, input: SignBinaryInput) -> Any:
    return await actions.sign_binary(
        info.context.actor,
        info.context.uuid(input.binary_id, Kind.BINARY, "input", "binaryId"),
        _key(info, input.signing_key_id),
        signature_=input.signature,
        expected_revision=input.expected_revision,
    )


@strawberry.input(description="A signature to delete.")
class DeleteBinarySignatureInput(MutationInput):
    """What `deleteBinarySignature` takes."""

    binary_signature_id: strawberry.ID = given("Which signature.")


@mutation(
    "Takes a further signature off a signed binary; its last one stays.",
    binary=(Binary, "The binary that it was on."),
)
async def delete_binary_signature(info: Info, input: DeleteBinarySignatureInput) -> Any:
    return await actions.delete_binary_signature(
        info.context.actor,
        info.context.uuid(
            input.binary_signature_id, Kind.BINARY_SIGNATURE, "input", "binarySignatureId"
        ),
    )


MUTATIONS = (
    create_signing_key,
    rename_signing_key,
    retire_signing_key,
    delete_signing_key,
    sign_binary,
    delete_binary_signature,
)
