"""What is wrong within the records: `fsck` without a look at the bytes. Reads only.

One statement for each kind of damage, whatever the number of rows; each sees one moment, so
that what servers do meanwhile is never half of a finding. `{old}` is the time before which
something counts as left by a process that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app import database
from app.rules.binary import TABLE
from app.rules.fsck import Damage, Finding

_FINISHED: Final = "('HASHABLE', 'HASHING', 'SIGNABLE', 'SIGNED')"
_MOVES: Final = ", ".join(f"'binary.{row.move.lower()}'" for row in TABLE)
_TARGETS: Final = " ".join(f"WHEN 'binary.{row.move.lower()}' THEN '{row.target}'" for row in TABLE)


@dataclass(frozen=True, slots=True)
class Check:
    """A statement that gives the `id` of each damaged row, and what is to be said of it."""

    code: Damage
    wrong: str
    sql: str


# The words within come from the table of moves, and from no user.
CHECKS: Final = (
    Check(
        Damage.STATE_UNTOLD,
        "It is {state}, but its last move led to {told}.",
        f"""
        SELECT b.id, b.state, CASE e.kind {_TARGETS} END AS told
        FROM binary_record b JOIN event e ON e.id = (
            SELECT m.id FROM event m WHERE m.subject_id = b.id AND m.kind IN ({_MOVES})
            ORDER BY {{revision}} DESC LIMIT 1
        )
        WHERE b.state <> CASE e.kind {_TARGETS} END
        """,
    ),
    Check(
        Damage.STATE_IMPOSSIBLE,
        "It is {state}, and has what only another state has.",
        """
        SELECT id, state FROM binary_record
        WHERE (state <> 'DESTROYED' AND content_erased_at IS NOT NULL)
            OR (state IN ('UPLOADABLE', 'HASHABLE') AND verification_status IS NOT NULL)
            OR (state IN ('UPLOADABLE', 'DESTROYED') AND content_health IS NOT NULL)
            OR epoch < 1 OR revision < epoch
        """,
    ),
    Check(
        Damage.EPOCH_BEHIND,
        "Its epoch is {epoch}, after {ended} resets and destructions.",
        """
        SELECT b.id, b.epoch, e.ended FROM binary_record b JOIN (
            SELECT subject_id, count(*) AS ended FROM event
            WHERE kind IN ('binary.reset', 'binary.destroy') GROUP BY subject_id
        ) e ON e.subject_id = b.id
        WHERE b.epoch < e.ended + 1
        """,
    ),
    Check(
        Damage.COUNTER_WRONG,
        "It counts {bytes_uploaded} bytes, its parts have {stored}.",
        """
        SELECT b.id, b.bytes_uploaded, COALESCE(p.stored, 0) AS stored
        FROM binary_record b LEFT JOIN (
            SELECT binary_id, SUM(size) AS stored FROM binary_part
            WHERE blob IS NOT NULL GROUP BY binary_id
        ) p ON p.binary_id = b.id
        WHERE b.state <> 'DESTROYED' AND b.bytes_uploaded <> COALESCE(p.stored, 0)
            OR b.state = 'DESTROYED' AND b.bytes_uploaded <> 0
        """,
    ),
    Check(
        Damage.USAGE_WRONG,
        "The organization's parts take {taken} bytes, and {counted} are counted.",
        """
        SELECT o.id, COALESCE(u.bytes, 0) AS counted, COALESCE(p.taken, 0) AS taken
        FROM organization o LEFT JOIN storage_usage u ON u.organization_id = o.id
        LEFT JOIN (
            SELECT organization_id, SUM(size) AS taken FROM binary_part GROUP BY organization_id
        ) p ON p.organization_id = o.id
        WHERE COALESCE(u.bytes, 0) <> COALESCE(p.taken, 0)
        """,
    ),
    Check(
        Damage.PARTS_INCOMPLETE,
        "Its valid parts have {stored} bytes, and it should have {size}.",
        f"""
        SELECT b.id, b.size, COALESCE(p.stored, 0) AS stored
        FROM binary_record b LEFT JOIN (
            SELECT binary_id, SUM(size) AS stored FROM binary_part
            WHERE state = 'VALID' GROUP BY binary_id
        ) p ON p.binary_id = b.id
        WHERE b.state IN {_FINISHED} AND b.size <> COALESCE(p.stored, 0)
        """,
    ),
    Check(
        Damage.PARTS_GAP,
        "It is {state}, but its parts are {valid} valid of {parts}, the last has index {last}.",
        f"""
        SELECT b.id, b.state, p.parts, p.valid, p.last FROM binary_record b JOIN (
            SELECT binary_id, count(*) AS parts, max(part_index) AS last,
                count(CASE WHEN state = 'VALID' THEN 1 END) AS valid
            FROM binary_part GROUP BY binary_id
        ) p ON p.binary_id = b.id
        WHERE b.state IN {_FINISHED} AND (p.parts <> p.last OR p.parts <> p.valid)
        """,
    ),
    Check(
        Damage.PART_IMPOSSIBLE,
        "The part has {size} bytes and the hash {hash}, which none can have.",
        """
        SELECT id, size, hash FROM binary_part
        WHERE size NOT BETWEEN 0 AND 5368709120 OR length(hash) <> 64
        """,
    ),
    Check(
        Damage.HASHING_STUCK,
        "It waits for its verification, which is {status}: no worker takes it.",
        """
        SELECT id, COALESCE(verification_status, 'absent') AS status FROM binary_record
        WHERE state = 'HASHING' AND (
            verification_status IS NULL OR verification_status = 'PASSED'
            OR verification_status = 'RETRYING' AND verification_due_at IS NULL
            OR verification_status = 'RUNNING'
                AND (lease_token IS NULL OR lease_expires_at IS NULL)
        )
        """,
    ),
    Check(
        Damage.LEASE_DEAD,
        "Whoever verifies it gave no sign of life since before {lease_expires_at}.",
        """
        SELECT id, lease_expires_at FROM binary_record
        WHERE state = 'HASHING' AND verification_status = 'RUNNING'
            AND lease_token IS NOT NULL AND lease_expires_at < {old}
        """,
    ),
    Check(
        Damage.LEASE_STRAY,
        "It is {state}, and there is a lease on it.",
        """
        SELECT id, state FROM binary_record
        WHERE (lease_token IS NOT NULL OR lease_expires_at IS NOT NULL)
            AND NOT (state = 'HASHING' AND verification_status = 'RUNNING')
        """,
    ),
    Check(
        Damage.UNVERIFIED,
        "It is {state}, but no verification says that its content is right.",
        """
        SELECT id, state FROM binary_record
        WHERE state IN ('SIGNABLE', 'SIGNED') AND (
            verification_status IS NULL OR verification_status <> 'PASSED'
            OR computed_hash IS NULL OR computed_hash <> hash
            OR computed_size IS NULL OR computed_size <> size
        )
        """,
    ),
    Check(
        Damage.CONTENT_MARKED,
        "At {content_checked_at} its content was found {content_health}.",
        """
        SELECT id, content_health, content_checked_at FROM binary_record
        WHERE content_health <> 'OK' AND state IN ('SIGNABLE', 'SIGNED')
        """,
    ),
    Check(
        Damage.SIGNED_WITHOUT_SIGNATURE,
        "It is signed, but it has no signature.",
        """
        SELECT id FROM binary_record b WHERE state = 'SIGNED'
        AND NOT EXISTS (SELECT 1 FROM binary_signature s WHERE s.binary_id = b.id)
        """,
    ),
    Check(
        Damage.SIGNATURE_EARLY,
        "The signature is one of a binary that is {state}.",
        """
        SELECT s.id, b.state FROM binary_signature s JOIN binary_record b ON b.id = s.binary_id
        WHERE b.state NOT IN ('SIGNED', 'DESTROYED')
        """,
    ),
    Check(
        Damage.DESTROYED_WITH_PARTS,
        "It is destroyed, but {parts} parts of it are there.",
        """
        SELECT b.id, count(*) AS parts
        FROM binary_part p JOIN binary_record b ON b.id = p.binary_id
        WHERE b.state = 'DESTROYED' GROUP BY b.id
        """,
    ),
    Check(
        Damage.ERASURE_UNDONE,
        "Its content was called erased at {content_erased_at}, but blobs wait for it.",
        """
        SELECT id, content_erased_at FROM binary_record b
        WHERE state = 'DESTROYED' AND content_erased_at IS NOT NULL
            AND EXISTS (SELECT 1 FROM storage_gc g WHERE g.binary_id = b.id)
        """,
    ),
    Check(
        Damage.ERASURE_UNTOLD,
        "It is destroyed and nothing is left to erase, but that is not noted.",
        """
        SELECT id FROM binary_record b
        WHERE state = 'DESTROYED' AND content_erased_at IS NULL AND updated_at < {old}
            AND NOT EXISTS (SELECT 1 FROM storage_gc g WHERE g.binary_id = b.id)
            AND NOT EXISTS (SELECT 1 FROM binary_part p WHERE p.binary_id = b.id)
        """,
    ),
    Check(
        Damage.INTENT_LEFT,
        "An upload was begun at {created_at}, and left.",
        """
        SELECT blob AS id, created_at FROM storage_intent i WHERE created_at < {old}
            AND NOT EXISTS (SELECT 1 FROM binary_part p WHERE p.blob = i.blob)
        """,
    ),
    Check(
        Damage.INTENT_IN_USE,
        "An intent names the blob of part {part}.",
        """
        SELECT i.blob AS id, p.id AS part
        FROM storage_intent i JOIN binary_part p ON p.blob = i.blob
        """,
    ),
    Check(
        Damage.GARBAGE_LEFT,
        "The blob is garbage since {created_at}, and not erased.",
        """
        SELECT blob AS id, created_at FROM storage_gc g WHERE created_at < {old}
            AND NOT EXISTS (SELECT 1 FROM binary_part p WHERE p.blob = g.blob)
        """,
    ),
    Check(
        Damage.GARBAGE_IN_USE,
        "The blob of part {part} is garbage.",
        """
        SELECT g.blob AS id, p.id AS part
        FROM storage_gc g JOIN binary_part p ON p.blob = g.blob
        """,
    ),
    Check(
        Damage.RELEASE_CYCLE,
        "No path leads from it to the latest release of its cohort.",
        """
        WITH RECURSIVE ending (id) AS (
            SELECT id FROM release WHERE next_release_id IS NULL
            UNION ALL SELECT r.id FROM release r JOIN ending ON r.next_release_id = ending.id
        )
        SELECT id FROM release WHERE id NOT IN (SELECT id FROM ending)
        """,
    ),
    Check(
        Damage.RELEASE_FOREIGN,
        "Its next release, {next}, is one of another cohort.",
        """
        SELECT r.id, n.id AS next FROM release r JOIN release n ON n.id = r.next_release_id
        WHERE n.cohort_id <> r.cohort_id
        """,
    ),
    Check(
        Damage.BUNDLE_GAP,
        "Of the artifact versions of this bundle, some are missing: {versions} are there.",
        """
        SELECT b.id, count(v.id) AS versions
        FROM bundle b LEFT JOIN bundle_version v ON v.bundle_id = b.id
        GROUP BY b.id
        HAVING count(v.id) = 0 OR min(v.position) <> 0 OR max(v.position) <> count(v.id) - 1
        """,
    ),
    Check(
        Damage.CLAIM_STRAY,
        "Device {device_id} claims a release of a cohort that it is not in.",
        """
        SELECT c.id, c.device_id FROM release_claim c
        JOIN release r ON r.id = c.release_id LEFT JOIN device d ON d.id = c.device_id
        WHERE d.cohort_id IS NULL OR d.cohort_id <> r.cohort_id
        """,
    ),
    Check(
        Damage.DEVICE_MISPLACED,
        "The device is in a cohort of another product.",
        """
        SELECT d.id FROM device d JOIN cohort c ON c.id = d.cohort_id
        WHERE c.product_id <> d.product_id
        """,
    ),
    Check(
        Damage.WEBHOOK_STUCK,
        "It waits for its webhook, and is in no queue: no worker sends it.",
        """
        SELECT d.id FROM webhook_delivery d WHERE d.state = 'PENDING' AND NOT EXISTS (
            SELECT 1 FROM webhook_lane l
            WHERE l.webhook_id = d.webhook_id AND l.subject_id = d.subject_id
        )
        """,
    ),
    Check(
        Damage.DEVICES_MISCOUNTED,
        "The cohort counts {kept} devices, and has {there}.",
        """
        SELECT c.id, COALESCE(k.devices, 0) AS kept, COALESCE(d.there, 0) AS there
        FROM cohort c LEFT JOIN cohort_devices k ON k.cohort_id = c.id LEFT JOIN (
            SELECT cohort_id, COUNT(*) AS there FROM device GROUP BY cohort_id
        ) d ON d.cohort_id = c.id
        WHERE COALESCE(k.devices, 0) <> COALESCE(d.there, 0)
        """,
    ),
    Check(
        Damage.CLAIMS_MISCOUNTED,
        "The release counts {kept} claims, and has {there}.",
        """
        SELECT r.id, COALESCE(k.kept, 0) AS kept, COALESCE(c.there, 0) AS there
        FROM release r LEFT JOIN (
            SELECT release_id, SUM(claims) AS kept FROM release_claim_count GROUP BY release_id
        ) k ON k.release_id = r.id LEFT JOIN (
            SELECT release_id, COUNT(*) AS there FROM release_claim GROUP BY release_id
        ) c ON c.release_id = r.id
        WHERE COALESCE(k.kept, 0) <> COALESCE(c.there, 0)
        """,
    ),
)
_REVISION: Final = {
    "sqlite": "CAST(json_extract(m.after, '$.revision') AS INTEGER)",
    "postgres": "CAST(m.after ->> 'revision' AS BIGINT)",
}


async def wrong(*, old: datetime, deep: bool) -> list[Finding]:
    """Everything that contradicts itself in the records; `old`: when what is under way began.

    What earlier looks at the content found is left out where that is read anyway (`deep`).
    """
    found = []
    for check in CHECKS:
        if deep and check.code is Damage.CONTENT_MARKED:
            continue
        arguments = [old] if "{old}" in check.sql else []
        sql = check.sql.replace("{old}", "$1")
        sql = sql.replace("{revision}", _REVISION[database.dialect(database.reader())])
        found += [
            Finding(check.code, str(row["id"]), check.wrong.format_map(row))
            for row in await database.query(f"{sql} ORDER BY 1", arguments)
        ]
    return found
