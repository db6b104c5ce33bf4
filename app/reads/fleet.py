"""The devices of cohorts, those that get the same answer taken together.

A cohort of a million devices falls into few groups: what the resolver looks at is the product,
what is reported, the tags and claims that a phase asks for, and little more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app import database
from app.reads.values import as_list, as_uuid, maybe_uuid
from app.rules.impact import group_key
from app.rules.resolution import CohortFacts, DeviceFacts

_GROUP = """
d.cohort_id, d.product_id, d.tags, d.quarantined, d.pinned_release_id,
d.reported_release_id, d.reported_bundle_id, d.reported_version"""
_GROUP_WITHOUT_TAGS = _GROUP.replace(" d.tags,", "")
_UNCLAIMED = """
SELECT {group}, COUNT(*) AS n, MIN(d.identifier) AS example FROM device d
WHERE d.organization_id = $1 AND d.cohort_id {ids:2} AND NOT EXISTS (
    SELECT 1 FROM release_claim c WHERE c.device_id = d.id AND c.release_id {ids:3}
)
GROUP BY {group}
"""
_CLAIMED = f"""
SELECT {_GROUP}, d.identifier AS example, c.device_id, c.release_id
FROM release_claim c
JOIN device d ON d.id = c.device_id
WHERE c.organization_id = $1 AND d.cohort_id {{ids:2}} AND c.release_id {{ids:3}}
"""
_PRODUCTS = "SELECT id, target, archived FROM product WHERE organization_id = $1 AND id {ids:2}"
_BY_TARGET = """
SELECT p.target, COUNT(*) AS n FROM device d JOIN product p ON p.id = d.product_id
WHERE d.organization_id = $1 AND NOT p.archived{narrowed}
GROUP BY p.target ORDER BY p.target
"""


_CLAIMERS = f"""
SELECT {_GROUP}, c.release_id, COUNT(*) AS n FROM release_claim c
JOIN device d ON d.id = c.device_id
WHERE c.organization_id = $1 AND c.release_id {{ids:2}}
GROUP BY {_GROUP}, c.release_id
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that get the same answer: one as its facts, how many, and an identifier of one."""

    device: DeviceFacts
    number: int
    example: str


Key = Callable[[DeviceFacts, CohortFacts], Hashable]


async def devices(
    organization_id: UUID,
    cohorts: Mapping[UUID, CohortFacts],
    *,
    key: Key = group_key,
    also_tags: frozenset[str] = frozenset(),
) -> dict[UUID, list[Group]]:
    """The devices of cohorts in groups; three statements, however many there are.

    `key` gives what the answer depends on; devices with equal keys are one group. `also_tags` are
    the tags that it looks at beyond those of the cohorts' phases.
    """
    phased = sorted({id for facts in cohorts.values() for id in facts.graph.phased_ids})
    arguments: list[Any] = [organization_id, sorted(cohorts), phased]
    # Tags tear groups apart, so they are read only where a phase asks for one.
    tagged = any((also_tags, *(facts.graph.phase_tags for facts in cohorts.values())))
    group = _GROUP if tagged else _GROUP_WITHOUT_TAGS
    rows = await database.query(_UNCLAIMED.replace("{group}", group), arguments)
    claims: dict[UUID, set[UUID]] = defaultdict(set)
    holders: dict[UUID, Mapping[str, Any]] = {}
    for held in await database.query(_CLAIMED, arguments) if phased else ():
        claims[as_uuid(held["device_id"])].add(as_uuid(held["release_id"]))
        holders[as_uuid(held["device_id"])] = held
    alike: list[tuple[Mapping[str, Any], frozenset[UUID], int]] = [
        *((row, frozenset(), row["n"]) for row in rows),
        *((row, frozenset(claims[id]), 1) for id, row in holders.items()),
    ]
    products = await _products(organization_id, [row for row, _, _ in alike])
    groups: dict[UUID, dict[Hashable, Group]] = {id: {} for id in cohorts}
    for row, claimed, number in alike:
        device = _device(row, products[as_uuid(row["product_id"])], claimed)
        cohort_id = as_uuid(row["cohort_id"])
        same = key(device, cohorts[cohort_id])
        so_far = groups[cohort_id].get(same, Group(device, 0, row["example"]))
        groups[cohort_id][same] = replace(so_far, number=so_far.number + number)
    return {id: list(found.values()) for id, found in groups.items()}


async def _products(
    organization_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> dict[UUID, Mapping[str, Any]]:
    ids = sorted({as_uuid(row["product_id"]) for row in rows})
    found = await database.query(_PRODUCTS, [organization_id, ids])
    return {as_uuid(row["id"]): row for row in found}


async def claimers(
    organization_id: UUID, release_ids: Iterable[UUID]
) -> dict[UUID, list[tuple[DeviceFacts, int]]]:
    """The devices that hold a claim on each release, alike ones together; two statements."""
    rows = await database.query(_CLAIMERS, [organization_id, sorted(set(release_ids))])
    products = await _products(organization_id, rows)
    found: dict[UUID, list[tuple[DeviceFacts, int]]] = defaultdict(list)
    for row in rows:
        release_id = as_uuid(row["release_id"])
        device = _device(row, products[as_uuid(row["product_id"])], frozenset({release_id}))
        found[release_id].append((device, row["n"]))
    return found


async def by_target(
    organization_id: UUID,
    *,
    product_ids: tuple[UUID, ...] | None = None,
    cohort_id: UUID | None = None,
) -> dict[str, int]:
    """How many devices there are of each target, archived products left out; one statement."""
    arguments: list[Any] = [organization_id]
    narrowed = ""
    if product_ids is not None:
        arguments.append(list(product_ids))
        narrowed += f" AND d.product_id {{ids:{len(arguments)}}}"
    if cohort_id is not None:
        arguments.append(cohort_id)
        narrowed += f" AND d.cohort_id = ${len(arguments)}"
    rows = await database.query(_BY_TARGET.replace("{narrowed}", narrowed), arguments)
    return {row["target"]: row["n"] for row in rows}


def _device(
    row: Mapping[str, Any], product: Mapping[str, Any], claims: frozenset[UUID]
) -> DeviceFacts:
    cohort_id = as_uuid(row["cohort_id"])
    return DeviceFacts(
        id=cohort_id,
        target=product["target"],
        cohort_id=cohort_id,
        tags=frozenset(as_list(row["tags"])) if "tags" in row else frozenset(),
        quarantined=bool(row["quarantined"]),
        product_archived=bool(product["archived"]),
        pinned_release_id=maybe_uuid(row["pinned_release_id"]),
        reported_release_id=maybe_uuid(row["reported_release_id"]),
        reported_bundle_id=maybe_uuid(row["reported_bundle_id"]),
        reported_version=row["reported_version"],
        claims=claims,
    )
