"""Damages to plant: each a change behind the server's back, and the finding that it must give."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.rules.fsck import Damage
from app.rules.ids import new_id
from tests.reads.planted import World

BLOB: Final = "ab" * 16
_OTHER: Final = "00000000-0000-7000-8000-000000000001"
_OF: Final = "SELECT id FROM binary_record WHERE state = "
_STORED: Final = """
SELECT p.id FROM binary_part p JOIN binary_record b ON b.id = p.binary_id
WHERE p.blob IS NOT NULL AND b.state =
"""

# PostgreSQL's triggers are off while damages are planted.
_COUNT: Final = """
INSERT INTO cohort_devices (cohort_id, organization_id, devices)
SELECT c.id, c.organization_id, (SELECT COUNT(*) FROM device d WHERE d.cohort_id = c.id)
FROM cohort c WHERE TRUE ON CONFLICT (cohort_id) DO UPDATE SET devices = excluded.devices
"""
_MARK: Final = """
UPDATE binary_record SET content_health = 'CORRUPT', content_checked_at = created_at WHERE id = $1
"""


@dataclass(frozen=True)
class Plant:
    """One damage: `subject` selects what is damaged, `do` damages it."""

    code: Damage
    subject: str
    do: str | Callable[[World, str], None]
    mended: bool = False
    """Whether `--repair` may mend it."""
    deep: bool = False
    """Whether it takes `--deep` to find it."""
    also: frozenset[Damage] = frozenset()
    """What else follows from it."""
    embedded: bool = False
    """Whether only SQLite can have it."""

    def plant(self, world: World) -> str:
        """Damages a world, and gives the subject of the finding."""
        subject: str = world.one(self.subject)
        if isinstance(self.do, str):
            world.run(self.do, subject)
        else:
            self.do(world, subject)
        return subject


def _blob(world: World, part: str) -> str:
    found: str = world.one("SELECT blob FROM binary_part WHERE id = $1", part)
    return found


def _unlink(world: World, part: str) -> None:
    world.file(_blob(world, part)).unlink()


def _cut(world: World, part: str) -> None:
    file = world.file(_blob(world, part))
    os.truncate(file, file.stat().st_size - 1)


def _flip(world: World, part: str) -> None:
    file = world.file(_blob(world, part))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 16
    file.write_bytes(data)


def _close(world: World, part: str) -> None:
    world.file(_blob(world, part)).chmod(0o200)


def _write(world: World, blob: str) -> None:
    world.file(blob).write_bytes(b"left over")


def _intent(world: World, blob: str) -> None:
    _write(world, blob)
    world.run(
        "INSERT INTO storage_intent (blob, boot, created_at)"
        " SELECT $1, id, created_at FROM organization",
        blob,
    )


def _intent_in_use(world: World, blob: str) -> None:
    world.run(
        "INSERT INTO storage_intent (blob, boot, created_at)"
        " SELECT $1, id, created_at FROM organization",
        blob,
    )


def _garbage(world: World, blob: str) -> None:
    _write(world, blob)
    _garbage_in_use(world, blob)


def _garbage_in_use(world: World, blob: str) -> None:
    world.run(
        "INSERT INTO storage_gc (blob, created_at) SELECT $1, created_at FROM organization", blob
    )


def _exchange(world: World, binary: str) -> None:
    """Gives the two parts of a content each other's index."""
    for old, new in ((1, 9), (2, 1), (9, 2)):
        world.run(
            f"UPDATE binary_part SET part_index = {new}"
            f" WHERE part_index = {old} AND binary_id = $1",
            binary,
        )


def _scribble(world: World, _subject: str) -> None:
    """Writes over the page of an index that no look of fsck uses."""
    page, size = world.run(
        "SELECT m.rootpage, s.page_size FROM sqlite_master m, pragma_page_size s"
        " WHERE m.name = 'api_key_list'"
    )[0]
    world.run("PRAGMA wal_checkpoint(TRUNCATE)")
    with (world.data / "bindery.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)


def _mix(world: World, claim: str) -> None:
    world.run(
        "INSERT INTO organization (id, name, created_at, updated_at)"
        f" SELECT '{_OTHER}', 'Other', created_at, updated_at FROM organization"
    )
    world.run(f"UPDATE release_claim SET organization_id = '{_OTHER}' WHERE id = $1", claim)


def _give_part(world: World, binary: str) -> None:
    """Gives a destroyed binary a part, with its file."""
    _write(world, BLOB)
    world.run(
        "INSERT INTO binary_part (id, organization_id, binary_id, part_index, size, hash, state,"
        f" blob, created_at, updated_at) SELECT '{new_id()}', organization_id, id, 1, 9, hash,"
        f" 'VALID', '{BLOB}', created_at, updated_at FROM binary_record WHERE id = $1",
        binary,
    )
    world.run("UPDATE storage_usage SET bytes = bytes + 9")


def _shrink(world: World, part: str) -> None:
    """Gives a part a size that none can have, and counts it so."""
    world.run(
        "UPDATE storage_usage SET bytes = bytes - 1 - (SELECT size FROM binary_part WHERE id = $1)",
        part,
    )
    world.run("UPDATE binary_part SET size = -1 WHERE id = $1", part)


def _unerase(world: World, binary: str) -> None:
    _garbage(world, BLOB)
    world.run("UPDATE storage_gc SET binary_id = $1", binary)


def _turn_back(world: World, release: str) -> None:
    """Has the release after this one point back to it."""
    world.run(
        "UPDATE release SET next_release_id = $1"
        " WHERE id = (SELECT next_release_id FROM release WHERE id = $1)",
        release,
    )


def _lose(world: World, event: str) -> None:
    """A delivery of an event, under its id, that nobody is told of."""
    world.run(
        f"INSERT INTO webhook SELECT '{_OTHER}', organization_id, 'hook', 'https://hooks.invalid',"
        " NULL, FALSE, 1, '', NULL, time, time FROM event WHERE id = $1",
        event,
    )
    world.run(
        f"INSERT INTO webhook_delivery SELECT id, organization_id, '{_OTHER}', id, subject_id, 1,"
        " 'PENDING', 0, '[]', time, NULL, NULL, time, time FROM event WHERE id = $1",
        event,
    )


def _take_out(world: World, claim: str) -> None:
    sql = "UPDATE device SET cohort_id = NULL"
    world.run(f"{sql} WHERE id = (SELECT device_id FROM release_claim WHERE id = $1)", claim)
    world.run(_COUNT)


def _misplace(world: World, device: str) -> None:
    other = "SELECT c.id FROM cohort c WHERE c.product_id <> device.product_id"
    world.run(f"UPDATE device SET cohort_id = ({other}) WHERE id = $1", device)
    world.run(_COUNT)


PLANTS: Final = (
    Plant(Damage.BLOB_MISSING, f"{_STORED} 'UPLOADABLE'", _unlink, mended=True),
    Plant(Damage.BLOB_MISSING, f"{_STORED} 'SIGNED'", _unlink),
    Plant(Damage.BLOB_SIZE, f"{_STORED} 'UPLOADABLE'", _cut, mended=True),
    Plant(Damage.BLOB_SIZE, f"{_STORED} 'HASHABLE'", _cut),
    Plant(Damage.BLOB_ORPHAN, f"SELECT '{BLOB}'", _write, mended=True),
    Plant(Damage.BLOB_DIGEST, f"{_STORED} 'UPLOADABLE'", _flip, mended=True, deep=True),
    Plant(Damage.BLOB_DIGEST, f"{_STORED} 'SIGNED'", _flip, deep=True),
    Plant(Damage.BLOB_UNREADABLE, f"{_STORED} 'SIGNED'", _close, deep=True),
    Plant(
        Damage.CONTENT_DIGEST,
        "SELECT b.id FROM binary_record b JOIN binary_part p ON p.binary_id = b.id"
        " WHERE b.state = 'SIGNED' AND p.part_index = 2",
        _exchange,
        deep=True,
    ),
    Plant(Damage.CONTENT_MARKED, f"{_OF} 'SIGNED'", _MARK),
    Plant(Damage.MARK_STALE, f"{_OF} 'SIGNED'", _MARK, mended=True, deep=True),
    Plant(Damage.DATABASE_DAMAGED, "SELECT 'database'", _scribble, embedded=True),
    Plant(
        Damage.REFERENCE_DANGLING,
        "SELECT id FROM binary_signature ORDER BY id",
        f"UPDATE binary_signature SET signing_key_id = '{_OTHER}' WHERE id = $1",
    ),
    Plant(Damage.ORGANIZATION_MIXED, "SELECT id FROM release_claim", _mix),
    Plant(
        Damage.STATE_UNTOLD,
        f"{_OF} 'HASHABLE'",
        "UPDATE binary_record SET state = 'UPLOADABLE' WHERE id = $1",
    ),
    Plant(
        Damage.STATE_IMPOSSIBLE,
        f"{_OF} 'SIGNED'",
        "UPDATE binary_record SET content_erased_at = created_at WHERE id = $1",
    ),
    Plant(
        Damage.EPOCH_BEHIND,
        f"{_OF} 'DESTROYED'",
        "UPDATE binary_record SET epoch = 1 WHERE id = $1",
        mended=True,
    ),
    Plant(
        Damage.COUNTER_WRONG,
        f"{_OF} 'SIGNED'",
        "UPDATE binary_record SET bytes_uploaded = 3 WHERE id = $1",
        mended=True,
    ),
    Plant(
        Damage.USAGE_WRONG,
        "SELECT organization_id FROM storage_usage WHERE bytes > 0",
        "UPDATE storage_usage SET bytes = bytes - 1 WHERE organization_id = $1",
        mended=True,
    ),
    Plant(
        Damage.PARTS_INCOMPLETE,
        f"{_OF} 'HASHABLE'",
        "UPDATE binary_record SET size = size + 1 WHERE id = $1",
    ),
    Plant(
        Damage.PARTS_GAP,
        f"{_OF} 'HASHABLE'",
        "UPDATE binary_part SET part_index = 2 WHERE binary_id = $1",
    ),
    Plant(
        Damage.PART_IMPOSSIBLE,
        "SELECT id FROM binary_part WHERE blob IS NULL",
        _shrink,
    ),
    Plant(
        Damage.HASHING_STUCK,
        f"{_OF} 'HASHING'",
        "UPDATE binary_record SET verification_status = NULL WHERE id = $1",
        mended=True,
    ),
    Plant(
        Damage.LEASE_DEAD,
        f"{_OF} 'HASHING'",
        "UPDATE binary_record SET verification_status = 'RUNNING', lease_token = id,"
        " lease_expires_at = created_at WHERE id = $1",
        mended=True,
    ),
    Plant(
        Damage.LEASE_STRAY,
        f"{_OF} 'SIGNABLE'",
        "UPDATE binary_record SET lease_token = id WHERE id = $1",
        mended=True,
    ),
    Plant(
        Damage.UNVERIFIED,
        f"{_OF} 'SIGNED'",
        "UPDATE binary_record SET computed_hash = NULL WHERE id = $1",
    ),
    Plant(
        Damage.SIGNED_WITHOUT_SIGNATURE,
        f"{_OF} 'SIGNED'",
        "DELETE FROM binary_signature WHERE binary_id = $1",
    ),
    Plant(
        Damage.SIGNATURE_EARLY,
        "SELECT max(CAST(id AS TEXT)) FROM binary_signature GROUP BY binary_id HAVING count(*) > 1",
        f"UPDATE binary_signature SET binary_id = ({_OF} 'SIGNABLE') WHERE id = $1",
        also=frozenset({Damage.SIGNATURE_INVALID}),
    ),
    Plant(
        Damage.SIGNATURE_INVALID,
        "SELECT id FROM binary_signature",
        "UPDATE binary_signature SET signature = public_key || public_key FROM signing_key k"
        " WHERE binary_signature.id = $1 AND k.id = signing_key_id",
    ),
    Plant(Damage.DESTROYED_WITH_PARTS, f"{_OF} 'DESTROYED'", _give_part, mended=True),
    Plant(
        Damage.ERASURE_UNDONE,
        f"{_OF} 'DESTROYED'",
        _unerase,
        mended=True,
        also=frozenset({Damage.GARBAGE_LEFT}),
    ),
    Plant(
        Damage.ERASURE_UNTOLD,
        f"{_OF} 'DESTROYED'",
        "UPDATE binary_record SET content_erased_at = NULL WHERE id = $1",
        mended=True,
    ),
    Plant(Damage.INTENT_LEFT, f"SELECT '{BLOB}'", _intent, mended=True),
    Plant(
        Damage.INTENT_IN_USE,
        "SELECT blob FROM binary_part WHERE blob IS NOT NULL",
        _intent_in_use,
        mended=True,
    ),
    Plant(Damage.GARBAGE_LEFT, f"SELECT '{BLOB}'", _garbage, mended=True),
    Plant(
        Damage.GARBAGE_IN_USE,
        "SELECT blob FROM binary_part WHERE blob IS NOT NULL",
        _garbage_in_use,
        mended=True,
    ),
    Plant(
        Damage.RELEASE_CYCLE,
        "SELECT a.id FROM release a JOIN release b ON b.id = a.next_release_id"
        " WHERE b.next_release_id IS NOT NULL",
        _turn_back,
    ),
    Plant(
        Damage.RELEASE_FOREIGN,
        "SELECT id FROM release WHERE next_release_id IS NOT NULL",
        "UPDATE release SET next_release_id = (SELECT o.id FROM release o WHERE"
        " o.next_release_id IS NULL AND o.cohort_id <> release.cohort_id) WHERE id = $1",
    ),
    Plant(
        Damage.BUNDLE_GAP,
        "SELECT bundle_id FROM bundle_version WHERE position = 1",
        "DELETE FROM bundle_version WHERE position = 0 AND bundle_id = $1",
    ),
    Plant(
        Damage.CLAIM_STRAY,
        "SELECT id FROM release_claim",
        _take_out,
        mended=True,
    ),
    Plant(
        Damage.DEVICE_MISPLACED,
        "SELECT d.id FROM device d LEFT JOIN release_claim c ON c.device_id = d.id"
        " WHERE c.id IS NULL AND d.cohort_id IS NOT NULL",
        _misplace,
    ),
    Plant(
        Damage.DEVICES_MISCOUNTED,
        "SELECT cohort_id FROM cohort_devices WHERE devices > 0",
        "UPDATE cohort_devices SET devices = devices + 1 WHERE cohort_id = $1",
        mended=True,
    ),
    Plant(
        Damage.CLAIMS_MISCOUNTED,
        "SELECT release_id FROM release_claim_count WHERE claims > 0",
        "UPDATE release_claim_count SET claims = claims + 1 WHERE release_id = $1",
        mended=True,
    ),
    Plant(
        Damage.WEBHOOK_STUCK,
        "SELECT id FROM event WHERE kind = 'bundle.create'",
        _lose,
        mended=True,
    ),
)
