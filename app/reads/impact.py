"""What destroying binaries would do: read here, judged by `app.rules.impact`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
SELECT DISTINCT bv.artifact_version_id, r.cohort_id, c.product_id, c.graph_version
FROM bundle_version bv
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
    """The impact of destroying binaries, as `impacts` tells it."""
    sets = [frozenset(binary_ids)]
    (found,) = await impacts(organization_id, sets, of_loss=of_loss, using=using)
    return found


async def impacts(
    organization_id: UUID,
    sets: Sequence[frozenset[UUID]],
    *,
    of_loss: bool = False,
    using: database.Connection | None = None,
) -> list[Impact]:
    """The impact of destroying each set of binaries by itself, however many sets there are in two
    statements where the graphs are kept, or four.

    Unknown ids are left out, and cohorts have no counts. `of_loss`: as if the content of these were
    whole before, so that what its damage took is counted as well.
    """
    wanted = [organization_id, sorted(frozenset().union(*sets))]
    binaries = await database.query(_BINARIES, wanted, using=using)
    revisions = {as_uuid(row["id"]): row["revision"] for row in binaries}
    version_of = {as_uuid(row["id"]): as_uuid(row["artifact_version_id"]) for row in binaries}
    held = await database.query(
        _COHORTS, [organization_id, sorted(set(version_of.values()))], using=using
    )
    products = {as_uuid(row["cohort_id"]): as_uuid(row["product_id"]) for row in held}
    versions = {as_uuid(row["cohort_id"]): row["graph_version"] for row in held}
    cohorts = await graphs.at_versions(organization_id, versions, using=using)
    holding: dict[UUID, set[UUID]] = defaultdict(set)
    for row in held:
        holding[as_uuid(row["artifact_version_id"])].add(as_uuid(row["cohort_id"]))

    def one(ids: frozenset[UUID]) -> Impact:
        known = {id: revisions[id] for id in sorted(ids & revisions.keys())}
        version_ids = frozenset(version_of[id] for id in known)
        concerned = frozenset().union(*(holding[id] for id in version_ids))
        before = {id: facts for id, facts in cohorts.items() if id in concerned}
        if of_loss:
            before = {id: rules.before_losing(facts, known.keys()) for id, facts in before.items()}
        return Impact(organization_id, known, version_ids, products, before)

    return list(map(one, sets))


async def counts(found: Sequence[Impact], *, at: datetime) -> list[rules.Counts]:
    """How many devices lose their update and how many are stuck by each impact.

    Three statements at most, however many impacts of an organization there are.
    """
    (organization_id,) = {one.organization_id for one in found}
    cohorts = {id: facts for one in found for id, facts in one.before.items()}
    alike = await fleet.alike(organization_id, cohorts)
    counted = await graphs.counted(organization_id, cohorts)
    return [_counts(one, alike, counted, at=at) for one in found]


def _counts(
    found: Impact, alike: fleet.Alike, counted: Mapping[UUID, CohortFacts], *, at: datetime
) -> rules.Counts:
    losing = stuck = 0
    for cohort_id, groups in fleet.grouped(alike, found.before).items():
        known = counted[cohort_id]
        before, after = (
            facts.counted(devices=known.devices, claims=known.claims, failures=known.failures)
            for facts in (found.before[cohort_id], found.after[cohort_id])
        )
        same = [(group.device, group.number) for group in groups]
        judged = rules.count(same, before, after, at=at)
        losing, stuck = losing + judged.losing, stuck + judged.stuck
    return rules.Counts(losing, stuck)
