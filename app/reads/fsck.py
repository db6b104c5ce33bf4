"""Whether records and bytes agree. Reads only, so it may run beside a server."""

from __future__ import annotations

from app import database
from app.reads import digests
from app.rules.fsck import Damage, Finding
from app.storage.content import ContentStore

_PARTS = "SELECT id, blob, size FROM binary_part WHERE blob IS NOT NULL ORDER BY id"
_STILL = "SELECT id FROM binary_part WHERE blob = $1"
_NAMED = """
SELECT blob FROM binary_part WHERE blob IS NOT NULL
UNION SELECT blob FROM storage_intent UNION SELECT blob FROM storage_gc
"""
_ROWS = {
    Damage.DESTROYED_WITH_PARTS: """
        SELECT id FROM binary_record b WHERE state = 'DESTROYED'
        AND EXISTS (SELECT 1 FROM binary_part p WHERE p.binary_id = b.id AND p.blob IS NOT NULL)
        ORDER BY id""",
    Damage.SIGNED_WITHOUT_SIGNATURE: """
        SELECT id FROM binary_record b WHERE state = 'SIGNED'
        AND NOT EXISTS (SELECT 1 FROM binary_signature s WHERE s.binary_id = b.id)
        ORDER BY id""",
    Damage.PARTS_INCOMPLETE: """
        SELECT id FROM binary_record b
        WHERE state IN ('HASHABLE', 'HASHING', 'SIGNABLE', 'SIGNED')
        AND size <> (SELECT COALESCE(SUM(p.size), 0) FROM binary_part p
                     WHERE p.binary_id = b.id AND p.state = 'VALID')
        ORDER BY id""",
}
_WRONG = {
    Damage.DESTROYED_WITH_PARTS: "The binary is destroyed, but a part of it still names bytes.",
    Damage.SIGNED_WITHOUT_SIGNATURE: "The binary is signed, but it has no signature.",
    Damage.PARTS_INCOMPLETE: "The valid parts of the binary don't add up to its size.",
}


async def inspect(store: ContentStore, *, deep: bool = False) -> list[Finding]:
    """Everything that is wrong, of all organizations; `deep`: reads all content, and hashes it.

    Raises StorageDegraded.
    """
    found = [*await _orphans(store), *await _parts(store), *await _rows()]
    if deep:
        found += await digests.changed(store, known={one.subject for one in found})
    return found


async def _orphans(store: ContentStore) -> list[Finding]:
    # Files before rows: a row is there before its file, so that none of a running upload shows.
    names = [name async for name in store.names()]
    named = {row["blob"] for row in await database.query(_NAMED)}
    return [
        Finding(Damage.BLOB_ORPHAN, name, "No record names this file.")
        for name in sorted(set(names) - named)
        if await store.size(name) is not None
    ]


async def _parts(store: ContentStore) -> list[Finding]:
    found = []
    for row in await database.query(_PARTS):
        size = await store.size(row["blob"])
        # A part may have been deleted since it was read, and its file with it.
        if size == row["size"] or not await database.query(_STILL, [row["blob"]]):
            continue
        code = Damage.BLOB_MISSING if size is None else Damage.BLOB_SIZE
        wrong = f"Blob {row['blob']} has {size} bytes, its part says {row['size']}."
        if size is None:
            wrong = f"Blob {row['blob']} of this part is missing."
        found.append(Finding(code, str(row["id"]), wrong))
    return found


async def _rows() -> list[Finding]:
    return [
        Finding(code, str(row["id"]), _WRONG[code])
        for code, sql in _ROWS.items()
        for row in await database.query(sql)
    ]
