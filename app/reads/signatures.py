"""Whether each signature is one of its key over its binary's hash: for `fsck`. Reads only."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from app import database
from app.rules import signature
from app.rules.fsck import Damage, Finding

_PAGE: Final = 2_000
_BEGINNING: Final = "00000000-0000-0000-0000-000000000000"
_PAIRS: Final = """
SELECT s.id, s.signature, k.public_key, b.hash FROM binary_signature s
JOIN signing_key k ON k.id = s.signing_key_id JOIN binary_record b ON b.id = s.binary_id
WHERE s.id > $1 ORDER BY s.id LIMIT $2
"""


async def invalid() -> list[Finding]:
    """The signatures that don't verify; each costs some ten microseconds, in a thread."""
    found: list[Finding] = []
    after = _BEGINNING
    while rows := await database.query(_PAIRS, [after, _PAGE]):
        found += await asyncio.to_thread(_judged, rows)
        after = str(rows[-1]["id"])
    return found


def _judged(rows: list[dict[str, Any]]) -> list[Finding]:
    wrong = "The signature is none of its key over the hash of its binary."
    return [
        Finding(Damage.SIGNATURE_INVALID, str(row["id"]), wrong) for row in rows if not _holds(row)
    ]


def _holds(row: dict[str, Any]) -> bool:
    try:
        key, signed = bytes.fromhex(row["public_key"]), bytes.fromhex(row["signature"])
        return signature.verifies(key, signed, signature.message(row["hash"]))
    except ValueError:
        return False
