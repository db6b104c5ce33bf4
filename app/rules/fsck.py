"""What `bindery fsck` finds: one code for each kind of damage, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Damage(StrEnum):
    """The kinds of damage; the values are stable, programs may rely on them."""

    BLOB_MISSING = "BLOB_MISSING"
    BLOB_SIZE = "BLOB_SIZE"
    BLOB_ORPHAN = "BLOB_ORPHAN"
    BLOB_DIGEST = "BLOB_DIGEST"
    BLOB_UNREADABLE = "BLOB_UNREADABLE"
    CONTENT_DIGEST = "CONTENT_DIGEST"
    DESTROYED_WITH_PARTS = "DESTROYED_WITH_PARTS"
    SIGNED_WITHOUT_SIGNATURE = "SIGNED_WITHOUT_SIGNATURE"
    PARTS_INCOMPLETE = "PARTS_INCOMPLETE"


MEND = {
    Damage.BLOB_MISSING: "Restore the file from a backup, or upload the content again.",
    Damage.BLOB_SIZE: "Restore the file from a backup, or upload the content again.",
    Damage.BLOB_ORPHAN: "No record needs it: delete blobs/<its first two digits>/<its name>.",
    Damage.BLOB_DIGEST: "Restore the file from a backup, or upload the content again.",
    Damage.BLOB_UNREADABLE: "Mend the disk or the file's permissions, or restore a backup.",
    Damage.CONTENT_DIGEST: "Restore files and database from one backup, or upload again.",
    Damage.DESTROYED_WITH_PARTS: "Restore the database from a backup.",
    Damage.SIGNED_WITHOUT_SIGNATURE: "Restore the database from a backup.",
    Damage.PARTS_INCOMPLETE: "Reset the binary and upload again; if signed, restore a backup.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One damage: its kind, the row's uuid or the blob's name, and what is wrong with it."""

    code: Damage
    subject: str
    wrong: str
