"""What destroying binaries would do: read here, judged by `app.rules.impact`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from app import database
from app.reads import resolution
from app.reads.values import as_list, as_uuid, maybe_uuid
from app.rules import impact as rules
from app.rules.plan import LIFETIME, Plan
from app.rules.resolution import CohortFacts, DeviceFacts

_BINARIES = """
SELECT id, revision, artifact_version_id FROM binary_record
WHERE organization_id = $1 AND id {ids:2}
"""
_OF_VERSIONS = """
SELECT id FROM binary_record
WHERE organization_id = $1 AND artifact_version_id {ids:2} AND state = 'SIGNED'
"""
_OF_BUNDLES = """
SELECT b.id FROM bundle_version bv
JOIN binary_record b ON b.artifact_version_id = bv.artifact_version_id
WHERE bv.organization_id = $1 AND bv.bundle_id {ids:2} AND b.state = 'SIGNED'
"""
_OF_KEYS = """
SELECT s.binary_id AS id FROM binary_signature s
JOIN binary_record b ON b.id = s.binary_id
WHERE s.organization_id = $1 AND s.signing_key_id {ids:2} AND b.state = 'SIGNED'
  AND NOT EXISTS (
    SELECT 1 FROM binary_signature o JOIN signing_key k ON k.id = o.signing_key_id
    WHERE o.binary_id = s.binary_id AND NOT k.retired AND NOT o.signing_key_id {ids:2}
  )
"""
_COHORTS = """
SELECT DISTINCT r.cohort_id, c.product_id, bv.bundle_id FROM bundle_version bv
JOIN release r ON r.bundle_id = bv.bundle_id
JOIN cohort c ON c.id = r.cohort_id
WHERE bv.organization_id = $1 AND bv.artifact_version_id {ids:2}
"""
_GROUP = """
d.cohort_id, d.product_id, d.tags, d.quarantined, d.pinned_release_id,
d.reported_release_id, d.reported_bundle_id, d.reported_version"""
_UNCLAIMED = f"""
SELECT {_GROUP}, COUNT(*) AS n FROM device d
WHERE d.organization_id = $1 AND d.cohort_id {{ids:2}} AND NOT EXISTS (
    SELECT 1 FROM release_claim c WHERE c.device_id = d.id AND c.release_id {{ids:3}}
)
GROUP BY {_GROUP}
"""
_CLAIMED = f"""
SELECT {_GROUP}, c.device_id, c.release_id FROM release_claim c
JOIN device d ON d.id = c.device_id
WHERE c.organization_id = $1 AND d.cohort_id {{ids:2}} AND c.release_id {{ids:3}}
"""
_PRODUCTS = "SELECT id, target, archived FROM product WHERE organization_id = $1 AND id {ids:2}"


@dataclass(frozen=True)
class Impact:
    """What would happen to releases if these binaries were destroyed now."""

    organization_id: UUID
    binaries: Mapping[UUID, int]
    version_ids: frozenset[UUID]
    product_ids: tuple[UUID, ...]
    bundle_ids: tuple[UUID, ...]
    before: Mapping[UUID, CohortFacts]

    @cached_property
    def after(self) -> Mapping[UUID, CohortFacts]:
        """The cohorts as they would be."""
        return {
            id: rules.after_destroying(facts, self.binaries.keys())
            for id, facts in self.before.items()
        }

    @cached_property
    def effects(self) -> Mapping[UUID, rules.Effect]:
        """The releases that hold one of the binaries, with what happens to each."""
        found: dict[UUID, rules.Effect] = {}
        for facts in self.before.values():
            found |= rules.effects(facts, self.binaries.keys())
        return found

    @cached_property
    def to_accept(self) -> Mapping[UUID, rules.ReleaseFlags]:
        """The newly affected, not archived releases: these must be accepted."""
        found: dict[UUID, rules.ReleaseFlags] = {}
        for id, facts in self.before.items():
            found |= rules.to_accept(facts, self.after[id])
        return found

    def plan(self, *, at: datetime) -> Plan:
        """What a plan token of this impact carries."""
        return Plan(self.organization_id, self.binaries, self.to_accept, at + LIFETIME)


async def binaries_of(
    organization_id: UUID,
    *,
    binary_ids: Collection[UUID] = (),
    version_ids: Collection[UUID] = (),
    bundle_ids: Collection[UUID] = (),
    signing_key_ids: Collection[UUID] = (),
) -> set[UUID]:
    """The binaries that an operator means by these (domain, section 6)."""
    found = set(binary_ids)
    for sql, ids in (
        (_OF_VERSIONS, version_ids),
        (_OF_BUNDLES, bundle_ids),
        (_OF_KEYS, signing_key_ids),
    ):
        if ids:
            rows = await database.query(sql, [organization_id, sorted(ids)])
            found |= {as_uuid(row["id"]) for row in rows}
    return found


async def impact(
    organization_id: UUID,
    binary_ids: Iterable[UUID],
    *,
    using: database.Connection | None = None,
) -> Impact:
    """The impact of destroying binaries, in a constant number of statements.

    Unknown ids are left out.
    """
    wanted = [organization_id, sorted(set(binary_ids))]
    binaries = await database.query(_BINARIES, wanted, using=using)
    version_ids = frozenset(as_uuid(row["artifact_version_id"]) for row in binaries)
    held = await database.query(_COHORTS, [organization_id, sorted(version_ids)], using=using)
    cohort_ids = {as_uuid(row["cohort_id"]) for row in held}
    return Impact(
        organization_id=organization_id,
        binaries={as_uuid(row["id"]): row["revision"] for row in binaries},
        version_ids=version_ids,
        product_ids=tuple(sorted({as_uuid(row["product_id"]) for row in held})),
        bundle_ids=tuple(sorted({as_uuid(row["bundle_id"]) for row in held})),
        before=await resolution.cohorts(organization_id, cohort_ids, using=using),
    )


async def counts(found: Impact, *, at: datetime) -> rules.Counts:
    """How many devices lose their update and how many are stuck; three statements."""
    groups = await device_groups(found.organization_id, found.before)
    losing = stuck = 0
    for cohort_id, before in found.before.items():
        judged = rules.count(groups[cohort_id], before, found.after[cohort_id], at=at)
        losing, stuck = losing + judged.losing, stuck + judged.stuck
    return rules.Counts(losing, stuck)


async def device_groups(
    organization_id: UUID, cohorts: Mapping[UUID, CohortFacts]
) -> dict[UUID, list[tuple[DeviceFacts, int]]]:
    """The devices of cohorts, those that get the same answer as one with their number."""
    phased = sorted({id for facts in cohorts.values() for id in facts.graph.phased_ids})
    arguments: list[Any] = [organization_id, sorted(cohorts), phased]
    rows = await database.query(_UNCLAIMED, arguments)
    claims: dict[UUID, set[UUID]] = defaultdict(set)
    holders: dict[UUID, Mapping[str, Any]] = {}
    for held in await database.query(_CLAIMED, arguments) if phased else ():
        claims[as_uuid(held["device_id"])].add(as_uuid(held["release_id"]))
        holders[as_uuid(held["device_id"])] = held
    product_ids = {as_uuid(row["product_id"]) for row in [*rows, *holders.values()]}
    products = {
        as_uuid(row["id"]): row
        for row in await database.query(_PRODUCTS, [organization_id, sorted(product_ids)])
    }
    groups: dict[UUID, dict[Any, tuple[DeviceFacts, int]]] = {id: {} for id in cohorts}
    alike: list[tuple[Mapping[str, Any], frozenset[UUID], int]] = [
        *((row, frozenset(), row["n"]) for row in rows),
        *((row, frozenset(claims[id]), 1) for id, row in holders.items()),
    ]
    for group, claimed, number in alike:
        device = _device(group, products[as_uuid(group["product_id"])], claimed)
        cohort_id = as_uuid(group["cohort_id"])
        key = rules.group_key(device, cohorts[cohort_id])
        first, so_far = groups[cohort_id].get(key, (device, 0))
        groups[cohort_id][key] = first, so_far + number
    return {id: list(found.values()) for id, found in groups.items()}


def _device(
    row: Mapping[str, Any], product: Mapping[str, Any], claims: frozenset[UUID]
) -> DeviceFacts:
    cohort_id = as_uuid(row["cohort_id"])
    return DeviceFacts(
        id=cohort_id,
        target=product["target"],
        cohort_id=cohort_id,
        tags=frozenset(as_list(row["tags"])),
        quarantined=bool(row["quarantined"]),
        product_archived=bool(product["archived"]),
        pinned_release_id=maybe_uuid(row["pinned_release_id"]),
        reported_release_id=maybe_uuid(row["reported_release_id"]),
        reported_bundle_id=maybe_uuid(row["reported_bundle_id"]),
        reported_version=row["reported_version"],
        claims=claims,
    )
