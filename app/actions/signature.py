"""Writes about signing keys and signatures."""

from __future__ import annotations

from uuid import UUID

from app.actions import moves
from app.actions.unit import Unit, action, prn
from app.models import Binary, BinarySignature, SigningKey
from app.rules import signature, text
from app.rules.access import Role
from app.rules.binary import Move, State
from app.rules.errors import InUse, KeyRetired, LastSignature
from app.rules.prn import Kind, format_prn


@action(Role.ADMIN)
async def create_signing_key(unit: Unit, *, name: str, public_key: str) -> SigningKey:
    """Registers an Ed25519 public key, as PEM or base64. Raises BadPublicKey, AlreadyExists."""
    name = text.name(name, field="name", max_length=128)
    key = signature.parse_public_key(public_key, path=("input", "publicKey"))
    fingerprint = signature.fingerprint(key)
    await unit.refuse_taken(
        SigningKey,
        path=("input", "publicKey"),
        what="a signing key with this public key",
        fingerprint=fingerprint,
    )
    created = await SigningKey.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        name=name,
        public_key=key.hex(),
        fingerprint=fingerprint,
    )
    await unit.record(
        "signing_key.create", created, after={"name": name, "fingerprint": fingerprint}
    )
    return created


@action(Role.ADMIN)
async def rename_signing_key(unit: Unit, signing_key_id: UUID, *, name: str) -> SigningKey:
    """Gives a signing key another name."""
    name = text.name(name, field="name", max_length=128)
    key = await _held_key(unit, signing_key_id)
    await unit.change("signing_key.rename", key, name=name)
    return key


@action(Role.ADMIN)
async def retire_signing_key(unit: Unit, signing_key_id: UUID) -> SigningKey:
    """Retires a signing key for good: it signs nothing new, its signatures stay valid."""
    key = await _held_key(unit, signing_key_id)
    await unit.change("signing_key.retire", key, retired=True)
    return key


@action(Role.ADMIN)
async def delete_signing_key(unit: Unit, signing_key_id: UUID) -> SigningKey:
    """Deletes a signing key that has signed nothing. Raises InUse. Gives it as it was."""
    key = await _held_key(unit, signing_key_id)
    used = await BinarySignature.filter(
        organization_id=unit.organization_id, signing_key_id=signing_key_id
    ).exists()
    if used:
        raise InUse(
            "The signing key has signatures, so it stays; retire it instead.",
            path=("input", "signingKeyId"),
        )
    facts = {"name": key.name, "fingerprint": key.fingerprint}
    await unit.record("signing_key.delete", key, before=facts)
    await SigningKey.filter(organization_id=unit.organization_id, id=signing_key_id).delete()
    return key


async def _held_key(unit: Unit, signing_key_id: UUID, *, share: bool = False) -> SigningKey:
    return await unit.held(SigningKey, signing_key_id, path=("input", "signingKeyId"), share=share)


@action(Role.WRITE)
async def sign_binary(
    unit: Unit,
    binary_id: UUID,
    signing_key_id: UUID,
    *,
    signature_: str,
    expected_revision: int | None = None,
) -> Binary:
    """Attaches a signature over the lowercase hex SHA-256, as hex of its 64 bytes.

    A signable binary is signed by it; to a signed one it is a further signature. Raises
    BadSignatureFormat, BadSignature, KeyRetired, AlreadyExists, InvalidTransition, Conflict.
    """
    key = await _held_key(unit, signing_key_id, share=True)
    binary = await unit.held(Binary, binary_id, path=("input", "binaryId"))
    if binary.state not in (State.SIGNABLE, State.SIGNED):
        raise moves.refusal(binary, "The binary can't be signed")
    if key.retired:
        raise KeyRetired(
            "The signing key is retired; sign with another.", path=("input", "signingKeyId")
        )
    raw = signature.parse_signature(signature_)
    signature.verify(bytes.fromhex(key.public_key), raw, binary.hash)
    await unit.refuse_taken(
        BinarySignature,
        path=("input", "signingKeyId"),
        what="a signature by this key on this binary",
        binary_id=binary_id,
        signing_key_id=signing_key_id,
    )
    if binary.state is State.SIGNABLE:
        binary = await moves.move(unit, binary_id, Move.SIGN, expected_revision=expected_revision)
    else:
        moves.expect(binary, expected_revision)
    created = await BinarySignature.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        binary_id=binary_id,
        signing_key_id=signing_key_id,
        signature=raw.hex().upper(),
    )
    await unit.record(
        "binary_signature.create", created, after={"binary": prn(binary), "key": prn(key)}
    )
    return binary


@action(Role.WRITE)
async def delete_binary_signature(unit: Unit, binary_signature_id: UUID) -> Binary:
    """Takes a further signature off a signed binary. Raises LastSignature. Gives the binary."""
    path = ("input", "binarySignatureId")
    found = await unit.find(BinarySignature, binary_signature_id, path=path)
    await unit.lock(Binary, [found.binary_id])
    found = await unit.find(BinarySignature, binary_signature_id, path=path)
    binary = await unit.find(Binary, found.binary_id)
    count = await BinarySignature.filter(
        organization_id=unit.organization_id, binary_id=binary.id
    ).count()
    if binary.state is State.DESTROYED or count == 1:
        raise LastSignature(
            "A destroyed binary keeps its signatures."
            if binary.state is State.DESTROYED
            else "It is the binary's last signature, and a signed binary keeps one.",
            path=path,
        )
    key = format_prn(Kind.SIGNING_KEY, unit.organization_id, found.signing_key_id)
    await unit.record("binary_signature.delete", found, before={"binary": prn(binary), "key": key})
    await BinarySignature.filter(
        organization_id=unit.organization_id, id=binary_signature_id
    ).delete()
    return binary
