"""The tables that the migrations make: what stands in the database is what is expected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from tortoise import Tortoise
from tortoise.exceptions import IntegrityError

from app import database
from app.rules.ids import new_id
from tests.catalogue import catalogue, columns

EXPECTED = """
api_key
    check (device_id, role)
    check (role)
    column created_at timestamptz
    column device_id? uuid -> device
    column expires_at? timestamptz
    column id uuid
    column last_used_at? timestamptz
    column name text
    column organization_id uuid -> organization
    column revoked_at? timestamptz
    column role text
    column secret_hash text
    column updated_at timestamptz
    index api_key_device (device_id)
    primary key (id)
    unique (secret_hash)
    unique index api_key_list (organization_id, id)

artifact
    column created_at timestamptz
    column description text
    column id uuid
    column name text
    column organization_id uuid -> organization
    column updated_at timestamptz
    primary key (id)
    unique index artifact_by_name (organization_id, name, id)
    unique index artifact_by_time (organization_id, updated_at, id)
    unique index artifact_list (organization_id, id)

artifact_version
    column artifact_id uuid -> artifact
    column created_at timestamptz
    column description text
    column id uuid
    column organization_id uuid -> organization
    column updated_at timestamptz
    column version text
    primary key (id)
    unique (artifact_id, version)
    unique index artifact_version_artifact (artifact_id, id)
    unique index artifact_version_by_version (organization_id, version, id)
    unique index artifact_version_list (organization_id, id)

binary_part
    check (blob, state)
    check (part_index)
    check (state)
    column binary_id uuid -> binary_record
    column blob? text
    column created_at timestamptz
    column hash text
    column id uuid
    column organization_id uuid -> organization
    column part_index integer
    column size bigint
    column state text
    column updated_at timestamptz
    primary key (id)
    unique (binary_id, part_index)
    unique (blob)

binary_record
    check (content_health)
    check (destroyed, state)
    check (hash)
    check (size)
    check (state)
    check (verification_status)
    column artifact_version_id uuid -> artifact_version
    column bytes_hashed bigint
    column bytes_uploaded bigint
    column computed_hash? text
    column computed_size? bigint
    column content_checked_at? timestamptz
    column content_erased_at? timestamptz
    column content_health? text
    column created_at timestamptz
    column custom_metadata jsonb
    column description text
    column destroyed boolean
    column epoch bigint
    column hash text
    column id uuid
    column lease_expires_at? timestamptz
    column lease_token? uuid
    column organization_id uuid -> organization
    column revision bigint
    column size bigint
    column state text
    column target text
    column updated_at timestamptz
    column verification_attempts bigint
    column verification_due_at? timestamptz
    column verification_error? text
    column verification_status? text
    index binary_record_checked (content_checked_at) where content_checked_at IS NOT NULL
    index binary_record_hashing (verification_due_at) where state = 'HASHING'
    index binary_record_idle (updated_at) where state = 'UPLOADABLE'
    index binary_record_unerased (id) where state = 'DESTROYED' AND content_erased_at IS NULL
    index binary_record_unhealthy (content_checked_at) where content_health <> 'OK'
    index binary_record_version_target (artifact_version_id, target)
    primary key (id)
    trigger binary_record_changed
    trigger binary_record_created
    trigger binary_record_deleted
    unique index binary_record_by_hash (organization_id, hash, id)
    unique index binary_record_by_health (organization_id, content_health, id)
    unique index binary_record_by_size (organization_id, size, id)
    unique index binary_record_by_state (organization_id, state, id)
    unique index binary_record_by_target (organization_id, target, id)
    unique index binary_record_by_time (organization_id, updated_at, id)
    unique index binary_record_by_verification (organization_id, verification_status, id)
    unique index binary_record_list (organization_id, id)
    unique index binary_record_live_target (artifact_version_id, target) where state <> 'DESTROYED'

binary_signature
    column binary_id uuid -> binary_record
    column created_at timestamptz
    column id uuid
    column organization_id uuid -> organization
    column signature text
    column signing_key_id uuid -> signing_key
    column updated_at timestamptz
    primary key (id)
    unique (binary_id, signing_key_id)
    unique index binary_signature_key_list (signing_key_id, id)

bundle
    column created_at timestamptz
    column id uuid
    column name text
    column organization_id uuid -> organization
    column updated_at timestamptz
    primary key (id)
    unique index bundle_by_name (organization_id, name, id)
    unique index bundle_by_time (organization_id, updated_at, id)
    unique index bundle_list (organization_id, id)

bundle_version
    column artifact_version_id uuid -> artifact_version
    column bundle_id uuid -> bundle
    column id uuid
    column organization_id uuid -> organization
    column position integer
    primary key (id)
    unique (artifact_version_id, bundle_id)
    unique (bundle_id, position)

cohort
    column created_at timestamptz
    column description text
    column graph_version bigint
    column id uuid
    column name text
    column organization_id uuid -> organization
    column product_id uuid -> product
    column updated_at timestamptz
    primary key (id)
    unique (product_id, name)
    unique index cohort_list (organization_id, id)

cohort_devices
    column cohort_id uuid -> cohort
    column devices bigint
    column organization_id uuid -> organization
    primary key (cohort_id)

content_scrub
    column binary_id uuid
    column until timestamptz
    primary key (binary_id)

device
    column cohort_id? uuid -> cohort
    column created_at timestamptz
    column id uuid
    column identifier text
    column last_seen_at? timestamptz
    column organization_id uuid -> organization
    column pinned_release_id? uuid -> release
    column product_id uuid -> product
    column quarantined boolean
    column reported_bundle_id? uuid -> bundle
    column reported_release_id? uuid -> release
    column reported_version? text
    column tags jsonb
    column updated_at timestamptz
    index device_alike (ALIKE)
    index device_pinned_release (pinned_release_id)
    primary key (id)
    trigger device_created
    trigger device_deleted
    trigger device_moved
    unique (organization_id, identifier)
    unique index device_by_quarantine (organization_id, quarantined, id)
    unique index device_by_time (organization_id, updated_at, id)
    unique index device_cohort_list (cohort_id, id)
    unique index device_list (organization_id, id)
    unique index device_product_list (product_id, id)
    unique index device_release_by_time (reported_release_id, updated_at, id)
    unique index device_release_list (reported_release_id, id)

event
    column actor_key_id? uuid
    column after jsonb
    column before jsonb
    column id uuid
    column kind text
    column organization_id uuid -> organization
    column request_id text
    column subject_id uuid
    column subject_kind text
    column time timestamptz
    index event_kind (organization_id, kind, id)
    index event_subject (subject_id, id)
    primary key (id)
    trigger event_recorded
    unique index event_list (organization_id, id)

idempotency
    column api_key_id uuid
    column created_at timestamptz
    column id uuid
    column idempotency_key text
    column input_hash text
    column mutation text
    column organization_id uuid -> organization
    column result jsonb
    index idempotency_age (created_at)
    primary key (id)
    unique (api_key_id, mutation, idempotency_key)

organization
    column created_at timestamptz
    column id uuid
    column name text
    column updated_at timestamptz
    primary key (id)
    unique (name)

process
    column boot uuid
    column seen_at timestamptz
    primary key (boot)

product
    check (target)
    column archived boolean
    column created_at timestamptz
    column id uuid
    column name text
    column organization_id uuid -> organization
    column target text
    column updated_at timestamptz
    primary key (id)
    unique (organization_id, name)
    unique index product_list (organization_id, id)

release
    check (id, next_release_id)
    column archived boolean
    column bundle_id uuid -> bundle
    column cohort_id uuid -> cohort
    column created_at timestamptz
    column description text
    column disabled boolean
    column failures integer
    column halt_after? integer
    column id uuid
    column name text
    column next_release_id? uuid -> release deferred
    column organization_id uuid -> organization
    column phase_tags jsonb
    column phase_value? text
    column required boolean
    column scheduled_at? timestamptz
    column updated_at timestamptz
    column version? text
    column version_requirement? text
    primary key (id)
    trigger release_changed
    trigger release_created
    trigger release_deleted
    unique (cohort_id, version)
    unique index release_bundle_list (bundle_id, id)
    unique index release_by_name (organization_id, name, id)
    unique index release_by_time (organization_id, updated_at, id)
    unique index release_cohort_list (cohort_id, id)
    unique index release_latest (cohort_id) where next_release_id IS NULL
    unique index release_list (organization_id, id)
    unique index release_next_list (next_release_id, id)

release_claim
    column created_at timestamptz
    column device_id uuid -> device
    column id uuid
    column organization_id uuid -> organization
    column release_id uuid -> release
    primary key (id)
    trigger release_claim_created
    trigger release_claim_deleted
    unique (device_id, release_id)
    unique index release_claim_list (release_id, device_id)

release_claim_count
    column claims integer
    column organization_id uuid -> organization
    column release_id uuid -> release
    column slot integer
    primary key (release_id, slot)

signing_key
    column created_at timestamptz
    column fingerprint text
    column id uuid
    column name text
    column organization_id uuid -> organization
    column public_key text
    column retired boolean
    column updated_at timestamptz
    primary key (id)
    unique (organization_id, fingerprint)
    unique index signing_key_list (organization_id, id)

storage_gc
    column binary_id? uuid
    column blob text
    column created_at timestamptz
    index storage_gc_binary (binary_id)
    primary key (blob)

storage_intent
    column blob text
    column boot uuid
    column created_at timestamptz
    primary key (blob)

storage_upload
    column binary_id uuid -> binary_record
    column blob text
    column completing boolean
    column created_at timestamptz
    column upload text
    primary key (blob)
    unique (binary_id)

storage_usage
    column bytes bigint
    column organization_id uuid -> organization
    column quota? bigint
    primary key (organization_id)

webhook
    column created_at timestamptz
    column enabled boolean
    column event_kinds? jsonb
    column generation integer
    column id uuid
    column name text
    column organization_id uuid -> organization
    column previous_until? timestamptz
    column secret_check text
    column updated_at timestamptz
    column url text
    primary key (id)
    unique index webhook_by_name (organization_id, name, id)
    unique index webhook_by_time (organization_id, updated_at, id)
    unique index webhook_list (organization_id, id)

webhook_delivery
    check (ended_at, state)
    check (state)
    column attempt_count integer
    column attempts jsonb
    column created_at timestamptz
    column ended_at? timestamptz
    column event_id uuid -> event
    column id uuid
    column next_attempt_at? timestamptz
    column organization_id uuid -> organization
    column position bigint
    column queued_at timestamptz
    column state text
    column subject_id uuid
    column updated_at timestamptz
    column webhook_id uuid -> webhook
    index webhook_delivery_ended (ended_at) where ended_at IS NOT NULL
    index webhook_delivery_waiting (webhook_id, subject_id, position) where state = 'PENDING'
    primary key (id)
    unique (position)
    unique index webhook_delivery_by_state (organization_id, state, id)
    unique index webhook_delivery_event_list (event_id, id)
    unique index webhook_delivery_list (organization_id, id)
    unique index webhook_delivery_webhook_list (webhook_id, id)

webhook_lane
    column due_at timestamptz
    column subject_id uuid
    column token? uuid
    column webhook_id uuid -> webhook
    index webhook_lane_due (due_at)
    primary key (webhook_id, subject_id)
"""

ALIKE = (
    "organization_id, cohort_id, product_id, quarantined, pinned_release_id,"
    " reported_release_id, reported_bundle_id, reported_version"
)


@pytest.fixture
def migrated() -> bool:
    """The tables are made here."""
    return False


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[list[str]]:
    """An open database with every migration; the names of those that were applied."""
    async with database.opened(database_url):
        yield await database.migrate()


def _expected() -> dict[str, list[str]]:
    # The one index that differs: an entry of PostgreSQL's may be too short for all tags.
    alike = ALIKE if database.dialect(database.reader()) == "postgres" else f"{ALIKE}, tags"
    expected = EXPECTED.replace("ALIKE", alike)
    tables = [block.splitlines() for block in expected.strip().split("\n\n")]
    return {name: [line.strip() for line in lines] for name, *lines in tables}


async def test_the_catalogue_is_the_expected_one(opened: list[str]) -> None:
    found, expected = await catalogue(), _expected()
    assert found.keys() == expected.keys()
    for table, lines in found.items():
        assert lines == expected[table], table


async def test_each_model_has_the_columns_of_its_table(opened: list[str]) -> None:
    tables = set(await catalogue())
    assert Tortoise.apps is not None
    for model in Tortoise.apps["bindery"].values():
        table = model._meta.db_table
        nullable = {
            str(model._meta.fields_db_projection[name]): model._meta.fields_map[name].null
            for name in model._meta.fields_db_projection
        }
        assert nullable == await columns(table), table
        tables.discard(table)
    assert tables == set()


async def test_migrating_again_does_nothing(opened: list[str]) -> None:
    before = await catalogue()
    assert opened[:1] == ["m0001_initial"]
    assert await database.migrate() == []
    assert await catalogue() == before


async def test_a_migration_may_run_again_after_a_crash(opened: list[str]) -> None:
    """The record of a migration is written after it: here that was lost."""
    before = await catalogue()
    recorded = "DELETE FROM tortoise_migrations WHERE app = $1"
    assert await database.execute(recorded, ["bindery"], using=database.writer()) == len(opened)
    assert await database.migrate() == opened
    assert await catalogue() == before


NOW = datetime(2030, 1, 1, tzinfo=UTC)
ROWS: dict[str, dict[str, Any]] = {
    "organization": {"name": "acme"},
    "product": {"name": "router", "target": "arm-linux-gnueabihf"},
    "cohort": {"name": "stable"},
    "artifact": {"name": "firmware"},
    "artifact_version": {"version": "1"},
    "binary_record": {
        "target": "portable",
        "hash": "0" * 64,
        "size": 1,
        "state": "UPLOADABLE",
        "custom_metadata": "{}",
        "destroyed": False,
    },
    "binary_part": {"part_index": 1, "size": 1, "hash": "0" * 64, "state": "UPLOADABLE"},
    "bundle": {"name": "bundle"},
    "release": {"name": "release", "phase_tags": "[]", "next_release_id": None},
    "api_key": {"name": "key", "role": "READ", "secret_hash": "0" * 64},
}
"""One row of each table that has a check, and of what it refers to."""
REFERENCES = {
    "cohort": {"product_id": "product"},
    "artifact_version": {"artifact_id": "artifact"},
    "binary_record": {"artifact_version_id": "artifact_version"},
    "binary_part": {"binary_id": "binary_record"},
    "release": {"cohort_id": "cohort", "bundle_id": "bundle"},
}


async def _insert(table: str, ids: dict[str, Any], **values: Any) -> None:
    row = {"id": ids[table], **ROWS[table], "created_at": NOW, "updated_at": NOW}
    if table != "organization":
        row["organization_id"] = ids["organization"]
    row |= {column: ids[target] for column, target in REFERENCES.get(table, {}).items()}
    row |= values
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await database.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})",
        list(row.values()),
        using=database.writer(),
    )


@pytest.fixture
async def ids(opened: list[str]) -> dict[str, Any]:
    """The ids of one row in each table of ROWS."""
    made = {table: new_id() for table in ROWS}
    for table in ROWS:
        await _insert(table, made)
    return made


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("organization", {}),
    ("product", {}),
    ("product", {"name": "other", "target": "portable"}),
    ("cohort", {}),
    ("artifact_version", {}),
    ("binary_record", {}),
    ("binary_record", {"target": "other", "hash": "0" * 63}),
    ("binary_record", {"target": "other", "size": -1}),
    ("binary_record", {"target": "other", "size": 53_687_091_200_001}),
    ("binary_record", {"target": "other", "state": "SIGNED?"}),
    ("binary_record", {"target": "other", "state": "DESTROYED"}),
    ("binary_record", {"target": "other", "destroyed": True}),
    ("binary_record", {"target": "other", "content_health": "GOOD"}),
    ("binary_record", {"target": "other", "verification_status": "DONE"}),
    ("binary_record", {"target": "other", "artifact_version_id": uuid4()}),
    ("binary_record", {"target": "other", "custom_metadata": None}),
    ("binary_part", {}),
    ("binary_part", {"part_index": 0}),
    ("binary_part", {"part_index": 10_001}),
    ("binary_part", {"part_index": 2, "state": "GONE"}),
    ("binary_part", {"part_index": 2, "state": "VALID"}),
    ("binary_part", {"part_index": 2, "blob": "0" * 32}),
    ("release", {}),
    ("api_key", {}),
    ("api_key", {"secret_hash": "1" * 64, "role": "OWNER"}),
    ("api_key", {"secret_hash": "1" * 64, "role": "DEVICE"}),
]
"""Rows beside those of ROWS that break one rule each; no values: the same unique ones again."""


async def test_the_database_itself_refuses(ids: dict[str, Any]) -> None:
    for table, values in REFUSED:
        with pytest.raises(IntegrityError):
            await _insert(table, {**ids, table: new_id()}, **values)
        (row,) = await database.query(f"SELECT COUNT(*) AS n FROM {table}")
        assert row["n"] == 1, values


async def test_a_destroyed_binary_leaves_its_target_free(ids: dict[str, Any]) -> None:
    await database.execute(
        "UPDATE binary_record SET state = 'DESTROYED', destroyed = TRUE", using=database.writer()
    )
    for _ in range(2):
        another = {**ids, "binary_record": new_id()}
        await _insert("binary_record", another, state="DESTROYED", destroyed=True)
    await _insert("binary_record", {**ids, "binary_record": new_id()})


async def test_a_release_does_not_follow_itself(ids: dict[str, Any]) -> None:
    own = new_id()
    with pytest.raises(IntegrityError):
        await _insert("release", {**ids, "release": own}, next_release_id=own)
    await _insert("release", {**ids, "release": own}, next_release_id=ids["release"])
