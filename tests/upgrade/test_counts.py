"""Claims go on while a migration begins to count them: none is missed, and none waits for good."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from app import database
from app.backup import manifest, records
from tests.upgrade.first import unpacked

BEFORE: Final = "m0012_cohort_devices"
COUNTING: Final = "m0013_claim_count"
PATIENCE: Final = 1.0
DEADLINE: Final = 30.0
"""Seconds in which a wait is seen to be one, and after which nobody is to wait any longer."""
_CLAIMED: Final = """
SELECT c.organization_id, c.release_id, d.id AS device_id
FROM release_claim c JOIN device d ON d.organization_id = c.organization_id
WHERE NOT EXISTS (
    SELECT 1 FROM release_claim o WHERE o.device_id = d.id AND o.release_id = c.release_id
) LIMIT 1
"""
_CLAIM: Final = """
INSERT INTO release_claim (id, organization_id, release_id, device_id, created_at)
VALUES ($1, $2, $3, $4, now())
"""
_NUMBERS: Final = """
SELECT (SELECT COUNT(*) FROM release_claim) AS there,
    (SELECT SUM(claims) FROM release_claim_count) AS kept
"""


@pytest.fixture
def migrated() -> bool:
    """The tables are made here."""
    return False


@pytest.mark.parametrize("claims_first", [False, True])
async def test_a_claim_beside_the_migration_is_counted(
    database_url: str, tmp_path: Path, claims_first: bool
) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("One process has SQLite: nobody claims while it migrates.")
    folder = unpacked("postgres", tmp_path / "first")
    async with database.opened(database_url, pool=2), records.connected(database_url) as claimer:
        await database.migrate(up_to=manifest.read(folder).migrations[-1])
        await records.load_tables(claimer, folder / manifest.TABLES)
        await database.migrate(up_to=BEFORE)
        await claimer.execute("RESET session_replication_role")
        claim = await claimer.fetchrow(_CLAIMED)
        assert claim is not None
        before = await claimer.fetchval("SELECT COUNT(*) FROM release_claim")
        async with claimer.transaction():
            # As a poll does while a phase limits the release.
            await claimer.execute(
                "SELECT id FROM release WHERE id = $1 FOR UPDATE", claim["release_id"]
            )
            if claims_first:
                await claimer.execute(_CLAIM, uuid4(), *claim)
            migrating = asyncio.create_task(database.migrate(up_to=COUNTING))
            await asyncio.wait([migrating], timeout=PATIENCE if claims_first else DEADLINE)
            assert migrating.done() is not claims_first
            if not claims_first:
                await claimer.execute(_CLAIM, uuid4(), *claim)
        assert await asyncio.wait_for(migrating, DEADLINE) == [COUNTING]
        numbers = await claimer.fetchrow(_NUMBERS)
        assert numbers is not None
        assert dict(numbers) == {"there": before + 1, "kept": before + 1}
