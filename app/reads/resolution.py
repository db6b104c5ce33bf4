"""The facts that the resolver judges, read in a constant number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from app import database
from app.models import Device
from app.reads.values import as_list, as_uuid, maybe_time, maybe_uuid
from app.rules.binary import ContentHealth, State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.version import BinaryFacts, VersionFacts

_RELEASES = """
SELECT id, cohort_id, next_release_id, bundle_id, required, disabled, archived, scheduled_at,
       phase_value, phase_tags, version, version_requirement, halt_after
FROM release WHERE organization_id = $1 AND cohort_id {ids:2} ORDER BY id
"""
_BUNDLES = """
SELECT bv.bundle_id, bv.artifact_version_id, b.id, b.target, b.state, b.content_health
FROM bundle_version bv
LEFT JOIN binary_record b ON b.artifact_version_id = bv.artifact_version_id
WHERE bv.organization_id = $1 AND bv.bundle_id {ids:2}
ORDER BY bv.bundle_id, bv.position, b.id
"""
_VERSIONS = """
SELECT v.id AS artifact_version_id, b.id, b.target, b.state, b.content_health
FROM artifact_version v
LEFT JOIN binary_record b ON b.artifact_version_id = v.id
WHERE v.organization_id = $1 AND v.id {ids:2}
ORDER BY v.id, b.id
"""
_COUNTS = """
SELECT cohort_id AS id, devices AS n, 0 AS failures FROM cohort_devices
WHERE organization_id = $1 AND cohort_id {ids:2}
UNION ALL
SELECT r.id, (
    SELECT COALESCE(SUM(k.claims), 0) FROM release_claim_count k WHERE k.release_id = r.id
) AS n, r.failures
FROM release r WHERE r.organization_id = $1 AND r.cohort_id {ids:2}
  AND (r.phase_value IS NOT NULL OR r.halt_after IS NOT NULL)
"""
_TARGET = """
SELECT p.target FROM device d JOIN product p ON p.id = d.product_id
WHERE d.organization_id = $1 AND d.id = $2
"""
_DEVICES = """
SELECT d.*, p.target AS product_target, p.archived AS product_archived, h.graph_version,
       c.release_id AS claimed
FROM device d
JOIN product p ON p.id = d.product_id
LEFT JOIN cohort h ON h.id = d.cohort_id
LEFT JOIN release_claim c ON c.device_id = d.id
WHERE d.organization_id = $1 AND d.id {ids:2}
"""


@dataclass(frozen=True)
class Asking:
    """A device that asks: what the resolver sees of it, and its cohort's graph's version.

    Both were read in one statement, with all of its columns.
    """

    facts: DeviceFacts
    graph_version: int | None
    columns: Mapping[str, Any]

    @cached_property
    def row(self) -> Device:
        """The device itself, for who writes it."""
        return database.instance(Device, self.columns)


async def target_of(organization_id: UUID, device_id: UUID) -> str | None:
    """The target that a device runs; None where this organization has no such device."""
    rows = await database.fetch(_TARGET, [organization_id, device_id])
    return str(rows[0][0]) if rows else None


async def cohorts(
    organization_id: UUID,
    cohort_ids: Iterable[UUID],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, CohortFacts]:
    """All that is known of these cohorts; three statements, however many there are."""
    found = await graphs(organization_id, cohort_ids, using=using)
    return await counted(organization_id, found, using=using)


async def graphs(
    organization_id: UUID,
    cohort_ids: Iterable[UUID],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, CohortFacts]:
    """The graphs of these cohorts with what their bundles hold, and no counts; two statements."""
    wanted: list[Any] = [organization_id, sorted(set(cohort_ids))]
    releases: dict[UUID, list[ReleaseFacts]] = defaultdict(list)
    for row in await database.query(_RELEASES, wanted, using=using):
        releases[as_uuid(row["cohort_id"])].append(release_facts(row))
    bundle_ids = {facts.bundle_id for one in releases.values() for facts in one}
    held = await bundles(organization_id, bundle_ids, using=using)
    return {
        cohort_id: CohortFacts(
            graph=CohortGraph(releases[cohort_id]),
            devices=0,
            bundles={facts.bundle_id: held[facts.bundle_id] for facts in releases[cohort_id]},
        )
        for cohort_id in wanted[1]
    }


async def release_graph(
    organization_id: UUID, cohort_id: UUID, *, using: database.Connection | None = None
) -> CohortGraph:
    """The releases of one cohort, and nothing of what they hold; one statement."""
    rows = await database.query(_RELEASES, [organization_id, [cohort_id]], using=using)
    return CohortGraph(map(release_facts, rows))


async def counted(
    organization_id: UUID,
    found: Mapping[UUID, CohortFacts],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, CohortFacts]:
    """The same cohorts with their numbers of devices, claims and failures; one statement."""
    arguments = [organization_id, sorted(found)]
    # Ids are unique across tables, so those of cohorts and of releases can stand side by side.
    rows = {
        as_uuid(row["id"]): row for row in await database.query(_COUNTS, arguments, using=using)
    }
    numbers = {id: row["n"] for id, row in rows.items()}
    failures = {id: row["failures"] for id, row in rows.items()}
    return {
        id: facts.counted(devices=numbers.get(id, 0), claims=numbers, failures=failures)
        for id, facts in found.items()
    }


def release_facts(row: Mapping[str, Any]) -> ReleaseFacts:
    """The facts of a release from its row."""
    return ReleaseFacts(
        id=as_uuid(row["id"]),
        next_id=maybe_uuid(row["next_release_id"]),
        bundle_id=as_uuid(row["bundle_id"]),
        required=bool(row["required"]),
        disabled=bool(row["disabled"]),
        archived=bool(row["archived"]),
        scheduled_at=maybe_time(row["scheduled_at"]),
        phase_value=None if row["phase_value"] is None else Decimal(row["phase_value"]),
        phase_tags=frozenset(as_list(row["phase_tags"])),
        version=row["version"],
        version_requirement=row["version_requirement"],
        halt_after=row["halt_after"],
    )


def _binary_facts(row: Mapping[str, Any]) -> BinaryFacts:
    health = row["content_health"]
    return BinaryFacts(
        id=as_uuid(row["id"]),
        target=row["target"],
        state=State(row["state"]),
        content_health=None if health is None else ContentHealth(health),
    )


async def bundles(
    organization_id: UUID,
    bundle_ids: Iterable[UUID],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, tuple[VersionFacts, ...]]:
    """The artifact versions of bundles, in order, each with its binaries; one statement."""
    found: dict[UUID, dict[UUID, list[BinaryFacts]]] = defaultdict(dict)
    arguments = [organization_id, sorted(set(bundle_ids))]
    for row in await database.query(_BUNDLES, arguments, using=using):
        versions = found[as_uuid(row["bundle_id"])]
        binaries = versions.setdefault(as_uuid(row["artifact_version_id"]), [])
        if row["id"] is not None:
            binaries.append(_binary_facts(row))
    return {
        bundle_id: tuple(VersionFacts(id, tuple(held)) for id, held in versions.items())
        for bundle_id, versions in found.items()
    }


async def versions(
    organization_id: UUID,
    version_ids: Iterable[UUID],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, VersionFacts]:
    """Artifact versions with their binaries, destroyed ones too; one statement."""
    found: dict[UUID, list[BinaryFacts]] = {}
    arguments = [organization_id, sorted(set(version_ids))]
    for row in await database.query(_VERSIONS, arguments, using=using):
        binaries = found.setdefault(as_uuid(row["artifact_version_id"]), [])
        if row["id"] is not None:
            binaries.append(_binary_facts(row))
    return {id: VersionFacts(id, tuple(binaries)) for id, binaries in found.items()}


async def asking(
    organization_id: UUID,
    device_ids: Iterable[UUID],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, Asking]:
    """Devices by their ids, those that are there; one statement, however many there are."""
    rows: dict[UUID, Mapping[str, Any]] = {}
    claims: dict[UUID, set[UUID]] = defaultdict(set)
    arguments = [organization_id, sorted(set(device_ids))]
    for row in await database.query(_DEVICES, arguments, using=using):
        id, claimed = as_uuid(row["id"]), maybe_uuid(row["claimed"])
        rows[id] = row
        if claimed is not None:
            claims[id].add(claimed)
    return {id: _asking(row, frozenset(claims[id])) for id, row in rows.items()}


def _asking(row: Mapping[str, Any], claims: frozenset[UUID]) -> Asking:
    facts = DeviceFacts(
        id=as_uuid(row["id"]),
        target=row["product_target"],
        cohort_id=maybe_uuid(row["cohort_id"]),
        tags=frozenset(as_list(row["tags"])),
        quarantined=bool(row["quarantined"]),
        product_archived=bool(row["product_archived"]),
        pinned_release_id=maybe_uuid(row["pinned_release_id"]),
        reported_release_id=maybe_uuid(row["reported_release_id"]),
        reported_bundle_id=maybe_uuid(row["reported_bundle_id"]),
        reported_version=row["reported_version"],
        claims=claims,
    )
    return Asking(facts, row["graph_version"], row)
