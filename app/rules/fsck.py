"""What `bindery fsck` finds: one code for each kind of damage, how to mend it, and what
`--repair` does about it.

Repairs follow from two rules. A record is never made to say more than is proven: no state,
signature or digest is written. And bytes are erased only where the records say that they
should be gone, or where none knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Damage(StrEnum):
    """The kinds of damage; the values are stable, programs may rely on them."""

    BLOB_MISSING = "BLOB_MISSING"
    BLOB_SIZE = "BLOB_SIZE"
    BLOB_ORPHAN = "BLOB_ORPHAN"
    BLOB_DIGEST = "BLOB_DIGEST"
    BLOB_UNREADABLE = "BLOB_UNREADABLE"
    CONTENT_DIGEST = "CONTENT_DIGEST"
    CONTENT_MARKED = "CONTENT_MARKED"
    MARK_STALE = "MARK_STALE"
    DATABASE_DAMAGED = "DATABASE_DAMAGED"
    REFERENCE_DANGLING = "REFERENCE_DANGLING"
    ORGANIZATION_MIXED = "ORGANIZATION_MIXED"
    STATE_UNTOLD = "STATE_UNTOLD"
    STATE_IMPOSSIBLE = "STATE_IMPOSSIBLE"
    EPOCH_BEHIND = "EPOCH_BEHIND"
    COUNTER_WRONG = "COUNTER_WRONG"
    USAGE_WRONG = "USAGE_WRONG"
    PARTS_INCOMPLETE = "PARTS_INCOMPLETE"
    PARTS_GAP = "PARTS_GAP"
    PART_IMPOSSIBLE = "PART_IMPOSSIBLE"
    HASHING_STUCK = "HASHING_STUCK"
    LEASE_DEAD = "LEASE_DEAD"
    LEASE_STRAY = "LEASE_STRAY"
    UNVERIFIED = "UNVERIFIED"
    SIGNED_WITHOUT_SIGNATURE = "SIGNED_WITHOUT_SIGNATURE"
    SIGNATURE_EARLY = "SIGNATURE_EARLY"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    DESTROYED_WITH_PARTS = "DESTROYED_WITH_PARTS"
    ERASURE_UNDONE = "ERASURE_UNDONE"
    ERASURE_UNTOLD = "ERASURE_UNTOLD"
    INTENT_LEFT = "INTENT_LEFT"
    INTENT_IN_USE = "INTENT_IN_USE"
    GARBAGE_LEFT = "GARBAGE_LEFT"
    GARBAGE_IN_USE = "GARBAGE_IN_USE"
    RELEASE_CYCLE = "RELEASE_CYCLE"
    RELEASE_FOREIGN = "RELEASE_FOREIGN"
    BUNDLE_GAP = "BUNDLE_GAP"
    CLAIM_STRAY = "CLAIM_STRAY"
    DEVICE_MISPLACED = "DEVICE_MISPLACED"
    WEBHOOK_STUCK = "WEBHOOK_STUCK"
    DEVICES_MISCOUNTED = "DEVICES_MISCOUNTED"
    CLAIMS_MISCOUNTED = "CLAIMS_MISCOUNTED"


_RESTORE: Final = "Restore the database from a backup."
_CONTENT: Final = "Restore the file from a backup, or upload the content again."
_STARTS: Final = "A server that works does it by itself; start one, or repair."
_SENT_AGAIN: Final = (
    "While the upload is open the part is to be sent again; else the binary is not served."
)

MEND: Final = {
    Damage.BLOB_MISSING: _CONTENT,
    Damage.BLOB_SIZE: _CONTENT,
    Damage.BLOB_ORPHAN: "No record needs it: repair, or delete the file of that name.",
    Damage.BLOB_DIGEST: _CONTENT,
    Damage.BLOB_UNREADABLE: "Mend the disk or the file's permissions, or restore a backup.",
    Damage.CONTENT_DIGEST: "Restore files and database from one backup, or upload again.",
    Damage.CONTENT_MARKED: "Restore its file from a backup; then repair with --deep, or wait.",
    Damage.MARK_STALE: "Repair: it is served again then, as it is after the next look.",
    Damage.DATABASE_DAMAGED: _RESTORE,
    Damage.REFERENCE_DANGLING: _RESTORE,
    Damage.ORGANIZATION_MIXED: _RESTORE,
    Damage.STATE_UNTOLD: _RESTORE,
    Damage.STATE_IMPOSSIBLE: "Reset the binary and upload again; if signed, restore a backup.",
    Damage.EPOCH_BEHIND: "Repair: else URLs of an earlier upload may be good again.",
    Damage.COUNTER_WRONG: "Repair: the parts say what it must be.",
    Damage.USAGE_WRONG: "Repair: else its quota is held against what is not there, or is not held.",
    Damage.PARTS_INCOMPLETE: "Reset the binary and upload again; if signed, restore a backup.",
    Damage.PARTS_GAP: "Reset the binary and upload again; if signed, restore a backup.",
    Damage.PART_IMPOSSIBLE: "Reset the binary and upload again; if signed, restore a backup.",
    Damage.HASHING_STUCK: "Repair, or reset the binary and upload again.",
    Damage.LEASE_DEAD: _STARTS,
    Damage.LEASE_STRAY: "Repair: nobody works on it.",
    Damage.UNVERIFIED: "If signable, reset it and upload again; if signed, restore a backup.",
    Damage.SIGNED_WITHOUT_SIGNATURE: _RESTORE,
    Damage.SIGNATURE_EARLY: _RESTORE,
    Damage.SIGNATURE_INVALID: "Restore the database from a backup, or destroy the binary.",
    Damage.DESTROYED_WITH_PARTS: "Repair if its destruction is on record; else restore a backup.",
    Damage.ERASURE_UNDONE: _STARTS,
    Damage.ERASURE_UNTOLD: _STARTS,
    Damage.INTENT_LEFT: _STARTS,
    Damage.INTENT_IN_USE: "Repair: servers are told to erase what a part has, and refuse.",
    Damage.GARBAGE_LEFT: _STARTS,
    Damage.GARBAGE_IN_USE: "Repair: servers are told to erase what a part has, and refuse.",
    Damage.RELEASE_CYCLE: "Restore the database from a backup, or archive these releases.",
    Damage.RELEASE_FOREIGN: "Restore the database from a backup, or archive the release.",
    Damage.BUNDLE_GAP: "Restore the database from a backup, or archive its releases.",
    Damage.CLAIM_STRAY: "Repair: it takes a place that no device of the cohort uses.",
    Damage.DEVICE_MISPLACED: "Move the device to a cohort of its product with updateDevice.",
    Damage.WEBHOOK_STUCK: "Repair, or send it again with redeliverWebhook.",
    Damage.DEVICES_MISCOUNTED: "Repair: a phase lets in a part of the wrong number.",
    Damage.CLAIMS_MISCOUNTED: "Repair: a phase lets in too many devices, or too few.",
}
"""How each is mended, in one sentence."""

REPAIR: Final = {
    Damage.BLOB_MISSING: _SENT_AGAIN,
    Damage.BLOB_SIZE: _SENT_AGAIN,
    Damage.BLOB_ORPHAN: "The file is erased.",
    Damage.BLOB_DIGEST: _SENT_AGAIN,
    Damage.CONTENT_DIGEST: "The binary is marked, and not served.",
    Damage.MARK_STALE: "The mark is taken away, and the binary served.",
    Damage.EPOCH_BEHIND: "The epoch is raised to what the events tell.",
    Damage.COUNTER_WRONG: "The bytes are counted anew.",
    Damage.USAGE_WRONG: "The bytes are counted anew.",
    Damage.HASHING_STUCK: "It is queued again, and its content is read from the start.",
    Damage.LEASE_DEAD: "It is queued again, and its content is read from the start.",
    Damage.LEASE_STRAY: "The lease is dropped.",
    Damage.DESTROYED_WITH_PARTS: "Where its destruction is on record, its content is erased.",
    Damage.ERASURE_UNDONE: "The content is erased.",
    Damage.ERASURE_UNTOLD: "The time of the erasing is noted.",
    Damage.INTENT_LEFT: "What there is of the file is erased.",
    Damage.INTENT_IN_USE: "The intent is dropped, the part keeps its bytes.",
    Damage.GARBAGE_LEFT: "The file is erased.",
    Damage.GARBAGE_IN_USE: "The garbage row is dropped, the part keeps its bytes.",
    Damage.CLAIM_STRAY: "The claim is dropped.",
    Damage.WEBHOOK_STUCK: "It is queued again.",
    Damage.DEVICES_MISCOUNTED: "The devices are counted anew.",
    Damage.CLAIMS_MISCOUNTED: "The claims are counted anew.",
}
"""What `--repair` does; a kind that is not here may not be repaired by a program.

Not to serve what is damaged is no repair of it: such a finding stays.
"""

LEFTOVERS: Final = frozenset(
    {Damage.LEASE_DEAD, Damage.ERASURE_UNTOLD, Damage.INTENT_LEFT, Damage.GARBAGE_LEFT}
)
"""Work that a stop or a crash left undone, which the server does when it runs: no damage."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One damage: its kind, the row's uuid or the blob's name, and what is wrong with it."""

    code: Damage
    subject: str
    wrong: str

    @property
    def is_damage(self) -> bool:
        """Whether something is wrong, and not only undone."""
        return self.code not in LEFTOVERS
