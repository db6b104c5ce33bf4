"""Hash and size of content, as clients state them. Source of the rule: the domain, section 1."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Final

from app.rules.errors import BadUserInput
from app.rules.text import label

MAX_SIZE: Final = 53_687_091_200_000  # Bytes: 10,000 parts of 5 GiB.

_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{43}=?")


def sha256_hex(value: str, *, path: Sequence[str]) -> str:
    """Return a SHA-256 as 64 lowercase hex digits.

    Takes hex of any case, or base64 of the 32 bytes in either alphabet, padded or not.
    Raises BadUserInput.
    """
    if _HEX.fullmatch(value):
        return value.lower()
    digest = from_base64(value)
    if digest is None:
        raise BadUserInput(
            f"{label(path)} must be a SHA-256: 64 hex digits, or base64 of its 32 bytes.",
            path=path,
        )
    return digest.hex()


def from_base64(text: str) -> bytes | None:
    """The 32 bytes that `text` spells in base64, standard or url-safe, padded or not; else None.

    Only the canonical spelling counts: one alphabet, and no stray bits in the last character.
    """
    if not _BASE64.fullmatch(text):
        return None
    letters = text.rstrip("=") + "="
    value = base64.urlsafe_b64decode(letters.replace("+", "-").replace("/", "_"))
    spellings = (base64.b64encode(value), base64.urlsafe_b64encode(value))
    return value if letters.encode() in spellings else None


def size(value: int, *, path: Sequence[str]) -> int:
    """Return a binary's size in bytes unchanged: 0 to 53,687,091,200,000. Raises BadUserInput."""
    if not 0 <= value <= MAX_SIZE:
        raise BadUserInput(f"{label(path)} must be 0 to {MAX_SIZE} bytes.", path=path)
    return value
