"""Sealed values: text that a client carries and this server alone can make.

Plan tokens and cursors are such values. They are authenticated, not encrypted: whoever holds one
can read it. Expiry, if any, is part of the payload and its owner's rule.
"""

from __future__ import annotations

import base64
import hmac
from typing import Final

MIN_TAG_BYTES: Final = 8
MAX_TAG_BYTES: Final = 32

# The first bytes that every tag covers: a key shared with links lends its signatures to neither.
_VERSION: Final = b"bindery-token-1"


def seal(purpose: str, payload: bytes, *, key: bytes, tag_bytes: int = 16) -> str:
    """Base64url text, without padding, of the payload and a truncated HMAC-SHA256 of it.

    The HMAC covers `purpose` too, so that a value sealed for one is worthless for another.
    `tag_bytes` is 8 to 32, or ValueError is raised.
    """
    if not MIN_TAG_BYTES <= tag_bytes <= MAX_TAG_BYTES:
        raise ValueError(f"a tag has {MIN_TAG_BYTES} to {MAX_TAG_BYTES} bytes")
    scope = purpose.encode()
    header = _VERSION + bytes([tag_bytes]) + len(scope).to_bytes(2, "big") + scope
    tag = hmac.digest(key, header + payload, "sha256")[:tag_bytes]
    return base64.urlsafe_b64encode(payload + tag).rstrip(b"=").decode("ascii")


def unseal(purpose: str, text: str, *, key: bytes, tag_bytes: int = 16) -> bytes:
    """The payload of what `seal` made with the same purpose, key and tag length.

    The value is sealed anew and compared as a whole, so a payload has exactly one text.
    Raises ValueError for everything else.
    """
    given = text.encode("ascii", errors="replace")
    padding = b"=" * (-len(given) % 4)
    payload = base64.urlsafe_b64decode(given + padding)[:-tag_bytes]
    expected = seal(purpose, payload, key=key, tag_bytes=tag_bytes)
    if not hmac.compare_digest(expected.encode("ascii"), given):
        raise ValueError("the value was changed, or not sealed here for this purpose")
    return payload
