"""What destroying binaries would do: read here, judged by `app.rules.impact`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from app import database
from app.reads import fleet, graphs
from app.reads.values import as_uuid
from app.rules import impact as rules
from app.rules.cohort import CohortFacts
from app.rules.plan import LIFETIME, Plan

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
SELECT DISTINCT r.cohort_id, c.product_id, c.graph_version FROM bundle_version bv
JOIN release r ON r.bundle_id = bv.bundle_id
JOIN cohort c ON c.id = r.cohort_id
WHERE bv.organization_id = $1 AND bv.artifact_version_id {ids:2}
"""


@dataclass(frozen=True)
class Impact:
    """What would happen to releases if these binaries were destroyed now."""

    organization_id: UUID
    binaries: Mapping[UUID, int]
    version_ids: frozenset[UUID]
    products: Mapping[UUID, UUID]
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
        for id, facts in self.before.items():
            found |= rules.effects(facts, self.after[id], self.binaries.keys())
        return found

    @cached_property
    def bundle_ids(self) -> tuple[UUID, ...]:
        """The bundles of the releases that something happens to, in order of id."""
        releases = (one for facts in self.before.values() for one in facts.graph.releases)
        return tuple(sorted({one.bundle_id for one in releases if one.id in self.effects}))

    @cached_property
    def cohort_ids(self) -> tuple[UUID, ...]:
        """The cohorts of those releases, in order of id."""
        return tuple(
            sorted(
                id
                for id, facts in self.before.items()
                if any(one.id in self.effects for one in facts.graph.releases)
            )
        )

    @property
    def product_ids(self) -> tuple[UUID, ...]:
        """The products of those cohorts, in order of id."""
        return tuple(sorted({self.products[id] for id in self.cohort_ids}))

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


async def concerned(
    organization_id: UUID, binary_ids: Iterable[UUID], *, using: database.Connection | None = None
) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """The artifact versions of binaries, and the cohorts that release them; two statements."""
    wanted = [organization_id, sorted(set(binary_ids))]
    binaries = await database.query(_BINARIES, wanted, using=using)
    version_ids = frozenset(as_uuid(row["artifact_version_id"]) for row in binaries)
    held = await database.query(_COHORTS, [organization_id, sorted(version_ids)], using=using)
    return version_ids, frozenset(as_uuid(row["cohort_id"]) for row in held)


async def impact(
    organization_id: UUID,
    binary_ids: Iterable[UUID],
    *,
    of_loss: bool = False,
    using: database.Connection | None = None,
) -> Impact:
    """The impact of destroying binaries, in two statements where the graphs are kept, or four.

    Unknown ids are left out, and cohorts have no counts. `of_loss`: as if the content of these were
    whole before, so that what its damage took is counted as well.
    """
    wanted = [organization_id, sorted(set(binary_ids))]
    binaries = await database.query(_BINARIES, wanted, using=using)
    version_ids = frozenset(as_uuid(row["artifact_version_id"]) for row in binaries)
    held = await database.query(_COHORTS, [organization_id, sorted(version_ids)], using=using)
    versions = {as_uuid(row["cohort_id"]): row["graph_version"] for row in held}
    before = await graphs.at_versions(organization_id, versions, using=using)
    found = {as_uuid(row["id"]): row["revision"] for row in binaries}
    if of_loss:
        before = {id: rules.before_losing(facts, found.keys()) for id, facts in before.items()}
    return Impact(
        organization_id=organization_id,
        binaries=found,
        version_ids=version_ids,
        products={as_uuid(row["cohort_id"]): as_uuid(row["product_id"]) for row in held},
        before=before,
    )


async def counts(found: Impact, *, at: datetime) -> rules.Counts:
    """How many devices lose their update and how many are stuck; three statements at most."""
    groups = await fleet.devices(found.organization_id, found.before)
    counted = await graphs.counted(found.organization_id, found.before)
    losing = stuck = 0
    for cohort_id, before in counted.items():
        alike = [(group.device, group.number) for group in groups[cohort_id]]
        after = found.after[cohort_id].counted(
            devices=before.devices, claims=before.claims, failures=before.failures
        )
        judged = rules.count(alike, before, after, at=at)
        losing, stuck = losing + judged.losing, stuck + judged.stuck
    return rules.Counts(losing, stuck)
