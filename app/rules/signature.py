"""Ed25519 keys and signatures, strictly judged. Source of the rules: the domain, section 5.

A signature is made over the 64 ASCII characters of the lowercase hex SHA-256 of a binary: it
binds content, neither id nor target. Several spellings of one signature, and keys that would
verify signatures nobody made, are refused before libsodium verifies (RFC 8032 leaves them to
the verifier, and libraries differ).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from app.rules import curve
from app.rules.digest import from_base64
from app.rules.errors import BadPublicKey, BadSignature, BadSignatureFormat
from app.rules.text import label


class KeyFlaw(StrEnum):
    """Why a public key is refused: the `reason` of BadPublicKey."""

    MALFORMED = "MALFORMED"
    PRIVATE_KEY = "PRIVATE_KEY"
    NOT_ED25519 = "NOT_ED25519"
    WRONG_LENGTH = "WRONG_LENGTH"
    NOT_CANONICAL = "NOT_CANONICAL"
    NOT_ON_CURVE = "NOT_ON_CURVE"
    SMALL_ORDER = "SMALL_ORDER"
    MIXED_ORDER = "MIXED_ORDER"


_FLAWS: Final = {
    KeyFlaw.MALFORMED: "is neither PEM ('BEGIN PUBLIC KEY') nor base64",
    KeyFlaw.PRIVATE_KEY: "is a private key, which must never leave its owner: replace that key",
    KeyFlaw.NOT_ED25519: "is a public key of another algorithm",
    KeyFlaw.WRONG_LENGTH: "is not 32 bytes long",
    KeyFlaw.NOT_CANONICAL: "is not the canonical encoding of a point",
    KeyFlaw.NOT_ON_CURVE: "is no point of the curve",
    KeyFlaw.SMALL_ORDER: "is a point of small order, for which signatures can be forged",
    KeyFlaw.MIXED_ORDER: "is a point of mixed order, on whose signatures verifiers disagree",
}

# SubjectPublicKeyInfo of Ed25519 before its 32 bytes (RFC 8410): no other DER is possible.
_DER_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
_PEM: Final = re.compile(
    r"-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END PUBLIC KEY-----"
)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{128}")


class _Flawed(ValueError):
    """A flaw was found; the caller knows in whose input."""

    def __init__(self, flaw: KeyFlaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw


def parse_public_key(text: str, *, path: Sequence[str]) -> bytes:
    """The 32 bytes of an Ed25519 public key, given as PEM or as base64 of the raw bytes.

    White space around is ignored. The point must be canonically encoded, on the curve and of
    full (prime) order. Raises BadPublicKey, whose reason is a KeyFlaw.
    """
    try:
        key = _raw_key(text.strip())
        if not curve.is_full_order(_point(key)):
            raise _Flawed(KeyFlaw.MIXED_ORDER)
    except _Flawed as flawed:
        raise BadPublicKey(
            f"{label(path)} {_FLAWS[flawed.flaw]}; send an Ed25519 public key as PEM, or as "
            "base64 of its 32 bytes.",
            reason=flawed.flaw,
            path=path,
        ) from None
    return key


def fingerprint(public_key: bytes) -> str:
    """The SHA-256 of the raw 32 bytes of a public key, as 64 lowercase hex digits."""
    return hashlib.sha256(public_key).hexdigest()


def parse_signature(text: str, *, path: Sequence[str] = ("input", "signature")) -> bytes:
    """The 64 bytes of a signature given in hex of any case.

    Its S must be below the group's order, and its R a canonically encoded point that is not of
    small order: then nobody can respell it. Raises BadSignatureFormat.
    """
    if not _HEX.fullmatch(text):
        raise BadSignatureFormat(f"{label(path)} must be 64 bytes as 128 hex digits.", path=path)
    signature = bytes.fromhex(text)
    if int.from_bytes(signature[32:], "little") >= curve.L:
        raise BadSignatureFormat(f"{label(path)} has an S that is not reduced.", path=path)
    try:
        _point(signature[:32])
    except _Flawed as flawed:
        raise BadSignatureFormat(
            f"{label(path)} has an R that {_FLAWS[flawed.flaw]}.", path=path
        ) from None
    return signature


def message(sha256_hex: str) -> bytes:
    """What is signed for a binary: the 64 ASCII characters of its lowercase hex SHA-256."""
    return sha256_hex.encode("ascii")


def verify(
    public_key: bytes,
    signature: bytes,
    sha256_hex: str,
    *,
    path: Sequence[str] = ("input", "signature"),
) -> None:
    """Check that a parsed signature by a parsed key is one of the binary's hash.

    Raises BadSignature.
    """
    if not verifies(public_key, signature, message(sha256_hex)):
        raise BadSignature(
            f"{label(path)} does not verify under this key. Sign the 64 characters of the "
            f"lowercase hex SHA-256 '{sha256_hex}', without a line break.",
            path=path,
        )


def verifies(public_key: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether a parsed signature by a parsed key is one of the bytes `signed`."""
    try:
        VerifyKey(public_key).verify(signed, signature)
    except BadSignatureError:
        return False
    return True


def _raw_key(text: str) -> bytes:
    """The 32 bytes that a PEM or base64 text holds, not yet judged as a point."""
    if "PRIVATE KEY" in text:
        raise _Flawed(KeyFlaw.PRIVATE_KEY)
    pem = _PEM.fullmatch(text)
    if pem is None:
        key = from_base64(text) or _decoded(text)
    else:
        der = _decoded("".join(pem[1].split()))
        if not der.startswith(_DER_PREFIX):
            raise _Flawed(KeyFlaw.NOT_ED25519)
        key = der.removeprefix(_DER_PREFIX)
    if len(key) != 32:
        raise _Flawed(KeyFlaw.WRONG_LENGTH)
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _Flawed(KeyFlaw.MALFORMED) from None


def _point(encoded: bytes) -> curve.Point:
    """The point that 32 bytes spell, not of small order."""
    try:
        point = curve.decode(encoded)
    except curve.NotCanonical:
        raise _Flawed(KeyFlaw.NOT_CANONICAL) from None
    except curve.NotOnCurve:
        raise _Flawed(KeyFlaw.NOT_ON_CURVE) from None
    if curve.is_small_order(point):
        raise _Flawed(KeyFlaw.SMALL_ORDER)
    return point
